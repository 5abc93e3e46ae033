// Hands one hint over: to its target, or, if that does not own the key any more, to all who do. It
// is dropped here once they have it durably, and only if it is still the one that was sent.
//
//   sent -taken by all-> [lingering sync_lag->] dropping -durable-> done
//   any failure, link down, silence before dropping -> done, kept
#pragma once

#include "core/machine.h"
#include "core/node_list.h"

namespace gyre {

class HintDelivery : public Machine {
 public:
  // `session` is told of the end by a LocalDurable.
  HintDelivery(ShardState& shard, RequestId session, RowKey hint, Bytes record,
               std::uint64_t stamp)
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
  void Drop(Env& env);
  void End(Status status, Env& env);

  const RequestId session_;
  const RowKey hint_;
  const Bytes record_;
  const std::uint64_t stamp_;
  NodeList waiting_;
  NodeList taken_by_;
  bool dropping_ = false;
  Instant deadline_;                  // of the answers
  Instant drop_at_ = Instant::Max();  // while lingering
};

}  // namespace gyre
