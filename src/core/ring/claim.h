// Who takes which partitions when a cluster is founded and whenever its members change. Pure and
// deterministic: every node that computes it from the same input gets the same ring.
// Paper 6.2 (strategy 3); Riak's claim v3 and its binring successor met the same conditions.
//
// FoundRing:
// - Each node's count is its fair share, Q * weight / total weight, rounded down or up. A share
//   below 1 may be rounded to nothing; such a node is the last fallback of every preference list.
// - If no node has more than floor(Q/N) partitions, the owners of any N consecutive partitions
//   (wrapping around) are distinct. Shares just above floor(Q/N) are rounded down for that where
//   the sum allows it. So it holds wherever no share exceeds Q/N, but for a few windows across the
//   ring's end with N or little more equal nodes where N does not divide Q: nothing can be done
//   there. A node heavier than Q/N keeps its share all the same; its extra partitions repeat it in
//   some windows, which costs evenness only, as preference lists skip nodes already listed.
// - Zones likewise, if no zone has more than floor(Q/N) partitions; regions, and zones that are
//   too few or too heavy, as evenly as a search of bounded work finds.
// ChangeRing:
// - Partitions move only from nodes that must give to nodes that must take: leavers give all they
//   have, joiners take their fair share, rounded down or up, and others give or take what their new
//   shares ask for. While weights stay as they are, nothing moves between two nodes that stay, but
//   for a partition now and then where joins and leaves alternate (claim_counts.h says why).
// - Counts stay in quota through any series of changes.
// - A node that replaces another has exactly its partitions; then its weight counts, if it differs.
// - After a join, what was distinct stays so, unless the joiner's own partitions must be closer
//   than N. While its share stays below about three quarters of Q/N they need not be; nearer to Q/N
//   the moves allowed often leave no choice, and balance goes first. Windows that repeated a node,
//   because there were too few or too uneven nodes, are mended by the next changes. When nodes
//   leave and little more than N are left, what stays where it is often leaves no distinct choice
//   either.
// - Then as few copies as can be are transferred: see MovementOf.
// - Zones and regions: best effort after that. A joiner must take from all zones by share, which no
//   choice can always reconcile with zones that were exactly alternating.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/ring/ring.h"

namespace gyre {

struct ClaimOptions {
  int partition_bits = 8;  // Q = 2^bits
  int replicas = 3;        // the largest N: owners of that many neighbours are kept distinct
  PartitionerKind partitioner = PartitionerKind::kMd5;
};

// The ring of a new cluster. The order of `members` does not matter.
// Errors: kInvalidArgument (no members, more members than partitions, bad weight, double name).
Result<Ring> FoundRing(RingEpoch epoch, std::vector<Member> members, const ClaimOptions& options);

struct Replacement {
  NodeId old;
  Member by;  // takes what the old one has
};
struct NewWeight {
  NodeId node;
  std::uint32_t weight = 1;  // 1..kWeightMax
};
// One plan of an operator: what changes at once. The order within each list does not matter.
struct MemberChanges {
  std::vector<Member> joins;
  std::vector<NodeId> leaves;
  std::vector<Replacement> replacements;
  std::vector<NewWeight> weights;
};

// `ring` after `changes`, with the next epoch. Bounded work: for 65,536 partitions
// of 1,000 nodes well below a second.
// Errors: kInvalidArgument (a node that is no member, or is one already, or is named twice; nobody
// would be left; more members than partitions; bad weight; N out of range).
Result<Ring> ChangeRing(const Ring& ring, const MemberChanges& changes, int replicas);

// What a change moves, of one node.
struct NodeMovement {
  NodeId node;
  // Partitions it owns, the first of its list.
  std::uint32_t partitions_before = 0;
  std::uint32_t partitions_after = 0;
  // Partitions of which it is one of the N owners.
  std::uint32_t copies_before = 0;
  std::uint32_t copies_after = 0;
  // Partitions of which it is one of the N owners, and was not: what must be sent to it.
  std::uint32_t transfers = 0;
};
struct Movement {
  std::vector<NodeMovement> nodes;  // of both rings, sorted by id
  std::size_t partitions = 0;       // that have another owner
  std::size_t transfers = 0;        // copies of partitions that must be sent: what it costs
  // No change to as many copies on each node has fewer: a node that has more copies than before
  // must be sent the difference. A bound from below, not always reached.
  std::size_t transfers_least = 0;
};
// REQUIRES: same partition count, 1 <= replicas <= kReplicasMax. O(partition_count() * N^2).
Movement MovementOf(const Ring& before, const Ring& after, int replicas);

// Windows of N consecutive partitions (wrapping around) with fewer distinct owners, or zones, or
// regions, than min(N, as many as there are).
struct WindowViolations {
  int found = 0;
  // No arrangement of the same counts has fewer. A bound from below, not always reached.
  int least = 0;

  bool operator==(const WindowViolations&) const = default;
};

// How good a ring is, for operators and tests.
struct RingQuality {
  double load_over_fair_share_max = 0;  // worst node: partitions / (Q * weight / total weight)
  double fair_share_excess_max = 0;     // worst |partitions - fair share|, in partitions
  WindowViolations nodes;
  WindowViolations zones;
  WindowViolations regions;
};
RingQuality Assess(const Ring& ring, int replicas);

// Partitions whose owner differs. REQUIRES: same partition count.
std::size_t MovedPartitions(const Ring& before, const Ring& after);

}  // namespace gyre
