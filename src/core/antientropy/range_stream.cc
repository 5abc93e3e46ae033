#include "core/antientropy/range_stream.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace gyre {
namespace {

// A batch waits for the budget of the node that is asked, too.
Duration PatienceOf(const CoreConfig& config) { return Duration{5 * config.request_timeout.us}; }

// Between two leaves that differ: their rows cost less than one more question. Repairs by reads
// fill a partition that moves here and there, so that in the end every other leaf is equal.
constexpr std::uint32_t kLeavesSentAgainMax = 4;

std::uint64_t BytesOf(const KeyedRecord& row) { return row.key.key.size() + row.record.size(); }

}  // namespace

RangeStream::RangeStream(ShardState& shard, RepairScheduler& scheduler, RepairScheduler::Pair pair,
                         RingEpoch epoch, KeyspaceId keyspace,
                         const std::vector<std::uint32_t>& leaves)
    : Machine(shard),
      scheduler_(scheduler),
      pair_(pair),
      epoch_(epoch),
      keyspace_(keyspace),
      differing_(leaves.size()) {
  const MerkleTree& tree = shard.ledger.tree();
  const auto empty = [&](std::uint32_t leaf) {
    return tree.SumOf(keyspace_, {tree.leaf_bits(), leaf}) == 0;
  };
  const auto begins_run = [&](std::uint32_t leaf) {
    if (runs_.empty()) return true;
    std::uint32_t sent_again = 0;
    for (std::uint32_t between = runs_.back().last + 1; between < leaf; ++between) {
      // What is empty here and does not differ is so there.
      if (!empty(between) && ++sent_again > kLeavesSentAgainMax) return true;
    }
    return false;
  };
  for (const std::uint32_t leaf : leaves) {
    if (begins_run(leaf)) runs_.push_back({leaf, leaf});
    runs_.back().last = leaf;
  }
  progress_.peer = pair_.peer;
  for (const LeafRun& run : runs_) progress_.leaves += run.size();
}

void RangeStream::Start(Env& env) {
  ++shard().counters.streams;
  progress_.began = env.now.instant;
  const MerkleTree& tree = shard().ledger.tree();
  // Streams go in order, so what precedes the first leaf that differs came with one before.
  std::uint32_t leaf = pair_.partition.value << (tree.leaf_bits() - view().ring.partition_bits());
  while (leaf < runs_.front().first && tree.SumOf(keyspace_, {tree.leaf_bits(), leaf}) == 0) ++leaf;
  if (leaf < runs_.front().first) ++shard().counters.streams_resumed;
  NotePlace();
  AskNext(env);
}

void RangeStream::AskNext(Env& env) {
  if (finished() || asking_) return;
  const CoreConfig& config = shard().config;
  const std::size_t rows_max = config.stream_rows_max * config.stream_batches_max;
  if (runs_.empty() ? merging_ > 0 : merging_ >= rows_max) return;
  // At the end as well: else streams of a batch each would follow one another unpaid.
  if (env.now.instant < resume_at_) {
    // Each row that becomes durable comes by here: one timer for all.
    if (resume_timer_ != resume_at_) SetTimer(resume_at_);
    resume_timer_ = resume_at_;
    return;
  }
  if (runs_.empty()) return End(any_failed_ ? Outcome::kFailed : Outcome::kPartly, env);
  asking_ = true;
  deadline_ = env.now.instant + PatienceOf(config);
  SetTimer(deadline_);
  RangeGet get{id(), epoch_, keyspace_};
  get.bits = static_cast<std::uint8_t>(shard().ledger.tree().leaf_bits());
  get.first = runs_.front().first;
  get.last = runs_.front().last;
  get.after = after_;
  get.bytes_max = config.stream_bytes_max;
  env.out.emplace_back(SendEffect{pair_.peer, std::nullopt, std::move(get)});
}

void RangeStream::OnReply(NodeId from, Message& reply, Env& env) {
  auto* batch = std::get_if<RangeGetReply>(&reply);
  if (from == pair_.peer && batch != nullptr && asking_ && IsNext(*batch)) OnBatch(*batch, env);
}

// Not one that came twice.
bool RangeStream::IsNext(const RangeGetReply& reply) const {
  if (reply.records.empty()) return true;
  const int bits = shard().ledger.tree().leaf_bits();
  const RowKey& first = reply.records.front().key;
  return LeafOf(first.token, bits) >= runs_.front().first &&
         LeafOf(reply.records.back().key.token, bits) <= runs_.front().last &&
         (!after_ || *after_ < first);
}

void RangeStream::OnBatch(RangeGetReply& reply, Env& env) {
  asking_ = false;
  if (reply.error == ErrorCode::kWrongEpoch) return End(Outcome::kOtherView, env);
  // Nothing in it although there is more: it would be asked for without end.
  const bool nothing = !reply.error && reply.records.empty() && !reply.done;
  if (nothing || reply.error == ErrorCode::kCorruption) scheduler_.LimitStream(pair_, keyspace_, 0);
  if (nothing || reply.error) return End(Outcome::kFailed, env);
  std::uint64_t price = 0;
  if (!reply.records.empty()) after_ = reply.records.back().key;
  for (KeyedRecord& row : reply.records) {
    price += Budget::PriceOfMoved(BytesOf(row));
    MergeRow(row, reply.stamp, env);
  }
  if (reply.done) {
    leaves_done_ += runs_.front().size();
    runs_.pop_front();
    after_.reset();
  }
  if (!shard().config.transfer_unthrottled) {
    resume_at_ = shard().budget.Spend(price, env.now.instant);
  }
  NotePlace();
  AskNext(env);
}

