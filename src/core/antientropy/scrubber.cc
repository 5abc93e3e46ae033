#include "core/antientropy/scrubber.h"

#include <utility>

namespace gyre {

void Scrubber::Start(Env& env) {
  ListTurns();
  if (turns_.empty()) return;
  Begin(env);
}

void Scrubber::ListTurns() {
  turns_.clear();
  for (std::uint32_t p = 0; p < view().ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (!shard().Serves(partition)) continue;
    for (const auto& [id, keyspace] : view().keyspaces) {
      const bool here = view().Owns(shard().self, partition, keyspace) ||
                        shard().HoldsSurplus(id, keyspace, partition);
      if (here) turns_.emplace_back(partition, id);
    }
  }
}

void Scrubber::OnView(Env& env) {
  const bool idle = turns_.empty();
  ListTurns();
  if (turns_.empty()) return;
  next_turn_ %= turns_.size();
  if (idle) Begin(env);
}

void Scrubber::Begin(Env& env) {
  next_turn_ = shard().prng.Below(turns_.size());
  turn_at_ = env.now.instant +
             Duration{shard().config.scrub_cycle.us / static_cast<std::int64_t>(turns_.size())};
  Pause(NextLook(env));
}

// When there may be something to do that nobody says.
Instant Scrubber::NextLook(Env& env) const {
  return std::min(turn_at_, env.now.instant + shard().config.expiry_step);
}

void Scrubber::Pause(Instant until) {
  resume_at_ = until;
  SetTimer(until);
}

void Scrubber::Wake(Env& env) {
  if (!run_ && resume_at_ > env.now.instant) Pause(env.now.instant);
}

void Scrubber::OnTimer(Env& env) {
  if (reading_ || env.now.instant < resume_at_) return;
  resume_at_ = Instant::Max();
  run_ ? ReadPage(env) : NextRun(env);
}

void Scrubber::NextRun(Env& env) {
  if (turns_.empty()) return;
  const int bits = shard().ledger.tree().leaf_bits();
  auto& suspects = shard().suspect_leaves;
  if (!suspects.empty()) {
    const auto [keyspace, leaf] = *suspects.begin();
    suspects.erase(suspects.begin());
    run_ = Run{keyspace, LeafSteps(leaf, leaf, bits), leaf};
  } else if (const auto expired = NextExpired(env)) {
    run_ = Run{expired->first, LeafSteps(expired->second, expired->second, bits), expired->second};
  } else if (env.now.instant < turn_at_) {
    return Pause(NextLook(env));
  } else {
    turn_at_ = env.now.instant +
               Duration{shard().config.scrub_cycle.us / static_cast<std::int64_t>(turns_.size())};
    const auto& [partition, keyspace] = turns_[next_turn_];
    const LeafSteps steps(shard().NodeOf(partition), bits);
    run_ = Run{keyspace, steps, steps.first()};
    next_turn_ = (next_turn_ + 1) % turns_.size();
    ++turns_taken_;
  }
  after_.reset();
  ReadPage(env);
}

std::optional<LeafName> Scrubber::NextExpired(Env& env) {
  const WallTime then{env.now.wall.ms - shard().config.purge_after.ms()};
  std::optional<LeafName> leaf;
  do {
    leaf = shard().ledger.expiries().TakeDue(then);
  } while (leaf && !shard().IsFirstOwner(leaf->first, shard().PartitionOfLeaf(leaf->second)));
  return leaf;
}

void Scrubber::ReadPage(Env& env) {
  reading_ = true;
  if (!after_) {
    sum_ = 0;
    damaged_ = false;
  }
  const int bits = shard().ledger.tree().leaf_bits();
  // The leaf whose first rows came with an earlier page has been under watch since.
  const bool begun = after_ && LeafOf(after_->token, bits) == run_->leaf;
  const LeafName leaf{run_->keyspace, run_->leaf};
  shard().ledger.BeginWatch(begun ? std::optional(leaf) : std::nullopt);
  const TokenSpan span = run_->steps.Span();
  env.out.emplace_back(ScanEffect{id(),
                                  {{},
                                   run_->keyspace,
                                   span.first,
                                   span.last,
                                   after_,
                                   shard().config.exchange_rows_max,
                                   shard().config.exchange_bytes_max}});
}

void Scrubber::OnScanDone(Result<ScanPage> page, Env& env) {
  if (!reading_) return;
  reading_ = false;
  if (!page) return OnDamage(env);
  std::uint64_t bytes = 0;
  for (const ScannedRow& row : page->rows) {
    TakeRow(row, env);
    bytes += Budget::PriceOfRead(row.key.key.size() + row.row.record.size());
  }
  if (!page->done) {
    after_ = std::move(page->rows.back().key);
  } else {
    while (run_->leaf <= run_->steps.last()) CountLeaf(env);
    run_->steps.Pass();
    if (run_->steps.done()) EndRun();
    after_.reset();
  }
  Pause(shard().budget.Spend(bytes, env.now.instant));
}

void Scrubber::TakeRow(const ScannedRow& row, Env& env) {
  while (run_->leaf < LeafOf(row.key.token, shard().ledger.tree().leaf_bits())) CountLeaf(env);
  ++shard().counters.rows_scrubbed;
  sum_ += RowDigest(row.key, row.row.record.view());
  if (const Result<Record> record = Record::Decode(row.row.record)) {
    const std::optional<WallTime> dead = record->DeadFrom();
    if (dead && dead->ms <= env.now.wall.ms - shard().config.purge_after.ms()) {
      shard().ledger.NoteDead(row.key);
    } else if (dead) {
      shard().ledger.NoteExpiry(row.key, *dead);
    }
    return;
  }
  ++shard().counters.corrupt_rows;
  damaged_ = true;
}

// All rows of run_->leaf have been read: ends it, and goes to the next.
void Scrubber::CountLeaf(Env& env) {
  const LeafName leaf{run_->keyspace, run_->leaf++};
  const std::uint64_t sum = std::exchange(sum_, 0);
  if (std::exchange(damaged_, false)) scheduler_.RepairLeaf(leaf.first, leaf.second, env);
  RowLedger& ledger = shard().ledger;
  if (!ledger.keeps_tree() || ledger.ChangedUnderWatch(leaf)) return;
  const std::uint64_t delta = ledger.CorrectLeaf(leaf.first, leaf.second, sum);
  if (delta == 0) return;
  ++shard().counters.leaves_corrected;
  // The stored sum, too: with the removal of a row that cannot be, its key having no bytes.
  RowKey nowhere(leaf.first, SpanOf(leaf.second, ledger.tree().leaf_bits()).first, Bytes());
  env.out.emplace_back(WriteEffect{RequestId{}, std::move(nowhere), std::nullopt, delta});
  scheduler_.MarkDirty(shard().PartitionOfLeaf(leaf.second), env);
}

void Scrubber::OnDamage(Env& env) {
  ++shard().counters.damaged_pages;
  after_.reset();
  const std::uint32_t leaf = run_->steps.first();
  if (run_->steps.PassDamage()) {
    scheduler_.RepairLeaf(run_->keyspace, leaf, env);
  }
  if (run_->steps.done()) {
    EndRun();
  } else {
    run_->leaf = run_->steps.first();
  }
  Pause(shard().budget.Spend(0, env.now.instant));
}

void Scrubber::EndRun() {
  shard().ledger.EndWatch();
  run_.reset();
}

}  // namespace gyre
