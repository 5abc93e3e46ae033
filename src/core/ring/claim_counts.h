// How many partitions each node gets, and gives: the arithmetic of fair shares. Called by
// claim_*.cc.
//
// The share of a node is Q * weight / total weight. Counts are *in quota*: the share, rounded down
// or up. Rounding looks ahead: while nodes join, shares only shrink, so a node at `count` must have
// given one away when its share falls below count - 1, that is, when Q / total weight falls below
// (count - 1) / weight. Who must give soonest (the greatest such ratio) gives first, and a founding
// rounds up those who must give last. This is earliest deadline first, which misses no deadline:
// between any two moments a node of weight w comes to owe no more than w times the fall of
// Q / total weight, and these sums add up to what the joiners take. So counts stay in quota through
// any series of joins. (Taking from whoever is furthest above its share does not achieve that.)
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

// What a join moves.
struct JoinCounts {
  std::uint32_t taken = 0;           // by the joiner: its share rounded to the nearest, at least 1
  std::vector<std::uint32_t> given;  // by each member, in their order; the sum is `taken`
};
// `counts` before and `weights` of all members, the joiner among them with a count of 0. In quota
// if `counts` were; from other counts the fullest give first.
// REQUIRES: counts.size() == weights.size(), fewer members before than partitions.
JoinCounts CountsOfJoin(const std::vector<std::uint32_t>& counts,
                        const std::vector<std::uint32_t>& weights, std::size_t joiner,
                        int replicas);

}  // namespace gyre
