#include "core/antientropy/exchange_session.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/antientropy/range_stream.h"

namespace gyre {
namespace {

constexpr int kLevelBits = 4;  // a node is compared by its 16 children

std::uint64_t CostOf(const RowKey& key, const Bytes& record) {
  return key.key.size() + record.size();
}

}  // namespace

void ExchangeSession::Start(Env& env) {
  epoch_ = view().EpochOf(partition_);
  if (damaged_) {
    keyspaces_.push_back(damaged_->first);
    leaves_.push_back(damaged_->second);
    return NextLeaf(env);
  }
  for (const auto& [id, keyspace] : view().keyspaces) {
    const OwnerSets owners = view().SetsOf(partition_, keyspace);
    const bool here =
        owners.Contains(shard().self) || shard().HoldsSurplus(id, keyspace, partition_);
    if (here && owners.Contains(peer_)) keyspaces_.push_back(id);
  }
  ++shard().counters.exchanges;
  NextKeyspace(env);
}

void ExchangeSession::Ask(Message message, Env& env) {
  deadline_ = env.now.instant + shard().config.request_timeout;
  SetTimer(deadline_);
  env.out.emplace_back(SendEffect{peer_, std::nullopt, std::move(message)});
}

// ---- sums ------------------------------------------------------------------------------------

void ExchangeSession::NextKeyspace(Env& env) {
  if (keyspaces_.empty()) {
    return End(any_failed_     ? Outcome::kFailed
               : any_cut_      ? Outcome::kPartly
               : any_differed_ ? Outcome::kRepaired
                               : Outcome::kEqual,
               env);
  }
  settled_ = false;
  Compare(view().ring.partition_bits(), {partition_.value}, env);
}

void ExchangeSession::Compare(int bits, std::vector<std::uint32_t> nodes, Env& env) {
  state_ = State::kComparing;
  RenewId();
  bits_ = bits;
  nodes_ = std::move(nodes);
  TreeCompare compare{
      id(), view().EpochOf(partition_), keyspaces_.back(), static_cast<std::uint8_t>(bits), {}};
  for (const std::uint32_t index : nodes_) {
    compare.nodes.push_back({index, shard().ledger.tree().SumOf(keyspaces_.back(), {bits, index})});
  }
  Ask(std::move(compare), env);
}

void ExchangeSession::OnCompared(const TreeCompareReply& reply, Env& env) {
  if (reply.error == ErrorCode::kWrongEpoch) return End(Outcome::kOtherView, env);
  if (reply.error) return End(Outcome::kFailed, env);
  std::vector<std::uint32_t> told = reply.differing;
  std::sort(told.begin(), told.end());
  std::vector<std::uint32_t> differing;  // of those asked for, which rise
  std::set_intersection(nodes_.begin(), nodes_.end(), told.begin(), told.end(),
                        std::back_inserter(differing));
  if (differing.empty()) {
    keyspaces_.pop_back();
    return NextKeyspace(env);
  }
  if (const int below = shard().ledger.tree().leaf_bits() - bits_; below > 0) {
    const int level_bits = std::min(kLevelBits, below);
    std::vector<std::uint32_t> children;
    for (const std::uint32_t index : differing) {
      for (std::uint32_t child = 0; child < (1u << level_bits); ++child) {
        children.push_back(index << level_bits | child);
      }
    }
    return Compare(bits_ + level_bits, std::move(children), env);
  }
  if (!settled_ && !Hurries()) {
    settled_ = true;
    state_ = State::kSettling;
    nodes_ = std::move(differing);
    deadline_ = env.now.instant + shard().config.exchange_settle;
    return SetTimer(deadline_);
  }
  leaves_ = std::move(differing);
  std::reverse(leaves_.begin(), leaves_.end());
  NextLeaf(env);
}

// What one side lacks as a whole, and not for a moment, is not waited with: what moves to this
// node, was lost with its disk, or is surplus here.
bool ExchangeSession::Hurries() const {
  const OwnerSets owners = view().SetsOf(partition_, *view().FindKeyspace(keyspaces_.back()));
  const bool arrives = (owners.moving() && !owners.from.Contains(shard().self)) ||
                       shard().unfilled.contains(partition_);
  return (arrives && !scheduler_.Synced(partition_, peer_)) || !owners.Contains(shard().self);
}

// Surplus is only given. What of it cannot be read is fetched all the same, or it would stay.
bool ExchangeSession::GivesOnly() const {
  const KeyspaceConfig& keyspace = *view().FindKeyspace(keyspaces_.back());
  return !damaged_ && !view().Owns(shard().self, partition_, keyspace);
}

// ---- leaves ----------------------------------------------------------------------------------

void ExchangeSession::NextLeaf(Env& env) {
  if (leaves_.empty()) {
    keyspaces_.pop_back();
    return NextKeyspace(env);
  }
  if (LacksMost()) {
    const RepairScheduler::Pair pair{partition_, peer_};
    // One stream of a partition is enough: what it leaves is looked at after it.
    if (scheduler_.streams().contains(partition_)) return End(Outcome::kPartly, env);
    if (scheduler_.MayStream(pair, keyspaces_.back(), leaves_.size())) {
      std::reverse(leaves_.begin(), leaves_.end());
      return FinishWith(std::make_unique<RangeStream>(shard(), scheduler_, pair, epoch_,
                                                      keyspaces_.back(), leaves_));
    }
  }
  ++shard().counters.leaves_exchanged;
  leaf_rows_ = 0;
  leaf_lacked_ = 0;
  after_.reset();
  leaf_differed_ = false;
  ReadStretch(env);
}

// Most of what many leaves hold is missing here: it comes as ranges.
bool ExchangeSession::LacksMost() const {
  if (damaged_ || GivesOnly() || leaves_.size() < shard().config.stream_leaves_min) return false;
  if (!shard().peers.Speaks(peer_, Feature::kStreaming)) return false;
  return leaf_lacked_ > leaf_rows_ || scheduler_.Fetches(partition_);
}

void ExchangeSession::ReadStretch(Env& env) {
  more_ = false;
  rows_.clear();
  upto_.reset();
  bytes_ = 0;
  if (damaged_) return AskForStretch(env);
  state_ = State::kReading;
  stamp_ = shard().ledger.ballots().Durable(view().ring.SectionOf(partition_)).promised;
  const TokenSpan span = SpanOf(leaves_.back(), shard().ledger.tree().leaf_bits());
  env.out.emplace_back(ScanEffect{id(),
                                  {{},
                                   keyspaces_.back(),
                                   span.first,
                                   span.last,
                                   after_,
                                   shard().config.exchange_rows_max,
                                   shard().config.exchange_bytes_max}});
}

void ExchangeSession::OnScanDone(Result<ScanPage> page, Env& env) {
  if (state_ != State::kReading) return;
  if (!page) {
    // Fetched whole, in a session of its own.
    scheduler_.RepairLeaf(keyspaces_.back(), leaves_.back(), env);
    return End(Outcome::kFailed, env);
  }
  rows_ = std::move(page->rows);
  if (!page->done) upto_ = rows_.back().key;
  leaf_rows_ += rows_.size();
  for (const ScannedRow& row : rows_) bytes_ += CostOf(row.key, row.row.record);
  AskForStretch(env);
}

void ExchangeSession::AskForStretch(Env& env) {
  state_ = State::kAsking;
  RenewId();
  LeafKeys keys{id(), view().EpochOf(partition_), keyspaces_.back()};
  keys.bits = static_cast<std::uint8_t>(shard().ledger.tree().leaf_bits());
  keys.leaf = leaves_.back();
  keys.after = after_;
  keys.upto = upto_;
  keys.damaged = damaged_.has_value();
  for (const ScannedRow& row : rows_) {
    keys.rows.push_back({row.key, RowDigest(row.key, row.row.record.view())});
  }
  Ask(std::move(keys), env);
}

void ExchangeSession::OnReply(NodeId from, Message& reply, Env& env) {
  if (from != peer_) return;
  if (const auto* compared = std::get_if<TreeCompareReply>(&reply)) {
    if (state_ == State::kComparing) OnCompared(*compared, env);
  } else if (auto* keys = std::get_if<LeafKeysReply>(&reply)) {
    if (state_ == State::kAsking) OnAnswer(*keys, env);
  } else if (const auto* put = std::get_if<ReplicaPutReply>(&reply)) {
    OnMoved(!put->error, env);
  }
}

void ExchangeSession::OnAnswer(LeafKeysReply& reply, Env& env) {
  state_ = State::kMoving;
  deadline_ = env.now.instant + shard().config.request_timeout;
  SetTimer(deadline_);
  moving_ = 1;  // this very call
  if (reply.error == ErrorCode::kCorruption && !damaged_) {
    // The peer cannot read its own rows there: it gets all that is here.
    for (const ScannedRow& row : rows_) PushRow(row, env);
  } else if (reply.error == ErrorCode::kWrongEpoch) {
    return End(Outcome::kOtherView, env);
  } else if (reply.error) {
    any_failed_ = true;
  } else {
    more_ = reply.more;
    // What came is not here the next time either: the next stretch begins behind it.
    if ((damaged_ || GivesOnly()) && more_ && !reply.records.empty()) {
      upto_ = reply.records.back().key;
    }
    const Ring& ring = view().ring;
    const bool gives_only = GivesOnly();
    for (KeyedRecord& each : reply.records) {
      if (each.key.keyspace != keyspaces_.back() ||
          ring.PartitionOf(each.key.token) != partition_ || gives_only) {
        continue;
      }
      ++moving_;
      ++leaf_lacked_;
      ++shard().counters.exchange_records_received;
      bytes_ += Budget::PriceOfMoved(CostOf(each.key, each.record));
      shard().replica.Merge(each.key, std::move(each.record), reply.stamp, /*repair=*/true,
                            Ticket::Local(id()), env);
    }
    for (const std::uint32_t position : reply.wanted) {
      if (position < rows_.size()) PushRow(rows_[position], env);
    }
  }
  leaf_differed_ = leaf_differed_ || moving_ > 1;
  OnMoved(/*ok=*/true, env);
}

void ExchangeSession::PushRow(const ScannedRow& row, Env& env) {
  ++moving_;
  ++shard().counters.exchange_records_sent;
  bytes_ += Budget::PriceOfMoved(CostOf(row.key, row.row.record));
  env.out.emplace_back(
      SendEffect{peer_, std::nullopt,
                 ReplicaPut{id(), view().EpochOf(partition_), row.key, row.row.record,
                            /*repair=*/true, stamp_}});
}

void ExchangeSession::OnLocal(LocalOutcome& outcome, Env& env) {
  if (const auto* durable = std::get_if<LocalDurable>(&outcome.what)) {
    OnMoved(durable->status.has_value(), env);
  }
}

void ExchangeSession::OnMoved(bool ok, Env& env) {
  if (state_ != State::kMoving || moving_ == 0) return;
  if (!ok) any_failed_ = true;
  if (--moving_ == 0) EndStretch(env);
}

void ExchangeSession::EndStretch(Env& env) {
  any_differed_ = any_differed_ || leaf_differed_;
  if (!upto_ && !more_ && !leaf_differed_ && !any_failed_ && !damaged_ &&
      !shard().HoldsSurplus(partition_)) {
    // All rows are equal and the sums are not: one of the two has miscounted.
    shard().suspect_leaves.insert({keyspaces_.back(), leaves_.back()});
  }
  // What was cut short is looked at again in the session that follows.
  if (more_ && !damaged_ && !GivesOnly()) any_cut_ = true;
  if (upto_) {
    after_ = upto_;
  } else {
    leaves_.pop_back();
    after_.reset();
  }
  state_ = State::kPausing;
  deadline_ = shard().budget.Spend(bytes_, env.now.instant);
  if (env.now.instant < deadline_) return SetTimer(deadline_);
  OnTimer(env);
}

void ExchangeSession::OnPeerDown(NodeId peer, Env& env) {
  if (peer == peer_ && !finished()) End(Outcome::kFailed, env);
}

void ExchangeSession::OnView(Env& env) {
  if (!finished() && view().EpochOf(partition_) != epoch_) End(Outcome::kOtherView, env);
}

void ExchangeSession::OnTimer(Env& env) {
  if (finished() || env.now.instant < deadline_) return;
  switch (state_) {
    case State::kSettling:
      return Compare(bits_, std::move(nodes_), env);
    case State::kPausing:
      return after_ ? ReadStretch(env) : NextLeaf(env);
    case State::kComparing:
    case State::kAsking:
    case State::kMoving:
      return End(Outcome::kFailed, env);
    case State::kIdle:
    case State::kReading:
      return;
  }
}

void ExchangeSession::End(Outcome outcome, Env& env) {
  Finish();
  const RepairScheduler::Pair pair{partition_, peer_};
  if (damaged_) {
    const bool ok = outcome != Outcome::kFailed && outcome != Outcome::kOtherView;
    scheduler_.OnFetchEnd(pair, damaged_->first, damaged_->second, ok, env);
  } else {
    scheduler_.OnSessionEnd(pair, epoch_, outcome, env);
  }
}

}  // namespace gyre
