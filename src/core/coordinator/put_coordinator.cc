#include "core/coordinator/put_coordinator.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"
#include "core/coordinator/forward_coordinator.h"
#include "core/coordinator/replica_calls.h"
#include "core/purge/copy_renewal.h"

namespace gyre {

PutCoordinator::PutCoordinator(ShardState& shard, const Origin& origin, PutRequest&& request,
                               const ReplicaPlan& plan)
    : RequestMachine(shard, origin), request_(std::move(request)), plan_(plan) {}

void PutCoordinator::Start(Env& env) {
  GYRE_CHECK(state_ == State::kIdle && (plan_.self_is_owner || plan_.sloppy));
  if (!plan_.self_is_owner) {
    ++shard().counters.standin_puts;
    ++shard().counters.hints_stored;
    request_.key.owed_to = plan_.FirstOwnerAway();
  }
  NoteStart(env.now.instant);
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  if (request_.read_first) {
    BeginReading(env);
  } else {
    Apply(std::nullopt, env);
  }
  WakeAt(env.now.instant + shard().config.hint_after);
}

// Timers are not cancelled: a put has one at a time, or hundreds of thousands that nobody waits for
// lie in the wheel.
void PutCoordinator::WakeAt(Instant at) {
  at = std::min(at, deadline_);
  if (at >= wakes_at_) return;
  wakes_at_ = at;
  SetTimer(at);
}

void PutCoordinator::BeginReading(Env& env) {
  state_ = State::kReading;
  ++rounds_;
  hint_at_ = env.now.instant + shard().config.hint_after;
  WakeAt(hint_at_);
  reads_ = std::make_unique<ReadSet>(plan_);
  AskForCopies(plan_, request_.key.OwedTo({}), floor_, /*digest_over=*/0, id(), shard(), env);
}

void PutCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  if (auto* get = std::get_if<ReplicaGetReply>(&reply)) {
    if (state_ != State::kReading || (!get->error && get->stamp < floor_)) return;
    if (get->error == ErrorCode::kWrongEpoch) {
      send_again_at_ = std::min(send_again_at_, env.now.instant + shard().config.view_retry);
      return WakeAt(send_again_at_);
    }
    TakeCopy(*reads_, from, *get);
    OnReadProgress(env);
  } else if (auto* put = std::get_if<ReplicaPutReply>(&reply)) {
    if (put->error == ErrorCode::kStaleCopy && Renew(from, put->promised)) return;
    Copy* copy = put->error == ErrorCode::kWrongEpoch ? FindWaiting(from) : nullptr;
    if (copy != nullptr) {
      copy->another_view = true;
      send_again_at_ = std::min(send_again_at_, env.now.instant + shard().config.view_retry);
      return WakeAt(send_again_at_);
    }
    OnAck(from, !put->error, env);
  }
}

void PutCoordinator::OnLocal(LocalOutcome& outcome, Env& env) {
  if (auto* get = std::get_if<LocalGetDone>(&outcome.what)) {
    if (state_ != State::kReading || (get->record && get->stamp < floor_)) return;
    TakeCopy(*reads_, shard().self, *get);
    OnReadProgress(env);
  } else if (auto* applied = std::get_if<LocalApplied>(&outcome.what)) {
    OnApplied(*applied, env);
  } else if (auto* durable = std::get_if<LocalDurable>(&outcome.what)) {
    if (state_ == State::kApplying) {
      // What was read is too old to be joined.
      if (durable->status.error().code == ErrorCode::kStaleCopy && rounds_ < kReadRoundsMax) {
        ++shard().counters.reads_begun_anew;
        floor_ =
            shard().ledger.ballots().Pending(view().ring.SectionOf(request_.key.token)).promised;
        return BeginReading(env);
      }
      return Refuse(std::move(durable->status.error()), env);
    }
    OnAck(shard().self, durable->status.has_value(), env);
  }
}

void PutCoordinator::OnReadProgress(Env& env) {
  switch (reads_->standing()) {
    case Standing::kPending:
      return;
    case Standing::kImpossible:
      return Refuse({ErrorCode::kUnavailable, "too few owners could read their copy"}, env);
    case Standing::kReached:
      if (reads_->knows_nothing()) {
        if (!reads_->all_answered()) return;
        return Refuse({ErrorCode::kUnavailable,
                       "it depends on what is there: no owner of the key can be read, and those "
                       "that stand in have nothing of it"},
                      env);
      }
      return Apply(Replica::Seen{reads_->joined(), reads_->stamp()}, env);
  }
}

