#include "core/coordinator/get_coordinator.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"
#include "core/coordinator/replica_calls.h"

namespace gyre {
GetCoordinator::GetCoordinator(ShardState& shard, const Origin& origin, GetRequest&& request,
                               const ReplicaPlan& plan)
    : RequestMachine(shard, origin), request_(std::move(request)), plan_(plan), reads_(plan_) {
  if (std::optional<ReplicaPlan> part = PlanForSome(plan_)) {
    plan_ = *std::move(part);
    reads_ = ReadSet(plan_);
    asks_some_ = true;
  }
}

void GetCoordinator::Start(Env& env) {
  GYRE_CHECK(state_ == State::kIdle);
  state_ = State::kWaitingForQuorum;
  NoteStart(env.now.instant);
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  SetTimer(deadline_);
  if (asks_some_) {
    const bool near = plan_.near_first;
    ++(near ? shard().counters.near_reads : shard().counters.steady_reads);
    // To be asked of those farther away costs more than to ask one more of the same.
    constexpr int kSooner = 10;
    const Duration patience = shard().config.hint_after;
    widen_at_ = env.now.instant + (near ? patience : Duration{patience.us / kSooner});
    SetTimer(widen_at_);
  }
  Ask(env);
}

// Those that were asked do not suffice. They are asked once more with the others, and what they
// have answered or answer yet to the first question serves as well.
void GetCoordinator::Widen(Env& env) {
  ++(plan_.near_first ? shard().counters.near_reads_widened
                      : shard().counters.steady_reads_widened);
  AskAnew(env);
}

void GetCoordinator::Ask(Env& env) {
  if (!plan_.standins.empty()) {
    patience_ends_ = env.now.instant + shard().config.hint_after;
    SetTimer(patience_ends_);
  }
  // Digests are compared with the own copy, where that is asked for.
  const bool own = plan_.reachable.Contains(shard().self);
  const std::uint64_t digest_over = own ? shard().config.digest_over : 0;
  AskForCopies(plan_, request_.key, floor_, digest_over, id(), shard(), env);
}

void GetCoordinator::AskAnew(Env& env) {
  const Result<ReplicaPlan> plan = MakePlan(shard(), request_.key, request_.options);
  if (!plan || !plan->Enough(plan->reads)) {
    Answer(Fail(plan ? Error{ErrorCode::kUnavailable, QuorumShortfall(*plan, plan->reads)}
                     : plan.error()),
           env);
    state_ = State::kDone;
    return Finish();
  }
  plan_ = *plan;
  asks_some_ = false;
  digests_.clear();
  reads_ = ReadSet(plan_);
  floor_ = shard().ledger.ballots().Pending(view().ring.SectionOf(request_.key.token)).promised;
  Ask(env);
}

void GetCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  if (auto* get = std::get_if<ReplicaGetReply>(&reply)) {
    if (!get->error && get->stamp < floor_) return;
    if (get->error == ErrorCode::kWrongEpoch && !answered()) return AdmitAgainSoon(env);
    if (get->digest) {
      digests_.push_back({from, *get->digest, get->stamp});
    } else {
      TakeCopy(reads_, from, *get);
    }
    SettleDigests(env);
    OnProgress(env);
  } else if (auto* put = std::get_if<ReplicaPutReply>(&reply)) {
    OnWrittenBack(from, !put->error, env);
  }
}

void GetCoordinator::OnLocal(LocalOutcome& outcome, Env& env) {
  if (auto* get = std::get_if<LocalGetDone>(&outcome.what)) {
    if (get->record && get->stamp < floor_) return;
    TakeCopy(reads_, shard().self, *get);
    SettleDigests(env);
    OnProgress(env);
  } else if (auto* durable = std::get_if<LocalDurable>(&outcome.what)) {
    OnWrittenBack(shard().self, durable->status.has_value(), env);
  }
}

