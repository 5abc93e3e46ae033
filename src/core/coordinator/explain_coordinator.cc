#include "core/coordinator/explain_coordinator.h"

#include <utility>

#include "core/coordinator/replica_calls.h"

namespace gyre {

ExplainCoordinator::ExplainCoordinator(ShardState& shard, const Origin& origin,
                                       ExplainRequest request, const ReplicaPlan& plan)
    : RequestMachine(shard, origin), request_(std::move(request)), plan_(plan) {
  plan_.standins.clear();  // owners only
}

void ExplainCoordinator::Start(Env& env) {
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  SetTimer(deadline_);
  waiting_ = plan_.owners;
  for (const NodeId node : plan_.owners) outcome_.copies.push_back({node, std::nullopt, {}});
  AskForCopies(plan_, request_.key, /*floor=*/0, /*digest_over=*/0, id(), shard(), env);
  for (const NodeId node : plan_.owners) {
    if (shard().Reachable(node)) continue;
    Take(node, Fail(ErrorCode::kUnavailable, "not reachable from here"), env);
  }
}

void ExplainCoordinator::Take(NodeId from, Result<Bytes> record, Env& env) {
  if (!waiting_.Contains(from)) return;
  waiting_.Remove(from);
  for (ExplainOutcome::Copy& copy : outcome_.copies) {
    if (copy.node != from) continue;
    if (!record) {
      copy.error = record.error();
    } else if (!record->empty()) {
      Result<Record> decoded = Record::Decode(*record);
      if (decoded) {
        copy.record = std::move(*decoded);
      } else {
        copy.error = decoded.error();
      }
    }
  }
  if (!waiting_.empty()) return;
  Answer(std::move(outcome_), env);
  Finish();
}

void ExplainCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  auto* get = std::get_if<ReplicaGetReply>(&reply);
  if (get == nullptr) return;
  if (get->error) {
    Take(from, Fail(*get->error, std::string(ErrorCodeName(*get->error))), env);
  } else {
    Take(from, std::move(get->record), env);
  }
}

void ExplainCoordinator::OnLocal(LocalOutcome& outcome, Env& env) {
  if (auto* get = std::get_if<LocalGetDone>(&outcome.what)) {
    Take(shard().self, std::move(get->record), env);
  }
}

void ExplainCoordinator::OnPeerDown(NodeId peer, Env& env) {
  Take(peer, Fail(ErrorCode::kUnavailable, "not reachable from here"), env);
}

void ExplainCoordinator::OnTimer(Env& env) {
  if (env.now.instant < deadline_) return;
  const NodeList silent = waiting_;
  for (const NodeId node : silent) {
    Take(node, Fail(ErrorCode::kUnavailable, "did not answer in time"), env);
  }
}

}  // namespace gyre
