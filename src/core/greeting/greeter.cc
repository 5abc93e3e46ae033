#include "core/greeting/greeter.h"

#include <utility>

#include "core/greeting/adoption.h"

namespace gyre {

void Greeter::Begin(bool resumes, Env& env) {
  resumes_ = resumes;
  if (view().member_count() == 1) {
    Serve();  // nobody could know better
  }
  SetTimer(shard().gathered_by);
  ReadNotes(std::nullopt, env);
}

// ---- notes -------------------------------------------------------------------------------------

void Greeter::ReadNotes(std::optional<RowKey> after, Env& env) {
  const TokenSpan all = SpanOf(0, 0);
  env.out.emplace_back(ScanEffect{id(),
                                  {{},
                                   kNotesKeyspace,
                                   all.first,
                                   all.last,
                                   std::move(after),
                                   shard().config.scan_rows_max,
                                   shard().config.scan_bytes_max}});
}

void Greeter::OnScanDone(Result<ScanPage> page, Env& env) {
  if (page) {
    BallotBook& ballots = shard().ledger.ballots();
    for (const ScannedRow& note : page->rows) {
      const SectionId section = ballots.SectionOf(note.key);
      const Result<BallotNumbers> numbers = DecodeNote(note.row.record);
      // Without its numbers the section is one that went back in time; a peer's numbers show it.
      if (!numbers) OnNoteLost(shard().counters.corrupt_rows);
      if (numbers && shard().Serves(section)) ballots.MakeDurable(section, *numbers);
    }
    if (!page->done) return ReadNotes(std::move(page->rows.back().key), env);
  } else {
    OnNoteLost(shard().counters.damaged_pages);  // as above
  }
  shard().notes_read = true;
  if (resumes_ || !shard().gathering) Serve();
  GreetUndone(env);
}

// Then it is not known that this disk is up to date, however its last life ended.
void Greeter::OnNoteLost(std::uint64_t& counter) {
  ++counter;
  resumes_ = false;
}

// ---- links -------------------------------------------------------------------------------------

void Greeter::OnLinkUp(NodeId peer, const LinkTerms& terms, Env& env) {
  if (view().FindMember(peer) == nullptr) return;
  TakeDown(peer);
  shard().peers.Link(peer, terms, shard().shard, shard().shard_count);
  GreetUndone(env);
}

void Greeter::OnLinkDown(NodeId peer, Env& /*env*/) {
  shard().peers.Unlink(peer);
  TakeDown(peer);
}

void Greeter::TakeDown(NodeId peer) {
  if (shard().up.erase(peer) > 0) shard().peers_changed.emplace_back(peer, false);
}

void Greeter::Greet(NodeId peer, ShardId peer_shard, bool asks, Env& env) {
  const PeerTable::Contact& contact = *shard().peers.Find(peer, peer_shard);
  Greeting greeting{{}, shard().run, contact.run, asks, contact.taken, false, {}};
  const bool founding = env.now.instant < shard().founding_until;
  greeting.unfilled =
      (founding || shard().empty_disk) && shard().peers.Speaks(peer, Feature::kFilling);
  if (contact.run != 0) {
    shard().ledger.ballots().ForEachDurable([&](SectionId section, const BallotNumbers& its) {
      greeting.numbers.push_back({section, its.promised, its.purged});
    });
  }
  env.out.emplace_back(SendEffect{peer, peer_shard, std::move(greeting)});
}

void Greeter::GreetUndone(Env& env) {
  if (!shard().notes_read) return;
  bool any = false;
  shard().peers.ForEachUndone([&](NodeId peer, ShardId peer_shard) {
    any = true;
    Greet(peer, peer_shard, /*asks=*/true, env);
  });
  if (!any) return;
  next_round_ = env.now.instant + shard().config.greeting_retry;
  SetTimer(next_round_);
}

void Greeter::OnTimer(Env& env) {
  if (shard().notes_read && !shard().gathering) Serve();
  if (env.now.instant < next_round_) return;
  next_round_ = Instant::Max();
  GreetUndone(env);
}

void Greeter::OnGreeting(NodeId from, ShardId from_shard, const Greeting& greeting, Env& env) {
  PeerTable::Contact* contact = shard().notes_read ? shard().peers.Find(from, from_shard) : nullptr;
  if (contact == nullptr) return;  // its link comes up here too, and then it is asked
  if (contact->run != greeting.run) {
    // Another life of it than was known: all begins anew.
    if (contact->run != 0) TakeDown(from);
    *contact = {};
    contact->run = greeting.run;
  }
  const bool heard = greeting.heard == shard().run;
  if (!heard || greeting.asks) Greet(from, from_shard, /*asks=*/!contact->told, env);
  if (!heard) return;
  contact->taken_by_it = contact->taken_by_it || greeting.taken;
  contact->unfilled = greeting.unfilled;
  if (!contact->told) {
    contact->told = true;
    Adopt(std::make_unique<Adoption>(shard(), *this, from, from_shard, greeting));
  }
  NoteMet(from, env);
}

void Greeter::Adopt(MachinePtr adoption) {
  if (adopting_) return adoptions_.push_back(std::move(adoption));
  adopting_ = true;
  shard().spawned.push_back(std::move(adoption));
}

void Greeter::OnAdopted(NodeId peer, ShardId peer_shard, std::uint64_t run, bool ok, Env& env) {
  adopting_ = false;
  if (!adoptions_.empty()) {
    MachinePtr next = std::move(adoptions_.front());
    adoptions_.erase(adoptions_.begin());
    Adopt(std::move(next));
  }
  PeerTable::Contact* contact = shard().peers.Find(peer, peer_shard);
  if (contact == nullptr || contact->run != run) return;
  contact->told = ok;  // if not: asked for again
  contact->taken = ok;
  if (next_round_ == Instant::Max()) {
    next_round_ = env.now.instant + shard().config.greeting_retry;
    SetTimer(next_round_);
  }
  if (!ok) return;
  Greet(peer, peer_shard, /*asks=*/!contact->taken_by_it, env);
  // Each of its shards knows of its own sections only.
  if (shard().peers.HasTakenOver(peer)) Serve();
  NoteMet(peer, env);
}

void Greeter::NoteMet(NodeId peer, Env& env) {
  if (!shard().peers.HasMet(peer) || shard().up.contains(peer)) return;
  if (shard().up.empty() && !shard().gathering) shard().Gather(env.now.instant);
  shard().up.insert(peer);
  // Two that both have nothing: one disk at a time is replaced, so the cluster is new. (Not so one
  // that only has to get what it came to own.)
  if (shard().peers.IsUnfilled(peer) && shard().empty_disk) {
    shard().unfilled.clear();
    shard().empty_disk = false;
    shard().founding_until = env.now.instant + shard().founding_grace;
  }
  shard().met.insert(peer);
  shard().peers_changed.emplace_back(peer, true);
}

void Greeter::Serve() {
  if (std::exchange(shard().serving, true)) return;
  shard().peers_changed.emplace_back(shard().self, true);
}

}  // namespace gyre
