#include "core/coordinator/forward_coordinator.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"

namespace gyre {

ForwardCoordinator::ForwardCoordinator(ShardState& shard, const Origin& origin, Request request,
                                       const NodeList& candidates, const ReplicaPlan& plan)
    : RequestMachine(shard, origin),
      request_(std::move(request)),
      candidates_(candidates),
      plan_(plan),
      last_error_{ErrorCode::kUnavailable, "no owner of the key could be reached"} {
  GYRE_CHECK(!origin.peer && !candidates_.empty());
}

void ForwardCoordinator::Start(Env& env) {
  ++shard().counters.forwards;
  deadline_ = env.now.instant + TimeoutOf(options(), shard().config);
  AskNext(env);
}

void ForwardCoordinator::SkipUnfit() {
  while (!candidates_.empty()) {
    const NodeId node = candidates_.front();
    if (shard().Reachable(node)) {
      if (!options().names_regions() || shard().peers.Speaks(node, Feature::kRegions)) return;
      last_error_ = {
          ErrorCode::kUnsupported,
          "the owners of the key that can be reached know no quorums of regions: upgrade "
          "all nodes first, or ask for quorum or a number"};
    }
    candidates_.TakeFront();
  }
}

void ForwardCoordinator::AskNext(Env& env) {
  SkipUnfit();
  if (candidates_.empty()) {
    if (last_error_.code == ErrorCode::kWrongEpoch && env.now.instant < deadline_) {
      // Those who own it by the view here do not by theirs: one of the two is about to learn.
      admit_again_at_ = env.now.instant + shard().config.view_retry;
      return SetTimer(admit_again_at_);
    }
    if (StandIn(env)) return;
    if (last_error_.code == ErrorCode::kWrongEpoch) {
      last_error_ = {ErrorCode::kUnavailable,
                     "the key's owners change, and were not found in time"};
    }
    Answer(Fail(std::move(last_error_)), env);
    return Finish();
  }
  const Duration left = deadline_ - env.now.instant;
  // A get may be asked twice, so that one silent owner does not use up all the time.
  const auto tries = is_put() ? 1 : static_cast<std::int64_t>(candidates_.size());
  const Duration share{std::max<std::int64_t>(left.us / tries, 1)};
  try_deadline_ = env.now.instant + share;
  SetTimer(try_deadline_);
  asked_ = candidates_.TakeFront();
  // The owner gives up first, so that its answer is still awaited here.
  const Duration given{std::max<std::int64_t>(share.us * 9 / 10, 1)};
  Message message;
  if (auto* get = std::get_if<GetRequest>(&request_)) {
    get->options.timeout = given;
    message = ForwardGet{id(), plan_.epoch, *get};
  } else {
    auto& put = std::get<PutRequest>(request_);
    put.options.timeout = given;
    message = ForwardPut{id(), plan_.epoch, put};
  }
  env.out.emplace_back(SendEffect{asked_, std::nullopt, std::move(message)});
}

void ForwardCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  if (from != asked_) return;
  if (auto* get = std::get_if<ForwardGetReply>(&reply)) {
    if (get->error) return OnSurelyNot(std::move(*get->error), env);
    GetOutcome outcome;
    if (!get->record.empty()) {
      Result<Record> record = Record::Decode(get->record);
      if (!record) return OnSurelyNot(record.error(), env);
      outcome.record = std::move(*record);
    }
    Answer(std::move(outcome), env);
    Finish();
  } else if (auto* put = std::get_if<ForwardPutReply>(&reply)) {
    if (put->error && put->error->code == ErrorCode::kOutcomeUnknown) {
      Answer(Fail(std::move(*put->error)), env);
      Finish();
    } else if (put->error) {
      OnSurelyNot(std::move(*put->error), env);
    } else {
      Answer(std::move(put->outcome), env);
      Finish();
    }
  }
}

// Nobody who was asked could do it: this node does, if it may.
bool ForwardCoordinator::StandIn(Env& env) {
  const Duration left = deadline_ - env.now.instant;
  if (last_error_.code != ErrorCode::kUnavailable || left.us <= 0) return false;
  RequestOptions& options =
      std::visit([](auto& request) -> RequestOptions& { return request.options; }, request_);
  options.timeout = left;
  const RowKey& key =
      std::visit([](const auto& request) -> const RowKey& { return request.key; }, request_);
  const Result<ReplicaPlan> plan = MakePlan(shard(), key, options);
  if (!plan || (!plan->sloppy && !plan->self_is_owner)) return false;
  MachinePtr successor =
      CoordinateAsStandIn(shard(), origin(), std::move(request_), *plan, env.now);
  if (successor == nullptr) return false;
  FinishWith(std::move(successor));
  return true;
}

void ForwardCoordinator::OnSurelyNot(Error error, Env& env) {
  const bool callers_fault = error.code == ErrorCode::kInvalidArgument;
  last_error_ = std::move(error);
  if (callers_fault) candidates_.clear();
  AskNext(env);
}

void ForwardCoordinator::GiveUp(Env& env) {
  if (is_put()) {
    Answer(Fail(ErrorCode::kOutcomeUnknown,
                "the owner that coordinates this write did not answer; it may be applied"),
           env);
    return Finish();
  }
  last_error_ = {ErrorCode::kUnavailable, "no owner answered in time"};
  AskNext(env);
}

void ForwardCoordinator::OnLocal(LocalOutcome& /*outcome*/, Env& /*env*/) {}

void ForwardCoordinator::OnPeerDown(NodeId peer, Env& env) {
  if (peer == asked_) GiveUp(env);
}

void ForwardCoordinator::OnView(Env& env) {
  if (admit_again_at_ != Instant::Max()) AdmitAgain(env);
}

void ForwardCoordinator::AdmitAgain(Env& env) {
  admit_again_at_ = Instant::Max();
  const Duration left = deadline_ - env.now.instant;
  if (left.us <= 0) {
    Answer(Fail(ErrorCode::kUnavailable, "the owners of the key are changing"), env);
    return Finish();
  }
  std::visit(
      [&](auto& request) {
        request.options.timeout = left;
        FinishWith(Admit(shard(), origin(), std::move(request), env.now));
      },
      request_);
}

void ForwardCoordinator::OnTimer(Env& env) {
  if (finished()) return;
  if (admit_again_at_ != Instant::Max()) {
    if (env.now.instant >= admit_again_at_) AdmitAgain(env);
    return;
  }
  if (env.now.instant >= try_deadline_) GiveUp(env);
}

}  // namespace gyre
