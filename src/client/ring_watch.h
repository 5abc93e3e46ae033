// Hears of each change of the ring soon after it: a thread that asks one node at a time to tell the
// ring once it is another (KV.RING WAIT).
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>

#include "client/router.h"

namespace gyre {

// How long a node is asked to wait, and to which node one keeps: one that is cut off from the
// others hears of nothing.
inline constexpr Duration kRingWait = Duration::Seconds(5);
inline constexpr Duration kRingWatchOfOne = Duration::Seconds(30);
// After each ring that came, as partitions that settle bring many; and after a node that does not
// answer.
inline constexpr Duration kRingPause = Duration::Millis(100);
inline constexpr Duration kRingPauseAfterError = Duration::Seconds(1);

class RingWatch {
 public:
  explicit RingWatch(Router& router) : router_(router), thread_([this] { Loop(); }) {}
  ~RingWatch();
  RingWatch(const RingWatch&) = delete;
  RingWatch& operator=(const RingWatch&) = delete;

 private:
  void Loop();
  // Returns when the node is of no use, or has been asked for long enough (true).
  bool Watch(Endpoint& node);
  bool WatchOn(RespClient& connection);
  bool AskOnce(RespClient& connection);
  // False: the end has come.
  bool Pause(Duration at_most);

  Router& router_;
  std::mutex mutex_;  // of what follows
  std::condition_variable ended_;
  bool ending_ = false;
  RespClient* asked_ = nullptr;
  std::thread thread_;
};

}  // namespace gyre
