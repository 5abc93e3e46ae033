// How many partitions each node gets, and gives: the arithmetic of fair shares. Called by
// claim_*.cc.
//
// The share of a node is Q * weight / total weight. Counts are *in quota*: the share, rounded down
// or up. Rounding looks ahead. While nodes join, shares only shrink, so a node at `count` must have
// given one away when its share falls below count - 1, that is, when Q / total weight falls below
// (count - 1) / weight. Who must give soonest (the greatest such ratio) gives first, and a founding
// rounds up those who must give last. This is earliest deadline first, which misses no deadline:
// between any two moments a node of weight w comes to owe no more than w times the fall of
// Q / total weight, and these sums add up to what the joiners take. So counts stay in quota through
// any series of joins, and joiners alone take. (Taking from whoever is furthest above its share
// does not achieve that.) While nodes leave it is the other way round: who must have taken soonest,
// the least (count + 1) / weight, takes first.
// Where joins and leaves alternate no rule keeps both promises: now and then a partition goes from
// one node that stays to another, because quota comes first. It is rare (claim_counts_test.cc).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gyre {

// Counts in quota for a new ring, in the order of `weights`; their sum is `partition_count`.
// A share between floor(Q/N) and Q/N is rounded down where the sum allows it, since a node with
// more than floor(Q/N) partitions cannot have all of them N apart.
// REQUIRES: weights non-empty, each 1..kWeightMax.
std::vector<std::uint32_t> FairCounts(const std::vector<std::uint32_t>& weights,
                                      std::size_t partition_count, int replicas);

struct NodeShare {
  std::uint32_t count = 0;          // partitions before
  std::uint32_t weight_before = 0;  // 0: joins
  std::uint32_t weight_after = 0;   // 0: leaves
};
// The counts after a change of members or weights, in the order of `nodes`: in quota, with as few
// partitions moved as that allows. Joiners get their shares rounded to the nearest, and at least 1,
// where that is possible. Counts that were out of quota before may stay so unless weights change;
// of these the fullest give first. O(nodes * log nodes), and O(log nodes) more for each partition
// that a count was out of quota by.
// REQUIRES: a node that stays or joins; no more of these than partitions.
std::vector<std::uint32_t> CountsOfChange(const std::vector<NodeShare>& nodes, int replicas);

}  // namespace gyre
