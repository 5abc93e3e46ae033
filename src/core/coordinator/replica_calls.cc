#include "core/coordinator/replica_calls.h"

#include <utility>

#include "core/handoff/owed_get.h"

namespace gyre {

void AskForCopies(const ReplicaPlan& plan, const RowKey& key, RequestId id, ShardState& shard,
                  Env& env) {
  for (const NodeList* nodes : {&plan.reachable, &plan.standins}) {
    const bool owed = nodes == &plan.standins;
    NodeList others = *nodes;
    others.Remove(shard.self);
    if (!others.empty()) {
      env.out.emplace_back(SendEffect{others, std::nullopt, ReplicaGet{id, plan.epoch, key, owed}});
    }
    if (others.size() == nodes->size()) continue;
    if (owed) {
      GetOwed(key, Ticket::Local(id), shard, env);
    } else {
      shard.replica.Get(key, Ticket::Local(id), env);
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
  shard.counters.read_repairs += stale.size();
  NodeList others = stale;
  others.Remove(shard.self);
  if (!others.empty()) {
    env.out.emplace_back(
        SendEffect{others, std::nullopt, ReplicaPut{id, epoch, key, record, /*repair=*/true}});
  }
  if (others.size() < stale.size()) {
    const Ticket ticket = id.value == 0 ? Ticket::Nobody() : Ticket::Local(id);
    shard.replica.Merge(key, record, /*repair=*/true, ticket, env);
  }
}

}  // namespace gyre
