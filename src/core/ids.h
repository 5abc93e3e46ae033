// Names of things, as types that cannot be mixed up. All are plain integers with an order.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace gyre {

template <typename Tag, typename Integer>
struct StrongId {
  Integer value{};

  constexpr StrongId() = default;
  constexpr explicit StrongId(Integer v) : value(v) {}
  constexpr auto operator<=>(const StrongId&) const = default;
};

// A physical node: the low 24 bits hold a hash of its name (see cluster_view.h), so that every
// node derives the same id from the same name. Never 0.
using NodeId = StrongId<struct NodeIdTag, std::uint32_t>;
inline constexpr std::uint32_t kNodeIdMax = (1u << 24) - 1;

// One of a node's shards: section s belongs to shard s mod T.
using ShardId = StrongId<struct ShardIdTag, std::uint16_t>;
// One of the Q equal arcs of the ring: the top q bits of the token.
using PartitionId = StrongId<struct PartitionIdTag, std::uint32_t>;
// One of the arcs that the cluster was founded with as its partitions. Partitions may be split
// later (ring/layout.h), sections never: a section holds 2^k partitions. What a node keeps by arcs
// and not by owners goes by sections: its shards, trees, ballots, hints.
using SectionId = StrongId<struct SectionIdTag, std::uint32_t>;
// A hash of the keyspace's name, 0 for `default`.
using KeyspaceId = StrongId<struct KeyspaceIdTag, std::uint32_t>;
// Where a node keeps notes of its own (ledger/ballot_book.h). No keyspace's name has this hash.
inline constexpr KeyspaceId kNotesKeyspace{0xFFFF'FFFF};
// Version of the ring that a plan was made with; rises with each membership change.
using RingEpoch = StrongId<struct RingEpochTag, std::uint64_t>;
// One incarnation of one shard's storage: node id in the upper 24 bits, chance below. New whenever
// a counter might repeat (causality/actor.h).
using ActorId = StrongId<struct ActorIdTag, std::uint64_t>;
// Names a request within one shard of one node: answers carry it back.
using RequestId = StrongId<struct RequestIdTag, std::uint64_t>;
// Names a client's request for the driver that handed it in; the core only gives it back.
using ClientId = StrongId<struct ClientIdTag, std::uint64_t>;

constexpr NodeId NodeOf(ActorId actor) {
  return NodeId(static_cast<std::uint32_t>(actor.value >> 40));
}

}  // namespace gyre

template <typename Tag, typename Integer>
struct std::hash<gyre::StrongId<Tag, Integer>> {
  std::size_t operator()(gyre::StrongId<Tag, Integer> id) const noexcept {
    return static_cast<std::size_t>(id.value) * 0x9E3779B97F4A7C15u;
  }
};
