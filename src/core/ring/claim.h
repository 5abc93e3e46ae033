// Who takes which partitions when a cluster is founded or a node joins. Pure and deterministic:
// every node that computes it from the same input gets the same ring.
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
// JoinRing:
// - Partitions move to the joiner only: its fair share, rounded down or up.
// - Counts stay in the same bounds through any series of joins (claim_counts.h says why), except
//   where a share lies between floor(Q/N) and Q/N.
// - What was distinct stays so, unless the joiner's own partitions must be closer than N. While its
//   share stays below about three quarters of Q/N they need not be; nearer to Q/N the moves
//   allowed often leave no choice, and balance goes first. Windows that repeated a node, because
//   there were too few or too uneven nodes, are mended by the next joins.
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

// `ring` plus `joiner`, with the next epoch.
// Errors: kInvalidArgument (already a member, as many members as partitions, bad weight).
Result<Ring> JoinRing(const Ring& ring, const Member& joiner, int replicas);

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
