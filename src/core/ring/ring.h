// Who owns which slice of the hash space: Q equal partitions, one owner each.
// Paper 4.2 (partitioning), 4.3 (preference list), 6.2 (strategy 3: fixed Q).
// Immutable after Create; a membership change makes a new Ring with a higher epoch.
// Invariants: partition_count() is a power of two <= 65,536; every partition has exactly one owner,
// which is a member; members are sorted by id, unique.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/ids.h"
#include "core/key.h"
#include "core/ring/partitioner.h"

namespace gyre {

// A physical node as the ring sees it.
struct Member {
  NodeId id;
  std::string name;      // unique in the cluster; 1 to 64 of [A-Za-z0-9._-]
  std::uint32_t weight = 1;  // capacity relative to the others, 1..10,000
  std::string zone;      // failure domain; empty: all such nodes share one
  std::string region;

  bool operator==(const Member&) const = default;
};

// The nodes that serve a partition, best first: `owners` are the first N distinct physical nodes
// clockwise (spread over zones, then regions); the members after them are `fallbacks`.
struct PreferenceList {
  std::vector<NodeId> owners;
  std::vector<NodeId> fallbacks;

  bool operator==(const PreferenceList&) const = default;
};

class Ring {
 public:
  // Builds a ring; owners[p] is the owner of partition p.
  // Errors: kInvalidArgument unless owners.size() is a power of two <= 2^kPartitionBitsMax, every
  // owner is a member, and members are non-empty with unique ids and names.
  static Result<Ring> Create(RingEpoch epoch, PartitionerKind partitioner,
                             std::vector<Member> members, std::vector<NodeId> owners);

  RingEpoch epoch() const { return epoch_; }
  PartitionerKind partitioner() const { return partitioner_; }
  std::size_t partition_count() const { return owners_.size(); }
  int partition_bits() const { return partition_bits_; }
  const std::vector<Member>& members() const { return members_; }
  const Member* FindMember(NodeId id) const;
  NodeId OwnerOf(PartitionId partition) const { return owners_[partition.value]; }
  const std::vector<NodeId>& owners() const { return owners_; }
  PartitionId PartitionOf(Token token) const { return gyre::PartitionOf(token, partition_bits_); }
  Token TokenOf(std::string_view key) const { return gyre::TokenOf(partitioner_, key); }

  // The first min(replicas, members) distinct nodes clockwise from `partition`: owners; then up to
  // `fallbacks_max` further distinct nodes in the order of the walk. Partitions of nodes already
  // listed are skipped. While choosing owners a node in a zone already listed is passed over as
  // long as an unlisted zone exists further on, then likewise regions (the passed-over come next).
  // Cost: the walk, O(partition_count) at worst; callers on the hot path use OwnersOf.
  // REQUIRES: partition in range, 1 <= replicas <= kReplicasMax.
  PreferenceList PreferenceListOf(PartitionId partition, int replicas,
                                  std::size_t fallbacks_max) const;
  // The same owners from a table made at Create for each N that is asked first through
  // PrepareOwners. O(1), no allocation. REQUIRES: PrepareOwners(replicas) was called.
  struct Owners {
    const NodeId* data;
    int count;
    const NodeId* begin() const { return data; }
    const NodeId* end() const { return data + count; }
    bool Contains(NodeId id) const {
      for (const NodeId node : *this) {
        if (node == id) return true;
      }
      return false;
    }
  };
  Owners OwnersOf(PartitionId partition, int replicas) const;
  // Called while the view is built, once per distinct N of the keyspaces.
  void PrepareOwners(int replicas);

 private:
  Ring() = default;
  RingEpoch epoch_;
  PartitionerKind partitioner_ = PartitionerKind::kMd5;
  int partition_bits_ = 0;
  std::vector<Member> members_;
  std::vector<NodeId> owners_;
  // owner_tables_[n]: partition_count() * min(n, members) node ids, or empty.
  std::vector<std::vector<NodeId>> owner_tables_;
};

}  // namespace gyre
