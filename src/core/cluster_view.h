// What a shard knows of the cluster: members, ring, keyspaces. Immutable; a change makes a new view
// with a higher epoch, and shards get it as a snapshot.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/ids.h"
#include "core/node_list.h"
#include "core/quorum/quorum_spec.h"
#include "core/ring/moves.h"
#include "core/ring/region_copies.h"
#include "core/ring/ring.h"

namespace gyre {

static_assert(kRegionsMax == kReplicasMax);

struct KeyspaceConfig {
  std::string name = "default";
  int replicas = 3;  // N: copies in all
  // Not empty: so many of them in each region, sorted by region, with the sum `replicas`
  // (docs/adr/0012-copies-per-region.md).
  std::vector<RegionCopies> regions = {};
  QuorumSpec read_quorum;
  QuorumSpec write_quorum;
  Duration default_ttl;  // zero: none
  // Do fallbacks stand in for owners that cannot be reached (paper 4.6)?
  bool sloppy = true;

  bool operator==(const KeyspaceConfig&) const = default;
};

// Hash of the name; 0 for "default". Two keyspaces of one config with the same id are refused.
KeyspaceId KeyspaceIdOf(std::string_view name);
// Hash of the node's name: the low 24 bits of Xxh3_64, never 0. Collisions are refused.
NodeId NodeIdOf(std::string_view name);

// The owners of one partition for one keyspace. While it moves there are two sets (ring/layout.h),
// and whatever needs a quorum needs it in each.
struct OwnerSets {
  NodeList now;   // the ring's, in its order
  NodeList from;  // those of before, which have everything; empty unless they are others

  bool moving() const { return !from.empty(); }
  bool Contains(NodeId node) const { return now.Contains(node) || from.Contains(node); }
  // Each owner once, those of the ring first.
  NodeList All() const {
    NodeList all = now;
    for (const NodeId node : from) {
      if (!now.Contains(node)) all.push_back(node);
    }
    return all;
  }
};

struct ClusterView {
  Ring ring;
  std::map<KeyspaceId, KeyspaceConfig> keyspaces;  // always holds `default`
  Moves moves;
  // Members that leave and are no part of the ring any more, sorted by id.
  std::vector<Member> leaving;
  std::vector<NodeId> former;  // members that are none any more
  // Of each partition's list, from which the copies of a region are taken: what the layout's moves
  // are about.
  int list_length = static_cast<int>(kReplicasMax);

  const KeyspaceConfig* FindKeyspace(KeyspaceId id) const {
    const auto it = keyspaces.find(id);
    return it == keyspaces.end() ? nullptr : &it->second;
  }
  // Of the ring, or leaving.
  const Member* FindMember(NodeId id) const;
  template <typename Visit>
  void ForEachMember(Visit visit) const {
    for (const Member& member : ring.members()) visit(member);
    for (const Member& member : leaving) visit(member);
  }
  // Whoever may ever have been an owner: hints may be kept for each.
  template <typename Visit>
  void ForEachTarget(Visit visit) const {
    ForEachMember([&](const Member& member) { visit(member.id); });
    for (const NodeId id : former) visit(id);
  }
  std::size_t member_count() const { return ring.members().size() + leaving.size(); }
  // Since when the partition has its owner sets: every message about its rows names it, and who
  // knows another does not take it. O(1).
  RingEpoch EpochOf(PartitionId partition) const {
    return std::max(moves.EpochOf(partition), RingEpoch(1));
  }
  RingEpoch EpochOf(Token token) const { return EpochOf(ring.PartitionOf(token)); }
  // Since when all of its partitions have theirs.
  RingEpoch EpochOf(SectionId section) const {
    RingEpoch epoch;
    ring.ForEachPartitionOf(section, [&](PartitionId p) { epoch = std::max(epoch, EpochOf(p)); });
    return epoch;
  }
  // Any of its partitions.
  bool AnyMoves(SectionId section) const {
    bool any = false;
    ring.ForEachPartitionOf(section,
                            [&](PartitionId p) { any = any || moves.FromOwners(p) != nullptr; });
    return any;
  }
  // REQUIRES, of all that take a keyspace: ring.PrepareOwners(ListLengthOf(keyspace)) was called.
  int ListLengthOf(const KeyspaceConfig& keyspace) const {
    return keyspace.regions.empty() ? keyspace.replicas : list_length;
  }
  // The ring's owners in their order, never none: the first N of the partition's list, or the first
  // of each region that it is to keep. If the list has nobody of these regions, the first N.
  NodeList OwnersOf(PartitionId partition, const KeyspaceConfig& keyspace) const;
  OwnerSets SetsOf(PartitionId partition, const KeyspaceConfig& keyspace) const;
  // In either set. O(replicas), without allocation.
  bool Owns(NodeId node, PartitionId partition, const KeyspaceConfig& keyspace) const;
  // Those who may stand in for the ring's owners, in the order of the walk, kFallbacksMax at most.
  NodeList FallbacksOf(PartitionId partition, const KeyspaceConfig& keyspace) const;

