// A loop's timers: few (links, sweeps), so an ordered map does. Timers due at one instant run in
// the order they were added.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

#include "base/time.h"

namespace gyre {

class TimerQueue {
 public:
  using Id = std::uint64_t;
  using Callback = std::function<void()>;

  Id Add(Instant due, Callback callback) {
    const Id id = next_id_++;
    timers_.emplace(std::pair(due, id), std::move(callback));
    due_of_.emplace(id, due);
    return id;
  }
  void Cancel(Id id) {
    const auto found = due_of_.find(id);
    if (found == due_of_.end()) return;
    timers_.erase({found->second, id});
    due_of_.erase(found);
  }
  // Runs what is due; what callbacks add runs in a later call, however early it is due.
  void RunDue(Instant now) {
    const Id end = next_id_;
    while (!timers_.empty()) {
      const auto first = timers_.begin();
      if (first->first.first > now || first->first.second >= end) return;
      const Callback callback = std::move(first->second);
      due_of_.erase(first->first.second);
      timers_.erase(first);
      callback();
    }
  }
  Instant next_due() const {
    return timers_.empty() ? Instant::Max() : timers_.begin()->first.first;
  }
  bool empty() const { return timers_.empty(); }

 private:
  std::map<std::pair<Instant, Id>, Callback> timers_;
  std::unordered_map<Id, Instant> due_of_;
  Id next_id_ = 1;
};

}  // namespace gyre
