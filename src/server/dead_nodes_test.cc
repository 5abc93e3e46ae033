#include "server/dead_nodes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace gyre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr NodeId kB{2};
constexpr NodeId kC{3};

// Looks every half second, so that what is told can be read with its time.
class DeadNodesTest : public testing::Test {
 protected:
  // Until `seconds` after the start. Each notice as "12.0 dead 2 away 10.0".
  std::vector<std::string> Until(double seconds, bool b_up, bool c_up) {
    std::vector<std::string> told;
    for (; Seconds() < seconds; now_ = now_ + Duration::Millis(500)) Look(b_up, c_up, told);
    return told;
  }
  void Look(bool b_up, bool c_up, std::vector<std::string>& told) {
    for (const DeadNodes::Notice& notice : nodes_.Look(now_, {{kB, b_up}, {kC, c_up}})) {
      told.push_back(Tenths(Seconds()) + (notice.dead ? " dead " : " back ") +
                     std::to_string(notice.node.value) + " away " +
                     Tenths(static_cast<double>(notice.away.us) / 1e6));
    }
  }
  double Seconds() const { return static_cast<double>((now_ - kStart).us) / 1e6; }
  static std::string Tenths(double seconds) {
    char text[32];
    snprintf(text, sizeof text, "%.1f", seconds);
    return text;
  }

  static constexpr Instant kStart{1'000'000'000};
  DeadNodes nodes_{Duration::Seconds(10)};
  Instant now_ = kStart;
};

// Goal: a node that stays away is told once, and once when it is back, with how long it was away.
TEST_F(DeadNodesTest, DeadAndBackAreToldOnce) {
  EXPECT_THAT(Until(5, true, true), IsEmpty());
  EXPECT_THAT(Until(100, true, false), ElementsAre("15.0 dead 3 away 10.0"));
  EXPECT_EQ(nodes_.Of(kC).away, Duration::Millis(94'500));
  EXPECT_TRUE(nodes_.Of(kC).dead);
  EXPECT_EQ(nodes_.Of(kB).away, Duration{});
  EXPECT_THAT(Until(120, true, true), ElementsAre("100.0 back 3 away 95.0"));
  EXPECT_FALSE(nodes_.Of(kC).dead);
  EXPECT_THAT(Until(140, true, false), ElementsAre("130.0 dead 3 away 10.0"));
}

// Goal: each node has a time of its own.
TEST_F(DeadNodesTest, NodesAreToldApart) {
  Until(5, true, false);
  EXPECT_THAT(Until(30, false, false),
              ElementsAre("10.0 dead 3 away 10.0", "15.0 dead 2 away 10.0"));
  EXPECT_THAT(Until(40, false, true), ElementsAre("30.0 back 3 away 30.0"));
}

// Goal: who comes and goes for shorter than the limit is not spoken of, however often.
TEST_F(DeadNodesTest, FlappingSaysNothing) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_THAT(Until(Seconds() + 9.5, false, true), IsEmpty());
    EXPECT_GT(nodes_.Of(kB).away, Duration::Seconds(8));
    EXPECT_FALSE(nodes_.Of(kB).dead);
    EXPECT_THAT(Until(Seconds() + 0.5, true, true), IsEmpty());
  }
}

// Goal: who has never been up is away since the start.
TEST_F(DeadNodesTest, NeverSeenCountsFromTheStart) {
  EXPECT_THAT(Until(20, true, false), ElementsAre("10.0 dead 3 away 10.0"));
  EXPECT_THAT(Until(21, true, true), ElementsAre("20.0 back 3 away 20.0"));
}

// Goal: a node that was itself stopped does not take the others for dead because of it; who was
// told dead before stays so.
TEST_F(DeadNodesTest, TimeInWhichNobodyLookedDoesNotCount) {
  Until(12, true, false);
  std::vector<std::string> told;
  Look(false, false, told);
  now_ = now_ + Duration::Seconds(3'600);
  Look(false, false, told);
  EXPECT_THAT(told, IsEmpty());
  EXPECT_TRUE(nodes_.Of(kC).dead);
  EXPECT_FALSE(nodes_.Of(kB).dead);
  Look(true, true, told);
  EXPECT_THAT(told, ElementsAre("3612.0 back 3 away 3612.0"));
}

// Goal: zero turns notices off; how long a node is away is known all the same.
TEST(DeadNodesOffTest, NothingIsToldWithoutALimit) {
  DeadNodes nodes{Duration{}};
  for (int second = 0; second <= 1'000; ++second) {
    EXPECT_THAT(nodes.Look(Instant{} + Duration::Seconds(second), {{kB, second > 990}}), IsEmpty());
    if (second == 990) {
      EXPECT_EQ(nodes.Of(kB).away, Duration::Seconds(990));
    }
  }
}

// Goal: who is no longer one of the nodes is forgotten without a word.
TEST_F(DeadNodesTest, RemovedNodesAreForgotten) {
  Until(20, true, false);
  EXPECT_THAT(nodes_.Look(now_, {{kB, true}}), IsEmpty());
  EXPECT_FALSE(nodes_.Of(kC).dead);
}

}  // namespace
}  // namespace gyre