  // Nobody is of another region than the others; false is always right.
  bool OneRegion() const { return ring.one_region() && leaving.empty(); }
  // Empty also for a node that is no member.
  std::string_view RegionOf(NodeId node) const {
    const Member* member = FindMember(node);
    return member == nullptr ? std::string_view() : member->region;
  }
  std::size_t CountInRegionOf(NodeId node, const NodeList& nodes) const {
    return static_cast<std::size_t>(std::count_if(nodes.begin(), nodes.end(), [&](NodeId other) {
      return RegionOf(other) == RegionOf(node);
    }));
  }
  // How many copies there can be of a key, with the members of today.
  int CopiesOf(const KeyspaceConfig& keyspace) const;
  // ... of them in one region.
  int CopiesIn(const RegionCopies& region) const;
  // So many copies does a request with this quorum have at least, whichever node takes it. Errors:
  // as QuorumSpec::Resolve.
  Result<int> LeastCopies(const QuorumSpec& spec, const KeyspaceConfig& keyspace) const;
  // 0: the same node; 1: of its zone; 2: of its region; 3: farther.
  int Distance(NodeId from, NodeId to) const;
  // The nearest first; those equally far stay in their order.
  void SortByDistance(NodeId from, NodeList& nodes) const;
  // The owners that a keyspace has where this is the partition's list.
  NodeList ChooseFrom(std::span<const NodeId> list, const KeyspaceConfig& keyspace) const;
};

// The first of `fallbacks` that is usable to stand in for `owner`: one of its region, if there is
// one.
template <typename Usable>
std::optional<NodeId> FallbackFor(NodeId owner, const NodeList& fallbacks, const ClusterView& view,
                                  Usable usable) {
  std::optional<NodeId> first;
  for (const NodeId node : fallbacks) {
    if (!usable(node)) continue;
    if (view.RegionOf(node) == view.RegionOf(owner)) return node;
    if (!first) first = node;
  }
  return first;
}
using ClusterViewPtr = std::shared_ptr<const ClusterView>;

inline const Member* ClusterView::FindMember(NodeId id) const {
  if (const Member* member = ring.FindMember(id)) return member;
  for (const Member& member : leaving) {
    if (member.id == id) return &member;
  }
  return nullptr;
}

inline NodeList ClusterView::ChooseFrom(std::span<const NodeId> list,
                                        const KeyspaceConfig& keyspace) const {
  NodeList chosen;
  const auto region_of = [this](NodeId node) {
    const Member* member = FindMember(node);
    return member == nullptr ? nullptr : &member->region;
  };
  TakeOfRegions(list, keyspace.regions, region_of, [&](NodeId node) { chosen.push_back(node); });
  if (!chosen.empty()) return chosen;
  const std::size_t count = std::min(list.size(), static_cast<std::size_t>(keyspace.replicas));
  for (const NodeId node : list.first(count)) chosen.push_back(node);
  return chosen;
}

inline NodeList ClusterView::FallbacksOf(PartitionId partition,
                                         const KeyspaceConfig& keyspace) const {
  const int length = ListLengthOf(keyspace);
  const NodeList owners = OwnersOf(partition, keyspace);
  NodeList fallbacks;
  for (const Ring::Owners& nodes :
       {ring.OwnersOf(partition, length), ring.FallbacksOf(partition, length)}) {
    for (const NodeId node : nodes) {
      if (fallbacks.size() == kFallbacksMax) return fallbacks;
      if (!owners.Contains(node)) fallbacks.push_back(node);
    }
  }
  return fallbacks;
}

inline int ClusterView::Distance(NodeId from, NodeId to) const {
  if (from == to) return 0;
  const Member* const a = FindMember(from);
  const Member* const b = FindMember(to);
  if (a == nullptr || b == nullptr || a->region != b->region) return 3;
  return a->zone == b->zone ? 1 : 2;
}

inline void ClusterView::SortByDistance(NodeId from, NodeList& nodes) const {
  NodeList sorted;
  for (int distance = 0; distance <= 3; ++distance) {
    for (const NodeId node : nodes) {
      if (Distance(from, node) == distance) sorted.push_back(node);
    }
  }
  nodes = sorted;
}

inline NodeList ClusterView::OwnersOf(PartitionId partition, const KeyspaceConfig& keyspace) const {
  const Ring::Owners list = ring.OwnersOf(partition, ListLengthOf(keyspace));
  return ChooseFrom({list.begin(), list.end()}, keyspace);
}

inline OwnerSets ClusterView::SetsOf(PartitionId partition, const KeyspaceConfig& keyspace) const {
  OwnerSets sets;
  sets.now = OwnersOf(partition, keyspace);
  const NodeList* list = moves.FromOwners(partition);
  if (list == nullptr) return sets;
  sets.from = ChooseFrom(list->span(), keyspace);
  // The same nodes in another order are one set.
  const bool others = std::any_of(sets.from.begin(), sets.from.end(),
                                  [&](NodeId owner) { return !sets.now.Contains(owner); });
  if (!others && sets.from.size() == sets.now.size()) sets.from.clear();
  return sets;
}

inline bool ClusterView::Owns(NodeId node, PartitionId partition,
                              const KeyspaceConfig& keyspace) const {
  if (!keyspace.regions.empty()) return SetsOf(partition, keyspace).Contains(node);
  if (ring.OwnersOf(partition, keyspace.replicas).Contains(node)) return true;
  const NodeList* from = moves.FromOwners(partition);
  if (from == nullptr) return false;
  const auto before = from->First(static_cast<std::size_t>(keyspace.replicas));
  return std::find(before.begin(), before.end(), node) != before.end();
}

}  // namespace gyre
