// How the next layout is decided: single-decree Paxos (Lamport, "Paxos made simple", 2001) for each
// layout number, among the members of the layout before it, of whom a majority must answer.
// docs/adr/0008-moving-partitions.md. Only changes of who owns what wait for this; no put or get.
//
// Every node has a LayoutAcceptor. A node that is told to change something has a LayoutProposer
// too, which asks all members, itself among them: its own acceptor is a member like the others.
//
// The caller: (1) stores what LayoutAcceptor asks for, then says OnStored; (2) makes each layout
// that is decided durable, here or on the word of BallotDecided, before it calls OnDecided of both
// or tells anybody; (3) announces what was decided.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "core/membership/ballot_codec.h"
#include "core/membership/ballot_messages.h"
#include "core/ring/layout.h"

namespace gyre {

struct BallotSend {
  NodeId to;
  BallotMessage message;
};

// One member's vote. What is promised and accepted must outlast a crash before anybody hears of it,
// so replies are kept back until then.
// Invariants: per number, promised ballots only rise, and nothing is accepted below them; only
// states that were stored are told.
class LayoutAcceptor {
 public:
  // Replies kept back at once, and so messages that a slow disk can pile up.
  static constexpr std::size_t kWaitingMax = 64;

  struct Output {
    std::vector<BallotSend> sends;
    // To be stored over whatever was stored before, then OnStored(ticket). Never empty then.
    std::string store;
    std::uint64_t ticket = 0;
  };

  // `decided` is durable; `stored` is what was stored last, or nothing.
  LayoutAcceptor(Layout decided, std::optional<AcceptorState> stored);

  // Of the last layout that was decided, as far as is known here.
  const Layout& decided() const { return decided_; }

  // For a layout up to decided(): answered with that one. For a later one than the next: refused,
  // as this node lacks the one before it. Of another lineage: refused. Past kWaitingMax: ignored.
  void OnPrepare(NodeId from, const BallotPrepare& prepare, Output& out);
  // As OnPrepare. What is no layout of the right number is ignored.
  void OnAccept(NodeId from, const BallotAccept& accept, Output& out);
  // What was asked for with `ticket`, and all before it, is durable.
  void OnStored(std::uint64_t ticket, Output& out);
  // Ignored unless newer than decided(). REQUIRES: it is durable.
  void OnDecided(Layout layout);

 private:
  // Answers what is not to be voted on here. True if it did.
  bool Decline(NodeId from, const BallotTopic& topic, Output& out);
  // Replies now, or when all that was asked to be stored is.
  void Reply(NodeId to, BallotMessage message, Output& out);
  void Store(Output& out);

  Layout decided_;
  AcceptorState state_;  // as it will be when all is stored
  std::uint64_t ticket_asked_ = 0;
  std::uint64_t ticket_stored_ = 0;
  std::deque<std::pair<std::uint64_t, BallotSend>> waiting_;  // each with its ticket
};

struct LayoutProposerConfig {
  // For the answers of a majority, then the ballot is given up. Simulator: 100 ms..5 s.
  Duration answer_wait = Duration::Seconds(1);
  // Before the next ballot: drawn up to this much, doubled with each that fails, up to the second
  // figure. Simulator: 10 ms..1 s, and 100 ms..10 s.
  Duration backoff_min = Duration::Millis(100);
  Duration backoff_max = Duration::Seconds(3);
  // The proposal fails when it has not ended after this. Simulator: 2 s..5 min.
  Duration give_up = Duration::Seconds(30);
};

// One proposal, from the order to change something until there is nothing left to change.
//
// kIdle -Start-> kPreparing -a majority promised-> kAccepting -a majority accepted-> kAdopting
//   -OnDecided-> recompute -nothing left-> kIdle;  otherwise kPreparing the next number
// kPreparing, kAccepting -no majority can, or timer-> kBackingOff -timer-> kPreparing
// any but kIdle -a layout decided elsewhere-> kAdopting, or recompute;  -give_up-> kIdle
//
// What a majority may have accepted before is finished first, whoever proposed it; then the change
// is computed anew, on top of it.
class LayoutProposer {
 public:
  // The layout that should follow `newest`: its number is one greater, its lineage the same.
  // Nothing: all is as it should be. An error ends the proposal.
  using Recompute = std::function<Result<std::optional<Layout>>(const Layout& newest)>;

  struct Output {
    std::vector<BallotSend> sends;
    // Was decided. To be made durable, given to OnDecided here and there, and announced.
    std::optional<Layout> decided;
    // The proposal has ended: everything is done, or why not. Errors: kUnavailable (nothing more of
    // it will happen), kOutcomeUnknown (it may yet be decided), and Recompute's.
    std::optional<Status> ended;
  };

  LayoutProposer(NodeId self, Layout newest, const LayoutProposerConfig& config)
      : self_(self), newest_(std::move(newest)), config_(config) {}

  bool busy() const { return state_ != State::kIdle; }
  // When OnTick has something to do.
  Instant next_wake() const { return busy() ? std::min(timer_, deadline_) : Instant::Max(); }

  // REQUIRES: !busy().
  void Start(Recompute recompute, Instant now, Prng& prng, Output& out);
  // A BallotPromise, BallotAccepted or BallotRefusal; others are ignored. A BallotDecided is the
  // caller's, whoever asked for it.
  void OnReply(NodeId from, const BallotMessage& message, Instant now, Prng& prng, Output& out);
  // Ignored unless newer. REQUIRES: it is durable.
  void OnDecided(const Layout& layout, Instant now, Prng& prng, Output& out);
  void OnTick(Instant now, Prng& prng, Output& out);

 private:
  enum class State { kIdle, kPreparing, kAccepting, kAdopting, kBackingOff };

  void OnPromise(NodeId from, const BallotPromise& promise, Instant now, Output& out);
  void OnAccepted(NodeId from, const BallotAccepted& accepted, Output& out);
  void OnRefusal(NodeId from, const BallotRefusal& refusal, Instant now, Prng& prng, Output& out);
  // Whether it is from a member and about the number under way, and so tells that the member is up.
  bool Hears(NodeId from, const BallotTopic& topic);
  void ComputeAndPrepare(Instant now, Prng& prng, Output& out);
  void Prepare(Instant now, Prng& prng, Output& out);
  void BackOff(Instant now, Prng& prng);
  void GiveUp(std::string why, Output& out);
  std::string WhyNoMajority() const;
  void End(Status status, Output& out);
  void ToAll(const BallotMessage& message, Output& out) const;
  bool IsMember(NodeId node) const;
  std::size_t Majority() const { return members_.size() / 2 + 1; }

  const NodeId self_;
  Layout newest_;  // decided
  const LayoutProposerConfig config_;
  State state_ = State::kIdle;
  Recompute recompute_;
  Instant deadline_;
  Instant timer_;
  Duration backoff_;
  std::uint64_t round_max_ = 0;  // seen of this number

  std::vector<NodeId> members_;  // of newest_, sorted
  std::string proposal_;         // what is to be decided, if nothing was accepted before
  BallotTopic topic_;            // of the ballot under way
  std::string value_;            // what this ballot proposes
  std::optional<AcceptedLayout> accepted_before_;
  // Of this ballot's present phase.
  std::set<NodeId> in_favour_;
  std::set<NodeId> against_;
  std::set<NodeId> answered_;      // this ballot, in any phase
  std::size_t answered_last_ = 0;  // how many answered the one before
  bool proposal_sent_ = false;     // for acceptance, in any ballot of this number
};

}  // namespace gyre
