// Virtual time: what is due runs in the order of its time, and of equal times in the order asked.
// Nothing in the simulated world runs but from here, so one seed gives one order of events.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace gyre::sim {

class EventQueue {
 public:
  using Action = std::function<void()>;

  // Microseconds since the world began.
  std::int64_t now() const { return now_; }
  // A time that has passed counts as now.
  void At(std::int64_t time, Action action);
  void After(std::int64_t delay, Action action) { At(now_ + delay, std::move(action)); }
  // Runs the next event; false if there is none.
  bool RunNext();
  // Runs everything due up to `time`, then sets the clock to it.
  void RunUntil(std::int64_t time);

  bool empty() const { return heap_.empty(); }
  std::size_t size() const { return heap_.size(); }
  std::uint64_t events_run() const { return events_run_; }

 private:
  struct Event {
    std::int64_t time;
    std::uint64_t order;
    Action action;
  };
  static bool Later(const Event& a, const Event& b) {
    return a.time != b.time ? a.time > b.time : a.order > b.order;
  }
  std::vector<Event> heap_;
  std::int64_t now_ = 0;
  std::uint64_t next_order_ = 0;
  std::uint64_t events_run_ = 0;
};

}  // namespace gyre::sim
