// One client put or delete (paper 4.5), coordinated by an owner.
//
//   kIdle -Start-> [kReading -R replies->] kApplying -own record changed, sent to the others->
//   kWaitingForQuorum -W durable acknowledgements-> kDone
//
// Up to kApplying nothing has been changed anywhere, so every error is "surely not"; from then on
// it is "unknown", because what was sent may be applied by those who got it.
#pragma once

#include <memory>
#include <optional>

#include "core/coordinator/read_set.h"
#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class PutCoordinator : public RequestMachine {
 public:
  // REQUIRES: this node is an owner; plan.reachable.size() >= plan.write_needed, and >= read_needed
  // if the request reads first.
  PutCoordinator(ShardState& shard, const Origin& origin, PutRequest&& request,
                 const ReplicaPlan& plan);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return Kind::kPut; }

 private:
  enum class State { kIdle, kReading, kApplying, kWaitingForQuorum, kDone };

  void OnReadProgress(Env& env);
  void Apply(std::optional<Record> seen, Env& env);
  void OnApplied(LocalApplied& applied, Env& env);
  void OnAck(NodeId node, bool ok, Env& env);
  void Refuse(Error error, Env& env);

  PutRequest request_;
  ReplicaPlan plan_;
  State state_ = State::kIdle;
  Instant deadline_;
  std::unique_ptr<ReadSet> reads_;  // of a request that reads first
  std::optional<Tally> acks_;
  NodeList waiting_;  // owners whose acknowledgement is still to come
  PutOutcome outcome_;
};

}  // namespace gyre
