#include "core/coordinator/put_coordinator.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/forward_coordinator.h"
#include "core/coordinator/replica_calls.h"

namespace gyre {

PutCoordinator::PutCoordinator(ShardState& shard, const Origin& origin, PutRequest&& request,
                               const ReplicaPlan& plan)
    : RequestMachine(shard, origin), request_(std::move(request)), plan_(plan) {}

void PutCoordinator::Start(Env& env) {
  GYRE_CHECK(state_ == State::kIdle && plan_.self_is_owner);
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  SetTimer(deadline_);
  if (!request_.read_first) return Apply(std::nullopt, env);
  state_ = State::kReading;
  reads_ = std::make_unique<ReadSet>(plan_.reachable, plan_.read_needed);
  AskForCopies(plan_.reachable, request_.key, plan_.epoch, id(), shard(), env);
}

void PutCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  if (auto* get = std::get_if<ReplicaGetReply>(&reply)) {
    if (state_ != State::kReading) return;
    TakeCopy(*reads_, from, *get);
    OnReadProgress(env);
  } else if (auto* put = std::get_if<ReplicaPutReply>(&reply)) {
    OnAck(from, !put->error, env);
  }
}

void PutCoordinator::OnLocal(LocalOutcome& outcome, Env& env) {
  if (auto* get = std::get_if<LocalGetDone>(&outcome.what)) {
    if (state_ != State::kReading) return;
    TakeCopy(*reads_, shard().self, *get);
    OnReadProgress(env);
  } else if (auto* applied = std::get_if<LocalApplied>(&outcome.what)) {
    OnApplied(*applied, env);
  } else if (auto* durable = std::get_if<LocalDurable>(&outcome.what)) {
    if (state_ == State::kApplying) return Refuse(std::move(durable->status.error()), env);
    OnAck(shard().self, durable->status.has_value(), env);
  }
}

void PutCoordinator::OnReadProgress(Env& env) {
  switch (reads_->standing()) {
    case Standing::kPending:
      return;
    case Standing::kImpossible:
      return Refuse({ErrorCode::kUnavailable, "too few owners could read their copy"}, env);
    case Standing::kReached:
      return Apply(reads_->joined(), env);
  }
}

void PutCoordinator::Apply(std::optional<Record> seen, Env& env) {
  state_ = State::kApplying;
  // A copy: another owner may have to be asked with it.
  shard().replica.Mutate(request_.key, request_.mutation, std::move(seen), Ticket::Local(id()),
                         env);
}

void PutCoordinator::OnApplied(LocalApplied& applied, Env& env) {
  GYRE_CHECK(state_ == State::kApplying);
  outcome_ = std::move(applied.outcome);
  if (!outcome_.changed) {
    state_ = State::kDone;
    Answer(std::move(outcome_), env);
    return Finish();
  }
  state_ = State::kWaitingForQuorum;
  // Owners that went down since the plan are not asked; those that came up are.
  for (const NodeId node : plan_.owners) {
    if (shard().Reachable(node)) waiting_.push_back(node);
  }
  NodeList others = waiting_;
  others.Remove(shard().self);
  if (!others.empty()) {
    env.out.emplace_back(
        SendEffect{others, std::nullopt,
                   ReplicaPut{id(), plan_.epoch, request_.key, std::move(applied.record), false}});
  }
  // A put waits for its quorum in thousands: not with its value, too.
  request_.mutation = DeleteValue();
  acks_.emplace(static_cast<int>(waiting_.size()), plan_.write_needed);
  OnAck(NodeId{}, false, env);  // perhaps too few are left
}

void PutCoordinator::OnAck(NodeId node, bool ok, Env& env) {
  if (state_ != State::kWaitingForQuorum) return;
  if (waiting_.Contains(node)) {
    waiting_.Remove(node);
    ok ? acks_->AddOk() : acks_->AddFailed();
  }
  if (acks_->standing() == Standing::kPending) return;
  state_ = State::kDone;
  if (acks_->standing() == Standing::kReached) {
    Answer(std::move(outcome_), env);
  } else {
    Answer(Fail(ErrorCode::kOutcomeUnknown, "written by " + std::to_string(acks_->ok()) + " of " +
                                                std::to_string(acks_->needed()) +
                                                " owners; the rest failed"),
           env);
  }
  Finish();
}

void PutCoordinator::OnPeerDown(NodeId peer, Env& env) {
  if (state_ == State::kReading) {
    reads_->AddFailure(peer, /*corrupt=*/false);
    OnReadProgress(env);
  } else {
    OnAck(peer, false, env);
  }
}

void PutCoordinator::OnTimer(Env& env) {
  if (state_ == State::kDone || env.now.instant < deadline_) return;
  if (state_ == State::kReading) {
    return Refuse({ErrorCode::kUnavailable, "too few owners answered the read in time"}, env);
  }
  // While the own row is being read nothing is changed yet, but the change will be made.
  state_ = State::kDone;
  Answer(Fail(ErrorCode::kOutcomeUnknown, "too few owners acknowledged in time"), env);
  Finish();
}

// Nothing was changed. Where that is this node's own trouble, another owner is asked to coordinate.
void PutCoordinator::Refuse(Error error, Env& env) {
  const bool own_trouble = state_ == State::kApplying &&
                           error.code != ErrorCode::kInvalidArgument &&
                           error.code != ErrorCode::kOverloaded;
  state_ = State::kDone;
  if (own_trouble) {
    error = {ErrorCode::kUnavailable, "the coordinator cannot use its own copy: " + error.message};
    NodeList others;
    for (const NodeId node : plan_.owners) {
      if (node != shard().self && shard().Reachable(node)) others.push_back(node);
    }
    if (!origin().peer && !others.empty()) {
      request_.options.timeout = deadline_ - env.now.instant;
      return FinishWith(std::make_unique<ForwardCoordinator>(shard(), origin(), std::move(request_),
                                                             others, plan_.epoch));
    }
  }
  Answer(Fail(std::move(error)), env);
  Finish();
}

}  // namespace gyre
