// Deadlines of a shard's requests. Setting one is O(1) and nothing is ever cancelled: whoever is
// told that its time has come looks whether it still cares. Due within one tick (1 ms) after the
// deadline, in the order set. Coarser ticks are those of all nodes of a machine at once, and what
// background work has saved up until then goes in one lump that clients wait behind.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/time.h"
#include "core/ids.h"

namespace gyre {

class TimerWheel {
 public:
  void Set(RequestId id, Instant at) {
    // Never into a tick that has been handed out already.
    const std::int64_t tick = std::max(TickOf(at) + 1, done_ + 1);
    buckets_[static_cast<std::size_t>(tick) % kBuckets].push_back({id, tick});
    next_ = size_++ == 0 ? tick : std::min(next_, tick);
  }
  // The ids that are due; each once per Set.
  std::vector<RequestId> TakeDue(Instant now) {
    std::vector<RequestId> due;
    const std::int64_t last = TickOf(now);
    if (size_ == 0 || next_ > last) {
      done_ = std::max(done_, last);
      return due;
    }
    const std::int64_t first = std::max(next_, last - static_cast<std::int64_t>(kBuckets) + 1);
    for (std::int64_t tick = first; tick <= last; ++tick) {
      auto& bucket = buckets_[static_cast<std::size_t>(tick) % kBuckets];
      auto keep = bucket.begin();
      for (const Timer& timer : bucket) {
        if (timer.tick <= last) {
          due.push_back(timer.id);
        } else {
          *keep++ = timer;  // a later round of the wheel
        }
      }
      bucket.erase(keep, bucket.end());
    }
    size_ -= due.size();
    done_ = last;
    next_ = last + 1;
    while (size_ > 0 && next_ <= last + static_cast<std::int64_t>(kBuckets) &&
           buckets_[static_cast<std::size_t>(next_) % kBuckets].empty()) {
      ++next_;
    }
    return due;
  }
  // When TakeDue may have something next; Max if nothing is set.
  Instant NextWake() const { return size_ == 0 ? Instant::Max() : Instant{next_ * kTickUs}; }

 private:
  static constexpr std::int64_t kTickUs = 1024;
  static constexpr std::size_t kBuckets = 4096;
  struct Timer {
    RequestId id;
    std::int64_t tick;
  };
  static std::int64_t TickOf(Instant at) { return at.us / kTickUs; }

  std::array<std::vector<Timer>, kBuckets> buckets_;
  std::size_t size_ = 0;
  std::int64_t next_ = 0;   // no bucket before it holds anything; meaningful if size_ > 0
  std::int64_t done_ = -1;  // ticks up to here were handed out
};

}  // namespace gyre
