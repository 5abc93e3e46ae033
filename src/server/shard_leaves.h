// The sums that storage kept (core/ledger/merkle_tree.h), each to the shard of its partition. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "core/ledger/merkle_tree.h"
#include "core/node.h"

namespace gyre {

// One list for each shard, in the order given.
inline std::vector<std::vector<LeafSum>> LeavesByShard(const std::vector<LeafSum>& leaves,
                                                       std::uint16_t shard_count) {
  std::vector<std::vector<LeafSum>> shards(shard_count);
  for (const LeafSum& leaf : leaves) {
    const SectionId section(leaf.leaf >> kLeafBitsPerSection);
    shards[ShardOfSection(section, shard_count).value].push_back(leaf);
  }
  return shards;
}

}  // namespace gyre
