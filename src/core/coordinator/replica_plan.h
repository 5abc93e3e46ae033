// Whom a request will ask, decided before any I/O and stamped with the partition's epoch.
// Paper 4.3, 4.5. While the partition moves all owners of both sets are asked, and a quorum of each
// decides (docs/adr/0008-moving-partitions.md).
#pragma once

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
  bool sloppy = false;
  bool self_is_owner = false;
  QuorumNeeds reads;
  QuorumNeeds writes;

  std::span<const NodeId> now() const { return owners.First(now_count); }
  bool moving() const { return !from.empty(); }
  // Who has what was written before the partition began to move, and so can tell what a write
  // replaces: to them the coordinating is left as long as one can be reached.
  bool HasAll(NodeId owner) const { return !moving() || from.Contains(owner); }
  // For whom a node that is no owner keeps its copy. REQUIRES: there are owners.
  NodeId FirstOwnerAway() const {
    for (const NodeId owner : owners) {
      if (!reachable.Contains(owner)) return owner;
    }
    return owners.front();
  }
  // Are there healthy nodes enough in each set?
  bool Enough(const QuorumNeeds& needs) const;
  JointTally Tally(const QuorumNeeds& needs) const { return {needs, now(), from.span()}; }
};

// Errors: kInvalidArgument: no such keyspace, or R or W more than can exist.
Result<ReplicaPlan> MakePlan(const ShardState& shard, const RowKey& key,
                             const RequestOptions& options);

// "2 of 3 owners reachable, no fallback, 3 needed".
std::string QuorumShortfall(const ReplicaPlan& plan, const QuorumNeeds& needs);

// How long a request may take.
Duration TimeoutOf(const RequestOptions& options, const CoreConfig& config);

}  // namespace gyre
