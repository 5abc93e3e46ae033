// One page of a partition, from the first reachable owner that answers (the node itself if it is
// one). Eventually consistent by design: it shows what that owner holds. Once the owners are others
// it begins anew: what was being read may be dropped.
//
// Partitions may have been split since the request was made, or the one who made it knows of a
// split before this shard does. In the first case a page ends where one of the parts does, and says
// where to go on; in the other it waits for the view.
//
//   kIdle -Start-> asking -page-> done;  asking -error, link down, silence-> asking the next
// Counts come page by page as well: each has its own time, so that a partition may take any.
#pragma once

#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class ScanCoordinator : public RequestMachine {
 public:
  // `partition`: of this view, where the page begins. `candidates`: its reachable owners, self
  // first if it is one. REQUIRES: not empty.
  ScanCoordinator(ShardState& shard, const Origin& origin, ScanRequest request,
                  const NodeList& candidates, PartitionId partition);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& /*outcome*/, Env& /*env*/) override {}
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return Kind::kScan; }

 private:
  void AskNext(Env& env);
  void Take(Result<ScanOutcome> outcome, Env& env);
  void ReadOwnRows(Env& env);
  void BeginAnewAt(Instant at);
  void AdmitAgain(Env& env);

  ScanRequest request_;
  NodeList candidates_;
  NodeId asked_;
  const PartitionId partition_;
  const RingEpoch epoch_;
  Instant begin_anew_at_ = Instant::Max();
  Instant deadline_;
  Instant try_deadline_;
  Error last_error_;
};

}  // namespace gyre
