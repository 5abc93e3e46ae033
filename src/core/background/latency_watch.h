// Tells whether requests take longer than in quiet times. Paper 6.5. Pure, integers only.
//
// Latencies are counted in windows. One in which clearly more requests than usual took longer
// than the slow ones do in quiet times, by half, is a slow one. What they take in quiet times is
// learned from quiet windows, over some thousands of requests; from others only a little, and
// slowly: else a long repair would be taken for the way things are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace gyre {

// Counts of latencies: eight buckets for each power of two of microseconds, so that a quantile is
// off by an eighth at most.
class LatencyCounts {
 public:
  void Add(std::int64_t us) {
    ++counts_[BucketOf(us)];
    ++total_;
  }
  void AddAll(const LatencyCounts& o);
  void Halve();
  void Clear() { *this = {}; }
  std::uint32_t total() const { return total_; }
  // How many took longer than `us`, give or take a bucket.
  std::uint32_t Above(std::int64_t us) const;
  // The least bound that no more than `share` percent are above. O(buckets).
  std::int64_t BoundOf(std::uint32_t share) const;

 private:
  static constexpr int kSubBits = 3;
  static constexpr std::size_t kBuckets = 256;  // up to an hour; what is longer counts as that
  static std::size_t BucketOf(std::int64_t us);
  static std::int64_t UpperBound(std::size_t bucket);

  std::array<std::uint32_t, kBuckets> counts_{};
  std::uint32_t total_ = 0;
};

class LatencyWatch {
 public:
  struct Options {
    std::uint32_t slow_share;    // percent of requests that count as the slow ones in quiet times
    std::uint32_t late_share;    // a window is slow with more than these late, in percent
    std::int64_t never_slow_us;  // what is this fast is never late
    std::uint32_t samples_min;   // fewer say nothing
  };
  explicit LatencyWatch(const Options& options) : options_(options) {}

  void Note(Duration latency) { window_.Add(latency.us); }
  std::uint32_t samples() const { return window_.total(); }
  bool enough() const { return window_.total() >= options_.samples_min; }
  // Ends a window in which little (`quiet`) or some background work was done. True: it was slow.
  bool EndWindow(bool quiet);
  // What the slow requests take in quiet times; 0: not known yet.
  std::int64_t quiet_us() const { return quiet_us_; }

 private:
  const Options options_;
  LatencyCounts window_;
  LatencyCounts learned_;  // of quiet windows; the older, the less
  std::int64_t quiet_us_ = 0;
};

}  // namespace gyre
