#include "core/membership/rumours.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/membership/log2.h"

namespace gyre {
namespace {

using testing::ElementsAre;
using Taken = RumourQueue::Taken;

RumourName About(std::uint32_t id) { return {NodeId(id), NodeId()}; }

// What one message of `room` rumours tells.
std::vector<std::uint32_t> TellTo(RumourQueue& queue, std::size_t members, std::size_t room) {
  std::vector<std::uint32_t> told;
  queue.Tell(members, [&](RumourName name, bool) {
    if (told.size() == room) return Taken::kDoesNotFit;
    told.push_back(name.about.value);
    return Taken::kYes;
  });
  return told;
}

TEST(Log2Test, IsNearTheLogarithm) {
  EXPECT_EQ(Log2Milli(1), 0);
  EXPECT_EQ(Log2Milli(2), 1000);
  EXPECT_EQ(Log2Milli(1024), 10'000);
  EXPECT_NEAR(static_cast<double>(Log2Milli(1000)), 9965.8, 86);
  EXPECT_NEAR(static_cast<double>(Log2Milli(3)), 1585, 86);
  EXPECT_NEAR(static_cast<double>(Log10Milli(1000)), 3000, 30);
}

// Goal: SWIM 4.1: each is told lambda * log2(n + 1) times, then forgotten.
TEST(RumourQueueTest, EachIsToldSoManyTimes) {
  MembershipConfig config;
  config.rumour_lambda = 3;
  RumourQueue queue(config);
  queue.Add(About(1), false);
  int told = 0;
  while (!TellTo(queue, /*members=*/1023, 10).empty()) ++told;
  EXPECT_EQ(told, 30);
  EXPECT_TRUE(queue.empty());
}

TEST(RumourQueueTest, LeastToldFirstThenNewest) {
  RumourQueue queue{MembershipConfig()};
  queue.Add(About(1), false);
  queue.Add(About(2), false);
  queue.Add(About(3), false);
  EXPECT_THAT(TellTo(queue, 100, 2), ElementsAre(3, 2));
  EXPECT_THAT(TellTo(queue, 100, 2), ElementsAre(1, 3));
  queue.Add(About(4), false);
  EXPECT_THAT(TellTo(queue, 100, 1), ElementsAre(4));
}

TEST(RumourQueueTest, ANewRumourTakesThePlaceOfTheOldAndIsToldAnew) {
  RumourQueue queue{MembershipConfig()};
  queue.Add(About(1), false);
  queue.Add(About(2), false);
  TellTo(queue, 100, 2);
  queue.Add(About(2), true);
  EXPECT_EQ(queue.size(), 2u);
  std::vector<bool> in_full;
  std::vector<std::uint32_t> told;
  queue.Tell(100, [&](RumourName name, bool full) {
    told.push_back(name.about.value);
    in_full.push_back(full);
    return Taken::kYes;
  });
  EXPECT_THAT(told, ElementsAre(2, 1));
  EXPECT_THAT(in_full, ElementsAre(true, false));
  // One who accuses is told beside the record.
  queue.Add({NodeId(2), NodeId(7)}, false);
  EXPECT_EQ(queue.size(), 3u);
}

TEST(RumourQueueTest, WhatThereIsNothingToTellOfGoes) {
  RumourQueue queue{MembershipConfig()};
  queue.Add(About(1), false);
  queue.Tell(100, [](RumourName, bool) { return Taken::kNothingToTell; });
  EXPECT_TRUE(queue.empty());
}

TEST(RumourQueueTest, PastTheLimitTheMostToldGoes) {
  MembershipConfig config;
  config.rumours_max = 3;
  RumourQueue queue(config);
  queue.Add(About(1), false);
  TellTo(queue, 100, 1);
  for (std::uint32_t i = 2; i <= 4; ++i) queue.Add(About(i), false);
  EXPECT_EQ(queue.dropped(), 1u);
  EXPECT_THAT(TellTo(queue, 100, 10), ElementsAre(4, 3, 2));
}

// Goal: rumours that are replaced before they are ever told take no room for good.
TEST(RumourQueueTest, ReplacedRumoursDoNotPileUp) {
  RumourQueue queue{MembershipConfig()};
  for (int i = 0; i < 100'000; ++i) queue.Add(About(1 + i % 3), false);
  EXPECT_EQ(queue.size(), 3u);
  EXPECT_LE(queue.stored(), 200u);
  EXPECT_EQ(TellTo(queue, 100, 10).size(), 3u);
}

}  // namespace
}  // namespace gyre
