// What AsyncCaller is made of; for its own files.
#pragma once

#include <algorithm>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "client/async_caller.h"
#include "client/steady_clock.h"

namespace gyre {

// An operation. kParked: it waits for a connection of `lane`; kSent: for an answer on `line`;
// kPausing: for its timer.
struct AsyncFlight {
  enum class State : std::uint8_t { kNew, kParked, kSent, kPausing };

  AsyncFlight(Outcome<Call> what, AsyncCaller::Callback callback, const Tries::Limits& limits)
      : call(std::move(what)),
        done(std::move(callback)),
        tries(call.ok() && call->is_read, limits, SteadyNow()) {}
  std::size_t bytes() const { return call.ok() ? call->command.size() : 0; }

  Outcome<Call> call;
  AsyncCaller::Callback done;
  Tries tries;
  State state = State::kNew;
  std::list<AsyncFlight>::iterator self;
  std::optional<std::multimap<Instant, AsyncFlight*>::iterator> timer;
  Endpoint* endpoint = nullptr;  // kParked, kSent
  AsyncLine* line = nullptr;     // kSent
  Pipeline::Ticket ticket = 0;
};

// One connection. `draining`: it takes no more calls, and is closed when nobody waits any more.
struct AsyncLine final : Pipeline {
  AsyncLine(int fd, AsyncLane& of) : Pipeline(fd), lane(of) {}
  AsyncLane& lane;
  bool draining = false;
  bool lost = false;
  bool wants_to_write = false;  // as the poller was told
};

// All connections to one node.
struct AsyncLane {
  std::shared_ptr<Endpoint> endpoint;
  std::vector<std::unique_ptr<AsyncLine>> lines;
  std::deque<AsyncFlight*> parked;
  bool opening = false;

  // The one with the least to do; null: there is none that takes calls.
  AsyncLine* Best() const {
    AsyncLine* best = nullptr;
    for (const auto& line : lines) {
      if (line->draining) continue;
      if (best == nullptr || line->waiting() < best->waiting()) best = line.get();
    }
    return best;
  }
  std::size_t in_use() const {
    return static_cast<std::size_t>(std::count_if(
        lines.begin(), lines.end(), [](const auto& line) { return !line->draining; }));
  }
};

}  // namespace gyre
