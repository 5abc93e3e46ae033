// Whom a request will ask, decided before any I/O and stamped with the ring's epoch.
// Paper 4.3, 4.5.
#pragma once

#include <optional>
#include <string>

#include "base/result.h"
#include "core/cluster_view.h"
#include "core/coordinator/request_machine.h"
#include "core/key.h"
#include "core/node_list.h"
#include "core/quorum/quorum_spec.h"

namespace gyre {

struct ReplicaPlan {
  RingEpoch epoch;
  PartitionId partition;
  NodeList owners;     // the N (or fewer, in a small cluster) owners, in the order of the ring
  NodeList reachable;  // those of them that can be asked now
  // Paper 4.6: the first healthy nodes behind the owners, one for each owner that is known to be
  // away (fewer if there are no more). Together with `reachable` the first N healthy nodes of the
  // preference list. Empty unless sloppy.
  NodeList standins;
  bool sloppy = false;
  bool self_is_owner = false;
  int read_needed = 1;
  int write_needed = 1;

  // For whom a node that is no owner keeps its copy. REQUIRES: there are owners.
  NodeId FirstOwnerAway() const {
    for (const NodeId owner : owners) {
      if (!reachable.Contains(owner)) return owner;
    }
    return owners.front();
  }
  int healthy() const { return static_cast<int>(reachable.size() + standins.size()); }
};

// Errors: kInvalidArgument: no such keyspace, or R or W more than can exist.
Result<ReplicaPlan> MakePlan(const ShardState& shard, const RowKey& key,
                             const RequestOptions& options);

// "2 of 3 owners reachable, no fallback, 3 needed".
std::string QuorumShortfall(const ReplicaPlan& plan, int needed);

// How long a request may take.
Duration TimeoutOf(const RequestOptions& options, const CoreConfig& config);

}  // namespace gyre
