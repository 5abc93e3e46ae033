#include "core/shard.h"

#include <utility>

#include "core/coordinator/admission.h"
#include "core/coordinator/sole_owner.h"
#include "core/slot_map.h"

namespace gyre {

namespace {

RequestMachine::Kind KindOf(const GetRequest&) { return RequestMachine::Kind::kGet; }
RequestMachine::Kind KindOf(const PutRequest&) { return RequestMachine::Kind::kPut; }
RequestMachine::Kind KindOf(const ScanRequest&) { return RequestMachine::Kind::kScan; }
RequestMachine::Kind KindOf(const ExplainRequest&) { return RequestMachine::Kind::kGet; }

void CountRequest(const ClientRequest& request, ShardCounters& counters) {
  if (std::holds_alternative<GetRequest>(request)) ++counters.gets;
  if (std::holds_alternative<PutRequest>(request)) ++counters.puts;
  if (std::holds_alternative<ScanRequest>(request)) ++counters.scans;
}

}  // namespace

struct Shard::Impl {
  using MachinePtr = std::unique_ptr<RequestMachine>;

  Impl(const ShardOptions& shard_options, ClusterViewPtr view, RowsAtHand* at_hand)
      : options(shard_options),
        prng(options.seed),
        replica(options.node, options.config, DotSource(options.actor, options.next_epoch), prng,
                counters, at_hand),
        state{options.node, options.config, std::move(view), counters, replica, {}, {}, {}},
        machines(prng) {}

  // Takes the machine in and starts it.
  void Start(MachinePtr machine, Env& env) {
    RequestMachine* started = machine.get();
    const RequestId id = machines.Insert(std::move(machine));
    started->set_id(id);
    started->Start(env);
    RemoveIfFinished(id, env);
  }
  // Admits one request of a client or a peer.
  template <typename Request>
  void Begin(const Origin& origin, Request&& request, Env& env) {
    Start(full() ? Refuse(state, origin, KindOf(request),
                          {ErrorCode::kOverloaded, "too many requests in flight on this shard"})
                 : Admit(state, origin, std::move(request), env.now),
          env);
  }
  // Hands one event to the machine with this id, if there still is one.
  template <typename Handler>
  void With(RequestId id, Env& env, Handler&& handler) {
    MachinePtr* machine = machines.Find(id);
    if (machine == nullptr) return;
    handler(**machine);
    RemoveIfFinished(id, env);
  }
  void RemoveIfFinished(RequestId id, Env& env) {
    MachinePtr* machine = machines.Find(id);
    if (machine == nullptr || !(*machine)->finished()) return;
    MachinePtr successor = machines.Take(id)->TakeSuccessor();
    if (successor != nullptr) Start(std::move(successor), env);
  }
  // Ends an event: hands the machines what the replica has for them, until nothing is left, and
  // sets the timers of those that still wait. Most are done by then, and never had a timer.
  void Settle(Env& env) {
    while (!local.empty()) {
      draining.swap(local);
      for (LocalOutcome& outcome : draining) {
        With(outcome.request, env, [&](RequestMachine& m) { m.OnLocal(outcome, env); });
      }
      draining.clear();
    }
    for (const auto& [id, at] : state.timers_wanted) {
      if (machines.Find(id) != nullptr) state.timers.Set(id, at);
    }
    state.timers_wanted.clear();
  }

  std::optional<ErrorCode> CheckPeer(RingEpoch epoch, const RowKey& key);
  bool full() const { return machines.size() >= options.config.requests_in_flight_max; }