void PutCoordinator::Apply(std::optional<Replica::Seen> seen, Env& env) {
  state_ = State::kApplying;
  send_again_at_ = Instant::Max();
  // A copy: another owner may have to be asked with it.
  shard().replica.Mutate(request_.key, request_.mutation, std::move(seen), Ticket::Local(id()),
                         env);
}

void PutCoordinator::OnApplied(LocalApplied& applied, Env& env) {
  GYRE_CHECK(state_ == State::kApplying);
  outcome_ = std::move(applied.outcome);
  if (!outcome_.changed) {
    state_ = State::kDone;
    Answer(std::move(outcome_), env);
    return Finish();
  }
  state_ = State::kWaitingForQuorum;
  record_ = std::move(applied.record);
  written_ = outcome_.dot;
  stamp_ = applied.stamp;
  // A put waits for its quorum in thousands: not with its value twice.
  request_.mutation = DeleteValue();
  copies_.push_back({shard().self, request_.key.owed_to});
  acks_.emplace(plan_.Tally(plan_.writes));
  if (plan_.owners.Contains(copies_.front().owner())) acks_->AddAsked(copies_.front().owner());
  SpreadCopies(env);
  hint_at_ = env.now.instant + shard().config.hint_after;
  WakeAt(hint_at_);
  CheckStanding(env);  // perhaps too few are left
}

// Owners that went down since the plan are not asked; those that came up are.
void PutCoordinator::SpreadCopies(Env& env) {
  NodeList others;
  NodeList away;
  for (const NodeId owner : plan_.owners) {
    const bool reachable = shard().Reachable(owner);
    const bool provided = std::any_of(copies_.begin(), copies_.end(), [&](const Copy& copy) {
      return copy.node == owner || (!reachable && copy.owner() == owner);
    });
    if (!provided) (reachable ? others : away).push_back(owner);
  }
  for (const NodeId owner : others) {
    copies_.push_back({owner, NodeId{}});
    acks_->AddAsked(owner);
  }
  SendCopies(others, request_.key.OwedTo({}), env);
  for (const NodeId owner : away) PlaceElsewhere(owner, env);
}

PutCoordinator::Copy* PutCoordinator::FindWaiting(NodeId node) {
  const auto copy = std::find_if(copies_.begin(), copies_.end(), [&](const Copy& each) {
    return each.node == node && each.state == Copy::State::kWaiting;
  });
  return copy == copies_.end() ? nullptr : &*copy;
}

// To those whose view was another.
void PutCoordinator::SendAgain(Env& env) {
  send_again_at_ = Instant::Max();
  for (Copy& copy : copies_) {
    if (!std::exchange(copy.another_view, false)) continue;
    SendCopies(NodeList(copy.node), request_.key.OwedTo(copy.owed_to), env);
  }
}

void PutCoordinator::OnView(Env& env) {
  if (state_ == State::kIdle || state_ == State::kDone ||
      view().EpochOf(plan_.partition) == plan_.epoch) {
    return;
  }
  if (state_ == State::kReading) return AdmitAgain(env);
  const Result<ReplicaPlan> plan = MakePlan(shard(), request_.key, request_.options);
  if (!plan) return;  // its time will be up
  plan_ = *plan;
  if (state_ == State::kApplying) return;
  acks_.emplace(plan_.Tally(plan_.writes));
  for (Copy& copy : copies_) {
    if (!plan_.owners.Contains(copy.owner())) {
      copy.given_elsewhere = true;  // an owner no more
      continue;
    }
    acks_->AddAsked(copy.owner());
    if (copy.state == Copy::State::kAcknowledged) acks_->AddOk(copy.owner());
    if (copy.state == Copy::State::kFailed) acks_->AddFailed(copy.owner());
  }
  SpreadCopies(env);
  CheckStanding(env);
}

// As a request of its own, here or elsewhere: nothing is written yet, and what this one has asked
// for is still answered, by nodes that may have been asked as what they are no more.
void PutCoordinator::AdmitAgain(Env& env) {
  const Duration left = deadline_ - env.now.instant;
  if (left.us <= 0) return;  // OnTimer is due
  request_.options.timeout = left;
  request_.key.owed_to = {};
  state_ = State::kDone;
  FinishWith(Admit(shard(), origin(), std::move(request_), env.now));
}

void PutCoordinator::SendCopies(const NodeList& to, const RowKey& where, Env& env) {
  if (to.empty()) return;
  env.out.emplace_back(
      SendEffect{to, std::nullopt, ReplicaPut{id(), plan_.epoch, where, record_, false, stamp_}});
}

