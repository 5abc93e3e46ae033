#include "storage/commit_pacer.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

using std::chrono::microseconds;
using Time = CommitPacer::Clock::time_point;

// Goal: who was just answered is waited for, as long as a commit usually takes and no longer.
TEST(CommitPacerTest, WaitsForThoseItAnswered) {
  CommitPacer pacer;
  Time now(std::chrono::seconds(100));
  EXPECT_LE(pacer.wait_until(), now);  // the first write goes at once
  for (int i = 0; i < 100; ++i) {
    pacer.OnCommit(25, now, now + microseconds(200));
    now += microseconds(500);
  }
  const Time done = now - microseconds(300);
  EXPECT_EQ(pacer.RowsWanted(25), 50u);
  EXPECT_GT(pacer.wait_until(), done + microseconds(180));
  EXPECT_LE(pacer.wait_until(), done + microseconds(200));
  pacer.OnWaited();
  EXPECT_EQ(pacer.RowsWanted(0), 1u);
}

// Goal: a lone client is not held up, and a disk that takes long holds nobody up for long.
TEST(CommitPacerTest, HoldsNobodyUpForNothing) {
  CommitPacer pacer;
  const Time now(std::chrono::seconds(100));
  pacer.OnCommit(1, now, now + microseconds(200));
  EXPECT_EQ(pacer.RowsWanted(0), 1u);
  for (int i = 0; i < 100; ++i) pacer.OnCommit(1, now - std::chrono::seconds(1), now);
  EXPECT_EQ(pacer.wait_until(), now + CommitPacer::kWaitMax);
}

}  // namespace
}  // namespace gyre
