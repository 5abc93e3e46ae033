#include "core/purge/purge_ballot.h"

#include <algorithm>
#include <utility>

#include "core/purge/ballot_vote.h"

namespace gyre {

void PurgeBallot::Start(Env& env) {
  ballot_.epoch = view().EpochOf(ballot_.section);
  ReadNext(env);
}

// ---- rows --------------------------------------------------------------------------------------

void PurgeBallot::ReadNext(Env& env) {
  if (next_ < keys_.size()) return shard().replica.Get(keys_[next_], Ticket::Local(id()), env);
  if (ballot_.rows.empty()) return End(/*failed=*/false, env);
  ballot_.number = shard().ledger.ballots().Pending(ballot_.section).promised + 1;
  ballot_.runs = RunsOfMembers(ballot_.section, shard());
  if (ballot_.runs.empty()) return End(/*failed=*/true, env);
  ++shard().counters.ballots;
  Ask(Ballot::Step::kPromise, env);
}

void PurgeBallot::TakeRow(const RowKey& key, const Bytes& record, Env& env) {
  bytes_ += key.key.size() + record.size();
  Record decoded;
  const bool readable = decoded.DecodeFrom(record).has_value() && decoded.CheckValues().has_value();
  const WallTime then{env.now.wall.ms - shard().config.purge_after.ms()};
  if (readable && decoded.DeadSince(then)) {
    ballot_.rows.push_back({key, RowDigest(key, record.view())});
  } else if (readable && !decoded.AnyLiveAt(env.now.wall)) {
    return;  // too young
  } else {
    settled_.push_back(key);
  }
}

// ---- votes -------------------------------------------------------------------------------------

void PurgeBallot::Ask(Ballot::Step step, Env& env) {
  const CoreConfig& config = shard().config;
  // A promise that comes twice is no commit.
  RenewId();
  ballot_.id = id();
  deadline_ = env.now.instant + config.request_timeout + config.sync_lag + config.sync_lag;
  SetTimer(deadline_);
  ballot_.step = step;
  Ballot asked = ballot_;
  if (step == Ballot::Step::kCommit) asked.rows.clear();
  waiting_.clear();
  for (const Ballot::MemberRun& member : ballot_.runs) waiting_.push_back(member.node);
  for (const NodeId node : waiting_) {
    if (node == shard().self) continue;
    env.out.emplace_back(SendEffect{node, std::nullopt, asked});
  }
  shard().spawned.push_back(
      std::make_unique<BallotVote>(shard(), std::move(asked), Ticket::Local(id())));
}

void PurgeBallot::OnLocal(LocalOutcome& outcome, Env& env) {
  if (const auto* read = std::get_if<LocalGetDone>(&outcome.what)) {
    const RowKey& key = keys_[next_++];
    if (read->record && !read->record->empty()) {
      TakeRow(key, *read->record, env);
    } else {
      settled_.push_back(key);
    }
    return ReadNext(env);
  }
  if (const auto* vote = std::get_if<LocalDurable>(&outcome.what)) {
    OnVote(shard().self, vote->status.has_value(), env);
  }
}

void PurgeBallot::OnReply(NodeId from, Message& reply, Env& env) {
  const auto* vote = std::get_if<BallotReply>(&reply);
  if (vote == nullptr) return;
  if (vote->error && vote->promised > ballot_.number) {
    // So that the next ballot begins above it.
    shard().replica.Raise(ballot_.section, {vote->promised, 0}, Ticket::Nobody(), env);
  }
  OnVote(from, !vote->error, env);
}

void PurgeBallot::OnVote(NodeId from, bool yes, Env& env) {
  if (finished()) return;
  if (!yes) return End(/*failed=*/true, env);
  if (std::erase(waiting_, from) == 0 || !waiting_.empty()) return;
  if (ballot_.step == Ballot::Step::kPromise) return Ask(Ballot::Step::kCommit, env);
  Drop(env);
}

void PurgeBallot::Drop(Env& env) {
  ballot_.step = Ballot::Step::kDrop;
  NodeList owners;
  for (const Ballot::Tombstone& row : ballot_.rows) {
    const KeyspaceConfig* keyspace = view().FindKeyspace(row.key.keyspace);
    if (keyspace == nullptr) continue;
    const PartitionId partition = view().ring.PartitionOf(row.key.token);
    for (const NodeId owner : view().OwnersOf(partition, *keyspace)) {
      if (owner != shard().self && !owners.Contains(owner)) owners.push_back(owner);
    }
    settled_.push_back(row.key);
  }
  ballot_.runs.clear();
  DropPurged(ballot_, shard(), env);
  if (!owners.empty()) env.out.emplace_back(SendEffect{owners, std::nullopt, ballot_});
  End(/*failed=*/false, env);
}

void PurgeBallot::OnPeerDown(NodeId /*peer*/, Env& env) {
  if (!finished() && deadline_ != Instant::Max()) End(/*failed=*/true, env);
}

void PurgeBallot::OnTimer(Env& env) {
  if (!finished() && env.now.instant >= deadline_) End(/*failed=*/true, env);
}

void PurgeBallot::End(bool failed, Env& env) {
  shard().counters.ballots_failed += failed;
  purger_.OnBallotEnd(ballot_.section, settled_, failed, bytes_, env);
  Finish();
}

}  // namespace gyre
