#include "core/coordinator/admission.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/await_peers.h"
#include "core/coordinator/explain_coordinator.h"
#include "core/coordinator/forward_coordinator.h"
#include "core/coordinator/get_coordinator.h"
#include "core/coordinator/put_coordinator.h"
#include "core/coordinator/replica_plan.h"
#include "core/coordinator/scan_coordinator.h"

namespace gyre {
namespace {

using AdmittedPtr = std::unique_ptr<RequestMachine>;

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

QuorumNeeds NodesNeeded(const GetRequest& /*request*/, const ReplicaPlan& plan) {
  return plan.reads;
}
QuorumNeeds NodesNeeded(const PutRequest& request, const ReplicaPlan& plan) {
  return plan.WritesAnd(request.read_first);
}

// A node that the partition moves to leaves it to those that have all of it, if it can reach one:
// its own row does not tell yet what a write replaces.
bool CoordinatesPuts(const ShardState& shard, const Origin& origin, const ReplicaPlan& plan) {
  if (!plan.self_is_owner) return false;
  if (origin.peer || plan.HasAll(shard.self)) return true;
  return std::none_of(plan.reachable.begin(), plan.reachable.end(),
                      [&](NodeId owner) { return plan.HasAll(owner) && plan.MayLeaveTo(owner); });
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

AdmittedPtr Refuse(ShardState& shard, const Origin& origin, RequestMachine::Kind kind,
                   Error error) {
  return std::make_unique<Refusal>(shard, origin, kind, std::move(error));
}

NodeList OthersThatCoordinate(const ShardState& shard, const ReplicaPlan& plan) {
  const ClusterView& view = *shard.view;
  NodeList nearest = plan.reachable;
  view.SortByDistance(shard.self, nearest);
  NodeList others;
  for (const bool has_all : {true, false}) {
    for (const NodeId owner : nearest) {
      if (owner == shard.self || plan.HasAll(owner) != has_all) continue;
      if (!plan.MayLeaveTo(owner)) continue;
      others.push_back(owner);
    }
  }
  if (!others.empty()) return others;
  for (const NodeId node : plan.standins) {
    if (node == shard.self) break;
    if (plan.stays_local && !plan.IsOfLocalRegion(node, view)) continue;
    others.push_back(node);
  }
  return others;
}

AdmittedPtr CoordinateAsStandIn(ShardState& shard, const Origin& origin,
                                ForwardCoordinator::Request&& request, const ReplicaPlan& plan,
                                Now now) {
  GYRE_CHECK(plan.sloppy || plan.self_is_owner);
  const QuorumNeeds needed =
      std::visit([&](const auto& r) { return NodesNeeded(r, plan); }, request);
  if (!plan.Enough(needed)) return nullptr;
  if (auto* get = std::get_if<GetRequest>(&request)) {
    return std::make_unique<GetCoordinator>(shard, origin, std::move(*get), plan);
  }
  // A member that leaves keeps nothing for others: it would have to be given away before it may go.
  if (!plan.self_is_owner && shard.view->ring.FindMember(shard.self) == nullptr) return nullptr;
  const auto& put = std::get<PutRequest>(request);
  const auto* write = std::get_if<WriteValue>(&put.mutation);
  const std::size_t bytes = put.key.key.size() + (write == nullptr ? 0 : write->value.size());
  if (!shard.replica.Writable(now.instant)) return nullptr;
  if (!plan.self_is_owner &&
      !shard.ledger.hints().Fits(plan.FirstOwnerAway(), bytes, shard.config)) {
    ++shard.counters.hints_refused;
    return nullptr;
  }
  return std::make_unique<PutCoordinator>(shard, origin, std::move(std::get<PutRequest>(request)),
                                          plan);
}

// Too few of those it needs are up: refused, unless one may just not have been met yet.
template <typename Request>
AdmittedPtr TooFew(ShardState& state, const Origin& origin, RequestMachine::Kind kind,
                   Request&& request, const ReplicaPlan& plan) {
  Error error{ErrorCode::kUnavailable, QuorumShortfall(plan, NodesNeeded(request, plan))};
  const bool unmet = std::any_of(plan.owners.begin(), plan.owners.end(), [&](NodeId owner) {
    return !state.Reachable(owner) && !state.KnownAway(owner);
  });
  if (!unmet) return Refuse(state, origin, kind, std::move(error));
  return std::make_unique<AwaitPeers<Request>>(state, origin, kind, std::move(request),
                                               std::move(error));
}

// For a node that does not own the key.
template <typename Request>
AdmittedPtr AdmitElsewhere(ShardState& state, const Origin& origin, RequestMachine::Kind kind,
                           Request&& request, const ReplicaPlan& plan, Now now) {
  if (!origin.peer) {
    const NodeList others = OthersThatCoordinate(state, plan);
    if (!others.empty()) {
      return std::make_unique<ForwardCoordinator>(state, origin, std::move(request), others, plan);
    }
  }
  if (plan.sloppy && !plan.self_is_owner) {
    // Also for a peer: it has found no owner.
    ForwardCoordinator::Request either(std::move(request));
    if (auto machine = CoordinateAsStandIn(state, origin, std::move(either), plan, now)) {
      return machine;
    }
  }
  return Refuse(state, origin, kind,
                plan.self_is_owner || plan.sloppy || !origin.peer
                    ? Error{ErrorCode::kUnavailable,
                            "no owner can coordinate this, and this node cannot write or keeps all "
                            "that it may for others"}
                    : Error{ErrorCode::kWrongEpoch, "not an owner of this key"});
}

AdmittedPtr Admit(ShardState& state, const Origin& origin, GetRequest&& request, Now now) {
  constexpr auto kKind = RequestMachine::Kind::kGet;
  if (Status key = CheckKey(request.key); !key) return Refuse(state, origin, kKind, key.error());
  Result<ReplicaPlan> plan = MakePlan(state, request.key, request.options);
  if (!plan) return Refuse(state, origin, kKind, plan.error());
  if (!plan->Enough(NodesNeeded(request, *plan))) {
    return TooFew(state, origin, kKind, std::move(request), *plan);
  }
  if (plan->self_is_owner) {
    return std::make_unique<GetCoordinator>(state, origin, std::move(request), *plan);
  }
  return AdmitElsewhere(state, origin, kKind, std::move(request), *plan, now);
}

AdmittedPtr Admit(ShardState& state, const Origin& origin, PutRequest&& request, Now now) {
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
  if (!plan->Enough(NodesNeeded(request, *plan))) {
    return TooFew(state, origin, kKind, std::move(request), *plan);
  }
  if (CoordinatesPuts(state, origin, *plan) && state.replica.Writable(now.instant)) {
    return std::make_unique<PutCoordinator>(state, origin, std::move(request), *plan);
  }
  return AdmitElsewhere(state, origin, kKind, std::move(request), *plan, now);
}

AdmittedPtr Admit(ShardState& state, const Origin& origin, ScanRequest&& request, Now /*now*/) {
  constexpr auto kKind = RequestMachine::Kind::kScan;
  const ClusterView& view = *state.view;
  const KeyspaceConfig* keyspace = view.FindKeyspace(request.keyspace);
  if (keyspace == nullptr || request.partition_bits > kPartitionBitsMax ||
      request.partition.value >> request.partition_bits != 0) {
    return Refuse(state, origin, kKind,
                  {ErrorCode::kInvalidArgument, "no such keyspace or partition"});
  }
  request.limit = std::clamp<std::uint32_t>(request.limit, 1,
                                            static_cast<std::uint32_t>(state.config.scan_rows_max));
  NodeList candidates;
  const PartitionId partition = view.ring.PartitionOf(StartOf(request));
  const OwnerSets sets = view.SetsOf(partition, *keyspace);
  // While the partition moves only its owners of before have all of it.
  for (const NodeId owner : sets.moving() ? sets.from : sets.now) {
    const bool can_be_asked = owner == state.self || (!origin.peer && state.Reachable(owner));
    if (can_be_asked) candidates.push_back(owner);
  }
  view.SortByDistance(state.self, candidates);
  if (candidates.empty()) {
    return Refuse(state, origin, kKind,
                  {ErrorCode::kUnavailable, "no owner of the partition is reachable"});
  }
  return std::make_unique<ScanCoordinator>(state, origin, std::move(request), candidates,
                                           partition);
}

AdmittedPtr Admit(ShardState& state, const Origin& origin, ExplainRequest&& request, Now /*now*/) {
  constexpr auto kKind = RequestMachine::Kind::kGet;
  if (Status key = CheckKey(request.key); !key) return Refuse(state, origin, kKind, key.error());
  Result<ReplicaPlan> plan = MakePlan(state, request.key, request.options);
  if (!plan) return Refuse(state, origin, kKind, plan.error());
  return std::make_unique<ExplainCoordinator>(state, origin, std::move(request), *plan);
}

}  // namespace gyre
