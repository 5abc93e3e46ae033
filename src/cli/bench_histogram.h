// Latencies of a load run: a log-linear histogram of nanoseconds with 64 buckets for each power of
// two, so that a quantile is off by at most 1.6 %, over 0 to 137 s in 16 KiB of counters.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace gyre {

class BenchHistogram {
 public:
  static constexpr int kSubBits = 6;
  static constexpr int kExponentMax = 37;  // 2^37 ns = 137 s; what is longer counts as that

  void Record(std::int64_t ns) {
    const std::uint64_t value = std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(ns, 0)),
                                         (std::uint64_t{1} << kExponentMax) - 1);
    ++counts_[BucketOf(value)];
    ++count_;
    sum_ns_ += value;
    max_ns_ = std::max(max_ns_, value);
  }
  void Merge(const BenchHistogram& o) {
    for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += o.counts_[i];
    count_ += o.count_;
    sum_ns_ += o.sum_ns_;
    max_ns_ = std::max(max_ns_, o.max_ns_);
  }

  std::uint64_t count() const { return count_; }
  double mean_us() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_ns_) / static_cast<double>(count_) / 1e3;
  }
  double max_us() const { return static_cast<double>(max_ns_) / 1e3; }
  // The upper bound of the bucket that holds quantile q, in (0, 1]; never above the maximum seen.
  double QuantileUs(double q) const {
    if (count_ == 0) return 0;
    const auto rank = std::clamp<std::uint64_t>(
        static_cast<std::uint64_t>(q * static_cast<double>(count_) + 0.999999), 1, count_);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen >= rank) return static_cast<double>(std::min(UpperBound(i), max_ns_)) / 1e3;
    }
    return max_us();
  }

 private:
  static constexpr std::size_t kBuckets = (kExponentMax - kSubBits + 1) << kSubBits;

  static std::size_t BucketOf(std::uint64_t value) {
    if (value < (1u << kSubBits)) return static_cast<std::size_t>(value);
    const int shift = std::bit_width(value) - 1 - kSubBits;
    return (static_cast<std::size_t>(shift) << kSubBits) + static_cast<std::size_t>(value >> shift);
  }
  static std::uint64_t UpperBound(std::size_t bucket) {
    if (bucket < (1u << kSubBits)) return bucket;
    const std::size_t shift = (bucket >> kSubBits) - 1;
    const std::uint64_t mantissa = (bucket & ((1u << kSubBits) - 1)) + (1u << kSubBits);
    return ((mantissa + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ns_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace gyre