bool PutCoordinator::Renew(NodeId node, std::uint64_t promised) {
  constexpr int kRenewalsMax = 3;
  Copy* copy = FindWaiting(node);
  if (copy == nullptr || copy->renewals == kRenewalsMax) return false;
  ++copy->renewals;
  const bool hint = copy->owed_to.value != 0;
  shard().spawned.push_back(
      std::make_unique<CopyRenewal>(shard(), id(), written_, node, request_.key,
                                    request_.key.OwedTo(copy->owed_to), hint ? promised : 0));
  return true;
}

void PutCoordinator::PlaceElsewhere(NodeId owner, Env& env) {
  const KeyspaceConfig* keyspace = view().FindKeyspace(request_.key.keyspace);
  const bool may = shard().Reachable(owner) || shard().KnownAway(owner);
  if (plan_.sloppy && may && plan_.epoch == view().EpochOf(plan_.partition) &&
      keyspace != nullptr) {
    const NodeList fallbacks = view().FallbacksOf(plan_.partition, *keyspace);
    const auto node = FallbackFor(owner, fallbacks, view(), [&](NodeId candidate) {
      const bool used = std::any_of(copies_.begin(), copies_.end(),
                                    [&](const Copy& copy) { return copy.node == candidate; });
      // An owner of before is asked for its own.
      return !used && candidate != shard().self && shard().Reachable(candidate) &&
             !plan_.owners.Contains(candidate);
    });
    if (node) {
      ++shard().counters.hints_sent;
      copies_.push_back({*node, owner});
      acks_->AddAsked(owner);
      return SendCopies(NodeList(*node), request_.key.OwedTo(owner), env);
    }
  }
  LeaveToExchange(owner);
}

void PutCoordinator::LeaveToExchange(NodeId owner) {
  ++shard().counters.copies_left_to_exchange;
  shard().copies_missing.emplace_back(plan_.partition, owner);
}

void PutCoordinator::OnAck(NodeId node, bool ok, Env& env) {
  if (state_ != State::kWaitingForQuorum && state_ != State::kPlacing) return;
  Copy* copy = FindWaiting(node);
  if (copy == nullptr) return;
  const NodeId owner = copy->owner();
  copy->state = ok ? Copy::State::kAcknowledged : Copy::State::kFailed;
  record_.PrefetchRelease();  // after the next ack, as a rule; it was written long ago
  if (!plan_.owners.Contains(owner)) return CheckStanding(env);
  if (!ok && !copy->given_elsewhere) PlaceElsewhere(owner, env);
  ok ? acks_->AddOk(owner) : acks_->AddFailed(owner);
  CheckStanding(env);
}

// Answers the client once that can be done, and ends once nothing is left to do.
void PutCoordinator::CheckStanding(Env& env) {
  if (state_ == State::kWaitingForQuorum && acks_->standing() != Standing::kPending) {
    state_ = State::kPlacing;
    if (acks_->standing() == Standing::kReached) {
      NoteCopies();
      Answer(std::move(outcome_), env);
    } else {
      Answer(Fail(ErrorCode::kOutcomeUnknown, "written by " + std::to_string(acks_->ok()) + " of " +
                                                  std::to_string(acks_->needed()) +
                                                  " nodes; the rest failed"),
             env);
    }
  }
  FinishIfPlaced();
}

// Whoever reads with the keyspace's R asks one of the owners that have it themselves.
bool PutCoordinator::EachReadMeetsIt() const {
  NodeList own;
  for (const Copy& copy : copies_) {
    const bool its_own = copy.state == Copy::State::kAcknowledged && copy.owed_to.value == 0;
    if (its_own) own.push_back(copy.node);
  }
  return plan_.reads.AllHold(plan_.owners.size(), [&](const QuorumGroup& group) {
    return group.CountIn(plan_.owners, own) + group.needed > group.size();
  });
}

