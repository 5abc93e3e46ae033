#include "net/epoll_reactor.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "net/tcp_connection.h"
#include "net/tcp_listener.h"

namespace gyre {
namespace {

constexpr int kEventsPerTurn = 256;
constexpr Duration kSweepInterval = Duration::Millis(100);
constexpr Duration kIdleSweepIntervalMin = Duration::Millis(10);
constexpr Duration kWaitMax = Duration::Seconds(60);

std::int64_t NanosOf(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

}  // namespace

Result<std::unique_ptr<Reactor>> MakeEpollReactor(const ReactorOptions& options) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake_event(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!epoll.valid() || !wake_event.valid()) {
    return Fail(ErrorCode::kIoError, "cannot make an event loop: " + ErrnoText(errno));
  }
  return std::make_unique<EpollReactor>(options, std::move(epoll), std::move(wake_event));
}

EpollReactor::EpollReactor(const ReactorOptions& options, UniqueFd epoll, UniqueFd wake_event)
    : log_(options.log),
      epoll_(std::move(epoll)),
      wake_event_(std::move(wake_event)),
      read_buffer_(new char[TcpConnection::kCarriedBytesMax + kReadBufferBytes]) {
  ReadClocks();
  // Edge-triggered: each write to it is one event, and it need never be read.
  GYRE_CHECK(Watch(wake_event_.get(), EPOLLIN | EPOLLET, nullptr));
}

EpollReactor::~EpollReactor() {
  // Before the members that connections refer to.
  connections_.clear();
  graveyard_.clear();
  listeners_.clear();
}

// Sockets.

Result<SocketAddress> EpollReactor::Listen(const ListenOptions& options,
                                           ConnectionFactory factory) {
  Result<UniqueFd> fd =
      ListenSocket(options.address, options.reuse_port, options.backlog, options.receive_bytes);
  if (!fd) return Fail(fd.error());
  const SocketAddress bound = LocalAddress(fd->get());
  ListenOptions actual = options;
  actual.address = bound;
  listeners_.push_back(
      std::make_unique<TcpListener>(*this, std::move(*fd), actual, std::move(factory)));
  return bound;
}

void EpollReactor::StopListening() {
  for (const auto& listener : listeners_) listener->Close();
}

Connection& EpollReactor::Dial(const SocketAddress& address, const ConnectionLimits& limits,
                               ConnectionFactory factory) {
  Result<UniqueFd> fd = DialSocket(address);
  ++stats_.dialed;
  auto connection = std::make_unique<TcpConnection>(*this, fd ? std::move(*fd) : UniqueFd(),
                                                    TcpConnection::State::kConnecting, address,
                                                    limits, /*listener=*/nullptr);
  std::unique_ptr<ConnectionHandler> handler = factory(*connection);
  return Start(std::move(connection), std::move(handler), fd ? "" : fd.error().message);
}

Connection& EpollReactor::Adopt(ReleasedSocket socket, const ConnectionLimits& limits,
                                ConnectionFactory factory) {
  GYRE_CHECK(socket.fd.valid());
  const SocketAddress peer = RemoteAddress(socket.fd.get());
  auto connection = std::make_unique<TcpConnection>(
      *this, std::move(socket.fd), TcpConnection::State::kOpen, peer, limits, /*listener=*/nullptr);
  std::unique_ptr<ConnectionHandler> handler = factory(*connection);
  TcpConnection& adopted = Start(std::move(connection), std::move(handler), "");
  adopted.TakeOver(socket);
  return adopted;
}

void EpollReactor::Release(Connection& connection, std::function<void(ReleasedSocket)> done) {
  static_cast<TcpConnection&>(connection).Release(std::move(done));
}

void EpollReactor::Abort(Connection& connection, std::string_view reason) {
  static_cast<TcpConnection&>(connection).Fail(reason);
}

TcpConnection& EpollReactor::Start(std::unique_ptr<TcpConnection> connection,
                                   std::unique_ptr<ConnectionHandler> handler,
                                   const std::string& problem) {
  TcpConnection& started = *connection;
  started.index = connections_.size();
  connections_.push_back(std::move(connection));
  started.SetHandler(std::move(handler));
  if (!started.watched()) started.Fail(problem.empty() ? "cannot be watched" : problem);
  return started;
}

bool EpollReactor::Watch(int fd, std::uint32_t events, PollTarget* target) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = target;
  return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void EpollReactor::ChangeWatch(int fd, std::uint32_t events, PollTarget* target) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = target;
  GYRE_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0);
}

void EpollReactor::Unwatch(int fd) {
  epoll_event unused{};
  GYRE_CHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, &unused) == 0);
}

// Posts, timers, hooks.

void EpollReactor::Post(std::function<void()> task) {
  if (!mailbox_.Push(std::move(task))) return;
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the event is pending anyway.
  (void)!write(wake_event_.get(), &one, sizeof one);
}

void EpollReactor::AddTurnEndHook(std::function<void(Now)> hook) {
  hooks_.push_back(std::move(hook));
}

void EpollReactor::SetWakeHandler(std::function<void(Now)> handler) {
  wake_handler_ = std::move(handler);
}

