#include "core/background/budget.h"

#include <bit>

namespace gyre {
namespace {

constexpr Duration kWindow = Duration::Millis(200);
constexpr std::uint32_t kSamplesMin = 20;
// What a piece of work costs beside its bytes: messages, reads, a write.
constexpr std::uint64_t kWorkBytes = 256;
// Requests this fast are never slow, whatever they take in quiet times.
constexpr std::int64_t kNeverSlowUs = 1'000;

}  // namespace

Instant Budget::Spend(std::uint64_t bytes, Instant now) {
  // Requests that are not asked say nothing of how long they would take.
  if (now >= window_end_) EndWindow(now);
  spent_ += bytes;
  const std::int64_t price = static_cast<std::int64_t>((bytes + kWorkBytes) * 1'000'000 /
                                                       std::max<std::uint64_t>(rate_, 1));
  free_at_ = std::max(free_at_, now) + Duration{price};
  // A little may be spent ahead, so that short work does not go by single steps.
  constexpr Duration kAhead = Duration::Millis(20);
  return std::max(now, Instant{free_at_.us - kAhead.us});
}

void Budget::NoteForeground(Duration latency, Instant now) {
  if (now >= window_end_) EndWindow(now);
  const auto us = static_cast<std::uint64_t>(std::max<std::int64_t>(latency.us, 1));
  ++latencies_[std::min<std::size_t>(std::bit_width(us), kBuckets - 1)];
  ++samples_;
}

void Budget::EndWindow(Instant now) {
  window_end_ = now + kWindow;
  const std::uint64_t most = config_.background_bytes_per_second_max;
  if (samples_ < kSamplesMin) {
    rate_ = std::min(most, rate_ + rate_ / 10 + 1);
  } else {
    // The upper end of the bucket that the slow tenth begins in.
    std::uint32_t above = samples_ / 10;
    std::size_t bucket = kBuckets - 1;
    while (bucket > 0 && above >= latencies_[bucket]) above -= latencies_[bucket--];
    const std::int64_t slow_us = std::int64_t{1} << bucket;
    const bool slow = quiet_us_ > 0 && slow_us > 2 * quiet_us_ && slow_us > kNeverSlowUs;
    rate_ = slow ? std::max(config_.background_bytes_per_second_min, rate_ / 2)
                 : std::min(most, rate_ + rate_ / 10 + 1);
    quiet_us_ = quiet_us_ == 0 ? slow_us : std::min(slow_us, quiet_us_ + quiet_us_ / 256 + 1);
  }
  latencies_.fill(0);
  samples_ = 0;
}

}  // namespace gyre
