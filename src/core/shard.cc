#include "core/shard.h"

#include <utility>

#include "core/antientropy/exchange_answers.h"
#include "core/antientropy/repair_scheduler.h"
#include "core/antientropy/scrubber.h"
#include "core/coordinator/admission.h"
#include "core/coordinator/sole_owner.h"
#include "core/handoff/hint_census.h"
#include "core/handoff/hint_replayer.h"
#include "core/handoff/owed_get.h"
#include "core/machine.h"
#include "core/peer_checks.h"
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
  Impl(const ShardOptions& shard_options, ClusterViewPtr view, RowsAtHand* at_hand)
      : options(shard_options),
        prng(options.seed),
        ledger(view->ring.partition_bits(), view->ring.members().size() > 1),
        budget(options.config),
        replica(options.node, options.config, DotSource(options.actor, options.next_epoch), prng,
                counters, ledger, at_hand),
        state{options.node,   options.shard,   options.shard_count,
              options.config, std::move(view), counters,
              prng,           replica,         ledger,
              budget},
        machines(prng) {
    for (const LeafSum& leaf : options.leaves) {
      ledger.LoadLeaf(leaf.keyspace, leaf.leaf, leaf.sum);
    }
    handoff = Keep(std::make_unique<HintReplayer>(state));
    repair = Keep(std::make_unique<RepairScheduler>(state));
    scrubber = Keep(std::make_unique<Scrubber>(state, *repair));
  }

  // Takes in a machine that stays as long as the shard.
  template <typename Kept>
  Kept* Keep(std::unique_ptr<Kept> machine) {
    Kept* kept = machine.get();
    kept->set_id(machines.Insert(std::move(machine)));
    ++kept_count;
    return kept;
  }

  // Takes the machine in and starts it.
  void Start(MachinePtr machine, Env& env) {
    Machine* started = machine.get();
    const RequestId id = machines.Insert(std::move(machine));
    started->set_id(id);
    requests += started->is_request();
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
    const MachinePtr ended = machines.Take(id);
    requests -= ended->is_request();
    MachinePtr successor = ended->TakeSuccessor();
    if (successor != nullptr) Start(std::move(successor), env);
  }
  // Ends an event: hands the machines what the replica has for them, until nothing is left, and
  // sets the timers of those that still wait. Most are done by then, and never had a timer.
  void Settle(Env& env) {
    while (!local.empty() || !state.spawned.empty()) {
      draining.swap(local);
      for (LocalOutcome& outcome : draining) {
        With(outcome.request, env, [&](Machine& m) { m.OnLocal(outcome, env); });
      }
      draining.clear();
      std::vector<MachinePtr> spawned = std::exchange(state.spawned, {});
      for (MachinePtr& machine : spawned) Start(std::move(machine), env);
    }
    for (const auto& [partition, owner] : std::exchange(state.copies_missing, {})) {
      repair->MarkDirty(partition, owner, env);
    }
    for (MachinePtr& machine : std::exchange(state.spawned, {})) Start(std::move(machine), env);
    if (!ledger.hints().empty()) handoff->Wake(env);
    if (!state.suspect_leaves.empty()) scrubber->Wake(env);
    for (const auto& [id, at] : state.timers_wanted) {
      if (machines.Find(id) != nullptr) state.timers.Set(id, at);
    }
    state.timers_wanted.clear();
  }

  bool full() const { return requests >= options.config.requests_in_flight_max; }

  const ShardOptions options;
  Prng prng;
  ShardCounters counters;
  RowLedger ledger;
  Budget budget;
  Replica replica;
  ShardState state;
  SlotMap<MachinePtr> machines;
  std::size_t requests = 0;    // of the machines
  std::size_t kept_count = 0;  // of the machines: those that stay
  HintReplayer* handoff;       // these three are of the machines
  RepairScheduler* repair;
  Scrubber* scrubber;
  std::vector<LocalOutcome> local;
  std::vector<LocalOutcome> draining;
};

Shard::Shard(const ShardOptions& options, ClusterViewPtr view, RowsAtHand* at_hand)
    : impl_(std::make_unique<Impl>(options, std::move(view), at_hand)) {}
Shard::~Shard() = default;

void Shard::OnStart(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->state.starting = true;
  impl_->state.start_over = now.instant + impl_->options.config.start_grace;
  impl_->state.timers.Set(RequestId{}, impl_->state.start_over);  // nobody's: for OnTick to see it
  impl_->Start(std::make_unique<HintCensus>(impl_->state), env);
  impl_->handoff->Start(env);
  impl_->repair->Start(env);
  impl_->scrubber->Start(env);
  impl_->Settle(env);
}

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

