#include "core/membership/layout_ballot.h"

#include <utility>

#include "base/check.h"

namespace gyre {
namespace {

RingEpoch NumberAfter(const Layout& layout) { return RingEpoch(layout.number().value + 1); }

}  // namespace

// ---- acceptor --------------------------------------------------------------------------------

LayoutAcceptor::LayoutAcceptor(Layout decided, std::optional<AcceptorState> stored)
    : decided_(std::move(decided)) {
  state_ = {.lineage = decided_.lineage(), .number = NumberAfter(decided_)};
  // One of a later number is kept too: a layout file that went back in time must not lead to a
  // second vote.
  const bool of_use =
      stored && stored->lineage == state_.lineage && stored->number >= state_.number;
  if (of_use) state_ = *std::move(stored);
}

bool LayoutAcceptor::Decline(NodeId from, const BallotTopic& topic, Output& out) {
  if (topic.lineage != decided_.lineage()) {
    BallotTopic own = topic;
    own.lineage = decided_.lineage();
    out.sends.push_back(
        {from, BallotRefusal{.topic = own, .reason = BallotRefusal::Reason::kLineage}});
    return true;
  }
  if (topic.number <= decided_.number()) {
    out.sends.push_back({from, BallotDecided{decided_.Encode()}});
    return true;
  }
  if (topic.number != NumberAfter(decided_) || topic.number != state_.number) {
    out.sends.push_back(
        {from, BallotRefusal{.topic = topic, .reason = BallotRefusal::Reason::kLags}});
    return true;
  }
  if (topic.ballot < state_.promised) {
    out.sends.push_back({from, BallotRefusal{.topic = topic,
                                             .reason = BallotRefusal::Reason::kOutbid,
                                             .promised = state_.promised}});
    return true;
  }
  return topic.ballot.round == 0 || waiting_.size() >= kWaitingMax;
}

void LayoutAcceptor::OnPrepare(NodeId from, const BallotPrepare& prepare, Output& out) {
  if (Decline(from, prepare.topic, out)) return;
  if (prepare.topic.ballot > state_.promised) {
    state_.promised = prepare.topic.ballot;
    Store(out);
  }
  Reply(from, BallotPromise{prepare.topic, state_.accepted}, out);
}

void LayoutAcceptor::OnAccept(NodeId from, const BallotAccept& accept, Output& out) {
  if (Decline(from, accept.topic, out)) return;
  const bool again = state_.accepted && state_.accepted->ballot == accept.topic.ballot;
  if (!again) {
    const Result<Layout> layout = Layout::Decode(accept.bytes);
    if (!layout || layout->lineage() != accept.topic.lineage ||
        layout->number() != accept.topic.number) {
      return;
    }
    state_.promised = accept.topic.ballot;
    state_.accepted = {accept.topic.ballot, accept.bytes};
    Store(out);
  }
  Reply(from, BallotAccepted{accept.topic}, out);
}

void LayoutAcceptor::Store(Output& out) {
  out.store = EncodeAcceptorState(state_);
  out.ticket = ++ticket_asked_;
}

void LayoutAcceptor::Reply(NodeId to, BallotMessage message, Output& out) {
  if (ticket_stored_ == ticket_asked_) {
    out.sends.push_back({to, std::move(message)});
  } else {
    waiting_.emplace_back(ticket_asked_, BallotSend{to, std::move(message)});
  }
}

void LayoutAcceptor::OnStored(std::uint64_t ticket, Output& out) {
  GYRE_CHECK(ticket <= ticket_asked_);
  ticket_stored_ = std::max(ticket_stored_, ticket);
  while (!waiting_.empty() && waiting_.front().first <= ticket_stored_) {
    out.sends.push_back(std::move(waiting_.front().second));
    waiting_.pop_front();
  }
}

void LayoutAcceptor::OnDecided(Layout layout) {
  if (!layout.IsNewerThan(decided_)) return;
  decided_ = std::move(layout);
  const RingEpoch next = NumberAfter(decided_);
  if (state_.lineage == decided_.lineage() && state_.number >= next) return;
  state_ = {.lineage = decided_.lineage(), .number = next};
  waiting_.clear();  // about what is decided by now
}

// ---- proposer --------------------------------------------------------------------------------

void LayoutProposer::Start(Recompute recompute, Instant now, Prng& prng, Output& out) {
  GYRE_CHECK(!busy());
  recompute_ = std::move(recompute);
  deadline_ = now + config_.give_up;
  backoff_ = config_.backoff_min;
  ComputeAndPrepare(now, prng, out);
}

void LayoutProposer::ComputeAndPrepare(Instant now, Prng& prng, Output& out) {
  Result<std::optional<Layout>> next = recompute_(newest_);
  if (!next) return End(Fail(std::move(next.error())), out);
  if (!next->has_value()) return End({}, out);
  GYRE_CHECK((*next)->number() == NumberAfter(newest_));
  GYRE_CHECK((*next)->lineage() == newest_.lineage());
  proposal_ = (*next)->Encode();
  GYRE_CHECK(proposal_.size() <= kLayoutBytesMax);
  members_ = newest_.MemberIds();
  round_max_ = 0;
  answered_last_ = 0;
  answered_.clear();
  proposal_sent_ = false;
  Prepare(now, prng, out);
}

void LayoutProposer::Prepare(Instant now, Prng& prng, Output& out) {
  if (round_max_ >= kBallotRoundMax) return GiveUp("no ballot is left for this layout", out);
  ++round_max_;
  topic_ = {newest_.lineage(), NumberAfter(newest_), {round_max_, self_, prng.Next()}};
  accepted_before_.reset();
  in_favour_.clear();
  against_.clear();
  answered_last_ = answered_.size();
  answered_.clear();
  state_ = State::kPreparing;
  timer_ = now + config_.answer_wait;
  ToAll(BallotPrepare{topic_}, out);
}

void LayoutProposer::OnReply(NodeId from, const BallotMessage& message, Instant now, Prng& prng,
                             Output& out) {
  if (!busy()) return;
  if (const auto* promise = std::get_if<BallotPromise>(&message)) {
    OnPromise(from, *promise, now, out);
  } else if (const auto* accepted = std::get_if<BallotAccepted>(&message)) {
    OnAccepted(from, *accepted, out);
  } else if (const auto* refusal = std::get_if<BallotRefusal>(&message)) {
    OnRefusal(from, *refusal, now, prng, out);
  }
}

bool LayoutProposer::Hears(NodeId from, const BallotTopic& topic) {
  if (!IsMember(from) || topic != topic_) return false;
  answered_.insert(from);
  return true;
}

void LayoutProposer::OnPromise(NodeId from, const BallotPromise& promise, Instant now,
                               Output& out) {
  if (!Hears(from, promise.topic) || state_ != State::kPreparing) return;
  in_favour_.insert(from);
  if (promise.accepted &&
      (!accepted_before_ || promise.accepted->ballot > accepted_before_->ballot)) {
    accepted_before_ = promise.accepted;
  }
  if (in_favour_.size() < Majority()) return;
  value_ = accepted_before_ ? accepted_before_->bytes : proposal_;
  proposal_sent_ = proposal_sent_ || value_ == proposal_;
  in_favour_.clear();
  against_.clear();
  state_ = State::kAccepting;
  timer_ = now + config_.answer_wait;
  ToAll(BallotAccept{topic_, value_}, out);
}

void LayoutProposer::OnAccepted(NodeId from, const BallotAccepted& accepted, Output& out) {
  if (!Hears(from, accepted.topic) || state_ != State::kAccepting) return;
  in_favour_.insert(from);
  if (in_favour_.size() < Majority()) return;
  Result<Layout> layout = Layout::Decode(value_);
  if (!layout) {  // acceptors take only what they can read, but may be of a later version
    return GiveUp("another node's change was decided, which only a later version can read", out);
  }
  state_ = State::kAdopting;
  timer_ = Instant::Max();
  out.decided = *std::move(layout);
}

void LayoutProposer::OnRefusal(NodeId from, const BallotRefusal& refusal, Instant now, Prng& prng,
                               Output& out) {
  if (refusal.reason == BallotRefusal::Reason::kLineage) {
    // A lesser lineage adopts this one when they gossip.
    if (IsMember(from) && refusal.topic.lineage > newest_.lineage()) {
      GiveUp("the cluster goes on with another history, which this node has not adopted yet", out);
    }
    return;
  }
  if (!Hears(from, refusal.topic)) return;
  round_max_ = std::max(round_max_, refusal.promised.round);
  if (refusal.reason == BallotRefusal::Reason::kLags) {
    out.sends.push_back({from, BallotDecided{newest_.Encode()}});
  }
  if (state_ != State::kPreparing && state_ != State::kAccepting) return;
  against_.insert(from);
  if (members_.size() - against_.size() < Majority()) BackOff(now, prng);
}

void LayoutProposer::BackOff(Instant now, Prng& prng) {
  state_ = State::kBackingOff;
  timer_ = now + Duration::Micros(prng.Between(1, backoff_.us));
  backoff_ = std::min(backoff_ * 2, config_.backoff_max);
}

void LayoutProposer::OnTick(Instant now, Prng& prng, Output& out) {
  if (!busy()) return;
  if (now >= deadline_) return GiveUp(WhyNoMajority(), out);
  if (now < timer_) return;
  if (state_ == State::kBackingOff) {
    Prepare(now, prng, out);
  } else {
    BackOff(now, prng);
  }
}

void LayoutProposer::OnDecided(const Layout& layout, Instant now, Prng& prng, Output& out) {
  if (!layout.IsNewerThan(newest_)) return;
  newest_ = layout;
  if (!busy()) return;
  backoff_ = config_.backoff_min;
  ComputeAndPrepare(now, prng, out);
}

std::string LayoutProposer::WhyNoMajority() const {
  const std::size_t answered = std::max(answered_.size(), answered_last_);
  if (state_ == State::kAdopting) {
    return "the change was decided, but this node could not make it durable in time";
  }
  if (answered >= Majority()) {
    return "other nodes change the cluster at the same time; look at it and try again";
  }
  return std::to_string(answered) + " of " + std::to_string(members_.size()) +
         " members answered; a majority (" + std::to_string(Majority()) +
         ") is needed to change the cluster";
}

void LayoutProposer::GiveUp(std::string why, Output& out) {
  End(Fail(proposal_sent_ ? ErrorCode::kOutcomeUnknown : ErrorCode::kUnavailable, std::move(why)),
      out);
}

void LayoutProposer::End(Status status, Output& out) {
  state_ = State::kIdle;
  recompute_ = nullptr;
  out.ended = std::move(status);
}

void LayoutProposer::ToAll(const BallotMessage& message, Output& out) const {
  for (const NodeId member : members_) out.sends.push_back({member, message});
}

bool LayoutProposer::IsMember(NodeId node) const {
  return std::binary_search(members_.begin(), members_.end(), node);
}

}  // namespace gyre
