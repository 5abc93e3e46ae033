#include "client/ring_watch.h"

#include <string>

#include "base/thread_name.h"
#include "client/steady_clock.h"

namespace gyre {

RingWatch::~RingWatch() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (asked_ != nullptr) asked_->Interrupt();
  }
  ended_.notify_one();
  thread_.join();
}

void RingWatch::Loop() {
  NameThisThread("gyre-ring");
  bool go_on = true;
  while (go_on) {
    const std::shared_ptr<Endpoint> node = router_.AnyUp();
    const bool answered = node != nullptr && Watch(*node);
    go_on = Pause(answered ? kRingPause : kRingPauseAfterError);
  }
}

bool RingWatch::Pause(Duration at_most) {
  const Instant until = SteadyNow() + router_.Shortened(at_most);
  std::unique_lock lock(mutex_);
  return !ended_.wait_until(lock, ToTimePoint(until), [this] { return ending_; });
}

bool RingWatch::Watch(Endpoint& node) {
  Result<RespClient> connection = node.OpenApart(SteadyNow() + router_.connect_timeout());
  if (!connection) {
    router_.Wake();
    return false;
  }
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    asked_ = &*connection;
  }
  const bool answered = WatchOn(*connection);
  const std::lock_guard lock(mutex_);
  asked_ = nullptr;
  return answered;
}

bool RingWatch::WatchOn(RespClient& connection) {
  const Instant end = SteadyNow() + kRingWatchOfOne;
  while (SteadyNow() < end) {
    if (!AskOnce(connection)) return false;
    if (!Pause(kRingPause)) return false;
  }
  return true;
}

bool RingWatch::AskOnce(RespClient& connection) {
  const std::shared_ptr<const RingView> ring = router_.cluster().ring();
  if (ring == nullptr) return false;  // nobody has told a ring that can be read
  const std::string epoch = std::to_string(ring->mark().epoch);
  const std::string wait_ms = std::to_string(kRingWait.ms());
  const std::string_view words[] = {"KV.RING", "WAIT", epoch, wait_ms};
  const Result<RespValue> reply = connection.Call(words, kRingWait + router_.connect_timeout());
  if (!reply || reply->kind != RespValue::Kind::kString) return false;
  router_.cluster().LearnRing(reply->text);
  return true;
}

}  // namespace gyre
