#include "core/background/latency_watch.h"

#include <algorithm>
#include <bit>

namespace gyre {
namespace {

constexpr std::uint32_t kLearnedMax = 4'096;  // requests; past it half of them are forgotten

}  // namespace

std::size_t LatencyCounts::BucketOf(std::int64_t us) {
  const auto value = static_cast<std::uint64_t>(std::max<std::int64_t>(us, 0));
  if (value < (1u << kSubBits)) return static_cast<std::size_t>(value);
  const int shift = std::bit_width(value) - 1 - kSubBits;
  const std::size_t bucket = (static_cast<std::size_t>(shift) << kSubBits) + (value >> shift);
  return std::min(bucket, kBuckets - 1);
}

// The largest that is counted there.
std::int64_t LatencyCounts::UpperBound(std::size_t bucket) {
  if (bucket < (1u << kSubBits)) return static_cast<std::int64_t>(bucket);
  const std::size_t shift = (bucket >> kSubBits) - 1;
  const std::size_t mantissa = bucket - (shift << kSubBits);
  return static_cast<std::int64_t>(((mantissa + 1) << shift) - 1);
}

void LatencyCounts::AddAll(const LatencyCounts& o) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += o.counts_[i];
  total_ += o.total_;
}

void LatencyCounts::Halve() {
  total_ = 0;
  for (std::uint32_t& count : counts_) total_ += count /= 2;
}

std::uint32_t LatencyCounts::Above(std::int64_t us) const {
  std::uint32_t above = 0;
  for (std::size_t i = BucketOf(us) + 1; i < kBuckets; ++i) above += counts_[i];
  return above;
}

std::int64_t LatencyCounts::BoundOf(std::uint32_t share) const {
  std::uint64_t above = std::uint64_t{total_} * share / 100;
  std::size_t bucket = kBuckets - 1;
  while (bucket > 0 && above >= counts_[bucket]) above -= counts_[bucket--];
  return UpperBound(bucket);
}

bool LatencyWatch::EndWindow(bool quiet) {
  // Half as much again, of a quantile that three of a hundred must be past: the slow ones may then
  // take twice as long and no more.
  const std::int64_t late_us = std::max(quiet_us_ + quiet_us_ / 2, options_.never_slow_us);
  const bool slow = enough() && quiet_us_ > 0 &&
                    std::uint64_t{window_.Above(late_us)} * 100 >
                        std::uint64_t{options_.late_share} * window_.total();
  if (quiet || quiet_us_ == 0) {
    learned_.AddAll(window_);
    while (learned_.total() > kLearnedMax) learned_.Halve();
    if (learned_.total() >= options_.samples_min) {
      quiet_us_ = std::max<std::int64_t>(learned_.BoundOf(options_.slow_share), 1);
    }
  } else if (slow) {
    quiet_us_ += quiet_us_ / 256 + 1;
  } else if (enough() && window_.Above(quiet_us_ / 2) == 0) {
    quiet_us_ -= quiet_us_ / 16;
  }
  window_.Clear();
  return slow;
}

}  // namespace gyre
