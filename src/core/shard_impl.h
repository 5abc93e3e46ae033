// What Shard is made of. For shard.cc and shard_messages.cc only.
#pragma once

#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/antientropy/repair_scheduler.h"
#include "core/antientropy/scrubber.h"
#include "core/antientropy/surplus.h"
#include "core/coordinator/admission.h"
#include "core/coordinator/await_peers.h"
#include "core/greeting/greeter.h"
#include "core/handoff/hint_replayer.h"
#include "core/machine.h"
#include "core/purge/purger.h"
#include "core/shard.h"
#include "core/slot_map.h"

namespace gyre {

inline RequestMachine::Kind KindOf(const GetRequest&) { return RequestMachine::Kind::kGet; }
inline RequestMachine::Kind KindOf(const PutRequest&) { return RequestMachine::Kind::kPut; }
inline RequestMachine::Kind KindOf(const ScanRequest&) { return RequestMachine::Kind::kScan; }
inline RequestMachine::Kind KindOf(const ExplainRequest&) { return RequestMachine::Kind::kGet; }

struct Shard::Impl {
  Impl(const ShardOptions& shard_options, ClusterViewPtr view, RowsAtHand* at_hand)
      : options(shard_options),
        prng(options.seed),
        ledger(view->ring.section_bits(), options.keeps_tree || view->member_count() > 1,
               options.config.expiry_step),
        budget(options.config),
        replica(options.node, options.config, DotSource(options.actor, options.next_epoch), prng,
                counters, ledger, at_hand),
        state{options.node,   options.shard,   options.shard_count,
              options.config, std::move(view), counters,
              prng,           replica,         ledger,
              budget,         machines},
        machines(prng) {
    replica.SetView(state.view.get());
    for (const LeafSum& leaf : options.leaves) {
      ledger.LoadLeaf(leaf.keyspace, leaf.leaf, leaf.sum);
    }
    greeter = Keep(std::make_unique<Greeter>(state));
    handoff = Keep(std::make_unique<HintReplayer>(state));
    repair = Keep(std::make_unique<RepairScheduler>(state));
    scrubber = Keep(std::make_unique<Scrubber>(state, *repair));
    purger = Keep(std::make_unique<Purger>(state, *repair));
    surplus = Keep(std::make_unique<Surplus>(state, *repair));
  }

  // Takes in a machine that stays as long as the shard.
  template <typename Kept>
  Kept* Keep(std::unique_ptr<Kept> machine) {
    Kept* kept = machine.get();
    kept->set_id(state.machines.Insert(std::move(machine)));
    ++kept_count;
    return kept;
  }

  // Takes the machine in and starts it.
  void Start(MachinePtr machine, Env& env) {
    Machine* started = machine.get();
    started->set_id(state.machines.Insert(std::move(machine)));
    requests += started->is_request();
    started->Start(env);
    RemoveIfFinished(started->id(), env);
  }
  // Admits one request of a client or a peer.
  template <typename Request>
  void Begin(const Origin& origin, Request&& request, Env& env) {
    using Kept = std::decay_t<Request>;
    const RequestMachine::Kind kind = KindOf(request);
    if (full()) {
      Start(Refuse(state, origin, kind,
                   {ErrorCode::kOverloaded, "too many requests in flight on this shard"}),
            env);
    } else if (!state.serving) {
      Error error{ErrorCode::kUnavailable, "this node has just started and has met no other yet"};
      Start(std::make_unique<AwaitPeers<Kept>>(state, origin, kind, Kept(std::move(request)),
                                               std::move(error)),
            env);
    } else {
      Start(Admit(state, origin, std::move(request), env.now), env);
    }
  }
  // Hands one event to the machine with this id, if there still is one.
  template <typename Handler>
  void With(RequestId id, Env& env, Handler&& handler) {
    const MachinePtr* found = state.machines.Find(id);
    if (found == nullptr) return;
    Machine& machine = **found;
    handler(machine);
    RemoveIfFinished(machine.id(), env);
  }
  void RemoveIfFinished(RequestId id, Env& env) {
    MachinePtr* machine = state.machines.Find(id);
    if (machine == nullptr || !(*machine)->finished()) return;
    const MachinePtr ended = state.machines.Take(id);
    requests -= ended->is_request();
    MachinePtr successor = ended->TakeSuccessor();
    if (successor != nullptr) Start(std::move(successor), env);
  }
  // Ends an event: hands the machines what the replica and the greeter have for them, until nothing
  // is left, and sets the timers of those that still wait. Most are done by then, and never had a
  // timer.
  void Settle(Env& env) {
    do {
      for (const auto& change : std::exchange(state.peers_changed, {})) {
        for (const RequestId id : state.machines.Ids()) {
          With(id, env, [&](Machine& m) {
            change.second ? m.OnPeerUp(change.first, env) : m.OnPeerDown(change.first, env);
          });
        }
      }
      draining.swap(local);
      for (LocalOutcome& outcome : draining) {
        With(outcome.request, env, [&](Machine& m) { m.OnLocal(outcome, env); });
      }
      draining.clear();
      for (MachinePtr& machine : std::exchange(state.spawned, {})) Start(std::move(machine), env);
      for (const auto& [partition, owner] : std::exchange(state.copies_missing, {})) {
        repair->MarkDirty(partition, owner, env);
      }
    } while (!local.empty() || !state.spawned.empty() || !state.peers_changed.empty());
    if (!ledger.hints().empty()) handoff->Wake(env);
    if (!state.suspect_leaves.empty()) scrubber->Wake(env);
    if (ledger.any_dead()) purger->Wake(env);
    for (const auto& [id, at] : state.timers_wanted) {
      if (state.machines.Find(id) != nullptr) state.timers.Set(id, at);
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
  SlotMap<MachinePtr> machines;  // that state refers to
  std::size_t requests = 0;      // of state.machines
  std::size_t kept_count = 0;    // of them: those that stay
  Greeter* greeter;              // these six are of the machines
  HintReplayer* handoff;
  RepairScheduler* repair;
  Scrubber* scrubber;
  Purger* purger;
  Surplus* surplus;
  std::vector<LocalOutcome> local;
  std::vector<LocalOutcome> draining;
};

}  // namespace gyre
