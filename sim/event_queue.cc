#include "sim/event_queue.h"

#include <algorithm>
#include <utility>

namespace gyre::sim {

void EventQueue::At(std::int64_t time, Action action) {
  heap_.push_back({std::max(time, now_), next_order_++, std::move(action)});
  std::push_heap(heap_.begin(), heap_.end(), Later);
}

bool EventQueue::RunNext() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end(), Later);
  Event event = std::move(heap_.back());
  heap_.pop_back();
  now_ = event.time;
  ++events_run_;
  event.action();
  return true;
}

void EventQueue::RunUntil(std::int64_t time) {
  while (!heap_.empty() && heap_.front().time <= time) RunNext();
  now_ = std::max(now_, time);
}

}  // namespace gyre::sim
