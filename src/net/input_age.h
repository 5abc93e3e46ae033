// How long the bytes of a stream have waited to be read, at the least. Nobody says when a byte came
// in; but what lay unread at one moment had come by then. So now and then a mark notes how far the
// stream reached, and what lies before an old mark is as old as that. Pure.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"

namespace gyre {

// Positions count the bytes of the stream from its start.
class InputAge {
 public:
  // Is a mark worth the look at what lies unread?
  bool WantsMark(Instant now) const {
    return marks_.empty() || (marks_.size() < kMarksMax && now - marks_.back().at >= kMarkEvery);
  }
  // All before `reaches` has come by now. REQUIRES: neither goes back.
  void Mark(std::uint64_t reaches, Instant now) { marks_.push_back({reaches, now}); }
  // All before the result had come by `then`.
  std::uint64_t ReachedBy(Instant then) const {
    std::uint64_t reached = 0;
    for (const OneMark& mark : marks_) {
      if (mark.at > then) break;
      reached = mark.reaches;
    }
    return reached;
  }
  // What lies before `position` has been taken.
  void Forget(std::uint64_t position) {
    if (marks_.empty()) return;
    const auto kept = std::find_if(marks_.begin(), marks_.end(),
                                   [&](const OneMark& mark) { return mark.reaches > position; });
    marks_.erase(marks_.begin(), kept);
  }

 private:
  // Ages are known to within kMarkEvery, and up to the product of the two.
  static constexpr Duration kMarkEvery = Duration::Millis(50);
  static constexpr std::size_t kMarksMax = 64;
  struct OneMark {
    std::uint64_t reaches;
    Instant at;
  };
  std::vector<OneMark> marks_;  // empty unless input waits
};

}  // namespace gyre