  const ShardOptions options;
  Prng prng;
  ShardCounters counters;
  Replica replica;
  ShardState state;
  SlotMap<MachinePtr> machines;
  std::vector<LocalOutcome> local;
  std::vector<LocalOutcome> draining;
};

Shard::Shard(const ShardOptions& options, ClusterViewPtr view, RowsAtHand* at_hand)
    : impl_(std::make_unique<Impl>(options, std::move(view), at_hand)) {}
Shard::~Shard() = default;

// ---- requests ----------------------------------------------------------------------------------

bool Shard::AnswerAtOnce(ClientRequest& request, Now now, ClientResult& result) {
  if (auto* get = std::get_if<GetRequest>(&request)) {
    if (!AnswerAsSoleOwner(impl_->state, *get, result)) return false;
    ++impl_->counters.gets;
    return true;
  }
  auto* put = std::get_if<PutRequest>(&request);
  if (put == nullptr || !AnswerAsSoleOwner(impl_->state, *put, now, result)) return false;
  ++impl_->counters.puts;
  return true;
}

void Shard::OnClientRequest(ClientId client, ClientRequest&& request, Now now, Effects& out) {
  CountRequest(request, impl_->counters);
  Env env{now, out, impl_->local};
  const Origin origin{client, std::nullopt, {}, {}};
  std::visit([&](auto& typed) { impl_->Begin(origin, std::move(typed), env); }, request);
  impl_->Settle(env);
}

// ---- messages ----------------------------------------------------------------------------------

// May a peer ask this shard about this key?
std::optional<ErrorCode> Shard::Impl::CheckPeer(RingEpoch epoch, const RowKey& key) {
  const Ring& ring = state.view->ring;
  const KeyspaceConfig* keyspace = state.view->FindKeyspace(key.keyspace);
  if (keyspace == nullptr || !CheckKey(key)) return ErrorCode::kInvalidArgument;
  if (epoch != ring.epoch() ||
      !ring.OwnersOf(ring.PartitionOf(key.token), keyspace->replicas).Contains(state.self)) {
    ++counters.wrong_epoch;
    return ErrorCode::kWrongEpoch;
  }
  if (replica.operations_in_flight() >= options.config.requests_in_flight_max) {
    ++counters.overloaded;
    return ErrorCode::kOverloaded;
  }
  return std::nullopt;
}

void Shard::OnMessage(NodeId from, ShardId from_shard, Message&& message, Now now, Effects& out) {
  Impl& impl = *impl_;
  Env env{now, out, impl.local};
  const auto reply = [&](Message answer) {
    out.emplace_back(SendEffect{from, from_shard, std::move(answer)});
  };
  const auto origin = [&](RequestId id) { return Origin{{}, from, from_shard, id}; };
  const auto answered = [&](RequestId id) {
    impl.With(id, env, [&](RequestMachine& m) { m.OnReply(from, message, env); });
  };

  switch (TypeOf(message)) {
    case MessageType::kReplicaGet: {
      auto& get = std::get<ReplicaGet>(message);
      ++impl.counters.replica_gets;
      if (const auto error = impl.CheckPeer(get.epoch, get.key)) {
        reply(ReplicaGetReply{get.id, *error, {}});
      } else {
        impl.replica.Get(get.key, Ticket::Peer(from, from_shard, get.id), env);
      }
      break;
    }
    case MessageType::kReplicaPut: {
      auto& put = std::get<ReplicaPut>(message);
      ++impl.counters.replica_puts;
      if (const auto error = impl.CheckPeer(put.epoch, put.key)) {
        if (put.id.value != 0) reply(ReplicaPutReply{put.id, *error});
      } else {
        // A repair that nobody waits for has no id.
        const Ticket ticket =
            put.id.value == 0 ? Ticket::Nobody() : Ticket::Peer(from, from_shard, put.id);
        impl.replica.Merge(put.key, std::move(put.record), put.repair, ticket, env);
      }
      break;
    }
    case MessageType::kForwardGet: {
      auto& forward = std::get<ForwardGet>(message);
      impl.Begin(origin(forward.id), std::move(forward.request), env);
      break;
    }
    case MessageType::kForwardPut: {
      auto& forward = std::get<ForwardPut>(message);
      impl.Begin(origin(forward.id), std::move(forward.request), env);
      break;
    }
    case MessageType::kReplicaScan: {
      auto& scan = std::get<ReplicaScan>(message);
      ++impl.counters.replica_scans;
      impl.Begin(origin(scan.id), std::move(scan.request), env);
      break;
    }
    case MessageType::kReplicaGetReply:
      answered(std::get<ReplicaGetReply>(message).id);
      break;
    case MessageType::kReplicaPutReply:
      answered(std::get<ReplicaPutReply>(message).id);
      break;
    case MessageType::kForwardGetReply:
      answered(std::get<ForwardGetReply>(message).id);
      break;
    case MessageType::kForwardPutReply:
      answered(std::get<ForwardPutReply>(message).id);
      break;
    case MessageType::kReplicaScanReply:
      answered(std::get<ReplicaScanReply>(message).id);
      break;
  }
  impl.Settle(env);
}

// ---- everything else ---------------------------------------------------------------------------

void Shard::OnReadDone(RequestId id, Result<std::optional<Row>> row, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->replica.OnReadDone(id, std::move(row), env);
  impl_->Settle(env);
}

void Shard::OnWriteDone(RequestId id, Status status, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->replica.OnWriteDone(id, status, env);
  impl_->Settle(env);
}

void Shard::OnScanDone(RequestId id, Result<ScanOutcome> outcome, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->With(id, env, [&](RequestMachine& m) { m.OnScanDone(std::move(outcome), env); });
  impl_->Settle(env);
}

void Shard::OnPeerUp(NodeId peer, Now /*now*/, Effects& /*out*/) { impl_->state.up.insert(peer); }

void Shard::OnPeerDown(NodeId peer, Now now, Effects& out) {
  if (impl_->state.up.erase(peer) == 0) return;
  Env env{now, out, impl_->local};
  for (const RequestId id : impl_->machines.Ids()) {
    impl_->With(id, env, [&](RequestMachine& m) { m.OnPeerDown(peer, env); });
  }
  impl_->Settle(env);
}

void Shard::OnTick(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  for (const RequestId id : impl_->state.timers.TakeDue(now.instant)) {
    impl_->With(id, env, [&](RequestMachine& m) { m.OnTimer(env); });
  }
  impl_->Settle(env);
}

Instant Shard::NextWake() const { return impl_->state.timers.NextWake(); }
void Shard::OnView(ClusterViewPtr view) { impl_->state.view = std::move(view); }
const ShardCounters& Shard::counters() const { return impl_->counters; }
const DotSource& Shard::dots() const { return impl_->replica.dots(); }
std::size_t Shard::requests_in_flight() const { return impl_->machines.size(); }

}  // namespace gyre
