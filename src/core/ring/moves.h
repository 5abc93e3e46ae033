// Which partitions are on their way from their owners of before to those of the ring, and since
// when each has the owners that it has. docs/adr/0008-moving-partitions.md. Immutable once in a
// view.
#pragma once

#include <cstdint>
#include <vector>

#include "core/ids.h"
#include "core/node_list.h"

namespace gyre {

class Moves {
 public:
  // Nothing moves, and no partition has had other owners since the ring was founded.
  Moves() = default;

  bool any() const { return !moving_.empty(); }
  std::size_t count() const { return moving_.size(); }
  // The owners of before, in their order, as many as the largest N; null if the partition is with
  // the ring's. O(1).
  const NodeList* FromOwners(PartitionId partition) const {
    if (places_.empty() || places_[partition.value] == kNone) return nullptr;
    return &moving_[places_[partition.value]];
  }
  // Number of the layout since which the partition has its present owner sets, 0 for the first.
  // Whoever names another does not know who owns it, or knows it before this node. O(1).
  RingEpoch EpochOf(PartitionId partition) const {
    return epochs_.empty() ? RingEpoch{} : epochs_[partition.value];
  }

  // For Layout only. REQUIRES of all: partition < partition_count, which is the same each time.
  void SetMoving(PartitionId partition, const NodeList& from, std::size_t partition_count) {
    if (places_.empty()) places_.assign(partition_count, kNone);
    places_[partition.value] = static_cast<std::uint32_t>(moving_.size());
    moving_.push_back(from);
  }
  void SetEpoch(PartitionId partition, RingEpoch epoch, std::size_t partition_count) {
    if (epochs_.empty()) epochs_.assign(partition_count, RingEpoch{});
    epochs_[partition.value] = epoch;
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  std::vector<NodeList> moving_;
  std::vector<std::uint32_t> places_;  // of each partition, in moving_; empty: nothing moves
  std::vector<RingEpoch> epochs_;      // empty: all 0
};

}  // namespace gyre
