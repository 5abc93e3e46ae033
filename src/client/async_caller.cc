#include "client/async_caller.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/thread_name.h"
#include "client/async_parts.h"

namespace gyre {

AsyncCaller::AsyncCaller(Router& router, const ClientOptions& options)
    : router_(router),
      under_way_limit_(options.async_in_flight_max),
      bytes_limit_(options.async_bytes_max),
      lines_per_node_max_(options.async_connections_per_node_max),
      poller_(epoll_create1(EPOLL_CLOEXEC)),
      waker_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = nullptr;
  usable_ = poller_ >= 0 && waker_ >= 0 && epoll_ctl(poller_, EPOLL_CTL_ADD, waker_, &event) == 0;
}

AsyncCaller::~AsyncCaller() {
  Stop();
  if (waker_ >= 0) close(waker_);
  if (poller_ >= 0) close(poller_);
}

void AsyncCaller::Stop() {
  if (!loop_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  to_open_ready_.notify_one();
  WakeUp();
  loop_.join();
  connector_.join();
}

void AsyncCaller::WakeUp() const {
  const std::uint64_t one = 1;
  // Full means that it is woken already.
  [[maybe_unused]] const ssize_t written = write(waker_, &one, sizeof one);
}

bool AsyncCaller::Submit(Outcome<Call> call, Callback done) {
  std::call_once(started_, [this] {
    connector_ = std::thread([this] { ConnectLoop(); });
    loop_ = std::thread([this] { Loop(); });
  });
  Flights one;
  one.emplace_back(std::move(call), std::move(done), router_.limits());
  one.front().self = one.begin();
  bool was_empty = false;
  {
    const std::lock_guard lock(mutex_);
    if (ending_ || admitted_ >= under_way_limit_ || bytes_ >= bytes_limit_) return false;
    ++admitted_;
    ++under_way_;
    bytes_ += one.front().bytes();
    was_empty = inbox_.empty();
    inbox_.splice(inbox_.end(), one);
  }
  if (was_empty && std::this_thread::get_id() != loop_.get_id()) WakeUp();
  return true;
}

void AsyncCaller::Await(std::size_t under_way_max) {
  if (std::this_thread::get_id() == loop_.get_id()) return;
  std::unique_lock lock(mutex_);
  ++awaiting_;
  fewer_.wait(lock, [&] { return under_way_ <= under_way_max; });
  --awaiting_;
}

// ---- the threads --------------------------------------------------------------------------------

void AsyncCaller::Loop() {
  NameThisThread("gyre-async");
  for (;;) {
    Poll();
    TakeInbox();
    RunTimers();
    DropForgotten();
    FlushLines();
    DropLines();
    const std::lock_guard lock(mutex_);
    if (ending_) break;
  }
  EndAll();
}

void AsyncCaller::ConnectLoop() {
  NameThisThread("gyre-connect");
  std::unique_lock lock(mutex_);
  for (;;) {
    to_open_ready_.wait(lock, [this] { return ending_ || !to_open_.empty(); });
    if (ending_) return;
    std::shared_ptr<Endpoint> endpoint = std::move(to_open_.front());
    to_open_.pop_front();
    lock.unlock();
    Result<RespClient> connection = endpoint->OpenApart(SteadyNow() + router_.connect_timeout());
    lock.lock();
    opened_.push_back({std::move(endpoint), std::move(connection)});
    WakeUp();
  }
}

void AsyncCaller::Poll() {
  int wait_ms = -1;
  {
    const std::lock_guard lock(mutex_);
    if (!inbox_.empty() || !opened_.empty() || ending_) wait_ms = 0;
  }
  if (wait_ms < 0 && !timers_.empty()) {
    const std::int64_t left_us = (timers_.begin()->first - SteadyNow()).us;
    wait_ms = static_cast<int>(std::clamp<std::int64_t>(left_us / 1000 + 1, 0, 60'000));
  }
  constexpr int kEventsMax = 64;
  epoll_event events[kEventsMax];
  const int count = epoll_wait(poller_, events, kEventsMax, wait_ms);
  for (int i = 0; i < count; ++i) {
    auto* const line = static_cast<AsyncLine*>(events[i].data.ptr);
    if (line == nullptr) {
      std::uint64_t value = 0;
      [[maybe_unused]] const ssize_t got = read(waker_, &value, sizeof value);
      continue;
    }
    if ((events[i].events & EPOLLOUT) != 0) to_flush_.push_back(line);
    const Status got = line->Read([this, line](AsyncFlight* flight, RespValue reply) {
      OnReply(line->lane, flight, std::move(reply));
    });
    if (!got) OnLineLost(*line, got.error());
  }
}

void AsyncCaller::TakeInbox() {
  Flights fresh;
  std::vector<Opened> opened;
  {
    const std::lock_guard lock(mutex_);
    fresh.swap(inbox_);
    opened.swap(opened_);
  }
  for (Opened& each : opened) OnOpened(std::move(each));
  while (!fresh.empty()) {
    flights_.splice(flights_.end(), fresh, fresh.begin());
    AsyncFlight& flight = flights_.back();
    if (!flight.call.ok()) {
      End(flight, flight.call.error());
    } else {
      Advance(flight);
    }
  }
}

void AsyncCaller::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first <= SteadyNow()) {
    OnTimer(*timers_.begin()->second);
  }
}

// Callbacks find that nothing is taken any more.
void AsyncCaller::EndAll() {
  TakeInbox();
  while (!flights_.empty()) {
    AsyncFlight& flight = flights_.front();
    const bool sent =
        flight.state == AsyncFlight::State::kSent && flight.line->HasSent(flight.ticket);
    if (flight.state == AsyncFlight::State::kSent) flight.line->Abandon(flight.ticket);
    const char* const why = "the client was destroyed before the answer came";
    const ErrorCode code = sent ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable;
    End(flight, AfterLostCall({code, why}, flight.call->is_read).error);
  }
  lanes_.clear();
}

// ---- one operation ------------------------------------------------------------------------------

void AsyncCaller::SetTimer(AsyncFlight& flight, Instant at) {
  ClearTimer(flight);
  flight.timer = timers_.emplace(at, &flight);
}

void AsyncCaller::ClearTimer(AsyncFlight& flight) {
  if (flight.timer) timers_.erase(*flight.timer);
  flight.timer.reset();
}

void AsyncCaller::Advance(AsyncFlight& flight) {
  ClearTimer(flight);
  for (;;) {
    const Tries::Step step = flight.tries.Next(router_, flight.call->key, SteadyNow());
    if (step.kind == Tries::Step::Kind::kEnd) return End(flight, flight.tries.error());
    if (step.kind == Tries::Step::Kind::kPause) {
      flight.state = AsyncFlight::State::kPausing;
      return SetTimer(flight, step.until);
    }
    AsyncLane& lane = LaneTo(step.to);
    AsyncLine* const line = lane.Best();
    if (line == nullptr || line->waiting() >= kCallsPerPipeline) OpenOneMore(lane);
    if (line == nullptr) {
      flight.state = AsyncFlight::State::kParked;
      flight.endpoint = step.to.get();
      lane.parked.push_back(&flight);
      return SetTimer(flight, step.until);
    }
    if (SendOn(*line, flight)) return;
  }
}

// False: it is too late for that.
bool AsyncCaller::SendOn(AsyncLine& line, AsyncFlight& flight) {
  const std::optional<Instant> until = flight.tries.OnConnected(SteadyNow());
  if (!until) return false;
  flight.state = AsyncFlight::State::kSent;
  flight.endpoint = line.lane.endpoint.get();
  flight.line = &line;
  if (!line.has_unsent()) to_flush_.push_back(&line);
  flight.ticket = line.Send(flight.call->command, &flight);
  SetTimer(flight, *until);
  return true;
}

void AsyncCaller::OnReply(AsyncLane& lane, AsyncFlight* flight, RespValue reply) {
  if (flight == nullptr) return;
  flight->state = AsyncFlight::State::kNew;
  if (reply.is_error()) {
    flight->tries.OnRefused(ErrorOfReply(reply.text));
    return Advance(*flight);
  }
  if (flight->call->is_answer(reply)) return End(*flight, std::move(reply));
  DrainLane(lane);
  Lose(*flight, NoAnswer());
}

void AsyncCaller::OnTimer(AsyncFlight& flight) {
  switch (flight.state) {
    case AsyncFlight::State::kParked: {
      std::deque<AsyncFlight*>& parked = lanes_.at(flight.endpoint)->parked;
      parked.erase(std::find(parked.begin(), parked.end(), &flight));
      flight.tries.OnNoConnection(
          {ErrorCode::kUnavailable, "no connection in time to " + flight.endpoint->address()});
      return Advance(flight);
    }
    case AsyncFlight::State::kSent:
      flight.line->Abandon(flight.ticket);
      DrainLane(flight.line->lane);
      return Lose(flight, {ErrorCode::kOutcomeUnknown,
                           "the connection to the node is lost: no reply came in time"});
    case AsyncFlight::State::kNew:
    case AsyncFlight::State::kPausing:
      return Advance(flight);
  }
}

// Its answer will not come.
void AsyncCaller::Lose(AsyncFlight& flight, const Error& why) {
  flight.state = AsyncFlight::State::kNew;
  flight.endpoint->MarkDown({ErrorCode::kUnavailable, why.message});
  router_.Wake();
  flight.tries.OnLost({why.code, why.message + " (" + flight.endpoint->address() + ")"});
  Advance(flight);
}

void AsyncCaller::End(AsyncFlight& flight, Outcome<RespValue> outcome) {
  ClearTimer(flight);
  {
    const std::lock_guard lock(mutex_);  // before the callback, so that it can submit the next
    --admitted_;
    bytes_ -= flight.bytes();
  }
  const Callback done = std::move(flight.done);
  flights_.erase(flight.self);
  done(std::move(outcome));
  const std::lock_guard lock(mutex_);
  --under_way_;
  if (awaiting_ > 0) fewer_.notify_all();
}

}  // namespace gyre