// A digest of a record that is here stands for it. Who has another one is asked for it, once it is
// known that it is not the own.
void GetCoordinator::SettleDigests(Env& env) {
  if (digests_.empty()) return;
  const bool own_known = reads_.HasAnswered(shard().self);
  boost::container::small_vector<Digest, 4> open;
  for (const Digest& digest : digests_) {
    if (const Bytes* same = reads_.FindRecord(digest.digest)) {
      ++shard().counters.digests_equal;
      reads_.AddReply(digest.node, Bytes(*same), digest.stamp);
    } else if (own_known) {
      ++shard().counters.digests_unequal;
      env.out.emplace_back(SendEffect{digest.node, std::nullopt,
                                      ReplicaGet{id(), plan_.epoch, request_.key, false, floor_}});
    } else {
      open.push_back(digest);
    }
  }
  digests_ = std::move(open);
}

void GetCoordinator::OnPeerDown(NodeId peer, Env& env) {
  reads_.AddFailure(peer, /*corrupt=*/false);
  OnWrittenBack(peer, false, env);
  if (!finished()) OnProgress(env);
}

void GetCoordinator::OnView(Env& env) {
  if (!finished() && !answered() && view().EpochOf(plan_.partition) != plan_.epoch) {
    AdmitAgain(env);
  }
}

void GetCoordinator::AdmitAgainSoon(Env& env) {
  admit_again_at_ = std::min(admit_again_at_, env.now.instant + shard().config.view_retry);
  SetTimer(admit_again_at_);
}

// As a request of its own: what this one has asked for is still answered, by nodes that may have
// been asked as what they are no more.
void GetCoordinator::AdmitAgain(Env& env) {
  const Duration left = deadline_ - env.now.instant;
  if (left.us <= 0) return;  // OnTimer is due
  request_.options.timeout = left;
  state_ = State::kDone;
  FinishWith(Admit(shard(), origin(), std::move(request_), env.now));
}

void GetCoordinator::OnProgress(Env& env) {
  if (state_ == State::kWaitingForQuorum) {
    switch (reads_.standing()) {
      case Standing::kPending:
        return;
      case Standing::kImpossible:
        if (asks_some_) return Widen(env);
        Answer(Fail(ErrorCode::kUnavailable, "too few owners could read their copy"), env);
        return RepairAndFinish(env);  // damaged copies among them
      case Standing::kReached:
        break;
    }
    if (reads_.knows_nothing()) {
      if (!reads_.all_answered()) return;
      if (asks_some_) return Widen(env);
      Answer(Fail(ErrorCode::kUnavailable,
                  "no owner of the key can be read, and those that stand in have nothing of it"),
             env);
      return RepairAndFinish(env);  // damaged copies among them
    }
    if (reads_.stamp() <
        shard().ledger.ballots().Durable(view().ring.SectionOf(request_.key.token)).purged) {
      ++shard().counters.reads_begun_anew;
      if (++rounds_ <= kReadRoundsMax) return AskAnew(env);
      Answer(Fail(ErrorCode::kUnavailable, "the owners' copies were purged meanwhile"), env);
      state_ = State::kDone;
      return Finish();
    }
    const bool majority = plan_.reads.AllHold(plan_.owners.size(), [](const QuorumGroup& group) {
      return 2 * group.needed > group.size();
    });
    if (!reads_.agree() && majority) return BeginWriteBack(env);
    if (reads_.all_answered() && reads_.agree() && !reads_.any_corrupt()) {
      // Nothing is left to repair.
      state_ = State::kDone;
      Answer(GetOutcome{reads_.TakeJoined()}, env);
      return Finish();
    }
    answer_ = reads_.joined();
    AnswerNow(env);
  }
  if (state_ == State::kWaitingForStragglers && reads_.all_answered()) RepairAndFinish(env);
}

