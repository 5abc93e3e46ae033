// What all machines of a shard share.
#pragma once

#include <boost/container/flat_set.hpp>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/background/budget.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/ledger/row_ledger.h"
#include "core/replica/replica.h"
#include "core/timer_wheel.h"

namespace gyre {

class Machine;
using MachinePtr = std::unique_ptr<Machine>;

struct ShardState {
  NodeId self;
  ShardId shard;
  std::uint16_t shard_count = 1;
  const CoreConfig& config;
  ClusterViewPtr view;
  ShardCounters& counters;
  Prng& prng;
  Replica& replica;
  RowLedger& ledger;
  Budget& budget;
  boost::container::flat_set<NodeId> up;   // peers whose links are usable
  boost::container::flat_set<NodeId> met;  // peers whose links have been usable, ever
  Instant start_over{INT64_MIN};           // by then every peer should have been met
  bool starting = false;                   // start_over is still to come
  TimerWheel timers;
  std::vector<std::pair<RequestId, Instant>> timers_wanted;  // set when the event ends
  std::vector<MachinePtr> spawned;                           // started when the event ends
  // Copies that an owner did not take, and nobody keeps for it: its partition is compared with it
  // when the event ends.
  std::vector<std::pair<PartitionId, NodeId>> copies_missing;
  // Leaves whose sum may not be that of their rows: the scrubber counts them next.
  std::set<RowLedger::LeafName> suspect_leaves;

  // May this node be planned with, for reads?
  bool Reachable(NodeId node) const { return node == self || up.contains(node); }
  // May another node stand in for this one? Not while it may just not have been met yet.
  bool KnownAway(NodeId node) const {
    return !Reachable(node) && (!starting || met.contains(node));
  }
  // Does this shard serve the partition?
  bool Serves(PartitionId partition) const { return partition.value % shard_count == shard.value; }
};

}  // namespace gyre
