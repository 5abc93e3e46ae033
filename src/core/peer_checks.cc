#include "core/peer_checks.h"

#include "core/coordinator/admission.h"

namespace gyre {
namespace {

std::optional<ErrorCode> CheckRow(RingEpoch epoch, const RowKey& key, bool as_owner,
                                  ShardState& shard) {
  const ClusterView& view = *shard.view;
  const KeyspaceConfig* keyspace = view.FindKeyspace(key.keyspace);
  if (keyspace == nullptr || !CheckKey(key)) return ErrorCode::kInvalidArgument;
  const PartitionId partition = view.ring.PartitionOf(key.token);
  if (epoch != view.EpochOf(partition) ||
      (as_owner && !view.Owns(shard.self, partition, *keyspace))) {
    ++shard.counters.wrong_epoch;
    return ErrorCode::kWrongEpoch;
  }
  if (shard.replica.operations_in_flight() >= shard.config.requests_in_flight_max) {
    ++shard.counters.overloaded;
    return ErrorCode::kOverloaded;
  }
  return std::nullopt;
}

std::optional<ErrorCode> CheckHint(const ReplicaPut& put, ShardState& shard) {
  const NodeId target = put.key.owed_to;
  const ClusterView& view = *shard.view;
  if (view.ring.FindMember(shard.self) == nullptr) return ErrorCode::kUnavailable;  // it leaves
  if (target == shard.self || !view.Owns(target, view.ring.PartitionOf(put.key.token),
                                         *view.FindKeyspace(put.key.keyspace))) {
    return ErrorCode::kInvalidArgument;
  }
  if (!shard.ledger.hints().Fits(target, put.record.size(), shard.config)) {
    ++shard.counters.hints_refused;
    return ErrorCode::kOverloaded;
  }
  ++shard.counters.hints_stored;
  return std::nullopt;
}

std::optional<ErrorCode> CheckLeaf(RingEpoch epoch, KeyspaceId keyspace_id, std::uint8_t bits,
                                   std::uint32_t leaf, const ShardState& shard) {
  const MerkleTree& tree = shard.ledger.tree();
  if (bits != tree.leaf_bits()) return ErrorCode::kInvalidArgument;
  const PartitionId partition = shard.PartitionOfLeaf(leaf);
  if (epoch != shard.view->EpochOf(partition)) return ErrorCode::kWrongEpoch;
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(keyspace_id);
  if (keyspace == nullptr || !shard.Serves(partition) ||
      !shard.view->Owns(shard.self, partition, *keyspace)) {
    return ErrorCode::kInvalidArgument;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ErrorCode> Refused(const ReplicaGet& get, ShardState& shard) {
  return CheckRow(get.epoch, get.key, /*as_owner=*/!get.owed, shard);
}

std::optional<ErrorCode> Refused(const ReplicaPut& put, ShardState& shard) {
  const auto refused = CheckRow(put.epoch, put.key, /*as_owner=*/!put.key.is_hint(), shard);
  return refused || !put.key.is_hint() ? refused : CheckHint(put, shard);
}

std::optional<ErrorCode> Refused(const LeafKeys& keys, const ShardState& shard) {
  return CheckLeaf(keys.epoch, keys.keyspace, keys.bits, keys.leaf, shard);
}

std::optional<ErrorCode> Refused(const RangeGet& get, const ShardState& shard) {
  if (const auto refused = CheckLeaf(get.epoch, get.keyspace, get.bits, get.first, shard)) {
    return refused;
  }
  const MerkleTree& tree = shard.ledger.tree();
  if (shard.PartitionOfLeaf(get.first) != shard.PartitionOfLeaf(get.last)) {
    return ErrorCode::kInvalidArgument;
  }
  if (!get.after) return std::nullopt;
  const std::uint32_t after = LeafOf(get.after->token, tree.leaf_bits());
  const bool within =
      get.after->keyspace == get.keyspace && get.first <= after && after <= get.last;
  return within ? std::nullopt : std::optional(ErrorCode::kInvalidArgument);
}

}  // namespace gyre
