// The Reactor over epoll, level-triggered: a connection that is read and written costs no call but
// epoll_wait, one recv and one send a turn. Private to src/net; others use reactor.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "net/mailbox.h"
#include "net/reactor.h"
#include "net/timer_queue.h"

namespace gyre {

class TcpConnection;
class TcpListener;

// What an epoll event points to. Must live until the end of the turn in which it left the epoll
// set.
class PollTarget {
 public:
  virtual ~PollTarget() = default;
  virtual void OnReady(std::uint32_t events) = 0;
};

class EpollReactor final : public Reactor {
 public:
  // Large, so that a pipeline or a value takes few calls; a small read touches only its start.
  // It begins with room for what a connection carries over from its last read.
  static constexpr std::size_t kReadBufferBytes = 128 * 1024;

  EpollReactor(const ReactorOptions& options, UniqueFd epoll, UniqueFd wake_event);
  ~EpollReactor() override;

  Result<SocketAddress> Listen(const ListenOptions& options, ConnectionFactory factory) override;
  void StopListening() override;
  Connection& Dial(const SocketAddress& address, const ConnectionLimits& limits,
                   ConnectionFactory factory) override;
  Connection& Adopt(ReleasedSocket socket, const ConnectionLimits& limits,
                    ConnectionFactory factory) override;
  void Release(Connection& connection, std::function<void(ReleasedSocket)> done) override;
  void Abort(Connection& connection, std::string_view reason) override;
  void Post(std::function<void()> task) override;
  Now now() const override { return now_; }
  void AddTurnEndHook(std::function<void(Now)> hook) override;
  void SetWakeHandler(std::function<void(Now)> handler) override;
  void SetWake(Instant due) override { wake_ = due; }
  TimerId AddTimer(Instant due, std::function<void()> callback) override;
  void CancelTimer(TimerId timer) override { timers_.Cancel(timer); }
  void RunOnce(Duration wait_max) override;
  void Run() override;
  void Stop() override;
  const ReactorStats& stats() const override { return stats_; }

  // For TcpListener and TcpConnection.
  // False: the system has no room for one more.
  bool Watch(int fd, std::uint32_t events, PollTarget* target);
  void ChangeWatch(int fd, std::uint32_t events, PollTarget* target);
  void Unwatch(int fd);
  // Owns it from now on; fails it at once, because of `problem`, if it has no socket.
  TcpConnection& Start(std::unique_ptr<TcpConnection> connection,
                       std::unique_ptr<ConnectionHandler> handler, const std::string& problem);
  void NeedFlush(TcpConnection* connection) { flushes_.push_back(connection); }
  void NeedResume(TcpConnection* connection) { resumes_.push_back(connection); }
  void NeedClose(TcpConnection* connection) { closings_.push_back(connection); }
  // From now on looked at every kSweepInterval, until it is gone.
  void Linger(TcpConnection* connection);
  void WatchIdle(Duration idle_timeout);
  // The time now; now() is that of the turn's start.
  static Instant ReadClock();
  char* read_buffer() { return read_buffer_.get(); }
  ReactorStats& mutable_stats() { return stats_; }
  Log* log() { return log_; }

 private:
  void ReadClocks();
  int WaitMillis(Duration wait_max) const;
  void RunTimers();
  void RunResumes();
  void RunClosings();
  void Flush();
  void Sweep();
  void SweepIdle();
  // Moves it to the graveyard if nothing refers to it any more.
  void BuryIfDone(TcpConnection* connection);

  Log* const log_;
  UniqueFd epoll_;
  UniqueFd wake_event_;
  Now now_;
  Instant wake_ = Instant::Max();
  std::function<void(Now)> wake_handler_;
  std::vector<std::function<void(Now)>> hooks_;
  TimerQueue timers_;
  Mailbox mailbox_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<TcpListener>> listeners_;
  std::vector<std::unique_ptr<TcpConnection>> connections_;  // each knows its index
  std::vector<std::unique_ptr<TcpConnection>> graveyard_;    // freed at the end of the turn
  std::vector<TcpConnection*> flushes_, resumes_, closings_, lingering_;
  std::vector<TcpConnection*> scratch_;
  Duration idle_sweep_interval_;  // zero: nobody asked
  bool sweep_scheduled_ = false;
  std::unique_ptr<char[]> read_buffer_;
  ReactorStats stats_;
};

}  // namespace gyre
