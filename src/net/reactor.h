// One event loop, for one thread: sockets in, handlers called, everything they produced written
// once at the end of the turn. The interface speaks of whole connections (bytes received, bytes to
// send), not of readiness, so that a completion-based backend (io_uring) fits behind it too.
//
// A turn: wait; read the clocks; input of all ready connections (OnBytes); posted functions; timers
// and the wake; closings (OnClosed); turn-end hooks, in the order they were added; then one
// gathering write for each connection with output. Nothing is called from within Connection's or
// Reactor's own methods, but factories.
//
// All methods are for the loop's own thread (before Run: for the thread that will run it), but Post
// and Stop, which are for any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "net/connection.h"
#include "net/socket.h"
#include "net/socket_address.h"

namespace gyre {

// Called once for each new connection, within the turn that accepts it. nullptr closes it at once,
// and then the connection must not have been used.
using ConnectionFactory = std::function<std::unique_ptr<ConnectionHandler>(Connection&)>;

// Bounds for one connection. Memory is taken as bytes come, whatever a peer announces.
struct ConnectionLimits {
  // More output than this waits: reading pauses until half of it is written
  // (Connection::OutputFull).
  std::size_t output_bytes_pause = 1024 * 1024;
  // More than this still waits after a write: a reader that does not read; cut and counted.
  std::size_t output_bytes_max = 256 * 1024 * 1024;
  // Of room for output that stays while each turn fills a good part of it.
  std::size_t output_bytes_kept = OutputBuffer::kKeptBytesMax;
  // Received, and not yet consumed by the handler; above it the connection is cut and counted. A
  // backstop: handlers have narrower limits of their own, and better words.
  std::size_t input_bytes_max = 512 * 1024 * 1024;
  // Taken in one turn, at most 128 KiB, so that one busy connection does not hold up the others;
  // four times as much while what is there makes no whole request yet.
  std::size_t read_bytes = 128 * 1024;
  // Cut after this time without a byte either way and nothing pending; zero: never.
  Duration idle_timeout;
};

struct ListenOptions {
  SocketAddress address;    // port 0: picked by the system
  bool reuse_port = false;  // several loops listen on the same port
  int backlog = 1024;
  // What the system receives ahead for one connection, about; 0: as it likes, which is megabytes.
  int receive_bytes = 0;
  // Open connections; one more is accepted, told `refusal`, and closed.
  std::size_t connections_max = 10'000;
  // Their number, of all listeners of one loop that share it; null: of this one.
  std::shared_ptr<std::size_t> open;
  std::string refusal;
  ConnectionLimits limits;
};

// A connection taken out of its loop, to go on in another: its socket, what was received and not
// consumed, and its filter with what that has still to say.
struct ReleasedSocket {
  UniqueFd fd;
  std::string received;
  std::unique_ptr<StreamFilter> filter;
  OutputBuffer filtered;
};

// Counters since the start, but `connections`, which is now.
struct ReactorStats {
  std::uint64_t connections = 0;
  std::uint64_t accepted = 0, dialed = 0;
  std::uint64_t refused = 0;  // past connections_max, or out of file descriptors
  std::uint64_t accept_errors = 0;
  std::uint64_t slow_readers_cut = 0;  // past output_bytes_max
  std::uint64_t inputs_cut = 0;        // past input_bytes_max
  std::uint64_t idle_cut = 0;
  std::uint64_t reading_paused = 0;  // times that output_bytes_pause was passed
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t reads = 0, writes = 0;  // system calls
  std::uint64_t turns = 0;
  std::uint64_t posts = 0, wakes = 0;  // functions posted; times the loop had to be woken for them
};

using TimerId = std::uint64_t;

class Reactor {
 public:
  virtual ~Reactor() = default;

  // The address that was bound, with its port. Errors: kIoError.
  virtual Result<SocketAddress> Listen(const ListenOptions& options, ConnectionFactory factory) = 0;
  // Closes the listening sockets; connections stay.
  virtual void StopListening() = 0;
  // Starts to connect. The handler is made at once and its output goes out when connected; if that
  // fails, OnClosed tells so, never from within this call. There is no timeout but the system's
  // (minutes): callers Abort. `factory` must not return nullptr.
  virtual Connection& Dial(const SocketAddress& address, const ConnectionLimits& limits,
                           ConnectionFactory factory) = 0;
  // Goes on with a socket that another loop released; bytes received before are presented later.
  virtual Connection& Adopt(ReleasedSocket socket, const ConnectionLimits& limits,
                            ConnectionFactory factory) = 0;
  // Takes the connection out of this loop, after the present OnBytes has returned: `done` gets the
  // socket, the handler is destroyed without OnClosed. REQUIRES: out() is empty. If the connection
  // fails first, OnClosed is called and `done` is not.
  virtual void Release(Connection& connection, std::function<void(ReleasedSocket)> done) = 0;
  // Closes now, output or not; OnClosed follows. No effect on a connection that is closed already.
  virtual void Abort(Connection& connection, std::string_view reason) = 0;

  // Runs `task` in this loop, tasks in the order posted; from any thread. Tasks posted while the
  // loop is busy cost no wake-up. Not bounded here: each sender bounds what it has in flight.
  virtual void Post(std::function<void()> task) = 0;
  virtual Now now() const = 0;  // read once a turn
  // Called at the end of each turn, before the writes: carry out what the turn gathered.
  virtual void AddTurnEndHook(std::function<void(Now)> hook) = 0;
  // The owner's one deadline: `handler` is called in the first turn at or after it, and the wake is
  // then unset. SetWake replaces the former deadline; Instant::Max() is none.
  virtual void SetWakeHandler(std::function<void(Now)> handler) = 0;
  virtual void SetWake(Instant due) = 0;
  // Few and slow: reconnects, sweeps. O(log timers).
  virtual TimerId AddTimer(Instant due, std::function<void()> callback) = 0;
  virtual void CancelTimer(TimerId timer) = 0;  // no effect if it has run

  // One turn; waits for events at most `wait_max`.
  virtual void RunOnce(Duration wait_max) = 0;
  // Turns until Stop, then returns; Stop before Run makes it return at once.
  virtual void Run() = 0;
  virtual void Stop() = 0;

  virtual const ReactorStats& stats() const = 0;
};

struct ReactorOptions {
  Log* log = nullptr;  // may be null; must outlive the reactor
};
// Destroying a reactor closes its connections and destroys their handlers without OnClosed.
// Errors: kIoError.
Result<std::unique_ptr<Reactor>> MakeEpollReactor(const ReactorOptions& options = {});

}  // namespace gyre
