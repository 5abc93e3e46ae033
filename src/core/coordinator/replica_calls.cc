#include "core/coordinator/replica_calls.h"

#include <utility>

#include "core/purge/copy_get.h"

namespace gyre {

void AskForCopies(const ReplicaPlan& plan, const RowKey& key, std::uint64_t floor,
                  std::uint64_t digest_over, RequestId id, ShardState& shard, Env& env) {
  for (const NodeList* nodes : {&plan.reachable, &plan.standins}) {
    const bool owed = nodes == &plan.standins;
    NodeList others = *nodes;
    others.Remove(shard.self);
    if (!others.empty()) {
      env.out.emplace_back(
          SendEffect{others, std::nullopt,
                     ReplicaGet{id, plan.epoch, key, owed, floor, owed ? 0 : digest_over}});
    }
    if (others.size() == nodes->size()) continue;
    GetCopy(key, owed, floor, Ticket::Local(id), shard, env);
  }
}

void TakeCopy(ReadSet& reads, NodeId from, ReplicaGetReply& reply) {
  if (reply.error) {
    reads.AddFailure(from, *reply.error == ErrorCode::kCorruption);
  } else {
    reads.AddReply(from, std::move(reply.record), reply.stamp);
  }
}

void TakeCopy(ReadSet& reads, NodeId self, LocalGetDone& outcome) {
  if (outcome.record) {
    reads.AddReply(self, std::move(*outcome.record), outcome.stamp);
  } else {
    reads.AddFailure(self, outcome.record.error().code == ErrorCode::kCorruption);
  }
}

void SendRepairs(const NodeList& stale, const RowKey& key, RingEpoch epoch, const Bytes& record,
                 std::uint64_t stamp, RequestId id, ShardState& shard, Env& env) {
  shard.counters.read_repairs += stale.size();
  NodeList others = stale;
  others.Remove(shard.self);
  if (!others.empty()) {
    env.out.emplace_back(SendEffect{others, std::nullopt,
                                    ReplicaPut{id, epoch, key, record, /*repair=*/true, stamp}});
  }
  if (others.size() < stale.size()) {
    const Ticket ticket = id.value == 0 ? Ticket::Nobody() : Ticket::Local(id);
    shard.replica.Merge(key, record, stamp, /*repair=*/true, ticket, env);
  }
}

}  // namespace gyre
