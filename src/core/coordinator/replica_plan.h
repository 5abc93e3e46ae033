// Whom a request will ask, decided before any I/O and stamped with the partition's epoch.
// Paper 4.3, 4.5. While the partition moves all owners of both sets are asked, and a quorum of each
// decides (docs/adr/0008-moving-partitions.md); quorums of regions are of the owners in a region of
// each set (docs/adr/0012-copies-per-region.md).
#pragma once

#include <algorithm>
#include <optional>
#include <string>

#include "base/result.h"
#include "core/cluster_view.h"
#include "core/coordinator/request_machine.h"
#include "core/key.h"
#include "core/node_list.h"
#include "core/quorum/joint_tally.h"
#include "core/quorum/quorum_spec.h"

namespace gyre {

struct ReplicaPlan {
  RingEpoch epoch;
  PartitionId partition;
  // The N (or fewer, in a small cluster) owners in the order of the ring; while the partition moves
  // also those of before, behind them.
  NodeList owners;
  std::uint32_t now_count = 0;  // of owners: the ring's
  NodeList from;                // the owners of before; empty unless it moves
  NodeList reachable;           // those of the owners that can be asked now
  // Paper 4.6: the first healthy nodes behind the owners, one for each owner that is known to be
  // away (fewer if there are no more). Together with `reachable` the first N healthy nodes of the
  // preference list. Empty unless sloppy.
  NodeList standins;
  NodeList away;  // for whom each of `standins` stands
  // Of the owners: those in this node's region; where it has none, of the region of the first that
  // can be reached. What `local_quorum` counts, and whom a get asks first. Bit i: the i-th.
  std::uint32_t local = 0;
  // R can be had of the nearest few (`local_quorum`, one): a get asks the others only if it must.
  bool near_first = false;
  bool stays_local = false;  // R or W is `local_quorum`: no other region may coordinate it
  bool sloppy = false;
  bool self_is_owner = false;
  QuorumNeeds reads;
  QuorumNeeds writes;

  std::span<const NodeId> now() const { return owners.First(now_count); }
  bool moving() const { return !from.empty(); }
  // Who has what was written before the partition began to move, and so can tell what a write
  // replaces: to them the coordinating is left as long as one can be reached.
  bool HasAll(NodeId owner) const { return !moving() || from.Contains(owner); }
  // May this owner coordinate it in the place of this node? In another region `local_quorum` would
  // be another quorum.
  bool MayLeaveTo(NodeId owner) const { return !stays_local || IsLocal(owner); }
  bool IsLocal(NodeId owner) const { return IsAmong(local, owner); }
  // Bit i of `some`: the i-th owner.
  bool IsAmong(std::uint32_t some, NodeId owner) const {
    const auto* place = std::find(owners.begin(), owners.end(), owner);
    return place != owners.end() && (some >> (place - owners.begin()) & 1) != 0;
  }
  bool IsOfLocalRegion(NodeId node, const ClusterView& view) const;
  std::uint32_t all() const { return AllOf(owners.size()); }
  std::uint32_t in_both_sets() const;
  // For whom a node that is no owner keeps its copy. REQUIRES: there are owners.
  NodeId FirstOwnerAway() const {
    for (const NodeId owner : owners) {
      if (!reachable.Contains(owner)) return owner;
    }
    return owners.front();
  }
  // Are there healthy nodes enough in each set?
  bool Enough(const QuorumNeeds& needs) const;
  JointTally Tally(const QuorumNeeds& needs) const { return {needs, owners}; }
  // Of a put: it needs W of each, and R where it reads first.
  QuorumNeeds WritesAnd(bool read_first) const;
};

// Errors: kInvalidArgument: no such keyspace, or R or W more than can exist.
Result<ReplicaPlan> MakePlan(const ShardState& shard, const RowKey& key,
                             const RequestOptions& options);

// The same plan for a get that asks only a part of the owners at first, and who stands in for them;
// empty where these cannot give R, or are all that can be asked. Where the plan is `near_first`:
// those in `local`. Else, while the partition moves: those of both sets, as they count in each, and
// an owner to come has little of it yet: it would answer first, and be given what it lacks.
std::optional<ReplicaPlan> PlanForSome(const ReplicaPlan& plan);

// "2 of 3 owners reachable, no fallback, 3 needed".
std::string QuorumShortfall(const ReplicaPlan& plan, const QuorumNeeds& needs);

// How long a request may take.
Duration TimeoutOf(const RequestOptions& options, const CoreConfig& config);

}  // namespace gyre
