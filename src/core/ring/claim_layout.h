// Where partitions of one node lie relative to each other while a claim is being worked out, and
// the search that spreads them. Called by claim_found.cc and claim_join.cc only.
//
// *Crowding* counts, over all windows of N neighbouring partitions, the pairs of partitions with
// one owner; then those in one zone; then those in one region: a later kind never outweighs an
// earlier one. A pair at distance d lies in N - d windows. Without node crowding every window has
// distinct nodes; where zones are too few or too heavy for that, the least crowded layout is the
// most even one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/prng.h"
#include "core/ring/ring.h"

namespace gyre {

// The ring read as a grid, row after row: floor(Q / window) rows of at least `window` cells; the
// first rows are one cell longer than the others if need be. A full column has one partition in
// every window of consecutive ones, but for windows across the ring's end where rows are longer.
class Grid {
 public:
  // REQUIRES: 1 <= window <= partitions.
  Grid(std::size_t partitions, std::size_t window)
      : partitions_(partitions),
        rows_(partitions / window),
        columns_(partitions / rows_),
        longer_rows_(partitions % rows_) {}

  std::size_t partitions() const { return partitions_; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }  // full ones

  // Calls visit(partition, column) for each cell, column after column, top down. The last column,
  // number columns(), may be shorter than the others, or empty.
  template <typename Visit>
  void ForEachCell(Visit visit) const {
    for (std::size_t column = 0; column <= columns_; ++column) {
      const std::size_t height = column < columns_ ? rows_ : longer_rows_;
      for (std::size_t row = 0; row < height; ++row) {
        visit(row * columns_ + std::min(row, longer_rows_) + column, column);
      }
    }
  }

 private:
  std::size_t partitions_;
  std::size_t rows_;
  std::size_t columns_;
  std::size_t longer_rows_;
};

class ClaimLayout {
 public:
  // owners[p] is a position in `domains`, which has one entry per member.
  // REQUIRES: owners.size() is a power of two, 1 <= replicas <= kReplicasMax.
  ClaimLayout(std::vector<Ring::Domain> domains, std::vector<std::uint32_t> owners, int replicas);

  // One pair counts as this much, by what it shares. Differences of crowding fit with room to
  // spare: a partition has at most 2 * (N - 1) neighbours in its windows.
  static constexpr std::int64_t kRegionPair = 1;
  static constexpr std::int64_t kZonePair = std::int64_t{1} << 20;
  static constexpr std::int64_t kNodePair = std::int64_t{1} << 40;

  std::size_t partition_count() const { return owners_.size(); }
  std::size_t window() const { return window_; }  // min(N, Q)
  const std::vector<std::uint32_t>& owners() const { return owners_; }
  std::uint32_t owner(std::size_t partition) const { return owners_[partition]; }
  void SetOwner(std::size_t partition, std::uint32_t member) { owners_[partition] = member; }

  // Crowding of the pairs that `partition` would be in if `member` owned it. O(N).
  std::int64_t CrowdingIf(std::size_t partition, std::uint32_t member) const;
  std::int64_t CrowdingAt(std::size_t partition) const {
    return CrowdingIf(partition, owners_[partition]);
  }
  // Swaps the owners of two partitions unless that adds more than `cost_max`. Returns the
  // difference, or 0 if not swapped. O(N).
  std::int64_t TrySwap(std::size_t a, std::size_t b, std::int64_t cost_max);

 private:
  std::vector<Ring::Domain> domains_;
  std::vector<std::uint32_t> owners_;
  std::size_t window_;
};

// Swaps owners of crowded partitions with others as long as crowding falls. Two partitions p, q may
// swap if group[p] == group[q]. Bounded work: six rounds of at most max(48 * Q, 2 million / N)
// swaps.
void Uncrowd(ClaimLayout& layout, const std::vector<std::uint32_t>& group, Prng& prng);

// Swaps at random wherever crowding does not rise, so that the neighbours of a node's partitions
// are many different nodes: when it fails, its load falls on all of them (paper 4.2).
void Scatter(ClaimLayout& layout, Prng& prng);

}  // namespace gyre
