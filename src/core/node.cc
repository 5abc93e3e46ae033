#include "core/node.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "base/check.h"

namespace gyre {
namespace {

// The section that a request or a request message is about.
template <typename T>
SectionId SectionOfRequest(const T& request, const Ring& ring) {
  if constexpr (std::is_same_v<T, ScanRequest>) {
    return ring.SectionOf(StartOf(request));
  } else {
    return ring.SectionOf(request.key.token);
  }
}

template <typename T, typename = void>
struct IsForwarded : std::false_type {};
template <typename T>
struct IsForwarded<T, std::void_t<decltype(std::declval<T>().request)>> : std::true_type {};

}  // namespace

ShardId ShardOfRequest(const ClientRequest& request, const Ring& ring, std::uint16_t shard_count) {
  GYRE_CHECK(shard_count > 0);
  return std::visit(
      [&](const auto& kind) { return ShardOfSection(SectionOfRequest(kind, ring), shard_count); },
      request);
}

ShardId ShardOfMessage(const Envelope& envelope, const Ring& ring, std::uint16_t shard_count) {
  GYRE_CHECK(shard_count > 0);
  if (envelope.to_shard.has_value()) {
    return ShardId(static_cast<std::uint16_t>(envelope.to_shard->value % shard_count));
  }
  return std::visit(
      [&](const auto& message) -> ShardId {
        using M = std::decay_t<decltype(message)>;
        // A node of a tree, at least as deep as the section that it belongs to; what is not goes
        // to any shard, which refuses it.
        const auto shard_of_node = [&](std::uint8_t bits, std::uint64_t index) {
          const int below = std::max(bits - ring.section_bits(), 0);
          return ShardOfSection(SectionId(static_cast<std::uint32_t>(index >> below)), shard_count);
        };
        if constexpr (std::is_same_v<M, TreeCompare>) {
          return shard_of_node(message.bits, message.nodes.front().index);
        } else if constexpr (std::is_same_v<M, Ballot>) {
          return ShardOfSection(message.section, shard_count);
        } else if constexpr (std::is_same_v<M, LeafKeys>) {
          return shard_of_node(message.bits, message.leaf);
        } else if constexpr (std::is_same_v<M, ReplicaScan>) {
          return shard_of_node(static_cast<std::uint8_t>(ring.partition_bits()),
                               message.request.partition.value);
        } else if constexpr (std::is_same_v<M, RangeGet>) {
          return shard_of_node(message.bits, message.first);
        } else if constexpr (IsForwarded<M>::value) {
          return ShardOfSection(SectionOfRequest(message.request, ring), shard_count);
        } else if constexpr (std::is_same_v<M, ReplicaGet> || std::is_same_v<M, ReplicaPut>) {
          return ShardOfSection(SectionOfRequest(message, ring), shard_count);
        } else {
          GYRE_CHECK(false && "a reply names its shard");  // DecodeFrameBody has seen to it
        }
      },
      envelope.message);
}

}  // namespace gyre
