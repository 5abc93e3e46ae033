// How fast a counter rises, over the last seconds: a look at it now and then, the oldest forgotten.
// Pure.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "base/time.h"

namespace gyre {

class RateWindow {
 public:
  static constexpr Duration kWindow = Duration::Seconds(10);
  // Looks closer together than this are one: a window holds a few dozen at the most.
  static constexpr Duration kStep = Duration::Millis(250);

  // The counter stands at `total`. `now` and `total` never fall.
  void Note(std::uint64_t total, Instant now) {
    latest_ = {now, total};
    if (looks_.empty() || now - looks_.back().at >= kStep) looks_.push_back(latest_);
    // One look may be older than the window, so that all of the window is covered.
    while (looks_.size() > 1 && now - looks_[1].at >= kWindow) looks_.pop_front();
  }
  // The average over what is known of the window, and over at least one second of it: the first
  // moments say little. 0 if nothing is known.
  double PerSecond() const {
    if (looks_.empty()) return 0;
    const Duration span = std::max(latest_.at - looks_.front().at, Duration::Seconds(1));
    return static_cast<double>(latest_.total - looks_.front().total) * 1e6 /
           static_cast<double>(span.us);
  }

 private:
  struct Look {
    Instant at;
    std::uint64_t total = 0;
  };
  std::deque<Look> looks_;
  Look latest_;
};

}  // namespace gyre
