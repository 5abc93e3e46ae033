// What a change of members moves.
#include <algorithm>
#include <map>
#include <utility>

#include "base/check.h"
#include "core/config.h"
#include "core/ring/claim.h"

namespace gyre {

Movement MovementOf(const Ring& before, const Ring& after, int replicas) {
  GYRE_CHECK(before.partition_count() == after.partition_count());
  Ring rings[] = {before, after};
  for (Ring& ring : rings) ring.PrepareOwners(replicas);
  std::map<NodeId, NodeMovement> nodes;
  for (const Ring& ring : rings) {
    for (const Member& member : ring.members()) nodes[member.id].node = member.id;
  }
  Movement movement;
  movement.partitions = MovedPartitions(before, after);
  for (std::uint32_t p = 0; p < before.partition_count(); ++p) {
    const PartitionId partition(p);
    ++nodes[before.OwnerOf(partition)].partitions_before;
    ++nodes[after.OwnerOf(partition)].partitions_after;
    const Ring::Owners owners_before = rings[0].OwnersOf(partition, replicas);
    for (const NodeId owner : owners_before) ++nodes[owner].copies_before;
    for (const NodeId owner : rings[1].OwnersOf(partition, replicas)) {
      NodeMovement& node = nodes[owner];
      ++node.copies_after;
      if (!owners_before.Contains(owner)) ++node.transfers;
    }
  }
  for (const auto& [id, node] : nodes) {
    movement.transfers += node.transfers;
    movement.transfers_least += node.copies_after - std::min(node.copies_after, node.copies_before);
    movement.nodes.push_back(node);
  }
  return movement;
}

}  // namespace gyre
