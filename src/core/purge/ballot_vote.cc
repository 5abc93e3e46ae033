#include "core/purge/ballot_vote.h"

#include <algorithm>
#include <utility>

namespace gyre {
namespace {

bool Owns(const RowKey& key, const ShardState& shard) {
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(key.keyspace);
  return keyspace != nullptr &&
         shard.view->Owns(shard.self, shard.view->ring.PartitionOf(key.token), *keyspace);
}

}  // namespace

std::vector<Ballot::MemberRun> RunsOfMembers(SectionId section, const ShardState& shard) {
  std::vector<Ballot::MemberRun> runs;
  bool all = true;
  shard.view->ForEachMember([&](const Member& member) {
    const std::uint64_t run =
        member.id == shard.self ? shard.run : shard.peers.RunOf(member.id, section);
    all = all && run != 0;
    runs.push_back({member.id, run});
  });
  if (!all) return {};
  std::sort(runs.begin(), runs.end(), [](const auto& a, const auto& b) { return a.node < b.node; });
  return runs;
}

void DropPurged(const Ballot& ballot, ShardState& shard, Env& env) {
  for (const Ballot::Tombstone& row : ballot.rows) {
    if (Owns(row.key, shard)) shard.replica.Drop(row.key, row.digest, Ticket::Nobody(), env);
  }
}

std::optional<Error> BallotVote::Objection() const {
  const BallotBook& ballots = shard().ledger.ballots();
  const auto no = [](const char* why) { return Error{ErrorCode::kUnavailable, why}; };
  if (!shard().notes_read || !shard().Serves(ballot_.section)) return no("not ready");
  if (ballot_.epoch != view().EpochOf(ballot_.section)) {
    return Error{ErrorCode::kWrongEpoch, "other owners are known here"};
  }
  if (view().AnyMoves(ballot_.section)) return no("a partition of it moves");
  if (RunsOfMembers(ballot_.section, shard()) != ballot_.runs || ballot_.runs.empty()) {
    return no("other lives of the members are known here");
  }
  if (ballot_.step == Ballot::Step::kCommit) return std::nullopt;
  if (ballot_.number <= ballots.Pending(ballot_.section).promised) return no("a number of old");
  if (shard().ledger.MayHoldHints(ballot_.section)) return no("hints are kept here");
  if (shard().HoldsSurplus(ballot_.section)) return no("rows of other owners are kept here");
  if (watch_ && watch_->touched()) return no("a row is being changed");
  return std::nullopt;
}

void BallotVote::Start(Env& env) {
  if (ballot_.step == Ballot::Step::kPromise) {
    std::set<RowKey> own;
    for (const Ballot::Tombstone& row : ballot_.rows) {
      if (!Owns(row.key, shard())) continue;
      own.insert(row.key);
      rows_.push_back(row);
    }
    watch_.emplace(shard().ledger, std::move(own));
  }
  if (auto objection = Objection()) return Answer(Fail(std::move(*objection)), env);
  ReadNext(env);
}

void BallotVote::ReadNext(Env& env) {
  if (rows_.empty()) return Write(env);
  shard().replica.Get(rows_.back().key, Ticket::Local(id()), env);
}

void BallotVote::OnLocal(LocalOutcome& outcome, Env& env) {
  if (const auto* read = std::get_if<LocalGetDone>(&outcome.what)) {
    const Ballot::Tombstone row = rows_.back();
    rows_.pop_back();
    if (!read->record || read->record->empty() ||
        RowDigest(row.key, read->record->view()) != row.digest) {
      return Answer(Fail(ErrorCode::kNotFound, "another row is held here"), env);
    }
    // By the own clock: no other's may take a value before its time.
    Record record;
    if (!record.DecodeFrom(*read->record) || record.AnyLiveAt(env.now.wall)) {
      return Answer(Fail(ErrorCode::kNotFound, "the row is alive here"), env);
    }
    return ReadNext(env);
  }
  const auto* written = std::get_if<LocalDurable>(&outcome.what);
  if (written == nullptr) return;
  const Duration lag = shard().config.sync_lag;
  if (!written->status || lag.us == 0) return Answer(written->status, env);
  answer_at_ = env.now.instant + lag + Duration{lag.us / 2};
  SetTimer(answer_at_);
}

// Looks once more at all, and from this turn on holds itself to it.
void BallotVote::Write(Env& env) {
  if (auto objection = Objection()) return Answer(Fail(std::move(*objection)), env);
  const bool promise = ballot_.step == Ballot::Step::kPromise;
  for (const Ballot::Tombstone& row : ballot_.rows) {
    if (promise && !shard().replica.Idle(row.key)) {
      return Answer(Fail(ErrorCode::kUnavailable, "a row is being changed"), env);
    }
  }
  const BallotNumbers numbers{ballot_.number, promise ? 0 : ballot_.number};
  shard().ledger.ballots().Pend(ballot_.section, numbers);
  watch_.reset();
  shard().replica.Raise(ballot_.section, numbers, Ticket::Local(id()), env);
}

void BallotVote::OnTimer(Env& env) {
  if (!finished() && env.now.instant >= answer_at_) Answer({}, env);
}

void BallotVote::Answer(Status status, Env& env) {
  watch_.reset();
  Finish();
  if (asker_.kind == Ticket::Kind::kLocal) {
    env.local.push_back({asker_.request, LocalDurable{std::move(status)}});
    return;
  }
  BallotReply reply{ballot_.id, std::nullopt, 0};
  if (!status) {
    reply.error = status.error().code;
    reply.promised = shard().ledger.ballots().Pending(ballot_.section).promised;
  }
  env.out.emplace_back(SendEffect{asker_.peer, asker_.peer_shard, std::move(reply)});
}

}  // namespace gyre
