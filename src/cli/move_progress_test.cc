#include "cli/move_progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

using testing::HasSubstr;

constexpr Instant At(int seconds) { return Instant{std::int64_t{seconds} * 1'000'000}; }

// Goal: it is over only in the new layout, when nothing moves and nobody leaves.
TEST(MoveProgressTest, EndsWhenAllHasMoved) {
  MoveProgress progress(8, Duration::Seconds(10));
  progress.Note({.number = 7}, At(0));
  EXPECT_FALSE(progress.done());
  progress.Note({.number = 8, .partitions = 4}, At(1));
  EXPECT_FALSE(progress.done());
  progress.Note({.number = 9, .partitions = 0, .leaving = {"n2", "n3"}}, At(2));
  EXPECT_FALSE(progress.done());
  EXPECT_THAT(progress.Line(), HasSubstr("n2, n3 still"));
  progress.Note({.number = 11}, At(3));
  EXPECT_TRUE(progress.done());
}

// Goal: rate and time left are those of the last seconds; more that begins to move is no step back.
TEST(MoveProgressTest, TellsRateAndTimeLeft) {
  MoveProgress progress(8, Duration::Seconds(10));
  progress.Note({.number = 8, .partitions = 1'000}, At(0));
  EXPECT_EQ(progress.Line(), "1000 partitions still move");
  for (int second = 1; second <= 20; ++second) {
    progress.Note({.number = 8, .partitions = 1'000u - 5u * static_cast<unsigned>(second)},
                  At(second));
  }
  EXPECT_EQ(progress.Line(), "900 partitions still move, 5.0 a second, about 3 min left");
  progress.Note({.number = 8, .partitions = 2'000}, At(21));
  EXPECT_THAT(progress.Line(), HasSubstr("2000 partitions still move, 4.5 a second"));
}

// Goal: it is stuck when nothing at all has changed for as long as the patience, and not when
// copies arrive of which none settles.
TEST(MoveProgressTest, IsStuckWhenNothingChanges) {
  MoveProgress progress(8, Duration::Seconds(10));
  progress.Note({.number = 8, .partitions = 4}, At(0));
  progress.Note({.number = 8, .partitions = 4, .arrived = 1}, At(9));
  progress.Note({.number = 8, .partitions = 4, .arrived = 1}, At(18));
  EXPECT_FALSE(progress.stuck());
  progress.Note({.number = 8, .partitions = 4, .arrived = 1}, At(19));
  EXPECT_TRUE(progress.stuck());
  progress.Note({.number = 9}, At(40));
  progress.Note({.number = 9}, At(80));
  EXPECT_FALSE(progress.stuck());
}

}  // namespace
}  // namespace gyre
