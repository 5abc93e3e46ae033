// Who takes which partitions when a cluster is founded or a node joins. Pure and deterministic:
// every node that computes it from the same input gets the same ring.
// Paper 6.2 (strategy 3); Riak's claim v3 and its binring successor met the same conditions.
//
// Holds for the result: each node's count is within one partition of its fair share
// Q * weight / total weight; any N consecutive partitions (wrapping around) have distinct owners
// wherever the nodes suffice, then distinct zones, then regions. A join moves partitions only to
// the joining node, at most ceil(its fair share), and none between others.
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

// How good a ring is, for operators and tests.
struct RingQuality {
  double load_over_fair_share_max = 0;  // worst node: partitions / (Q * weight / total weight)
  double fair_share_excess_max = 0;     // worst |partitions - fair share|, in partitions
  int node_violations =
      0;  // windows of N consecutive partitions with fewer distinct nodes than min(N, nodes)
  int zone_violations = 0;    // ... with fewer distinct zones than min(N, zones)
  int region_violations = 0;  // ... with fewer distinct regions than min(N, regions)
};
RingQuality Assess(const Ring& ring, int replicas);

// Partitions whose owner differs. REQUIRES: same partition count.
std::size_t MovedPartitions(const Ring& before, const Ring& after);

}  // namespace gyre
