#include "core/membership/detector.h"

#include <algorithm>
#include <utility>

#include "core/membership/log2.h"

namespace gyre {
namespace {

constexpr int kRoundsMax = 8;                  // of one probe: pings of its own
constexpr std::size_t kProbesMax = 16;         // at once; beyond, nobody volunteers
constexpr std::size_t kRelaysMax = 256;        // pings for others; beyond, requests are as if lost
constexpr std::size_t kSuspicionsMax = 4'096;  // beyond, a suspect is left to the others
constexpr std::int64_t kNackPercent = 60;      // of ack_timeout until a helper says "no answer"

Duration Percent(Duration duration, std::int64_t percent) {
  return Duration{duration.us * percent / 100};
}

}  // namespace

Duration SuspicionTimeout(const MembershipConfig& config, std::size_t members,
                          std::size_t confirmations) {
  const std::int64_t decades =
      std::max<std::int64_t>(1000, Log10Milli(std::max<std::size_t>(1, members)));
  const std::int64_t least = config.suspicion_min.us * decades / 1000;
  // Beside the suspect and its first accuser there must be someone to say so too.
  const std::size_t others = members > 2 ? members - 2 : 0;
  const std::size_t wanted = std::min({config.confirmations, others, kConfirmationsMax});
  if (!config.dynamic_suspicion || wanted == 0) return {least};
  const std::int64_t most = least * config.suspicion_factor_max;
  const std::int64_t fall =
      (most - least) * Log2Milli(std::min(confirmations, wanted) + 1) / Log2Milli(wanted + 1);
  return {most - fall};
}

void Detector::Start(MembershipTurn& turn) {
  next_sequence_ = static_cast<std::uint32_t>(turn.prng.Next());
  next_probe_ = turn.now + Duration::Micros(turn.prng.Between(0, config_.protocol_period.us));
}

Instant Detector::NextWake() const {
  Instant wake = std::min({next_probe_, relays_look_, suspicions_look_});
  for (const Probe& probe : probes_) wake = std::min({wake, probe.next_send, probe.deadline});
  return wake;
}

void Detector::AddToHealth(int delta) {
  if (config_.local_health) health_ = std::clamp(health_ + delta, 0, config_.local_health_max);
}

// While this node stood still, answers may have come that it has not read yet.
void Detector::ForgiveStall(Duration late) {
  ++counters_.stalls;
  AddToHealth(1);
  const auto later = [late](Instant& at) {
    if (at != Instant::Max()) at = at + late;
  };
  for (Probe& probe : probes_) {
    later(probe.next_send);
    later(probe.deadline);
  }
  for (auto& [node, suspicion] : suspicions_) {
    later(suspicion.begun);
    later(suspicion.deadline);
  }
  later(suspicions_look_);
}

void Detector::OnTick(MembershipTurn& turn) {
  const Duration late = turn.now - std::min(NextWake(), turn.now);
  if (config_.local_health && late >= config_.stall) ForgiveStall(late);
  for (std::size_t i = 0; i < probes_.size();) {
    if (turn.now >= probes_[i].deadline) {
      const Probe failed = probes_[i];
      probes_.erase(probes_.begin() + static_cast<std::ptrdiff_t>(i));
      FailProbe(failed);
      continue;
    }
    if (turn.now >= probes_[i].next_send) AskAgain(probes_[i], turn);
    ++i;
  }
  if (turn.now >= relays_look_) {
    relays_look_ = Instant::Max();
    std::erase_if(relays_, [&turn](const Relay& relay) { return turn.now >= relay.over; });
    for (Relay& relay : relays_) {
      if (turn.now >= relay.nack_at) {
        turn.out.Send(relay.asker, PingNack{relay.asker_sequence, {}});
        relay.nack_at = Instant::Max();
      }
      relays_look_ = std::min({relays_look_, relay.nack_at, relay.over});
    }
  }
  if (turn.now >= suspicions_look_) EndSuspicions(turn.now);
  if (turn.now >= next_probe_) ProbeNext(turn);
}

// ---- probes ------------------------------------------------------------------------------------

void Detector::ProbeNext(MembershipTurn& turn) {
  next_probe_ = turn.now + Period();
  for (int fresh = 0; fresh < 2; ++fresh) {
    while (next_in_round_ < round_.size()) {
      const NodeId target = round_[next_in_round_++];
      if (target == self_ || !table_.IsLiveMember(target) || IsProbing(target)) continue;
      return BeginProbe(target, turn);
    }
    round_.clear();
    for (std::size_t i = 0; i < table_.size(); ++i) {
      if (IsLive(table_.at(i).life)) round_.push_back(table_.id_at(i));
    }
    for (std::size_t i = round_.size(); i > 1; --i) {
      std::swap(round_[i - 1], round_[turn.prng.Below(i)]);
    }
    next_in_round_ = 0;
  }
}

void Detector::OnMemberUp(NodeId node, Prng& prng) {
  // One that comes and goes gets one turn each time, until there are too many.
  if (round_.size() > 2 * table_.size()) return;
  const std::size_t rest = round_.size() - next_in_round_;
  const std::size_t at = next_in_round_ + prng.Below(rest + 1);
  round_.insert(round_.begin() + static_cast<std::ptrdiff_t>(at), node);
}

bool Detector::IsProbing(NodeId target) const {
  return std::any_of(probes_.begin(), probes_.end(),
                     [target](const Probe& probe) { return probe.target == target; });
}

void Detector::BeginProbe(NodeId target, MembershipTurn& turn) {
  ++counters_.probes;
  Probe probe;
  probe.target = target;
  probe.sequence = next_sequence_++;
  probe.deadline = turn.now + Period();
  // Without `resend` the helpers are asked once, and later if this node is slow itself.
  probe.next_send = turn.now + config_.ack_timeout * (config_.resend ? 1 : 1 + health_);
  turn.out.Send(target, Ping{probe.sequence, {}});
  probes_.push_back(probe);
}

void Detector::AskAgain(Probe& probe, MembershipTurn& turn) {
  ++probe.rounds;
  const bool again = config_.resend && probe.rounds < kRoundsMax;
  probe.next_send = again ? turn.now + config_.ack_timeout : Instant::Max();
  if (config_.resend) turn.out.Send(probe.target, Ping{probe.sequence, {}});
  std::vector<NodeId> asked;
  for (std::size_t i = 0; i < config_.helpers; ++i) {
    const auto helper = table_.Draw(turn.prng, [&](NodeId id, const MemberTable::Entry& entry) {
      return entry.life == Life::kAlive && id != self_ && id != probe.target &&
             std::find(asked.begin(), asked.end(), id) == asked.end();
    });
    if (!helper.has_value()) break;
    asked.push_back(*helper);
    turn.out.Send(*helper, PingRequest{probe.sequence, probe.target, config_.nacks, {}});
  }
  if (config_.nacks) probe.nacks_wanted += asked.size();
}

void Detector::FailProbe(const Probe& probe) {
  ++counters_.probes_failed;
  // Helpers that are silent as well: it may be this node that does not hear.
  if (2 * probe.nacks < probe.nacks_wanted || probe.nacks_wanted == 0) AddToHealth(1);
  const MemberTable::Entry* const entry = table_.Find(probe.target);
  if (entry == nullptr || !IsLive(entry->life)) return;
  ++counters_.verdicts_suspect;
  verdicts_.push_back({probe.target, entry->incarnation, Life::kSuspect,
                       entry->description->digest(), nullptr, self_});
}

void Detector::OnHeard(NodeId from) {
  if (probes_.empty()) return;
  const std::size_t ended =
      std::erase_if(probes_, [from](const Probe& probe) { return probe.target == from; });
  if (ended > 0) AddToHealth(-1);
}

void Detector::OnCallFailed(NodeId node, MembershipTurn& turn) {
  if (node == self_ || !table_.IsLiveMember(node) || IsProbing(node)) return;
  if (probes_.size() < kProbesMax) BeginProbe(node, turn);
}

// ---- answers -----------------------------------------------------------------------------------

void Detector::OnPing(NodeId from, const Ping& ping, MembershipTurn& turn) {
  turn.out.Send(from, PingAck{ping.sequence, {}});
}

void Detector::OnPingAck(NodeId from, const PingAck& ack, MembershipTurn& turn) {
  // One's own probes of `from` ended with OnHeard. Here: what a helper passes on,
  const std::size_t ended =
      std::erase_if(probes_, [&ack](const Probe& probe) { return probe.sequence == ack.sequence; });
  if (ended > 0) AddToHealth(-1);
  // and what is to be passed on.
  const auto relay = std::find_if(relays_.begin(), relays_.end(), [&](const Relay& each) {
    return each.sequence == ack.sequence && each.target == from;
  });
  if (relay == relays_.end()) return;
  turn.out.Send(relay->asker, PingAck{relay->asker_sequence, {}});
  relays_.erase(relay);
}

void Detector::OnPingRequest(NodeId from, const PingRequest& request, MembershipTurn& turn) {
  if (request.target == self_) {
    turn.out.Send(from, PingAck{request.sequence, {}});
    return;
  }
  if (table_.Find(request.target) == nullptr || relays_.size() >= kRelaysMax) return;
  Relay relay{request.target,   next_sequence_++, from,
              request.sequence, Instant::Max(),   turn.now + config_.protocol_period};
  if (request.nack) relay.nack_at = turn.now + Percent(config_.ack_timeout, kNackPercent);
  turn.out.Send(relay.target, Ping{relay.sequence, {}});
  relays_look_ = std::min({relays_look_, relay.nack_at, relay.over});
  relays_.push_back(relay);
}

void Detector::OnPingNack(const PingNack& nack) {
  for (Probe& probe : probes_) {
    if (probe.sequence == nack.sequence) ++probe.nacks;
  }
}

// ---- suspicions --------------------------------------------------------------------------------

bool Detector::OnAccused(NodeId suspect, std::uint64_t incarnation, NodeId accuser,
                         MembershipTurn& turn) {
  const std::size_t members = table_.live();
  const auto it = suspicions_.find(suspect);
  if (it == suspicions_.end() || it->second.incarnation != incarnation) {
    if (it == suspicions_.end() && suspicions_.size() >= kSuspicionsMax) return false;
    Suspicion suspicion{
        incarnation, turn.now, turn.now + SuspicionTimeout(config_, members, 0), {}};
    if (accuser != NodeId()) suspicion.accusers.push_back(accuser);
    suspicions_look_ = std::min(suspicions_look_, suspicion.deadline);
    suspicions_[suspect] = std::move(suspicion);
    if (accuser == self_) {
      if (config_.buddy) turn.out.Send(suspect, Rumours{});
    } else if (turn.prng.Below(std::max<std::size_t>(members, 1)) < config_.volunteers) {
      OnCallFailed(suspect, turn);
    }
    return false;
  }
  Suspicion& suspicion = it->second;
  std::vector<NodeId>& accusers = suspicion.accusers;
  if (accuser == NodeId() || !config_.dynamic_suspicion) return false;
  if (accusers.size() > std::min(config_.confirmations, kConfirmationsMax)) return false;
  if (std::find(accusers.begin(), accusers.end(), accuser) != accusers.end()) return false;
  accusers.push_back(accuser);
  suspicion.deadline = suspicion.begun + SuspicionTimeout(config_, members, accusers.size() - 1);
  suspicions_look_ = std::min(suspicions_look_, suspicion.deadline);
  return accusers.size() > 1;
}

NodeId Detector::FirstAccuserOf(NodeId suspect) const {
  const auto it = suspicions_.find(suspect);
  if (it == suspicions_.end() || it->second.accusers.empty()) return NodeId();
  return it->second.accusers.front();
}

void Detector::EndSuspicions(Instant now) {
  suspicions_look_ = Instant::Max();
  for (auto it = suspicions_.begin(); it != suspicions_.end();) {
    if (now < it->second.deadline) {
      suspicions_look_ = std::min(suspicions_look_, it->second.deadline);
      ++it;
      continue;
    }
    ++counters_.verdicts_down;
    const MemberTable::Entry* const entry = table_.Find(it->first);
    if (entry != nullptr) {
      verdicts_.push_back({it->first, it->second.incarnation, Life::kDown,
                           entry->description->digest(), nullptr, NodeId()});
    }
    it = suspicions_.erase(it);
  }
}

}  // namespace gyre
