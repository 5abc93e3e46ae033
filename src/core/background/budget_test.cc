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
  // A window of requests, `slow` of the hundred of them taking `slow_ms` and the others 2 ms, and
  // of as much work as there is budget for, or none.
  void Window(int slow, std::int64_t slow_ms, bool work = true) {
    for (int i = 0; i < 100; ++i) {
      budget_.NoteForeground(Duration::Millis(i < slow ? slow_ms : 2), now_);
    }
    Work(work);
  }
  void Work(bool work = true) {
    if (work) budget_.Spend(budget_.bytes_per_second() / 5, now_);
    now_ = now_ + kWindow;
    budget_.NoteForeground(Duration::Millis(2), now_);  // ends it
  }
  void QuietWindows(int count) {
    for (int i = 0; i < count; ++i) Window(0, 0, /*work=*/false);
  }
  void GrowToMax() {
    for (int i = 0; i < 200; ++i) Window(0, 0);
    ASSERT_EQ(Rate(), 1'000'000u);
  }
  std::uint64_t Rate() const { return budget_.bytes_per_second(); }

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
  EXPECT_EQ(budget_.Spend(100, now_), now_);
  EXPECT_GT(budget_.Spend(10'000, now_), now_ + Duration::Millis(70));
  now_ = now_ + Duration::Seconds(100);
  EXPECT_EQ(budget_.Spend(100, now_), now_);
  EXPECT_GT(budget_.Spend(20'000, now_), now_ + Duration::Millis(150));
}

// Goal: work that costs no bytes is not free: else a walk over nothing would fill a core. And a
// small record costs more to move than its bytes.
TEST_F(BudgetTest, AStepWithoutBytesIsPaidForToo) {
  Instant free = now_;
  for (int i = 0; i < 1'000; ++i) free = budget_.Spend(0, now_);
  EXPECT_GT(free, now_ + Duration::Millis(100));
  EXPECT_GE(Budget::PriceOfMoved(1), 512u);
  EXPECT_EQ(Budget::PriceOfMoved(5'000), 5'000u);
}

// Goal: nobody knows what work will do to clients until it is tried: it begins slowly, and does so
// again after a pause.
TEST_F(BudgetTest, BeginsAtTheLeastRate) {
  EXPECT_EQ(Rate(), 100'000u);
  QuietWindows(20);
  EXPECT_EQ(Rate(), 100'000u);
  GrowToMax();
  QuietWindows(2);
  EXPECT_EQ(Rate(), 100'000u);
}

// Goal: what is not used is not raised either.
TEST_F(BudgetTest, GrowsOnlyWhileItIsUsed) {
  for (int i = 0; i < 100; ++i) {
    budget_.Spend(8'000, now_);
    Window(0, 0, /*work=*/false);
  }
  EXPECT_LE(Rate(), 250'000u);
}

// Goal: background work gives way to clients: half as fast when their slow hundredth gets slower,
// and a little faster with each window in which it is not. Paper 6.5.
TEST_F(BudgetTest, HalvesWhileClientsAreSlowAndRecovers) {
  QuietWindows(5);
  GrowToMax();
  Window(4, 50);
  EXPECT_EQ(Rate(), 500'000u);
  Window(4, 50);
  EXPECT_EQ(Rate(), 250'000u);
  Window(0, 0);
  EXPECT_EQ(Rate(), 262'501u);
  GrowToMax();
}

// Goal: one slow request is nobody's fault.
TEST_F(BudgetTest, OneSlowRequestIsNoReason) {
  QuietWindows(5);
  GrowToMax();
  Window(1, 500);
  EXPECT_EQ(Rate(), 1'000'000u);
}

// Goal: never less than the minimum, or repair would never end; never more than the maximum.
TEST_F(BudgetTest, StaysBetweenMinimumAndMaximum) {
  QuietWindows(5);
  GrowToMax();
  for (int i = 0; i < 20; ++i) {
    Window(100, 100);
    EXPECT_GE(Rate(), 100'000u);
  }
  EXPECT_EQ(Rate(), 100'000u);
  for (int i = 0; i < 300; ++i) {
    Window(0, 0);
    EXPECT_LE(Rate(), 1'000'000u);
  }
  EXPECT_EQ(Rate(), 1'000'000u);
}

// Goal: where clients are few, a window waits for them a while, but work does not wait for ever.
TEST_F(BudgetTest, FewClientsAreHeardInLongerWindows) {
  QuietWindows(5);
  GrowToMax();
  QuietWindows(0);
  for (int i = 0; i < 25; ++i) {  // 25 a second
    budget_.NoteForeground(Duration::Millis(60), now_);
    budget_.Spend(40'000, now_);
    now_ = now_ + Duration::Millis(40);
  }
  now_ = now_ + kWindow;
  budget_.Spend(0, now_);
  EXPECT_EQ(Rate(), 500'000u);
}

// Goal: an idle node gets on quickly; one that sends to a busy node gives way to its clients.
TEST_F(BudgetTest, WithoutClientsTheReceiverIsListenedTo) {
  const auto window = [&](std::int64_t ms) {
    for (int i = 0; i < 100; ++i) budget_.NoteDelivery(Duration::Millis(ms), now_);
    budget_.Spend(Rate() / 5, now_);
    now_ = now_ + kWindow;
    budget_.Spend(0, now_);
  };
  window(3);
  for (int i = 0; i < 15; ++i) window(3);
  EXPECT_EQ(Rate(), 1'000'000u);
  window(9);
  EXPECT_EQ(Rate(), 500'000u);
}

}  // namespace
}  // namespace gyre
