#include "core/quorum/tally.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

// Goal: every order of answers ends in the same place: reached at R good ones, impossible as soon
// as R cannot be reached any more, pending before. Paper 4.5.
TEST(TallyTest, StandingFollowsFromTheCountsAlone) {
  for (int asked = 0; asked <= 6; ++asked) {
    for (int needed = 1; needed <= 7; ++needed) {
      for (int answers = 0; answers < (1 << asked); ++answers) {
        Tally tally(asked, needed);
        for (int i = 0; i < asked; ++i) {
          const int ok = __builtin_popcount(static_cast<unsigned>(answers & ((1 << i) - 1)));
          const Standing expected = ok >= needed                ? Standing::kReached
                                    : asked - (i - ok) < needed ? Standing::kImpossible
                                                                : Standing::kPending;
          EXPECT_EQ(tally.standing(), expected);
          (answers >> i & 1) != 0 ? tally.AddOk() : tally.AddFailed();
        }
        EXPECT_TRUE(tally.all_answered());
        EXPECT_NE(tally.standing(), Standing::kPending);
      }
    }
  }
}

}  // namespace
}  // namespace gyre