void GetCoordinator::BeginWriteBack(Env& env) {
  state_ = State::kWaitingForWriteBack;
  ++shard().counters.reads_blocked_on_repair;
  answer_ = reads_.joined();
  answer_bytes_ = answer_.Encode();
  // Local merges may answer within Merge only through env.local, never into this machine.
  for (const ReadSet::Copy& copy : reads_.copies()) {
    if (copy.state != ReadSet::State::kReplied || copy.standin()) continue;
    if (copy.record == answer_bytes_) {
      holders_.push_back(copy.node);
      continue;
    }
    writing_back_.push_back(copy.node);
  }
  SendRepairs(writing_back_, request_.key, plan_.epoch, answer_bytes_, reads_.stamp(), id(),
              shard(), env);
  OnWrittenBack(NodeId{}, false, env);  // perhaps enough hold it already
}

void GetCoordinator::OnWrittenBack(NodeId node, bool ok, Env& env) {
  if (writing_back_.Contains(node)) {
    writing_back_.Remove(node);
    (ok ? holders_ : not_written_back_).push_back(node);
  }
  if (state_ != State::kWaitingForWriteBack) return;
  if (plan_.reads.AllHold(plan_.owners.size(),
                          [&](const QuorumGroup& group) { return HeldByEnough(group); })) {
    AnswerNow(env);
    if (reads_.all_answered()) RepairAndFinish(env);
  }
}

// So many hold it that R others of the group meet one of them. With owners out of reach, more than
// those that replied cannot hold it.
bool GetCoordinator::HeldByEnough(const QuorumGroup& group) const {
  const int holders = group.CountIn(plan_.owners, holders_);
  const int possible = holders + group.CountIn(plan_.owners, writing_back_) +
                       group.CountIn(plan_.owners, not_written_back_);
  return holders >= std::min(group.size() - group.needed + 1, possible);
}

void GetCoordinator::AnswerNow(Env& env) {
  state_ = State::kWaitingForStragglers;
  if (reads_.all_answered()) {
    Answer(GetOutcome{std::move(answer_)}, env);
  } else {
    Answer(GetOutcome{answer_}, env);
    straggler_deadline_ = env.now.instant + shard().config.straggler_timeout;
    SetTimer(straggler_deadline_);
  }
}

void GetCoordinator::RepairAndFinish(Env& env) {
  state_ = State::kDone;
  Finish();
  if (reads_.agree() && !reads_.any_corrupt()) return;
  const Bytes joined = reads_.JoinedBytes();
  if (joined.empty()) return;
  NodeList stale;
  for (const ReadSet::Copy& copy : reads_.copies()) {
    if (copy.standin()) continue;
    const bool replied = copy.state == ReadSet::State::kReplied;
    if (!replied && !copy.corrupt) continue;
    if (replied && copy.record == joined) continue;
    // Written back already, or on its way, and nothing more came since.
    const bool given = holders_.Contains(copy.node) || writing_back_.Contains(copy.node);
    if (given && joined == answer_bytes_) continue;
    stale.push_back(copy.node);
  }
  SendRepairs(stale, request_.key, plan_.epoch, joined, reads_.stamp(), RequestId{}, shard(), env);
}

void GetCoordinator::OnTimer(Env& env) {
  if (state_ == State::kWaitingForStragglers && env.now.instant >= straggler_deadline_) {
    return RepairAndFinish(env);
  }
  if (answered()) return;
  if (env.now.instant < deadline_) {
    if (env.now.instant >= admit_again_at_) return AdmitAgain(env);
    if (state_ != State::kWaitingForQuorum) return;
    if (asks_some_ && env.now.instant >= widen_at_) return Widen(env);
    if (env.now.instant >= patience_ends_) {
      reads_.EndPatience();
      OnProgress(env);
    }
    return;
  }
  const bool disagree = state_ == State::kWaitingForWriteBack;
  Answer(Fail(ErrorCode::kUnavailable,
              disagree ? "the owners' copies differ and could not be brought together in time"
                       : "too few owners answered in time"),
         env);
  RepairAndFinish(env);
}

}  // namespace gyre
