#include "core/coordinator/replica_calls.h"

#include <utility>

namespace gyre {

void AskForCopies(const NodeList& owners, const RowKey& key, RingEpoch epoch, RequestId id,
                  ShardState& shard, Env& env) {
  for (const NodeId node : owners) {
    if (node == shard.self) {
      shard.replica.Get(key, Ticket::Local(id), env);
    } else {
      env.out.emplace_back(SendEffect{node, std::nullopt, ReplicaGet{id, epoch, key}});
    }
  }
}

void TakeCopy(ReadSet& reads, NodeId from, ReplicaGetReply& reply) {
  if (reply.error) {
    reads.AddFailure(from, *reply.error == ErrorCode::kCorruption);
  } else {
    reads.AddReply(from, std::move(reply.record));
  }
}

void TakeCopy(ReadSet& reads, NodeId self, LocalGetDone& outcome) {
  if (outcome.record) {
    reads.AddReply(self, std::move(*outcome.record));
  } else {
    reads.AddFailure(self, outcome.record.error().code == ErrorCode::kCorruption);
  }
}

void SendRepairs(const NodeList& stale, const RowKey& key, RingEpoch epoch, const Bytes& record,
                 RequestId id, ShardState& shard, Env& env) {
  for (const NodeId node : stale) {
    ++shard.counters.read_repairs;
    if (node == shard.self) {
      const Ticket ticket = id.value == 0 ? Ticket::Nobody() : Ticket::Local(id);
      shard.replica.Merge(key, record, /*repair=*/true, ticket, env);
    } else {
      env.out.emplace_back(
          SendEffect{node, std::nullopt, ReplicaPut{id, epoch, key, record, /*repair=*/true}});
    }
  }
}

}  // namespace gyre