void RangeStream::MergeRow(KeyedRecord& row, std::uint64_t stamp, Env& env) {
  if (row.key.keyspace != keyspace_ || view().ring.PartitionOf(row.key.token) != pair_.partition) {
    return;
  }
  ++shard().counters.stream_rows_received;
  shard().counters.stream_bytes_received += BytesOf(row);
  ++progress_.rows;
  progress_.bytes += BytesOf(row);
  ++merging_;
  shard().replica.Merge(row.key, std::move(row.record), stamp, /*repair=*/true, Ticket::Local(id()),
                        env, /*run=*/id());
}

void RangeStream::NotePlace() {
  progress_.leaves_done = leaves_done_;
  if (after_) {
    const std::uint32_t leaf = LeafOf(after_->token, shard().ledger.tree().leaf_bits());
    progress_.leaves_done +=
        std::clamp(leaf, runs_.front().first, runs_.front().last) - runs_.front().first;
  }
  scheduler_.NoteStream(pair_.partition, progress_);
}

void RangeStream::OnLocal(LocalOutcome& outcome, Env& env) {
  const auto* durable = std::get_if<LocalDurable>(&outcome.what);
  if (durable == nullptr || finished()) return;
  if (!durable->status) any_failed_ = true;
  --merging_;
  AskNext(env);
}

void RangeStream::OnPeerDown(NodeId peer, Env& env) {
  if (peer == pair_.peer && !finished()) End(Outcome::kFailed, env);
}

void RangeStream::OnView(Env& env) {
  if (!finished() && view().EpochOf(pair_.partition) != epoch_) End(Outcome::kOtherView, env);
}

void RangeStream::OnTimer(Env& env) {
  if (finished()) return;
  if (!asking_) return AskNext(env);
  if (env.now.instant < deadline_) return;
  // It may be of a version that knows no streams.
  if (progress_.rows == 0) scheduler_.LimitStream(pair_, keyspace_, 0);
  End(Outcome::kFailed, env);
}

void RangeStream::End(Outcome outcome, Env& env) {
  Finish();
  const bool done = outcome == Outcome::kPartly;
  ++(done ? shard().counters.streams_done : shard().counters.streams_cut);
  // Each one has less to do than the one before: else they would never end where a leaf's sum is
  // not that of its rows.
  if (done) scheduler_.LimitStream(pair_, keyspace_, differing_ / 2);
  scheduler_.EndStream(pair_.partition);
  scheduler_.OnSessionEnd(pair_, epoch_, outcome, env);
}

// ---- the other side ----------------------------------------------------------------------------

namespace {

class RangeAnswer : public Machine {
 public:
  RangeAnswer(ShardState& shard, RangeGet&& get, NodeId from, ShardId from_shard)
      : Machine(shard), get_(std::move(get)), from_(from), from_shard_(from_shard) {}

  void Start(Env& env) override {
    const CoreConfig& config = shard().config;
    reply_.id = get_.id;
    reply_.stamp =
        shard().ledger.ballots().Durable(shard().ledger.tree().SectionOfLeaf(get_.first)).promised;
    env.out.emplace_back(ScanEffect{id(),
                                    {{},
                                     get_.keyspace,
                                     SpanOf(get_.first, get_.bits).first,
                                     SpanOf(get_.last, get_.bits).last,
                                     std::move(get_.after),
                                     config.stream_rows_max,
                                     static_cast<std::size_t>(std::min<std::uint64_t>(
                                         get_.bytes_max, config.stream_bytes_max))}});
  }

  void OnScanDone(Result<ScanPage> page, Env& env) override {
    if (!page) {
      reply_.error = page.error().code;
      return Send(env);
    }
    std::uint64_t price = 0;
    for (ScannedRow& row : page->rows) {
      reply_.records.push_back({std::move(row.key), std::move(row.row.record)});
      const std::uint64_t bytes = BytesOf(reply_.records.back());
      shard().counters.stream_bytes_sent += bytes;
      price += Budget::PriceOfRead(bytes);
    }
    shard().counters.stream_rows_sent += reply_.records.size();
    reply_.done = page->done;
    if (shard().config.transfer_unthrottled) return Send(env);
    send_at_ = shard().budget.Spend(price, env.now.instant);
    env.now.instant < send_at_ ? SetTimer(send_at_) : Send(env);
  }

  void OnTimer(Env& env) override {
    if (!finished() && env.now.instant >= send_at_) Send(env);
  }

 private:
  void Send(Env& env) {
    env.out.emplace_back(SendEffect{from_, from_shard_, std::move(reply_)});
    Finish();
  }

  RangeGet get_;
  const NodeId from_;
  const ShardId from_shard_;
  RangeGetReply reply_;
  Instant send_at_ = Instant::Max();
};

}  // namespace

void AnswerRangeGet(RangeGet&& get, NodeId from, ShardId from_shard, ShardState& shard) {
  shard.spawned.push_back(std::make_unique<RangeAnswer>(shard, std::move(get), from, from_shard));
}

}  // namespace gyre
