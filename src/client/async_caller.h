// The asynchronous form: many operations under way at once, over a few pipelined connections to
// each node, by one thread that also calls back; a second one connects, which may block. Who is
// asked when, and what is tried again, is decided by Router and Tries, as in the blocking form.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "client/call.h"
#include "client/pipeline.h"
#include "client/router.h"

namespace gyre {

struct AsyncLane;
struct AsyncLine;

// A further connection to a node is made, within the limit, when each has so many calls under way.
inline constexpr std::size_t kCallsPerPipeline = 32;

class AsyncCaller {
 public:
  using Callback = std::function<void(Outcome<RespValue>)>;

  // The threads begin with the first Submit.
  AsyncCaller(Router& router, const ClientOptions& options);
  // False: the system gave no file descriptors.
  bool usable() const { return usable_; }
  ~AsyncCaller();
  AsyncCaller(const AsyncCaller&) = delete;
  AsyncCaller& operator=(const AsyncCaller&) = delete;

  // Whatever is under way ends now: its callbacks are called before this returns. Nothing is taken
  // any more. Not in a callback.
  void Stop();

  // From any thread. REQUIRES: usable. False: as much is under way as may be, or the end has come;
  // `done` is not called. Else it is called once, on the thread of this object. An error instead of
  // a call is what the operation comes to.
  bool Submit(Outcome<Call> call, Callback done);
  // Waits until at most so many are under way, their callbacks included. In a callback: at once.
  void Await(std::size_t under_way_max);

 private:
  struct Opened {
    std::shared_ptr<Endpoint> endpoint;
    Result<RespClient> connection;
  };
  using Flights = std::list<AsyncFlight>;

  void Loop();
  void ConnectLoop();
  void Poll();
  void TakeInbox();
  void RunTimers();
  void EndAll();
  void WakeUp() const;

  // What becomes of one operation.
  void Advance(AsyncFlight& flight);
  bool SendOn(AsyncLine& line, AsyncFlight& flight);
  void OnReply(AsyncLane& lane, AsyncFlight* flight, RespValue reply);
  void OnTimer(AsyncFlight& flight);
  void Lose(AsyncFlight& flight, const Error& why);
  void End(AsyncFlight& flight, Outcome<RespValue> outcome);
  void SetTimer(AsyncFlight& flight, Instant at);
  void ClearTimer(AsyncFlight& flight);

  // Connections.
  AsyncLane& LaneTo(const std::shared_ptr<Endpoint>& endpoint);
  void OpenOneMore(AsyncLane& lane);
  void OnOpened(Opened opened);
  // Has the poller told of it. False: it cannot.
  bool Watch(AsyncLine& line, int operation) const;
  void OnLineLost(AsyncLine& line, const Error& why);
  void DrainLane(AsyncLane& lane);
  void FlushLines();
  void DropLines();
  void DropForgotten();

  Router& router_;
  const std::size_t under_way_limit_;
  const std::size_t bytes_limit_;
  const std::size_t lines_per_node_max_;
  const int poller_;
  const int waker_;
  bool usable_ = false;

  // The loop's.
  Flights flights_;
  std::multimap<Instant, AsyncFlight*> timers_;
  std::map<Endpoint*, std::unique_ptr<AsyncLane>> lanes_;
  std::vector<AsyncLine*> to_flush_;
  bool untidy_ = false;  // some connection drains or is lost
  std::uint64_t routes_seen_ = 0;

  std::mutex mutex_;  // of what follows
  std::condition_variable fewer_;
  std::condition_variable to_open_ready_;
  Flights inbox_;
  std::vector<Opened> opened_;
  std::deque<std::shared_ptr<Endpoint>> to_open_;
  std::size_t admitted_ = 0;   // without an outcome
  std::size_t under_way_ = 0;  // with those whose callback has not returned
  std::size_t bytes_ = 0;      // of the commands of those admitted
  std::size_t awaiting_ = 0;   // threads, for fewer_
  bool ending_ = false;

  std::once_flag started_;
  std::thread connector_;
  std::thread loop_;
};

}  // namespace gyre