// What the answer tells of where the write is.
void PutCoordinator::NoteCopies() {
  boost::container::small_vector<std::uint32_t, 4> zones;
  struct Held {
    int copies = 0;  // by owners of one set, or for them
    int own = 0;     // by the owners themselves
  };
  const auto held_in = [&](std::span<const NodeId> set) {
    Held held;
    for (const Copy& copy : copies_) {
      const bool counts = copy.state == Copy::State::kAcknowledged &&
                          std::find(set.begin(), set.end(), copy.owner()) != set.end();
      held.copies += counts;
      held.own += counts && copy.owed_to.value == 0;
    }
    return held;
  };
  Held held = held_in(plan_.now());
  if (plan_.moving()) {
    const Held from = held_in(plan_.from.span());
    held = {std::min(held.copies, from.copies), std::min(held.own, from.own)};
  }
  outcome_.copies = static_cast<std::uint8_t>(held.copies);
  outcome_.hints = static_cast<std::uint8_t>(held.copies - held.own);
  outcome_.strict = plan_.reads.by_group()
                        ? EachReadMeetsIt()
                        : held.own + plan_.reads.of_all() > static_cast<int>(plan_.owners.size());
  const Ring& ring = view().ring;
  for (const Copy& copy : copies_) {
    if (copy.state != Copy::State::kAcknowledged) continue;
    const Member* member = ring.FindMember(copy.node);
    if (member == nullptr) continue;
    const std::uint32_t zone =
        ring.domains()[static_cast<std::size_t>(member - ring.members().data())].zone;
    if (std::find(zones.begin(), zones.end(), zone) == zones.end()) zones.push_back(zone);
  }
  outcome_.zones = static_cast<std::uint8_t>(zones.size());
}

void PutCoordinator::FinishIfPlaced() {
  if (!answered()) return;
  for (const Copy& copy : copies_) {
    if (copy.state == Copy::State::kWaiting && !copy.given_elsewhere) return;
  }
  state_ = State::kDone;
  Finish();
}

void PutCoordinator::OnPeerDown(NodeId peer, Env& env) {
  if (state_ == State::kReading) {
    reads_->AddFailure(peer, /*corrupt=*/false);
    OnReadProgress(env);
  } else {
    OnAck(peer, false, env);
  }
}

void PutCoordinator::OnTimer(Env& env) {
  if (state_ == State::kDone) return;
  wakes_at_ = Instant::Max();
  const bool sent = state_ == State::kWaitingForQuorum || state_ == State::kPlacing;
  if (env.now.instant >= send_again_at_ && env.now.instant < deadline_) {
    if (sent) SendAgain(env);
    if (state_ == State::kReading) return AdmitAgain(env);
  }
  if (state_ == State::kReading && env.now.instant >= hint_at_ && env.now.instant < deadline_) {
    reads_->EndPatience();
    OnReadProgress(env);
    if (finished()) return;
  }
  if (sent && env.now.instant >= hint_at_) {
    const std::size_t asked = copies_.size();  // those asked from here on have their own time
    for (std::size_t i = 0; i < asked; ++i) {
      if (copies_[i].state != Copy::State::kWaiting || copies_[i].given_elsewhere) continue;
      copies_[i].given_elsewhere = true;
      PlaceElsewhere(copies_[i].owner(), env);
    }
    hint_at_ = env.now.instant + shard().config.hint_after;
    CheckStanding(env);
    if (finished()) return;
  }
  if (env.now.instant < deadline_) {
    return WakeAt(std::min(sent ? hint_at_ : deadline_, send_again_at_));
  }
  if (state_ == State::kReading) {
    return Refuse({ErrorCode::kUnavailable, "too few owners answered the read in time"}, env);
  }
  // While the own row is being read nothing is changed yet, but the change will be made.
  if (!answered()) {
    Answer(Fail(ErrorCode::kOutcomeUnknown, "too few nodes acknowledged in time"), env);
  }
  for (const Copy& copy : copies_) {
    if (copy.state == Copy::State::kWaiting && !copy.given_elsewhere) LeaveToExchange(copy.owner());
  }
  state_ = State::kDone;
  Finish();
}

// Nothing was changed. Where that is this node's own trouble, another owner is asked to coordinate.
void PutCoordinator::Refuse(Error error, Env& env) {
  const bool own_trouble = state_ == State::kApplying &&
                           error.code != ErrorCode::kInvalidArgument &&
                           error.code != ErrorCode::kOverloaded;
  state_ = State::kDone;
  if (own_trouble) {
    error = {ErrorCode::kUnavailable, "the coordinator cannot use its own copy: " + error.message};
    request_.key.owed_to = NodeId{};
    const NodeList others = OthersThatCoordinate(shard(), plan_);
    if (plan_.self_is_owner && !origin().peer && !others.empty()) {
      request_.options.timeout = deadline_ - env.now.instant;
      return FinishWith(std::make_unique<ForwardCoordinator>(shard(), origin(), std::move(request_),
                                                             others, plan_));
    }
  }
  Answer(Fail(std::move(error)), env);
  Finish();
}

}  // namespace gyre
