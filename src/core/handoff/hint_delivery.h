// Hands one hint over: to its target, or, if that does not own the key any more, to all who do. It
// is dropped here once they have it durably, and only if it is still the one that was sent.
//
//   sent -taken by all-> lingering -sync_lag, and until others go too-> dropping -durable-> done
//   any failure, link down, silence before dropping -> done, kept
#pragma once

#include "core/machine.h"
#include "core/node_list.h"

namespace gyre {

// Is what is kept for this node due to the owners of today? It owns that no more, or was removed
// and will not take it, though the partition is still on its way from there.
bool HintIsForOthers(NodeId owed_to, PartitionId partition, const KeyspaceConfig& keyspace,
                     const ClusterView& view);

class HintDelivery : public Machine {
 public:
  // `session` is told by a LocalApplied that nobody is waited for any more, and then of the end by
  // a LocalDurable.
  HintDelivery(ShardState& shard, RequestId session, RowKey hint, Bytes record, std::uint64_t stamp)
      : Machine(shard),
        session_(session),
        hint_(std::move(hint)),
        record_(std::move(record)),
        stamp_(stamp) {}

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;

 private:
  void OnTaken(NodeId by, const Status& status, Env& env);
  Instant DropTogether(Instant at) const;
  void Drop(Env& env);
  void Answered(Env& env);
  void End(Status status, Env& env);

  const RequestId session_;
  const RowKey hint_;
  const Bytes record_;
  const std::uint64_t stamp_;
  NodeList waiting_;
  NodeList taken_by_;
  bool answered_ = false;
  bool dropping_ = false;
  Instant sent_at_;
  Instant deadline_;                  // of the answers
  Instant drop_at_ = Instant::Max();  // while it lingers
};

}  // namespace gyre
