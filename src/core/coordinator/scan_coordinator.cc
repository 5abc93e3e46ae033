#include "core/coordinator/scan_coordinator.h"

#include <algorithm>
#include <utility>

namespace gyre {

ScanCoordinator::ScanCoordinator(ShardState& shard, const Origin& origin, ScanRequest request,
                                 const NodeList& candidates, RingEpoch epoch)
    : RequestMachine(shard, origin),
      request_(std::move(request)),
      candidates_(candidates),
      epoch_(epoch) {
  GYRE_CHECK(!candidates_.empty());
}

void ScanCoordinator::Start(Env& env) {
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  AskNext(env);
}

void ScanCoordinator::AskNext(Env& env) {
  if (candidates_.empty()) {
    Answer(Fail(std::move(last_error_)), env);
    return Finish();
  }
  const Duration left = deadline_ - env.now.instant;
  const auto tries = static_cast<std::int64_t>(candidates_.size());
  try_deadline_ = env.now.instant + Duration{std::max<std::int64_t>(left.us / tries, 1)};
  SetTimer(try_deadline_);
  asked_ = candidates_.TakeFront();
  if (asked_ == shard().self) {
    env.out.emplace_back(ScanEffect{id(), request_});
  } else {
    env.out.emplace_back(SendEffect{asked_, std::nullopt, ReplicaScan{id(), epoch_, request_}});
  }
}

void ScanCoordinator::Take(Result<ScanOutcome> outcome, Env& env) {
  if (outcome) {
    Answer(std::move(*outcome), env);
    return Finish();
  }
  last_error_ = std::move(outcome.error());
  AskNext(env);
}

void ScanCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  auto* scan = std::get_if<ReplicaScanReply>(&reply);
  if (scan == nullptr || from != asked_) return;
  if (scan->error) return Take(Fail(std::move(*scan->error)), env);
  Take(std::move(scan->outcome), env);
}

void ScanCoordinator::OnScanDone(Result<ScanOutcome> outcome, Env& env) {
  if (asked_ == shard().self) Take(std::move(outcome), env);
}

void ScanCoordinator::OnPeerDown(NodeId peer, Env& env) {
  if (peer == asked_) Take(Fail(ErrorCode::kUnavailable, "the owner's link went down"), env);
}

void ScanCoordinator::OnTimer(Env& env) {
  if (env.now.instant >= try_deadline_) {
    Take(Fail(ErrorCode::kUnavailable, "no owner answered in time"), env);
  }
}

}  // namespace gyre
