// Who owns which slice of the hash space: Q equal partitions, one owner each.
// Paper 4.2 (partitioning), 4.3 (preference list), 6.2 (strategy 3: fixed Q).
// Immutable after Create; a membership change makes a new Ring with a higher epoch.
// Invariants: partition_count() is a power of two <= 65,536; every partition has exactly one owner,
// which is a member; members are sorted by id, unique.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/ids.h"
#include "core/key.h"
#include "core/ring/partitioner.h"

namespace gyre {

inline constexpr std::uint32_t kWeightMax = 10'000;
// How many nodes behind the owners may be asked to stand in for them, in one request.
inline constexpr std::size_t kFallbacksMax = 16;

// A physical node as the ring sees it.
struct Member {
  NodeId id;
  std::string name;          // unique in the cluster; 1 to 64 of [A-Za-z0-9._-]
  std::uint32_t weight = 1;  // capacity relative to the others, 1..kWeightMax
  std::string zone;          // failure domain; empty: all such nodes of a region share one
  std::string region;        // zones of one name in two regions are two zones
  // host:port, as others reach it; empty: not known. No part of where anything lies.
  std::string address = {};  // its peer port
  std::string resp = {};
  std::string http = {};

  bool operator==(const Member&) const = default;
};

// The nodes that serve a partition, best first. See Ring::PreferenceListOf for the exact walk.
struct PreferenceList {
  std::vector<NodeId> owners;
  std::vector<NodeId> fallbacks;

  bool operator==(const PreferenceList&) const = default;
};

class Ring {
 public:
  // Builds a ring; owners[p] is the owner of partition p. Its partitions are its sections.
  // Errors: kInvalidArgument unless owners.size() is a power of two <= 2^kPartitionBitsMax, every
  // owner is a member, and members are non-empty, at most kNodesMax, of weight 1..kWeightMax, with
  // unique names and unique ids in 1..kNodeIdMax.
  static Result<Ring> Create(RingEpoch epoch, PartitionerKind partitioner,
                             std::vector<Member> members, std::vector<NodeId> owners);
  // The partitions are parts of 2^section_bits sections: they have been split (Layout::Split).
  // REQUIRES: 0 <= section_bits <= partition_bits().
  void SetSectionBits(int section_bits);

  RingEpoch epoch() const { return epoch_; }
  PartitionerKind partitioner() const { return partitioner_; }
  std::size_t partition_count() const { return owners_.size(); }
  int partition_bits() const { return partition_bits_; }
  int section_bits() const { return section_bits_; }
  std::size_t section_count() const { return std::size_t{1} << section_bits_; }
  SectionId SectionOf(PartitionId partition) const {
    return SectionId(partition.value >> (partition_bits_ - section_bits_));
  }
  SectionId SectionOf(Token token) const { return gyre::SectionOf(token, section_bits_); }
  template <typename Visit>
  void ForEachPartitionOf(SectionId section, Visit visit) const {
    const int bits = partition_bits_ - section_bits_;
    const std::uint32_t first = section.value << bits;
    for (std::uint32_t p = first; p < first + (1u << bits); ++p) visit(PartitionId(p));
  }
  const std::vector<Member>& members() const { return members_; }
  const Member* FindMember(NodeId id) const;
  bool one_region() const { return one_region_; }  // are all members of the same?
  NodeId OwnerOf(PartitionId partition) const { return owners_[partition.value]; }
  const std::vector<NodeId>& owners() const { return owners_; }
  PartitionId PartitionOf(Token token) const { return gyre::PartitionOf(token, partition_bits_); }
  Token TokenOf(std::string_view key) const { return gyre::TokenOf(partitioner_, key); }

  // The *walk* from a partition: members in the order in which the partitions clockwise from it
  // (itself first) first name them; then, by id, members that own no partition.
  // `owners`: min(replicas, members) nodes, each chosen as the first unlisted node of the walk
  // whose region is not listed yet; if every region is, whose zone is not; if every zone is, any.
  // So the first is the partition's owner, and the list has min(replicas, R) regions and
  // min(replicas, Z) zones however the ring is laid out (a node in a new region is in a new zone).
  // `fallbacks`: the first `fallbacks_max` others, in the order of the walk.
  // Cost: O(partition_count() + replicas * members); callers on the hot path use OwnersOf.
  // REQUIRES: partition in range, 1 <= replicas <= kReplicasMax.
  PreferenceList PreferenceListOf(PartitionId partition, int replicas,
                                  std::size_t fallbacks_max) const;
  // The same owners, from the table that PrepareOwners(replicas) made. O(1), no allocation; valid
  // as long as the ring. REQUIRES: partition in range, PrepareOwners(replicas) was called.
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
  // The first min(kFallbacksMax, all) of its fallbacks, from the same table, as cheap.
  Owners FallbacksOf(PartitionId partition, int replicas) const;
  // Called while the view is built, once per distinct N of the keyspaces; again is free.
  // O(partition_count() * (replicas^2 + kFallbacksMax)). REQUIRES: 1 <= replicas <= kReplicasMax.
  void PrepareOwners(int replicas);

  // Zone and region of each of members(), numbered from 0 in the order of (region, zone).
  struct Domain {
    std::uint32_t zone = 0;
    std::uint32_t region = 0;
  };
  const std::vector<Domain>& domains() const { return domains_; }

 private:
  Ring() = default;
  RingEpoch epoch_;
  PartitionerKind partitioner_ = PartitionerKind::kMd5;
  int partition_bits_ = 0;
  int section_bits_ = 0;
  std::vector<Member> members_;
  std::vector<NodeId> owners_;
  std::vector<std::uint32_t> owner_indexes_;  // owners_ as positions in members_
  std::vector<Domain> domains_;
  bool one_region_ = true;  // of members_
  // tables_[n], or empty: for each partition min(n, members) owners, then fallbacks.
  std::size_t OwnersIn(std::size_t n) const { return std::min(n, members_.size()); }
  std::size_t FallbacksIn(std::size_t n) const {
    return std::min(kFallbacksMax, members_.size() - OwnersIn(n));
  }
  const NodeId* Row(PartitionId partition, int replicas) const;
  std::vector<std::vector<NodeId>> tables_;
};

}  // namespace gyre
