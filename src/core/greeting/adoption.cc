#include "core/greeting/adoption.h"

#include <utility>

#include "core/greeting/set_aside.h"

namespace gyre {

Adoption::Adoption(ShardState& shard, Greeter& greeter, NodeId peer, ShardId peer_shard,
                   const Greeting& greeting)
    : Machine(shard),
      greeter_(greeter),
      peer_(peer),
      peer_shard_(peer_shard),
      run_(greeting.run),
      theirs_(greeting.numbers) {}

void Adoption::Start(Env& env) {
  const BallotBook& ballots = shard().ledger.ballots();
  std::erase_if(theirs_, [&](const Greeting::Numbers& its) {
    if (its.section.value >= view().ring.section_count()) return true;
    if (!shard().Serves(its.section)) return true;
    const BallotNumbers own = ballots.Durable(its.section);
    return its.promised <= own.promised && its.purged <= own.purged;
  });
  for (const Greeting::Numbers& its : theirs_) {
    const bool went_back = ballots.Durable(its.section).promised < its.purged;
    if (!went_back || !HoldsAnything(its.section, shard())) continue;
    ++waiting_;
    shard().spawned.push_back(std::make_unique<SetAside>(shard(), id(), its.section));
  }
  if (waiting_ == 0) return Raise(env);
  setting_aside_ = true;
  shard().replica.RetireActor();
}

void Adoption::OnLocal(LocalOutcome& outcome, Env& env) {
  const auto* done = std::get_if<LocalDurable>(&outcome.what);
  if (done == nullptr || waiting_ == 0) return;
  if (!done->status) return End(false, env);
  if (--waiting_ > 0) return;
  if (std::exchange(setting_aside_, false)) return Raise(env);
  End(true, env);
}

void Adoption::Raise(Env& env) {
  if (theirs_.empty()) return End(true, env);
  waiting_ = theirs_.size();
  for (const Greeting::Numbers& its : theirs_) {
    shard().replica.Raise(its.section, {its.promised, its.purged}, Ticket::Local(id()), env);
  }
}

void Adoption::End(bool ok, Env& env) {
  greeter_.OnAdopted(peer_, peer_shard_, run_, ok, env);
  Finish();
}

}  // namespace gyre
