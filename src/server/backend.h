// What the front ends (RESP, HTTP) may ask of the node, on their own shard's thread. They know
// nothing of shards, links or engines behind it; tests use a fake.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "base/result.h"
#include "base/time.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/request.h"
#include "server/node_stats.h"
#include "server/room_queue.h"

namespace gyre {

struct ServerConfig;

// Receives answers. Must outlive its pending requests.
class ResultSink {
 public:
  virtual ~ResultSink() = default;
  virtual void OnResult(std::uint64_t tag, ClientResult&& result) = 0;
};

// A node that is about to be stopped (docs/cluster.md, "Restarting a node"). Who was connected when
// it began is served until `ends`.
struct Drain {
  Instant began;
  Instant ends;
};

inline constexpr Duration kClusterCommandMax = Duration::Seconds(60);
// Smaller values do not count in Backend::ValueRoom.
inline constexpr std::size_t kLargeValueBytes = 4 * 1024;
inline constexpr std::size_t kClusterBodyBytesMax = 16 * 1024;

class Backend {
 public:
  virtual ~Backend() = default;

  virtual const ClusterViewPtr& view() const = 0;
  virtual const ServerConfig& config() const = 0;
  virtual Now now() const = 0;  // read once per loop turn
  // Exactly one OnResult(tag) follows; it may come before Submit returns, and Submit may be called
  // from within OnResult. Requests are gathered, so that their rows are looked up together: what
  // needs no waiting is answered before the turn ends. A key's token is the backend's to set, for
  // the same reason.
  virtual void Submit(ClientRequest&& request, ResultSink* sink, std::uint64_t tag) = 0;
  // How many more requests clients should send now. Past it they are taken, but wait for each
  // other.
  virtual std::size_t Room() const { return SIZE_MAX; }
  // How many more bytes of large values they should bring now: one value may take more than that,
  // if it is not zero.
  virtual std::size_t ValueRoom() const { return SIZE_MAX; }
  // Where a connection lines up that finds none.
  RoomQueue& room_queue() { return room_queue_; }
  // Carries out what was gathered, now.
  virtual void Settle() {}
  // Has every shard compare what it holds with the other owners now (`gyre repair`).
  virtual void HurryRepair() {}
  // Set: clients are to go elsewhere.
  virtual std::optional<Drain> drain() const { return std::nullopt; }
  // What an operator says to the cluster (docs/cluster.md): `verb` is status, stage, plan, commit,
  // abort, drain or undrain; `body` and the answer are JSON texts. `done` comes exactly once, on
  // this thread, within the call or later: whatever happens, after kClusterCommandMax.
  // Errors: kUnsupported (this node's members are fixed), kInvalidArgument (also a body past
  // kClusterBodyBytesMax), kOverloaded (too many wait), kUnavailable, kOutcomeUnknown (no answer in
  // time).
  virtual void ClusterCommand(std::string /*verb*/, std::string /*body*/,
                              std::function<void(Result<std::string>)> done) {
    done(Fail(ErrorCode::kUnsupported, "this node's members are fixed"));
  }
  // The whole node, all shards: counters as last published (at most 100 ms old).
  virtual NodeStats Stats() const = 0;
  // This shard's own histogram for a finished client operation.
  virtual void RecordLatency(Operation operation, Duration elapsed) = 0;

 protected:
  // At the end of each turn of the loop: those who wait for room go on.
  void GiveTurns() { room_queue_.GiveTurns(Room(), ValueRoom()); }

 private:
  RoomQueue room_queue_;
};

}  // namespace gyre
