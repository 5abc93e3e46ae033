#include "core/peer_checks.h"

#include "core/coordinator/admission.h"

namespace gyre {
namespace {

std::optional<ErrorCode> CheckRow(RingEpoch epoch, const RowKey& key, bool as_owner,
                                  ShardState& shard) {
  const Ring& ring = shard.view->ring;
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(key.keyspace);
  if (keyspace == nullptr || !CheckKey(key)) return ErrorCode::kInvalidArgument;
  if (epoch != ring.epoch() ||
      (as_owner &&
       !ring.OwnersOf(ring.PartitionOf(key.token), keyspace->replicas).Contains(shard.self))) {
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
  if (target == shard.self || shard.view->ring.FindMember(target) == nullptr) {
    return ErrorCode::kInvalidArgument;
  }
  if (!shard.ledger.hints().Fits(target, put.record.size(), shard.config)) {
    ++shard.counters.hints_refused;
    return ErrorCode::kOverloaded;
  }
  ++shard.counters.hints_stored;
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
  if (keys.epoch != shard.view->ring.epoch()) return ErrorCode::kWrongEpoch;
  const MerkleTree& tree = shard.ledger.tree();
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(keys.keyspace);
  const PartitionId partition = tree.PartitionOfLeaf(keys.leaf);
  if (keyspace == nullptr || keys.bits != tree.leaf_bits() || !shard.Serves(partition) ||
      !shard.view->ring.OwnersOf(partition, keyspace->replicas).Contains(shard.self)) {
    return ErrorCode::kInvalidArgument;
  }
  return std::nullopt;
}

}  // namespace gyre