void Shard::OnMessage(NodeId from, ShardId from_shard, Message&& message, Now now, Effects& out) {
  Impl& impl = *impl_;
  Env env{now, out, impl.local};
  const auto reply = [&](Message answer) {
    out.emplace_back(SendEffect{from, from_shard, std::move(answer)});
  };
  const auto origin = [&](RequestId id) { return Origin{{}, from, from_shard, id}; };
  const auto answered = [&](RequestId id) {
    impl.With(id, env, [&](Machine& m) { m.OnReply(from, message, env); });
  };

  switch (TypeOf(message)) {
    case MessageType::kReplicaGet: {
      auto& get = std::get<ReplicaGet>(message);
      ++impl.counters.replica_gets;
      if (const auto error = Refused(get, impl.state)) {
        reply(ReplicaGetReply{get.id, *error, {}});
      } else if (get.owed) {
        GetOwed(get.key, Ticket::Peer(from, from_shard, get.id), impl.state, env);
      } else {
        impl.replica.Get(get.key, Ticket::Peer(from, from_shard, get.id), env);
      }
      break;
    }
    case MessageType::kReplicaPut: {
      auto& put = std::get<ReplicaPut>(message);
      ++impl.counters.replica_puts;
      if (const auto error = Refused(put, impl.state)) {
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
    case MessageType::kTreeCompare: {
      auto& compare = std::get<TreeCompare>(message);
      TreeCompareReply answer = AnswerTreeCompare(compare, impl.state);
      if (compare.epoch != impl.state.view->ring.epoch()) answer.error = ErrorCode::kWrongEpoch;
      reply(std::move(answer));
      break;
    }
    case MessageType::kLeafKeys: {
      auto& keys = std::get<LeafKeys>(message);
      if (const auto error = Refused(keys, impl.state)) {
        reply(LeafKeysReply{keys.id, *error, {}, {}, false});
      } else {
        AnswerLeafKeys(std::move(keys), from, from_shard, impl.state);
      }
      break;
    }
    case MessageType::kTreeCompareReply:
      answered(std::get<TreeCompareReply>(message).id);
      break;
    case MessageType::kLeafKeysReply:
      answered(std::get<LeafKeysReply>(message).id);
      break;
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

void Shard::OnScanDone(RequestId id, Result<ScanPage> page, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->With(id, env, [&](Machine& m) { m.OnScanDone(std::move(page), env); });
  impl_->Settle(env);
}

void Shard::OnPeerUp(NodeId peer, Now now, Effects& out) {
  if (!impl_->state.up.insert(peer).second) return;
  impl_->state.met.insert(peer);
  Env env{now, out, impl_->local};
  for (const RequestId id : impl_->machines.Ids()) {
    impl_->With(id, env, [&](Machine& m) { m.OnPeerUp(peer, env); });
  }
  impl_->Settle(env);
}

void Shard::OnPeerDown(NodeId peer, Now now, Effects& out) {
  if (impl_->state.up.erase(peer) == 0) return;
  Env env{now, out, impl_->local};
  for (const RequestId id : impl_->machines.Ids()) {
    impl_->With(id, env, [&](Machine& m) { m.OnPeerDown(peer, env); });
  }
  impl_->Settle(env);
}

void Shard::OnTick(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  if (now.instant >= impl_->state.start_over) impl_->state.starting = false;
  for (const RequestId id : impl_->state.timers.TakeDue(now.instant)) {
    impl_->With(id, env, [&](Machine& m) { m.OnTimer(env); });
  }
  impl_->Settle(env);
}

void Shard::HurryRepair(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->repair->MarkAllDirty(env);
  impl_->Settle(env);
}

Shard::RepairState Shard::repair_state() const {
  const RepairScheduler& repair = *impl_->repair;
  return {repair.pairs(), repair.pairs_unequal(), repair.pairs_dirty()};
}

Instant Shard::NextWake() const { return impl_->state.timers.NextWake(); }
void Shard::OnView(ClusterViewPtr view) { impl_->state.view = std::move(view); }
const ShardCounters& Shard::counters() const { return impl_->counters; }
const DotSource& Shard::dots() const { return impl_->replica.dots(); }
const RowLedger& Shard::ledger() const { return impl_->ledger; }
const Budget& Shard::budget() const { return impl_->budget; }
std::size_t Shard::requests_in_flight() const { return impl_->requests; }
std::size_t Shard::tasks_in_flight() const {
  return impl_->machines.size() - impl_->requests - impl_->kept_count;
}

}  // namespace gyre