TimerId EpollReactor::AddTimer(Instant due, std::function<void()> callback) {
  return timers_.Add(due, std::move(callback));
}

// The turn.

void EpollReactor::Run() {
  while (!stop_.load(std::memory_order_acquire)) RunOnce(kWaitMax);
}

void EpollReactor::Stop() {
  stop_.store(true, std::memory_order_release);
  Post([] {});
}

Instant EpollReactor::ReadClock() { return {NanosOf(CLOCK_MONOTONIC) / 1'000}; }

void EpollReactor::ReadClocks() {
  now_.instant = ReadClock();
  now_.wall.ms = NanosOf(CLOCK_REALTIME) / 1'000'000;
}

int EpollReactor::WaitMillis(Duration wait_max) const {
  if (!flushes_.empty() || !resumes_.empty() || !closings_.empty() || mailbox_.filled()) return 0;
  Duration wait = std::min(wait_max, kWaitMax);
  const Instant due = std::min(wake_, timers_.next_due());
  if (due != Instant::Max()) {
    // The clock of the last turn is a little late, so the wait is never too short to be due.
    wait = std::min(wait, due - ReadClock());
  }
  if (wait.us <= 0) return 0;
  return static_cast<int>((wait.us + 999) / 1'000);
}

void EpollReactor::RunOnce(Duration wait_max) {
  std::array<epoll_event, kEventsPerTurn> events;
  int wait_ms = WaitMillis(wait_max);
  if (wait_ms > 0 && !mailbox_.PrepareSleep()) wait_ms = 0;
  const int count = epoll_wait(epoll_.get(), events.data(), kEventsPerTurn, wait_ms);
  if (wait_ms > 0) mailbox_.Awake();
  GYRE_CHECK(count >= 0 || errno == EINTR);
  ReadClocks();
  ++stats_.turns;

  for (int i = 0; i < count; ++i) {
    auto* const target = static_cast<PollTarget*>(events[i].data.ptr);
    if (target == nullptr) {
      ++stats_.wakes;
    } else {
      target->OnReady(events[i].events);
    }
  }
  stats_.posts += mailbox_.RunAll();
  RunTimers();
  RunResumes();
  RunClosings();
  for (const auto& hook : hooks_) hook(now_);
  Flush();
  graveyard_.clear();
}

void EpollReactor::RunTimers() {
  timers_.RunDue(now_.instant);
  if (wake_ > now_.instant) return;
  wake_ = Instant::Max();
  if (wake_handler_) wake_handler_(now_);
}

void EpollReactor::RunResumes() {
  // What is resumed by these waits for the next turn, so that none starves the others.
  scratch_.swap(resumes_);
  for (TcpConnection* connection : scratch_) {
    connection->RunResume();
    BuryIfDone(connection);
  }
  scratch_.clear();
}

void EpollReactor::RunClosings() {
  for (std::size_t i = 0; i < closings_.size(); ++i) {
    TcpConnection* const connection = closings_[i];
    connection->RunClosing();
    BuryIfDone(connection);
  }
  closings_.clear();
}

void EpollReactor::Flush() {
  scratch_.swap(flushes_);
  for (TcpConnection* connection : scratch_) {
    connection->RunScheduledFlush();
    BuryIfDone(connection);
  }
  scratch_.clear();
}

void EpollReactor::BuryIfDone(TcpConnection* connection) {
  if (!connection->done() || connection->listed() || connection->index == SIZE_MAX) return;
  const std::size_t index = std::exchange(connection->index, SIZE_MAX);
  graveyard_.push_back(std::move(connections_[index]));
  if (index + 1 != connections_.size()) {
    connections_[index] = std::move(connections_.back());
    connections_[index]->index = index;
  }
  connections_.pop_back();
}

void EpollReactor::Linger(TcpConnection* connection) {
  if (!connection->lingering_) {
    connection->lingering_ = true;
    lingering_.push_back(connection);
  }
  if (sweep_scheduled_) return;
  sweep_scheduled_ = true;
  AddTimer(now_.instant + kSweepInterval, [this] { Sweep(); });
}

void EpollReactor::Sweep() {
  sweep_scheduled_ = false;
  std::vector<TcpConnection*> all;
  all.swap(lingering_);
  for (TcpConnection* connection : all) {
    connection->lingering_ = false;
    if (connection->RunLinger(now_.instant)) {
      Linger(connection);
    } else {
      BuryIfDone(connection);
    }
  }
}

void EpollReactor::WatchIdle(Duration idle_timeout) {
  const Duration interval = std::max(Duration{idle_timeout.us / 4}, kIdleSweepIntervalMin);
  const bool first = idle_sweep_interval_ == Duration{};
  if (first || interval < idle_sweep_interval_) idle_sweep_interval_ = interval;
  if (first) AddTimer(now_.instant + idle_sweep_interval_, [this] { SweepIdle(); });
}

void EpollReactor::SweepIdle() {
  for (const auto& connection : connections_) connection->CloseIfIdle(now_.instant);
  AddTimer(now_.instant + idle_sweep_interval_, [this] { SweepIdle(); });
}

}  // namespace gyre
