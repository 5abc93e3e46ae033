// What each owner holds of one key, side by side, repaired by nothing: for `gyre key explain`.
// Answers when every owner did, or at the timeout with what there is.
#pragma once

#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class ExplainCoordinator : public RequestMachine {
 public:
  ExplainCoordinator(ShardState& shard, const Origin& origin, ExplainRequest request,
                     const ReplicaPlan& plan);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return Kind::kGet; }

 private:
  void Take(NodeId from, Result<Bytes> record, Env& env);

  ExplainRequest request_;
  ReplicaPlan plan_;
  Instant deadline_;
  ExplainOutcome outcome_;
  NodeList waiting_;
};

}  // namespace gyre
