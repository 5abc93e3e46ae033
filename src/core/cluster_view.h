// What a shard knows of the cluster: members, ring, keyspaces. Immutable; a change makes a new view
// with a higher epoch, and shards get it as a snapshot.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/ids.h"
#include "core/node_list.h"
#include "core/quorum/quorum_spec.h"
#include "core/ring/moves.h"
#include "core/ring/ring.h"

namespace gyre {

struct KeyspaceConfig {
  std::string name = "default";
  int replicas = 3;  // N
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

// The owners of one partition for one N. While it moves there are two sets (ring/layout.h), and
// whatever needs a quorum needs it in each.
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
  // REQUIRES, of both: ring.PrepareOwners(replicas) was called.
  OwnerSets SetsOf(PartitionId partition, int replicas) const;
  // In either set. O(replicas), without allocation.
  bool Owns(NodeId node, PartitionId partition, int replicas) const;
};
using ClusterViewPtr = std::shared_ptr<const ClusterView>;

inline const Member* ClusterView::FindMember(NodeId id) const {
  if (const Member* member = ring.FindMember(id)) return member;
  for (const Member& member : leaving) {
    if (member.id == id) return &member;
  }
  return nullptr;
}

inline OwnerSets ClusterView::SetsOf(PartitionId partition, int replicas) const {
  OwnerSets sets;
  for (const NodeId owner : ring.OwnersOf(partition, replicas)) sets.now.push_back(owner);
  const NodeList* from = moves.FromOwners(partition);
  if (from == nullptr) return sets;
  bool others = false;
  for (const NodeId owner : from->First(static_cast<std::size_t>(replicas))) {
    sets.from.push_back(owner);
    others = others || !sets.now.Contains(owner);
  }
  // The same nodes in another order are one set.
  if (!others && sets.from.size() == sets.now.size()) sets.from.clear();
  return sets;
}

inline bool ClusterView::Owns(NodeId node, PartitionId partition, int replicas) const {
  if (ring.OwnersOf(partition, replicas).Contains(node)) return true;
  const NodeList* from = moves.FromOwners(partition);
  if (from == nullptr) return false;
  const auto before = from->First(static_cast<std::size_t>(replicas));
  return std::find(before.begin(), before.end(), node) != before.end();
}

}  // namespace gyre
