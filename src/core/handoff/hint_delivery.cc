#include "core/handoff/hint_delivery.h"

#include <utility>

namespace gyre {

bool HintIsForOthers(NodeId owed_to, PartitionId partition, const KeyspaceConfig& keyspace,
                     const ClusterView& view) {
  return view.FindMember(owed_to) == nullptr || !view.Owns(owed_to, partition, keyspace);
}

void HintDelivery::Start(Env& env) {
  const KeyspaceConfig* keyspace = view().FindKeyspace(hint_.keyspace);
  if (keyspace == nullptr) {
    return End(Fail(ErrorCode::kInvalidArgument, "the hint's keyspace is gone"), env);
  }
  sent_at_ = env.now.instant;
  deadline_ = sent_at_ + shard().config.request_timeout;
  SetTimer(deadline_);
  const PartitionId partition = view().ring.PartitionOf(hint_.token);
  if (HintIsForOthers(hint_.owed_to, partition, *keyspace, view())) {
    for (const NodeId owner : view().SetsOf(partition, *keyspace).All()) {
      if (view().FindMember(owner) != nullptr) waiting_.push_back(owner);
    }
  } else {
    waiting_.push_back(hint_.owed_to);
  }
  const RowKey own = hint_.OwedTo({});
  NodeList others = waiting_;
  others.Remove(shard().self);
  if (!others.empty()) {
    env.out.emplace_back(SendEffect{
        others, std::nullopt,
        ReplicaPut{id(), view().EpochOf(partition), own, record_, /*repair=*/false, stamp_}});
  }
  if (others.size() < waiting_.size()) {
    shard().replica.Merge(own, record_, stamp_, /*repair=*/false, Ticket::Local(id()), env);
  }
}

void HintDelivery::OnReply(NodeId from, Message& reply, Env& env) {
  const auto* put = std::get_if<ReplicaPutReply>(&reply);
  if (put == nullptr) return;
  OnTaken(from, put->error ? Status(Fail(*put->error, "refused by its target")) : Status(), env);
}

void HintDelivery::OnLocal(LocalOutcome& outcome, Env& env) {
  const auto* durable = std::get_if<LocalDurable>(&outcome.what);
  if (durable == nullptr) return;
  if (!dropping_) return OnTaken(shard().self, durable->status, env);
  End(durable->status, env);
}

void HintDelivery::OnTaken(NodeId by, const Status& status, Env& env) {
  if (!waiting_.Contains(by)) return;
  if (!status) return End(status, env);
  waiting_.Remove(by);
  taken_by_.push_back(by);
  if (!waiting_.empty()) return;
  if (by != shard().self) shard().budget.NoteDelivery(env.now.instant - sent_at_, env.now.instant);
  Answered(env);
  // Half as much again, for clocks that run at different rates.
  const Duration lag = shard().config.sync_lag;
  drop_at_ = DropTogether(env.now.instant + lag + Duration{lag.us / 2});
  SetTimer(drop_at_);
}

// Those that were taken within so long are dropped together, by one fsync: each for itself would
// have as many of them as the writes of the clients, and make them wait.
Instant HintDelivery::DropTogether(Instant at) const {
  constexpr std::int64_t kStepUs = 64 * 1024;
  // Not all nodes at once.
  const auto phase = static_cast<std::int64_t>(shard().self.value * 40'503u % kStepUs);
  return Instant{((at.us + phase) / kStepUs + 1) * kStepUs - phase};
}

void HintDelivery::Drop(Env& env) {
  dropping_ = true;
  shard().replica.Drop(hint_, RowDigest(hint_, record_.view()), Ticket::Local(id()), env);
}

void HintDelivery::OnPeerDown(NodeId peer, Env& env) {
  if (dropping_ || finished()) return;
  // Whoever took it a moment ago may have lost it with its power.
  if (!waiting_.Contains(peer) && !taken_by_.Contains(peer)) return;
  End(Fail(ErrorCode::kUnavailable, "the link went down"), env);
}

void HintDelivery::OnTimer(Env& env) {
  if (finished() || dropping_) return;
  if (env.now.instant >= drop_at_) return Drop(env);
  if (waiting_.empty() || env.now.instant < deadline_) return;
  End(Fail(ErrorCode::kUnavailable, "the target did not answer in time"), env);
}

void HintDelivery::Answered(Env& env) {
  if (!std::exchange(answered_, true)) env.local.push_back({session_, LocalApplied{}});
}

void HintDelivery::End(Status status, Env& env) {
  Answered(env);
  env.local.push_back({session_, LocalDurable{std::move(status)}});
  Finish();
}

}  // namespace gyre
