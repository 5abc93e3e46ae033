#include "core/node.h"

#include <type_traits>
#include <variant>

#include "base/check.h"

namespace gyre {
namespace {

// The partition that a request or a request message is about.
template <typename T>
PartitionId PartitionOfRequest(const T& request, const Ring& ring) {
  if constexpr (std::is_same_v<T, ScanRequest>) {
    return request.partition;
  } else {
    return ring.PartitionOf(request.key.token);
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
      [&](const auto& kind) {
        return ShardOfPartition(PartitionOfRequest(kind, ring), shard_count);
      },
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
        if constexpr (std::is_same_v<M, TreeCompare>) {
          const int below = message.bits - ring.partition_bits();
          return ShardOfPartition(PartitionId(below < 0 ? 0 : message.nodes.front().index >> below),
                                  shard_count);
        } else if constexpr (std::is_same_v<M, LeafKeys>) {
          const int below = message.bits - ring.partition_bits();
          return ShardOfPartition(PartitionId(below < 0 ? 0 : message.leaf >> below), shard_count);
        } else if constexpr (IsForwarded<M>::value) {
          return ShardOfPartition(PartitionOfRequest(message.request, ring), shard_count);
        } else if constexpr (std::is_same_v<M, ReplicaGet> || std::is_same_v<M, ReplicaPut>) {
          return ShardOfPartition(PartitionOfRequest(message, ring), shard_count);
        } else {
          GYRE_CHECK(false && "a reply names its shard");  // DecodeFrameBody has seen to it
        }
      },
      envelope.message);
}

}  // namespace gyre
