#include "core/background/latency_watch.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

LatencyWatch Watch() {
  return LatencyWatch({.slow_share = 1, .late_share = 2, .never_slow_us = 500, .samples_min = 20});
}

// A window of a hundred requests of 2 ms, but for some.
bool Window(LatencyWatch& watch, bool quiet, int some = 0, std::int64_t some_us = 0) {
  for (int i = 0; i < 100; ++i) watch.Note(Duration::Micros(i < some ? some_us : 2'000));
  return watch.EndWindow(quiet);
}

// Goal: what is counted is found again, an eighth off at the most, from nothing to hours.
TEST(LatencyCountsTest, BoundsAreAnEighthOff) {
  for (std::int64_t us : {0, 1, 7, 8, 9, 15, 16, 100, 999, 1'000, 1'000'000, 2'000'000'000}) {
    LatencyCounts counts;
    for (int i = 0; i < 100; ++i) counts.Add(us);
    EXPECT_GE(counts.BoundOf(1), us);
    EXPECT_LE(counts.BoundOf(1), us + us / 8);
    EXPECT_EQ(counts.Above(us), 0u);
    EXPECT_EQ(counts.Above(us - us / 8 - 1), us == 0 ? 0u : 100u) << us;
  }
}

TEST(LatencyCountsTest, TheBoundIsThatOfTheSlowOnes) {
  LatencyCounts counts;
  for (int us = 1; us <= 1'000; ++us) counts.Add(us * 100);
  EXPECT_NEAR(static_cast<double>(counts.BoundOf(1)), 99'000, 99'000 / 8);
  EXPECT_NEAR(static_cast<double>(counts.BoundOf(50)), 50'000, 50'000 / 8);
  counts.Halve();
  EXPECT_NEAR(static_cast<double>(counts.BoundOf(50)), 50'000, 50'000 / 8);
}

// Goal: three late ones of a hundred are seen, two are chance: p99 is watched, not p90.
TEST(LatencyWatchTest, AFewLateRequestsMakeAWindowSlow) {
  LatencyWatch watch = Watch();
  for (int i = 0; i < 5; ++i) EXPECT_FALSE(Window(watch, /*quiet=*/true));
  EXPECT_FALSE(Window(watch, false, 2, 100'000));
  EXPECT_TRUE(Window(watch, false, 3, 100'000));
  // Half as much again is late already, and a little more is not.
  EXPECT_TRUE(Window(watch, false, 100, 4'000));
  EXPECT_FALSE(Window(watch, false, 100, 2'400));
}

// Goal: against the slow ones of quiet times, not the usual ones: rare stalls are nobody's fault.
TEST(LatencyWatchTest, WhatHappensInQuietTimesTooIsNotLate) {
  LatencyWatch watch = Watch();
  for (int i = 0; i < 5; ++i) Window(watch, true, 4, 20'000);
  EXPECT_FALSE(Window(watch, false, 4, 20'000));
  EXPECT_TRUE(Window(watch, false, 4, 50'000));
}

// Goal: a long repair is not taken for the way things are; a change for good is, in minutes.
TEST(LatencyWatchTest, LearnsFromQuietWindowsAndSlowlyFromOthers) {
  LatencyWatch watch = Watch();
  for (int i = 0; i < 5; ++i) Window(watch, true);
  const std::int64_t quiet = watch.quiet_us();
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Window(watch, false, 100, 8'000));
  EXPECT_LT(watch.quiet_us(), 5 * quiet / 4);
  for (int i = 0; i < 400; ++i) Window(watch, false, 100, 8'000);
  EXPECT_FALSE(Window(watch, false, 100, 8'000));
  // Faster for good, with work all the time.
  for (int i = 0; i < 50; ++i) Window(watch, false, 100, 600);
  EXPECT_LT(watch.quiet_us(), 1'500);
}

// Goal: quiet windows are believed at once, and the newest most.
TEST(LatencyWatchTest, FollowsQuietTimes) {
  LatencyWatch watch = Watch();
  for (int i = 0; i < 100; ++i) Window(watch, true);
  for (int i = 0; i < 100; ++i) Window(watch, true, 100, 10'000);
  EXPECT_NEAR(static_cast<double>(watch.quiet_us()), 10'000, 10'000 / 8);
  for (int i = 0; i < 300; ++i) Window(watch, true, 100, 1'000);
  EXPECT_NEAR(static_cast<double>(watch.quiet_us()), 1'000, 1'000 / 8);
}

TEST(LatencyWatchTest, FewRequestsAndFastOnesSayNothing) {
  LatencyWatch watch = Watch();
  for (int i = 0; i < 5; ++i) Window(watch, true, 100, 20);
  EXPECT_FALSE(Window(watch, false, 100, 480));
  EXPECT_TRUE(Window(watch, false, 100, 600));
  for (int i = 0; i < 19; ++i) watch.Note(Duration::Seconds(5));
  EXPECT_FALSE(watch.EndWindow(false));
}

}  // namespace
}  // namespace gyre
