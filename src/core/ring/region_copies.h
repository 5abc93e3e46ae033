// Copies per region: which of a partition's list own a key whose keyspace says how many copies each
// region has (docs/adr/0012-copies-per-region.md).
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "core/ids.h"

namespace gyre {

inline constexpr std::size_t kRegionsMax = 12;  // of one keyspace: each has a copy at least

// How many copies a region keeps.
struct RegionCopies {
  std::string region;
  int copies = 1;

  bool operator==(const RegionCopies&) const = default;
};

// Calls take(node) for those of `list`, in its order, that are among the first `copies` of their
// region. `region_of` gives a node's region, or null: whose region nobody knows any more (a member
// removed by force) may have been of any, so it takes a place in each, and nobody counts as an
// owner of before who was none. O(list * regions).
template <typename RegionOf, typename Take>
void TakeOfRegions(std::span<const NodeId> list, const std::vector<RegionCopies>& regions,
                   RegionOf region_of, Take take) {
  GYRE_CHECK(regions.size() <= kRegionsMax);
  std::array<int, kRegionsMax> taken{};
  for (const NodeId node : list) {
    const std::string* region = region_of(node);
    for (std::size_t i = 0; i < regions.size(); ++i) {
      if (region == nullptr) {
        ++taken[i];
      } else if (*region == regions[i].region && ++taken[i] <= regions[i].copies) {
        take(node);
      }
    }
  }
}

}  // namespace gyre
