#include "core/background/budget.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

constexpr Duration kWindow = Duration::Millis(200);

CoreConfig Config(std::uint64_t min, std::uint64_t max) {
  CoreConfig config;
  config.background_bytes_per_second_min = min;
  config.background_bytes_per_second_max = max;
  return config;
}

// A budget and the time that passes.
class BudgetTest : public ::testing::Test {
 protected:
  // A window of requests, `slow` of the hundred of them taking `slow_ms` and the others 2 ms.
  void Window(int slow, std::int64_t slow_ms) {
    for (int i = 0; i < 100; ++i) {
      budget_.NoteForeground(Duration::Millis(i < slow ? slow_ms : 2), now_);
    }
    now_ = now_ + kWindow;
  }
  void QuietWindows(int count) {
    for (int i = 0; i < count; ++i) Window(0, 0);
  }
  // What the windows that are over have made of the rate.
  std::uint64_t Rate() {
    budget_.Spend(0, now_);
    return budget_.bytes_per_second();
  }

  const CoreConfig config_ = Config(100'000, 1'000'000);
  Budget budget_{config_};
  Instant now_{5'000'000};
};

// Goal: work goes on at the rate, however it is cut into steps: so many bytes take so long.
TEST_F(BudgetTest, SpreadsWorkAtItsRate) {
  for (const std::uint64_t step : {std::uint64_t{1'000}, std::uint64_t{20'000}}) {
    const CoreConfig config = Config(1'000'000, 1'000'000);
    Budget budget(config);
    Instant now{0};
    std::uint64_t spent = 0;
    for (; spent < 2'000'000; spent += step) now = budget.Spend(step, now);
    EXPECT_EQ(budget.bytes_spent(), spent);
    // Two seconds, and what each step costs beside its bytes.
    EXPECT_GE(now, Instant{} + Duration::Millis(1'970)) << step;
    EXPECT_LE(now, Instant{} + Duration::Millis(2'000 + 600'000 / static_cast<int>(step))) << step;
  }
}

// Goal: a little work does not wait, and what was not spent in quiet times is not saved up.
TEST_F(BudgetTest, ALittleGoesAtOnceAndNothingIsSavedUp) {
  EXPECT_EQ(budget_.Spend(1'000, now_), now_);
  EXPECT_EQ(budget_.Spend(1'000, now_), now_);
  EXPECT_GT(budget_.Spend(100'000, now_), now_ + Duration::Millis(70));
  now_ = now_ + Duration::Seconds(100);
  EXPECT_EQ(budget_.Spend(1'000, now_), now_);
  EXPECT_GT(budget_.Spend(200'000, now_), now_ + Duration::Millis(150));
}

// Goal: work that costs no bytes is not free: else a walk over nothing would fill a core.
TEST_F(BudgetTest, AStepWithoutBytesIsPaidForToo) {
  Instant free = now_;
  for (int i = 0; i < 1'000; ++i) free = budget_.Spend(0, now_);
  EXPECT_GT(free, now_ + Duration::Millis(100));
}

// Goal: background work gives way to clients: half as fast when their slow tenth gets slower, and a
// tenth faster with each window in which it is not. Paper 6.5.
TEST_F(BudgetTest, HalvesWhileClientsAreSlowAndRecovers) {
  QuietWindows(5);
  ASSERT_EQ(Rate(), 1'000'000u);
  Window(20, 50);
  EXPECT_EQ(Rate(), 500'000u);
  Window(20, 50);
  EXPECT_EQ(Rate(), 250'000u);
  Window(0, 0);
  EXPECT_EQ(Rate(), 275'001u);
  QuietWindows(30);
  EXPECT_EQ(Rate(), 1'000'000u);
}

// Goal: it is the slow tenth that counts, not the slowest of all.
TEST_F(BudgetTest, AFewSlowRequestsAreNoReason) {
  QuietWindows(5);
  Window(5, 500);
  EXPECT_EQ(Rate(), 1'000'000u);
  Window(15, 500);
  EXPECT_EQ(Rate(), 500'000u);
}

// Goal: never less than the minimum, or repair would never end; never more than the maximum.
TEST_F(BudgetTest, StaysBetweenMinimumAndMaximum) {
  QuietWindows(5);
  for (int i = 0; i < 20; ++i) {
    Window(100, 100);
    EXPECT_GE(Rate(), 100'000u);
  }
  EXPECT_EQ(Rate(), 100'000u);
  for (int i = 0; i < 100; ++i) {
    Window(0, 0);
    EXPECT_LE(Rate(), 1'000'000u);
  }
  EXPECT_EQ(Rate(), 1'000'000u);
}

// Goal: requests that are fast anyway are never slow, whatever they take in quiet times.
TEST_F(BudgetTest, FastIsNeverSlow) {
  const auto window = [&](std::int64_t us) {
    for (int i = 0; i < 100; ++i) budget_.NoteForeground(Duration::Micros(us), now_);
    now_ = now_ + kWindow;
  };
  for (int i = 0; i < 5; ++i) window(20);
  window(500);
  EXPECT_EQ(Rate(), 1'000'000u);
  window(3'000);
  EXPECT_EQ(Rate(), 500'000u);
}

// Goal: few requests say nothing of how long they take: background work may use a node that is
// idle.
TEST_F(BudgetTest, FewRequestsSayNothing) {
  QuietWindows(5);
  for (int i = 0; i < 10; ++i) budget_.NoteForeground(Duration::Seconds(1), now_);
  now_ = now_ + kWindow;
  EXPECT_EQ(Rate(), 1'000'000u);
}

// Goal: what "slow" is measured against is learned: at once when requests get faster, over minutes
// when they have become slower for good (larger values, a slower disk), so that repair goes on.
TEST_F(BudgetTest, LearnsWhatIsQuiet) {
  const auto window = [&](std::int64_t ms) { Window(100, ms); };
  // The first window may be a bad one.
  window(100);
  EXPECT_EQ(Rate(), 1'000'000u);
  window(5);
  window(100);
  EXPECT_EQ(Rate(), 500'000u);
  // Slow from now on: first it gives way, then it is the way things are.
  for (int i = 0; i < 20; ++i) window(100);
  EXPECT_EQ(Rate(), 100'000u);
  for (int i = 0; i < 5'000; ++i) window(100);
  EXPECT_EQ(Rate(), 1'000'000u);
}

}  // namespace
}  // namespace gyre
