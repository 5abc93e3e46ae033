#include "core/coordinator/admission.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/explain_coordinator.h"
#include "core/coordinator/forward_coordinator.h"
#include "core/coordinator/get_coordinator.h"
#include "core/coordinator/put_coordinator.h"
#include "core/coordinator/replica_plan.h"
#include "core/coordinator/scan_coordinator.h"

namespace gyre {
namespace {

using MachinePtr = std::unique_ptr<RequestMachine>;

// Stands in for a request that is refused before it starts, so that answers have one way out.
class Refusal : public RequestMachine {
 public:
  Refusal(ShardState& shard, const Origin& origin, Kind kind, Error error)
      : RequestMachine(shard, origin), kind_(kind), error_(std::move(error)) {}
  void Start(Env& env) override {
    Answer(Fail(std::move(error_)), env);
    Finish();
  }
  void OnReply(NodeId /*from*/, Message& /*reply*/, Env& /*env*/) override {}
  void OnLocal(LocalOutcome& /*outcome*/, Env& /*env*/) override {}
  void OnPeerDown(NodeId /*peer*/, Env& /*env*/) override {}
  void OnTimer(Env& /*env*/) override {}
  Kind kind() const override { return kind_; }

 private:
  Kind kind_;
  Error error_;
};

NodeList OthersOf(const ShardState& state, const ReplicaPlan& plan) {
  NodeList others;
  for (const NodeId node : plan.reachable) {
    if (node != state.self) others.push_back(node);
  }
  return others;
}

}  // namespace

Status CheckKey(const RowKey& key) {
  if (key.key.empty()) return Fail(ErrorCode::kInvalidArgument, "the key is empty");
  if (key.key.size() > kKeyBytesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "the key is longer than " + std::to_string(kKeyBytesMax) + " bytes");
  }
  return {};
}

Status CheckMutation(Mutation& mutation, const KeyspaceConfig& keyspace, const CoreConfig& config,
                     Now now) {
  auto* write = std::get_if<WriteValue>(&mutation);
  if (write == nullptr) return {};
  if (write->value.size() > config.value_bytes_max) {
    return Fail(ErrorCode::kInvalidArgument,
                "the value has " + std::to_string(write->value.size()) + " bytes; at most " +
                    std::to_string(config.value_bytes_max) + " are allowed (value_bytes_max)");
  }
  if (keyspace.default_ttl.us > 0 && write->expiry == kNeverExpires && !write->keep_expiry) {
    write->expiry = WallTime{now.wall.ms + keyspace.default_ttl.ms()};
  }
  return {};
}

MachinePtr Refuse(ShardState& shard, const Origin& origin, RequestMachine::Kind kind, Error error) {
  return std::make_unique<Refusal>(shard, origin, kind, std::move(error));
}

MachinePtr Admit(ShardState& state, const Origin& origin, GetRequest&& request, Now /*now*/) {
  constexpr auto kKind = RequestMachine::Kind::kGet;
  if (Status key = CheckKey(request.key); !key) return Refuse(state, origin, kKind, key.error());
  Result<ReplicaPlan> plan = MakePlan(state, request.key, request.options);
  if (!plan) return Refuse(state, origin, kKind, plan.error());
  if (static_cast<int>(plan->reachable.size()) < plan->read_needed) {
    return Refuse(state, origin, kKind,
                  {ErrorCode::kUnavailable, QuorumShortfall(*plan, plan->read_needed)});
  }
  if (plan->self_is_owner) {
    return std::make_unique<GetCoordinator>(state, origin, std::move(request), *plan);
  }
  if (origin.peer) {
    return Refuse(state, origin, kKind, {ErrorCode::kWrongEpoch, "not an owner of this key"});
  }
  return std::make_unique<ForwardCoordinator>(state, origin, std::move(request),
                                              OthersOf(state, *plan), plan->epoch);
}

MachinePtr Admit(ShardState& state, const Origin& origin, PutRequest&& request, Now now) {
  constexpr auto kKind = RequestMachine::Kind::kPut;
  if (Status key = CheckKey(request.key); !key) return Refuse(state, origin, kKind, key.error());
  Result<ReplicaPlan> plan = MakePlan(state, request.key, request.options);
  if (!plan) return Refuse(state, origin, kKind, plan.error());
  if (!origin.peer) {
    const KeyspaceConfig* keyspace = state.view->FindKeyspace(request.key.keyspace);
    if (Status ok = CheckMutation(request.mutation, *keyspace, state.config, now); !ok) {
      return Refuse(state, origin, kKind, ok.error());
    }
  }
  const int needed =
      request.read_first ? std::max(plan->write_needed, plan->read_needed) : plan->write_needed;
  if (static_cast<int>(plan->reachable.size()) < needed) {
    return Refuse(state, origin, kKind, {ErrorCode::kUnavailable, QuorumShortfall(*plan, needed)});
  }
  if (plan->self_is_owner && state.replica.Writable(now.instant)) {
    return std::make_unique<PutCoordinator>(state, origin, std::move(request), *plan);
  }
  NodeList others = OthersOf(state, *plan);
  if (origin.peer || others.empty()) {
    Error error = plan->self_is_owner
                      ? Error{ErrorCode::kUnavailable, "this node's storage failed a write"}
                      : Error{ErrorCode::kWrongEpoch, "not an owner of this key"};
    return Refuse(state, origin, kKind, std::move(error));
  }
  return std::make_unique<ForwardCoordinator>(state, origin, std::move(request), others,
                                              plan->epoch);
}

MachinePtr Admit(ShardState& state, const Origin& origin, ScanRequest&& request, Now /*now*/) {
  constexpr auto kKind = RequestMachine::Kind::kScan;
  const Ring& ring = state.view->ring;
  const KeyspaceConfig* keyspace = state.view->FindKeyspace(request.keyspace);
  if (keyspace == nullptr || request.partition.value >= ring.partition_count()) {
    return Refuse(state, origin, kKind,
                  {ErrorCode::kInvalidArgument, "no such keyspace or partition"});
  }
  request.limit = std::clamp<std::uint32_t>(request.limit, 1,
                                            static_cast<std::uint32_t>(state.config.scan_rows_max));
  NodeList candidates;
  for (const NodeId owner : ring.OwnersOf(request.partition, keyspace->replicas)) {
    if (owner == state.self) {
      candidates.push_front(owner);
    } else if (!origin.peer && state.Reachable(owner)) {
      candidates.push_back(owner);
    }
  }
  if (candidates.empty()) {
    return Refuse(state, origin, kKind,
                  {ErrorCode::kUnavailable, "no owner of the partition is reachable"});
  }
  return std::make_unique<ScanCoordinator>(state, origin, std::move(request), candidates,
                                           ring.epoch());
}

MachinePtr Admit(ShardState& state, const Origin& origin, ExplainRequest&& request, Now /*now*/) {
  constexpr auto kKind = RequestMachine::Kind::kGet;
  if (Status key = CheckKey(request.key); !key) return Refuse(state, origin, kKind, key.error());
  Result<ReplicaPlan> plan = MakePlan(state, request.key, request.options);
  if (!plan) return Refuse(state, origin, kKind, plan.error());
  return std::make_unique<ExplainCoordinator>(state, origin, std::move(request), *plan);
}

}  // namespace gyre
