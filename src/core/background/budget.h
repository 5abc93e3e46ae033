// One purse for all background work of a shard (hint replay, tree exchange, scrub, transfer), which
// shrinks when clients have to wait longer. Paper 6.5. Pure.
//
// Work is paid for in bytes. The rate halves at the end of a window in which the slow tenth of the
// clients' requests took more than twice what it takes in quiet times, and grows by a tenth
// otherwise. "Quiet times" is the least of late: it follows at once when requests get faster, and
// rises slowly when they do not.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/time.h"
#include "core/config.h"

namespace gyre {

class Budget {
 public:
  // `config` outlives it.
  explicit Budget(const CoreConfig& config)
      : config_(config), rate_(config.background_bytes_per_second_max) {}

  // Takes the price of some work, and says when the next may be begun: now, or later if that was
  // more than there is. Work is never refused, only what follows waits.
  Instant Spend(std::uint64_t bytes, Instant now);
  // A client's request was answered after so long.
  void NoteForeground(Duration latency, Instant now);

  std::uint64_t bytes_per_second() const { return rate_; }
  std::uint64_t bytes_spent() const { return spent_; }

 private:
  void EndWindow(Instant now);

  static constexpr std::size_t kBuckets = 32;  // by powers of two of microseconds
  const CoreConfig& config_;
  std::uint64_t rate_;
  std::uint64_t spent_ = 0;
  Instant free_at_{INT64_MIN};  // what was spent is paid for by then
  Instant window_end_{INT64_MIN};
  std::array<std::uint32_t, kBuckets> latencies_{};
  std::uint32_t samples_ = 0;
  std::int64_t quiet_us_ = 0;  // the slow tenth in quiet times; 0: not known yet
};

}  // namespace gyre
