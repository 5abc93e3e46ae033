// What all machines of a shard share.
#pragma once

#include <algorithm>
#include <boost/container/flat_set.hpp>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/background/budget.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/greeting/peer_table.h"
#include "core/ledger/row_ledger.h"
#include "core/replica/replica.h"
#include "core/slot_map.h"
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
  SlotMap<MachinePtr>& machines;
  std::uint64_t run = 0;                   // names this life of the shard; not 0
  PeerTable peers;                         // those with a link
  boost::container::flat_set<NodeId> up;   // those of them that have been met: usable
  boost::container::flat_set<NodeId> met;  // peers that have been up since `gathering` began
  // Requests are taken: it is known that this disk has not gone back in time, or there is nobody
  // who could tell.
  bool serving = false;
  bool notes_read = false;  // the ledger's ballots are those of the disk
  // Told to all machines when the event ends: who came up (true) or went down. This node itself
  // once, when it begins to serve.
  std::vector<std::pair<NodeId, bool>> peers_changed;
  // Peers come up one by one: at the start, and where this node was without any (it was frozen, or
  // cut off). Who has not been met yet is not known to be away.
  bool gathering = false;
  Instant gathered_by{INT64_MIN};  // it ends then
  TimerWheel timers;
  std::vector<std::pair<RequestId, Instant>> timers_wanted;  // set when the event ends
  std::vector<MachinePtr> spawned;                           // started when the event ends
  // Copies that an owner did not take, and nobody keeps for it: its partition is compared with it
  // when the event ends.
  std::vector<std::pair<PartitionId, NodeId>> copies_missing;
  // This disk held nothing of these when it began, or when it heard that it owns them with others:
  // it answers no read of them until it has got what each other owner holds (RepairScheduler). None
  // but for the first moments of a new cluster, and where a disk was replaced.
  std::set<PartitionId> unfilled;
  bool empty_disk = false;            // it held nothing at all then, and has yet to get some of it
  Duration founding_grace{};          // as ShardOptions has it
  Instant founding_until{INT64_MIN};  // the cluster is new: who comes need not fill up either
  // Leaves whose sum may not be that of their rows: the scrubber counts them next.
  std::set<LeafName> suspect_leaves;

  // May this node be planned with, for reads?
  bool Reachable(NodeId node) const { return node == self || up.contains(node); }
  // May another node stand in for this one? Not while it may just not have been met yet.
  bool KnownAway(NodeId node) const {
    return !Reachable(node) && (!gathering || met.contains(node));
  }
  void Gather(Instant now) {
    gathering = true;
    gathered_by = now + config.start_grace;
    met.clear();
    timers.Set(RequestId{}, gathered_by);  // nobody's: for OnTick to see it
  }
  // Is this node the one that sees to the purge of what is dead there?
  bool IsFirstOwner(KeyspaceId id, PartitionId partition) const {
    const KeyspaceConfig* keyspace = view->FindKeyspace(id);
    return keyspace != nullptr && view->OwnersOf(partition, *keyspace).front() == self;
  }
  // Rows of the partition that only others own, of this keyspace, or of any.
  bool HoldsSurplus(KeyspaceId id, const KeyspaceConfig& keyspace, PartitionId partition) const {
    return ledger.keeps_tree() && ledger.tree().SumOf(id, NodeOf(partition)) != 0 &&
           !view->Owns(self, partition, keyspace);
  }
  bool HoldsSurplus(PartitionId partition) const {
    return std::any_of(view->keyspaces.begin(), view->keyspaces.end(), [&](const auto& each) {
      return HoldsSurplus(each.first, each.second, partition);
    });
  }
  bool HoldsSurplus(SectionId section) const {
    bool any = false;
    view->ring.ForEachPartitionOf(section, [&](PartitionId p) { any = any || HoldsSurplus(p); });
    return any;
  }
  // The partition as a node of the tree.
  MerkleTree::Node NodeOf(PartitionId partition) const {
    return {view->ring.partition_bits(), partition.value};
  }
  PartitionId PartitionOfLeaf(std::uint32_t leaf) const {
    return PartitionId(leaf >> (ledger.tree().leaf_bits() - view->ring.partition_bits()));
  }
  // Does this shard serve them?
  bool Serves(SectionId section) const { return section.value % shard_count == shard.value; }
  bool Serves(PartitionId partition) const { return Serves(view->ring.SectionOf(partition)); }
};

}  // namespace gyre
