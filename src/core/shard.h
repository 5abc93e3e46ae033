// One shard: the partitions p with p mod T = its index, and everything the protocol does for them.
// Single-threaded, without I/O. It only routes: requests to coordinators, messages to the replica.
// Events come in through the On* methods; effects go out through `out`, carried out by the driver.
// Only rows that are in memory anyway are asked for by a call (RowsAtHand).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "core/causality/merge.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/effects.h"
#include "core/ids.h"
#include "core/replica/rows_at_hand.h"
#include "core/wire/messages.h"

namespace gyre {

struct ShardOptions {
  NodeId node;
  ShardId shard;
  std::uint16_t shard_count = 1;
  ActorId actor;  // chosen by the driver through causality/actor.h
  std::uint64_t next_epoch = 1;
  std::uint64_t seed = 0;
  CoreConfig config;
};

class Shard {
 public:
  // `at_hand` may be null, and outlives the shard.
  Shard(const ShardOptions& options, ClusterViewPtr view, RowsAtHand* at_hand = nullptr);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // The short way: a request that nobody else has a part in, of a row at hand. True: `result`,
  // which held no error, is its answer, and nothing is left of it. False: hand it to
  // OnClientRequest.
  bool AnswerAtOnce(ClientRequest& request, Now now, ClientResult& result);
  // Takes any request. REQUIRES, of both: the request's key or partition belongs to this shard.
  void OnClientRequest(ClientId client, ClientRequest&& request, Now now, Effects& out);
  void OnMessage(NodeId from, ShardId from_shard, Message&& message, Now now, Effects& out);
  void OnReadDone(RequestId id, Result<std::optional<Row>> row, Now now, Effects& out);
  void OnWriteDone(RequestId id, Status status, Now now, Effects& out);
  void OnScanDone(RequestId id, Result<ScanOutcome> outcome, Now now, Effects& out);
  // The link to a peer came up, or went down or filled up: it is not planned with until it is back.
  void OnPeerUp(NodeId peer, Now now, Effects& out);
  void OnPeerDown(NodeId peer, Now now, Effects& out);
  // Something is due; the driver calls it at NextWake() or soon after.
  void OnTick(Now now, Effects& out);
  Instant NextWake() const;
  void OnView(ClusterViewPtr view);

  const ShardCounters& counters() const;
  // Present actor and the first epoch it has not drawn: what a clean stop stores.
  const DotSource& dots() const;
  std::size_t requests_in_flight() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre
