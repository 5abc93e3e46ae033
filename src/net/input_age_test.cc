#include "net/input_age.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

Instant At(std::int64_t ms) { return Instant{ms * 1'000}; }

TEST(InputAgeTest, KnowsNothingWithoutMarks) {
  InputAge age;
  EXPECT_EQ(age.ReachedBy(Instant::Max()), 0u);
  EXPECT_TRUE(age.WantsMark(At(0)));
}

TEST(InputAgeTest, WhatLiesBeforeAnOldMarkIsAsOld) {
  InputAge age;
  age.Mark(100, At(1'000));
  age.Mark(250, At(1'100));
  EXPECT_EQ(age.ReachedBy(At(999)), 0u);
  EXPECT_EQ(age.ReachedBy(At(1'000)), 100u);
  EXPECT_EQ(age.ReachedBy(At(1'099)), 100u);
  EXPECT_EQ(age.ReachedBy(At(5'000)), 250u);
}

TEST(InputAgeTest, ForgetsWhatWasTaken) {
  InputAge age;
  age.Mark(100, At(1'000));
  age.Mark(250, At(1'100));
  age.Forget(99);
  EXPECT_EQ(age.ReachedBy(At(1'000)), 100u);
  age.Forget(100);  // the mark says nothing of what is left
  EXPECT_EQ(age.ReachedBy(At(1'000)), 0u);
  EXPECT_EQ(age.ReachedBy(At(1'100)), 250u);
  age.Forget(250);
  EXPECT_EQ(age.ReachedBy(Instant::Max()), 0u);
}

TEST(InputAgeTest, MarksAreFew) {
  InputAge age;
  std::uint64_t marks = 0;
  for (int ms = 0; ms < 60'000; ++ms) {
    if (!age.WantsMark(At(ms))) continue;
    age.Mark(++marks, At(ms));
  }
  EXPECT_EQ(marks, 64u);
  EXPECT_EQ(age.ReachedBy(At(3'150)), 64u);  // one every 50 ms, the first of them at once
  age.Forget(1);
  EXPECT_TRUE(age.WantsMark(At(60'000)));
}

}  // namespace
}  // namespace gyre
