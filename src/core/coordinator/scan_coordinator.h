// One page of a partition, from the first reachable owner that answers (the node itself if it is
// one). Eventually consistent by design: it shows what that owner holds.
//
//   kIdle -Start-> asking -page-> done;  asking -error, link down, silence-> asking the next
#pragma once

#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class ScanCoordinator : public RequestMachine {
 public:
  // `candidates`: reachable owners, self first if it is one. REQUIRES: not empty.
  ScanCoordinator(ShardState& shard, const Origin& origin, ScanRequest request,
                  const NodeList& candidates, RingEpoch epoch);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& /*outcome*/, Env& /*env*/) override {}
  void OnScanDone(Result<ScanOutcome> outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return Kind::kScan; }

 private:
  void AskNext(Env& env);
  void Take(Result<ScanOutcome> outcome, Env& env);

  ScanRequest request_;
  NodeList candidates_;
  NodeId asked_;
  RingEpoch epoch_;
  Instant deadline_;
  Instant try_deadline_;
  Error last_error_;
};

}  // namespace gyre
