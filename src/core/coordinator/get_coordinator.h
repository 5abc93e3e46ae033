// One client get (paper 4.5): answers at R replies, then repairs stale owners (paper 5). Fallbacks
// that stand in for owners (paper 4.6) count towards R where the owners do not suffice, and what
// they hold is joined in; that a key is not there takes an owner to say, or the get is refused.
//
//   kIdle -Start-> kWaitingForQuorum -R agree, or 2R <= N-> kWaitingForStragglers
//   kWaitingForQuorum -R differ-> kWaitingForWriteBack -held by N-R+1, or by all owners that
//   replied-> kWaitingForStragglers
//   kWaitingForStragglers -all answered, or straggler_timeout-> kDone (stale owners are sent the
//   join) any -request timeout-> kDone
//
// The write-back is what makes reads monotonic: replies that differ mean that some write is not at
// its quorum yet; a client must not see it now and miss it in its next read. It runs only when
// replies differ and 2R > N, where the promise can be kept.
//
// Large records come as digests from the other owners, and in full only where they differ from the
// coordinator's own.
//
// With R = one or `local_quorum` the owners of the own region are asked first, and the others, with
// them once more, if these fail or are silent for hint_after (docs/adr/0012-copies-per-region.md).
//
// Copies read before a purge that this node knows of are not answered with: the read begins anew
// (docs/adr/0006-safe-deletes.md).
#pragma once

#include <boost/container/small_vector.hpp>

#include "core/coordinator/read_set.h"
#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class GetCoordinator : public RequestMachine {
 public:
  // REQUIRES: plan.Enough(plan.reads).
  GetCoordinator(ShardState& shard, const Origin& origin, GetRequest&& request,
                 const ReplicaPlan& plan);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return Kind::kGet; }

 private:
  enum class State { kIdle, kWaitingForQuorum, kWaitingForWriteBack, kWaitingForStragglers, kDone };

  void OnProgress(Env& env);
  void Ask(Env& env);
  // What was asked is of no use any more, because of a purge.
  void AskAnew(Env& env);
  void Widen(Env& env);
  // With the view of then: here or elsewhere.
  void AdmitAgain(Env& env);
  void AdmitAgainSoon(Env& env);
  bool HeldByEnough(const QuorumGroup& group) const;
  void SettleDigests(Env& env);
  void BeginWriteBack(Env& env);
  void OnWrittenBack(NodeId node, bool ok, Env& env);
  void AnswerNow(Env& env);
  void RepairAndFinish(Env& env);

  // Of a copy too large to be sent without need.
  struct Digest {
    NodeId node;
    std::uint64_t digest = 0;
    std::uint64_t stamp = 0;
  };

  GetRequest request_;
  ReplicaPlan plan_;
  ReadSet reads_;
  std::uint64_t floor_ = 0;  // copies with a lower stamp answer an earlier question
  int rounds_ = 1;
  boost::container::small_vector<Digest, 4> digests_;  // of records that are not here yet
  State state_ = State::kIdle;
  Instant deadline_;
  Instant straggler_deadline_;
  bool asks_some_ = false;                   // not all owners have been asked (PlanForSome)
  Instant widen_at_;                         // if asks_some_
  Instant patience_ends_ = Instant::Max();   // ReadSet::EndPatience
  Instant admit_again_at_ = Instant::Max();  // somebody has another view
  // While and after writing back: what is being answered, and who holds at least that.
  Record answer_;
  Bytes answer_bytes_;
  NodeList holders_;
  NodeList writing_back_;
  NodeList not_written_back_;
};

}  // namespace gyre
