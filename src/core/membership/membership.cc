#include "core/membership/membership.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/check.h"
#include "core/membership/membership_codec.h"

namespace gyre {

using Kind = MembershipEvent::Kind;

Membership::Membership(const MembershipConfig& config, Identity self,
                       std::vector<std::string> seeds)
    : config_(config),
      self_(self.id),
      table_(config),
      detector_(config, table_, self.id),
      rumours_(config),
      gossip_(config, table_, self.id, std::move(seeds)) {
  GYRE_CHECK(self.id != NodeId() && self.id.value <= kNodeIdMax && self.description != nullptr);
  GYRE_CHECK(config.rumour_bytes_max >= kNewsBytesMax);
  const std::uint64_t digest = self.description->digest();
  table_.Merge({self.id, self.incarnation, Life::kAlive, digest, std::move(self.description), {}},
               Instant());
}

void Membership::Start(MembershipTurn& turn) {
  const std::size_t first_send = turn.out.sends.size();
  // Nobody else may know this life of it.
  rumours_.Add({self_, {}}, /*in_full=*/true);
  detector_.Start(turn);
  gossip_.Start(turn);
  Settle(first_send, turn);
}

Instant Membership::NextWake() const {
  return std::min({detector_.NextWake(), gossip_.NextWake(), next_telling_});
}

void Membership::OnTick(MembershipTurn& turn) {
  const std::size_t first_send = turn.out.sends.size();
  detector_.OnTick(turn);
  if (turn.now >= gossip_.NextWake()) {
    gossip_.OnTick(turn);
    table_.Age(turn.now);
  }
  Settle(first_send, turn);
}

void Membership::OnReached(NodeId node, MembershipTurn& turn) {
  const std::size_t first_send = turn.out.sends.size();
  gossip_.SyncWith(node, turn);
  Settle(first_send, turn);
}

void Membership::OnCallFailed(NodeId node, MembershipTurn& turn) {
  const std::size_t first_send = turn.out.sends.size();
  detector_.OnCallFailed(node, turn);
  Settle(first_send, turn);
}

// ---- messages ----------------------------------------------------------------------------------

void Membership::OnMessage(NodeId from, const MembershipMessage& message, MembershipTurn& turn) {
  if (from == self_) return;  // one's own address among the seeds
  const std::size_t first_send = turn.out.sends.size();
  ++counters_.messages;
  detector_.OnHeard(from);
  if (const auto* ping = std::get_if<Ping>(&message)) {
    TakeAll(ping->news, /*tell=*/true, turn);
    detector_.OnPing(from, *ping, turn);
  } else if (const auto* ack = std::get_if<PingAck>(&message)) {
    TakeAll(ack->news, /*tell=*/true, turn);
    detector_.OnPingAck(from, *ack, turn);
  } else if (const auto* request = std::get_if<PingRequest>(&message)) {
    TakeAll(request->news, /*tell=*/true, turn);
    detector_.OnPingRequest(from, *request, turn);
  } else if (const auto* nack = std::get_if<PingNack>(&message)) {
    TakeAll(nack->news, /*tell=*/true, turn);
    detector_.OnPingNack(*nack);
  } else if (const auto* rumours = std::get_if<Rumours>(&message)) {
    TakeAll(rumours->news, /*tell=*/true, turn);
  } else if (const auto* begin = std::get_if<SyncBegin>(&message)) {
    TakeAll(begin->news, /*tell=*/true, turn);
    gossip_.OnSyncBegin(from, *begin, turn);
  } else if (const auto* sums = std::get_if<SyncSums>(&message)) {
    gossip_.OnSyncSums(from, *sums, turn);
  } else if (const auto* entries = std::get_if<SyncEntries>(&message)) {
    TakeAll(entries->entries, /*tell=*/true, turn);
    gossip_.OnSyncEntries(from, *entries, turn);
  } else if (const auto* records = std::get_if<SyncRecords>(&message)) {
    const bool tell = records->records.size() <= config_.sync_rumours_max;
    const bool progress = TakeAll(records->records, tell, turn);
    gossip_.OnSyncRecords(from, *records, progress, turn);
  }
  Settle(first_send, turn);
}

bool Membership::TakeAll(const std::vector<MemberNews>& all, bool tell, MembershipTurn& turn) {
  bool changed = false;
  for (const MemberNews& news : all) changed = Take(news, tell, turn) || changed;
  return changed;
}

bool Membership::Take(const MemberNews& news, bool tell, MembershipTurn& turn) {
  if (news.id == self_) {
    TakeOfSelf(news, turn);
    return false;
  }
  const MemberTable::Outcome outcome = table_.Merge(news, turn.now);
  using Merged = MemberTable::Merged;
  counters_.records_unknown += outcome.merged == Merged::kUnknown;
  counters_.records_refused += outcome.merged == Merged::kRefused;
  if (outcome.double_identity) {
    ++counters_.double_identities;
    turn.out.events.push_back({Kind::kDoubleIdentity, news.id});
  }
  const bool changed = outcome.merged == Merged::kLife || outcome.merged == Merged::kDescription;
  const MemberTable::Entry* const entry = table_.Find(news.id);
  const bool suspected = entry != nullptr && entry->life == Life::kSuspect;
  if (changed) {
    const bool described = outcome.merged == Merged::kDescription;
    if (!suspected) detector_.OnOver(news.id);
    const bool was_live = outcome.before.has_value() && IsLive(*outcome.before);
    if (!was_live && IsLive(entry->life)) detector_.OnMemberUp(news.id, turn.prng);
    if (tell) rumours_.Add({news.id, {}}, described);
    if (described || outcome.before != entry->life) {
      turn.out.events.push_back({Kind::kMember, news.id, outcome.before, entry->life, described});
    }
  }
  // Whoever else accuses it, of the same life, confirms it.
  if (suspected && news.life == Life::kSuspect && news.incarnation == entry->incarnation) {
    const bool confirmed = detector_.OnAccused(news.id, news.incarnation, news.accuser, turn);
    if (confirmed && tell) rumours_.Add({news.id, news.accuser}, /*in_full=*/false);
  }
  return changed;
}

// Nobody but this node itself knows whether it is there, and who it is.
void Membership::TakeOfSelf(const MemberNews& news, MembershipTurn& turn) {
  const MemberTable::Entry own = *table_.Find(self_);
  if (news.incarnation < own.incarnation || own.life == Life::kLeft) return;
  if (news.life == Life::kLeft) {
    table_.Merge(news, turn.now);
    if (table_.Find(self_)->life == Life::kLeft)
      turn.out.events.push_back({Kind::kSelfLeft, self_});
    return;
  }
  const bool same = news.digest == own.description->digest();
  if (same && news.incarnation == own.incarnation) {
    if (news.life == Life::kAlive) return;
    ++counters_.contradictions;
    detector_.OnSelfAccused();
    RaiseIncarnation(news.incarnation, /*in_full=*/false, turn);
    return;
  }
  // An incarnation, or a description, that this life of it never had. A higher one may once be a
  // life before, whose count is lost. Again and again, or under this very incarnation, it is
  // another node of the same name: each contradicts the other, but not in a storm.
  if (turn.now - identity_since_ < config_.identity_pause) return;
  if (news.incarnation == own.incarnation || identity_since_ > Instant{INT64_MIN / 2}) {
    ++counters_.double_identities;
    turn.out.events.push_back({Kind::kDoubleIdentity, self_});
  }
  identity_since_ = turn.now;
  RaiseIncarnation(news.incarnation, /*in_full=*/!same, turn);
}

void Membership::RaiseIncarnation(std::uint64_t above, bool in_full, MembershipTurn& turn) {
  if (above == UINT64_MAX) return;  // nonsense, and nothing is higher
  MemberNews own = table_.NewsOf(self_, /*with_description=*/true);
  own.incarnation = above + 1;
  own.life = Life::kAlive;
  table_.Merge(own, turn.now);
  rumours_.Add({self_, {}}, in_full);
  next_telling_ = turn.now;
}

// ---- an operator's word ------------------------------------------------------------------------

void Membership::UpdateSelf(DescriptionPtr description, MembershipTurn& turn) {
  GYRE_CHECK(description != nullptr);
  const std::size_t first_send = turn.out.sends.size();
  const std::uint64_t digest = description->digest();
  table_.Merge({self_, incarnation() + 1, Life::kAlive, digest, std::move(description), {}},
               turn.now);
  rumours_.Add({self_, {}}, /*in_full=*/true);
  Settle(first_send, turn);
}

void Membership::Remove(NodeId node, MembershipTurn& turn) {
  if (table_.Find(node) == nullptr) return;
  const std::size_t first_send = turn.out.sends.size();
  MemberNews news = table_.NewsOf(node, /*with_description=*/false);
  news.life = Life::kLeft;
  if (node != self_) {
    Take(news, /*tell=*/true, turn);
  } else {
    table_.Merge(news, turn.now);
    rumours_.Add({self_, {}}, /*in_full=*/false);
  }
  Settle(first_send, turn);
}

// ---- what goes out -----------------------------------------------------------------------------

void Membership::Settle(std::size_t first_send, MembershipTurn& turn) {
  if (detector_.has_verdicts()) {
    for (const MemberNews& verdict : detector_.TakeVerdicts()) Take(verdict, /*tell=*/true, turn);
  }
  if (rumours_.empty()) {
    next_telling_ = Instant::Max();
  } else if (next_telling_ == Instant::Max()) {
    next_telling_ = std::max(turn.now, last_telling_ + config_.rumour_period);
  }
  if (turn.now >= next_telling_) TellRumours(turn);
  std::vector<MembershipSend>& sends = turn.out.sends;
  for (std::size_t i = first_send; i < sends.size(); ++i) FillIn(sends[i]);
  sends.erase(std::remove_if(sends.begin() + static_cast<std::ptrdiff_t>(first_send), sends.end(),
                             [](const MembershipSend& send) {
                               const auto* rumours = std::get_if<Rumours>(&send.message);
                               return rumours != nullptr && rumours->news.empty();
                             }),
              sends.end());
}

void Membership::TellRumours(MembershipTurn& turn) {
  last_telling_ = turn.now;
  next_telling_ = turn.now + config_.rumour_period;
  std::vector<NodeId> told;
  for (std::size_t i = 0; i < config_.rumour_fanout; ++i) {
    const auto to = table_.Draw(turn.prng, [&](NodeId id, const MemberTable::Entry& entry) {
      return IsLive(entry.life) && id != self_ &&
             std::find(told.begin(), told.end(), id) == told.end();
    });
    if (!to.has_value()) break;
    told.push_back(*to);
    turn.out.Send(*to, Rumours{});
  }
}

void Membership::FillIn(MembershipSend& send) {
  std::vector<MemberNews>* const news = NewsIn(send.message);
  if (news == nullptr) return;
  std::size_t bytes = 0;
  const auto add = [&](MemberNews each) {
    const std::size_t more = NewsBytes(each);
    if (bytes + more > config_.rumour_bytes_max) return false;
    bytes += more;
    news->push_back(std::move(each));
    return true;
  };
  const MemberTable::Entry* const receiver = table_.Find(send.to);
  // To a stranger, or one that may have forgotten: who is speaking.
  if (std::holds_alternative<SyncBegin>(send.message) &&
      (receiver == nullptr || !IsLive(receiver->life))) {
    add(table_.NewsOf(self_, /*with_description=*/true));
  }
  // Lifeguard's buddy system: what is said of the receiver comes first.
  if (config_.buddy && receiver != nullptr && receiver->life != Life::kAlive) {
    MemberNews about = table_.NewsOf(send.to, /*with_description=*/false);
    about.accuser = about.life == Life::kSuspect ? detector_.FirstAccuserOf(send.to) : NodeId();
    add(std::move(about));
  }
  if (rumours_.empty()) return;
  using Taken = RumourQueue::Taken;
  rumours_.Tell(table_.live(), [&](RumourName name, bool in_full) {
    const MemberTable::Entry* const entry = table_.Find(name.about);
    if (entry == nullptr) return Taken::kNothingToTell;
    MemberNews told = table_.NewsOf(name.about, in_full);
    if (entry->life == Life::kSuspect) {
      told.accuser = name.accuser != NodeId() ? name.accuser : detector_.FirstAccuserOf(name.about);
    } else if (name.accuser != NodeId()) {
      return Taken::kNothingToTell;
    }
    return add(std::move(told)) ? Taken::kYes : Taken::kDoesNotFit;
  });
}

}  // namespace gyre
