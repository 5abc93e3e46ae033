// One shard: the partitions p with p mod T = its index, and everything the protocol does for them.
// Single-threaded, without I/O. It only routes: requests to coordinators, messages to the replica.
// Events come in through the On* methods; effects go out through `out`, carried out by the driver.
// Only rows that are in memory anyway are asked for by a call (RowsAtHand).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "core/antientropy/stream_progress.h"
#include "core/background/budget.h"
#include "core/causality/merge.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/effects.h"
#include "core/features.h"
#include "core/ids.h"
#include "core/ledger/row_ledger.h"
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
  std::vector<LeafSum> leaves;  // of this shard's partitions, as storage held them at the start
  bool resumes = false;         // the disk is proven to be as this actor's clean stop left it
  bool keeps_tree = false;      // also while this node is alone: others may come
  // The disk was empty at some start, or is memory, and has not got since what the other owners
  // hold (RepairState::unfilled): reads of that are not answered here until it has.
  bool fills = false;
  // Where this node has found that its cluster is new, it says so for so long to those that come.
  Duration founding_grace{};
};

class Shard {
 public:
  // `at_hand` may be null, and outlives the shard.
  Shard(const ShardOptions& options, ClusterViewPtr view, RowsAtHand* at_hand = nullptr);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Before all else.
  void OnStart(Now now, Effects& out);
  // The short way: a request that nobody else has a part in, of a row at hand. True: `result`,
  // which held no error, is its answer, and nothing is left of it. False: hand it to
  // OnClientRequest.
  bool AnswerAtOnce(ClientRequest& request, Now now, ClientResult& result);
  // Takes any request. REQUIRES, of both: the request's key or partition belongs to this shard.
  void OnClientRequest(ClientId client, ClientRequest&& request, Now now, Effects& out);
  void OnMessage(NodeId from, ShardId from_shard, Message&& message, Now now, Effects& out);
  void OnReadDone(RequestId id, Result<std::optional<Row>> row, Now now, Effects& out);
  void OnWriteDone(RequestId id, Status status, Now now, Effects& out);
  void OnScanDone(RequestId id, Result<ScanPage> page, Now now, Effects& out);
  // Storage lost rows to a damaged disk, and added each `sum` to the sum that it keeps of the leaf.
  // They are fetched from the other owners, and what was promised in ballots is written again where
  // it was lost. Of all shards of the node; those of others are ignored.
  void OnRowsLost(const std::vector<LeafSum>& leaves, Now now, Effects& out);
  // The link to a peer came up, or went down or filled up: it is not planned with until it is back.
  // `shard_count`: of the peer, 1 or more.
  void OnPeerUp(NodeId peer, const LinkTerms& terms, Now now, Effects& out);
  void OnPeerDown(NodeId peer, Now now, Effects& out);
  // Something is due; the driver calls it at NextWake() or soon after.
  void OnTick(Now now, Effects& out);
  Instant NextWake() const;
  // Another view, of the same partitions and keyspaces.
  void OnView(ClusterViewPtr view, Now now, Effects& out);

  const ShardCounters& counters() const;
  // Which life of the shard this is; drawn by OnStart.
  std::uint64_t run() const;
  // What this shard's rows add up to, and what it owes.
  const RowLedger& ledger() const;
  const Budget& budget() const;
  // Present actor and the first epoch it has not drawn: what a clean stop stores.
  const DotSource& dots() const;
  // Compares all that this shard shares with others now, and not in its turn.
  void HurryRepair(Now now, Effects& out);
  struct RepairState {
    std::size_t pairs = 0;    // of a partition and another node that owns it
    std::size_t unequal = 0;  // of them: differed, or could not be compared, when looked at last
    std::size_t waiting = 0;  // of them: to be compared at once
    // Partitions that a new disk has yet to get from their owners, before it answers reads of them.
    std::size_t unfilled = 0;
  };
  RepairState repair_state() const;
  struct ScrubState {
    std::size_t partitions = 0;  // of a keyspace each; all of them make a round
    std::size_t begun = 0;       // in the round under way
  };
  ScrubState scrub_state() const;
  // Partitions that move to this node, and what every owner of before had of them is here: what the
  // members wait for to settle them. docs/adr/0008-moving-partitions.md.
  struct Arrival {
    PartitionId partition;
    RingEpoch epoch;  // since when it moves so

    bool operator==(const Arrival&) const = default;
  };
  std::vector<Arrival> arrivals() const;
  // Partitions that come here as whole ranges now (antientropy/range_stream.h), and how many wait
  // for that to begin.
  struct Transfers {
    std::map<PartitionId, StreamProgress> streams;
    std::size_t waiting = 0;
  };
  Transfers transfers() const;
  // Partitions of which this node still holds rows that others own.
  std::size_t surplus_partitions() const;
  // Requests are taken, and not kept until another member has been met.
  bool serving() const;
  // Dead rows that this shard is to have purged, as far as it has heard of them.
  std::size_t purge_candidates() const;
  // Of clients and peers.
  std::size_t requests_in_flight() const;
  // Sessions and steps of background work under way.
  std::size_t tasks_in_flight() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gyre
