// Who waits for room with a shard: connections whose next request is held back until earlier ones
// are answered. First come, first served, whatever they speak.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>

namespace gyre {

class RoomWaiter {
 public:
  virtual ~RoomWaiter() = default;
  // There is room, and it is this one's turn: it waits no more.
  virtual void TakeTurn() = 0;
};

class RoomQueue {
 public:
  using Ticket = std::uint64_t;

  // `value_bytes`: a large value waits for Backend::ValueRoom, with so many; zero: for Room.
  Ticket Await(RoomWaiter& waiter, std::size_t value_bytes) {
    waits_.push_back({&waiter, value_bytes});
    return first_ + waits_.size() - 1;
  }
  // Who waits no longer; does nothing if it has had its turn.
  void Forget(Ticket ticket) {
    if (ticket >= first_) waits_[ticket - first_].waiter = nullptr;
  }
  // A few at a time: each may use the room for hundreds of requests, and whoever finds none left
  // lines up at the end again.
  void GiveTurns(std::size_t room, std::size_t value_room) {
    constexpr std::size_t kUsualPipeline = 16;
    std::size_t turns = room == 0 ? 0 : 1 + room / kUsualPipeline;
    for (; turns > 0 && !waits_.empty(); --turns) {
      const Wait next = waits_.front();
      if (next.waiter != nullptr && next.value_bytes > 0 && value_room == 0) return;
      waits_.pop_front();
      ++first_;
      if (next.waiter == nullptr) continue;
      value_room -= std::min(value_room, next.value_bytes);
      next.waiter->TakeTurn();
    }
  }

 private:
  struct Wait {
    RoomWaiter* waiter;  // null: gone
    std::size_t value_bytes;
  };
  std::deque<Wait> waits_;
  Ticket first_ = 1;  // of waits_.front()
};

}  // namespace gyre
