// Who owns what, and who is to: what all members agree on. It is decided in steps, each of which
// makes a Layout of the next number; docs/adr/0008-moving-partitions.md says which steps are safe
// and how they are decided (core/membership).
//
// A partition that moves has two owner sets: its owners of before, and those of the ring, which is
// where everything is to go. A request on it needs its quorum in each (view: OwnerSets).
//
//   one set {S} -ChangeTo-> {S, T} -Settle, once all of T that S lacks have arrived-> {T}
//   {S, T} -ChangeTo-> {S, T'}, or back to {S};  all {S} -Split-> all {S}, of twice as many
#pragma once

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/node_list.h"
#include "core/ring/moves.h"
#include "core/ring/ring.h"

namespace gyre {

// Which history of layouts this is. Two clusters of one cluster id that were founded apart have
// two; the greater one wins when they meet. A recovery by force begins a new generation.
struct Lineage {
  std::uint64_t generation = 1;
  std::uint64_t founding = 0;  // a random number

  auto operator<=>(const Lineage&) const = default;
};

class Layout {
 public:
  // Everything is with the ring's owners. `replicas`: the largest N that a keyspace may have.
  // REQUIRES: 1 <= replicas <= kReplicasMax.
  static Layout Found(const Lineage& lineage, Ring ring, int replicas);

  const Lineage& lineage() const { return lineage_; }
  RingEpoch number() const { return ring_.epoch(); }
  int replicas() const { return replicas_; }
  // Where everything is to be. Its epoch is the layout's number.
  const Ring& ring() const { return ring_; }
  const Moves& moves() const { return moves_; }
  // Members that leave: no part of the ring any more, but owners of before, until what they hold
  // has moved. Sorted by id.
  const std::vector<Member>& leaving() const { return leaving_; }
  // Members that are none any more, sorted, kFormerMax at most: what is kept for them is found, and
  // given to the owners of today.
  const std::vector<NodeId>& former() const { return former_; }
  static constexpr std::size_t kFormerMax = 4'096;
  // Of the ring, or leaving.
  const Member* FindMember(NodeId id) const;
  std::vector<NodeId> MemberIds() const;  // sorted

  // Greater lineage first, then greater number: which of two is to be believed.
  bool IsNewerThan(const Layout& other) const;
  // Whose arrival the partition waits for: owners in the ring, at such a place in the list that
  // some N up to replicas() has them and did not before; all of them where they are fewer than
  // before. Likewise of each region, whose first few may be its own owners: all of its members in
  // the list, where some N has fewer of it than before. Empty if it does not move.
  NodeList Awaited(PartitionId partition) const;

  // The next layout: everything is to go to `target`'s owners. Partitions whose owners stay, in
  // their order, do not move; those that have not settled move from where they were. Members of
  // this layout that `target` lacks leave, or are gone at once if `removed` names them.
  // Errors: kInvalidArgument (another number of partitions or partitioner).
  Result<Layout> ChangeTo(const Ring& target, std::span<const NodeId> removed) const;
  // The next layout: each partition p is the two partitions 2p and 2p + 1, with p's owners and
  // fallbacks. Nothing moves; all partitions have a new epoch, as their numbers mean something
  // else. Errors: kInvalidArgument (partitions move, or there are as many as may be).
  Result<Layout> Split() const;
  // The next layout: these partitions are with their new owners only. Ignores those that do not
  // move.
  Layout Settle(std::span<const PartitionId> partitions) const;
  // The next layout, without these members, which leave. REQUIRES of each: Releasable.
  Layout Release(std::span<const NodeId> members) const;
  // Leaves, and owns nothing any more in any set.
  bool Releasable(NodeId member) const;

  // Bytes in docs/wire-format.md, and for disk; equal layouts have equal bytes.
  std::string Encode() const;
  // Errors: kCorruption.
  static Result<Layout> Decode(std::string_view bytes);
  // Of the bytes.
  std::uint64_t Digest() const;

 private:
  Layout(const Lineage& lineage, Ring ring, int replicas)
      : lineage_(lineage), ring_(std::move(ring)), replicas_(replicas) {}
  // This layout's ring with the next number, its members and owners as they are.
  Layout Next(Ring ring) const;
  void NoteFormer(NodeId member);

  Lineage lineage_;
  Ring ring_;  // PrepareOwners(replicas_) was called
  int replicas_;
  std::vector<Member> leaving_;
  std::vector<NodeId> former_;
  Moves moves_;
};

// Of what all who found a cluster together must agree on: members with weights, zones and regions,
// partitions, partitioner.
std::uint64_t RingDigest(const Ring& ring);

}  // namespace gyre
