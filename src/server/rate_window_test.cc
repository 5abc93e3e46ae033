#include "server/rate_window.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

Instant At(std::int64_t ms) { return Instant{} + Duration::Millis(ms); }

// Goal: a steady rise is told as it is, whatever the window has seen of it.
TEST(RateWindowTest, SteadyRiseHasItsRate) {
  RateWindow window;
  EXPECT_EQ(window.PerSecond(), 0);
  for (std::int64_t ms = 0; ms <= 60'000; ms += 100) {
    window.Note(static_cast<std::uint64_t>(ms) / 2, At(ms));  // 500 a second
    if (ms >= 1'000) {
      EXPECT_NEAR(window.PerSecond(), 500, 1e-6) << ms;
    }
  }
}

// Goal: what was before the window does not count; a standstill shows as one.
TEST(RateWindowTest, ForgetsWhatIsPast) {
  RateWindow window;
  for (std::int64_t ms = 0; ms <= 5'000; ms += 100) {
    window.Note(static_cast<std::uint64_t>(ms), At(ms));
  }
  for (std::int64_t ms = 5'100; ms <= 10'000; ms += 100) window.Note(5'000, At(ms));
  EXPECT_NEAR(window.PerSecond(), 500, 1);
  for (std::int64_t ms = 10'100; ms <= 15'300; ms += 100) window.Note(5'000, At(ms));
  EXPECT_EQ(window.PerSecond(), 0);
}

// Goal: the first moments give no rate that nobody has seen: a burst counts over a second.
TEST(RateWindowTest, ABurstCountsOverASecond) {
  RateWindow window;
  window.Note(1'000'000, At(0));  // from before: not of this window
  EXPECT_EQ(window.PerSecond(), 0);
  window.Note(1'000'010, At(1));
  EXPECT_EQ(window.PerSecond(), 10);
}

}  // namespace
}  // namespace gyre
