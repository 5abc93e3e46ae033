#include "core/greeting/set_aside.h"

#include <utility>

namespace gyre {

bool HoldsAnything(SectionId section, const ShardState& shard) {
  if (shard.ledger.MayHoldHints(section)) return true;
  for (const auto& [keyspace, config] : shard.view->keyspaces) {
    if (shard.ledger.tree().SumOfSection(keyspace, section) != 0) return true;
  }
  return false;
}

void SetAside::Start(Env& env) {
  const int leaf_bits = shard().ledger.tree().leaf_bits();
  if (const auto* partition = std::get_if<PartitionId>(&what_)) {
    ++shard().counters.surplus_dropped;
    epoch_ = view().EpochOf(*partition);
    const LeafSteps steps(shard().NodeOf(*partition), leaf_bits);
    for (const auto& [keyspace, config] : view().keyspaces) {
      if (!shard().HoldsSurplus(keyspace, config, *partition)) continue;
      ranges_.push_back({NodeId{}, keyspace, steps});
    }
    return Read(env);
  }
  ++shard().counters.partitions_set_aside;
  const LeafSteps steps(std::get<SectionId>(what_), leaf_bits);
  for (const auto& [keyspace, config] : view().keyspaces) {
    ranges_.push_back({NodeId{}, keyspace, steps});
    view().ForEachTarget([&, id = keyspace](NodeId target) {
      if (target != shard().self) ranges_.push_back({target, id, steps});
    });
  }
  Read(env);
}

void SetAside::Read(Env& env) {
  if (ranges_.empty()) return End({}, env);
  const Range& range = ranges_.back();
  const TokenSpan span = range.steps.Span();
  env.out.emplace_back(
      ScanEffect{id(),
                 {range.owed_to, range.keyspace, span.first, span.last, std::nullopt,
                  shard().config.exchange_rows_max, shard().config.exchange_bytes_max}});
}

void SetAside::OnScanDone(Result<ScanPage> page, Env& env) {
  LeafSteps& steps = ranges_.back().steps;
  const auto* partition = std::get_if<PartitionId>(&what_);
  if (partition != nullptr && view().EpochOf(*partition) != epoch_) {
    return End(Fail(ErrorCode::kWrongEpoch, "the partition has other owners, or parts, by now"),
               env);
  }
  if (!page) {
    if (page.error().code != ErrorCode::kCorruption) return End(Fail(page.error()), env);
    // What cannot be read cannot come back.
    steps.PassDamage();
  } else if (!page->rows.empty()) {
    dropping_ = page->rows.size();
    price_ = dropping_ * Budget::PriceOfMoved(0);
    for (const ScannedRow& row : page->rows) {
      const std::uint64_t digest = RowDigest(row.key, row.row.record.view());
      shard().replica.Drop(row.key, digest, Ticket::Local(id()), env);
    }
    return;
  } else {
    steps.Pass();
  }
  if (steps.done()) ranges_.pop_back();
  Read(env);
}

// The step is read once more after each page: one that is empty ends it.
void SetAside::OnLocal(LocalOutcome& outcome, Env& env) {
  const auto* dropped = std::get_if<LocalDurable>(&outcome.what);
  if (dropped == nullptr || dropping_ == 0) return;
  if (!dropped->status && dropped->status.error().code != ErrorCode::kCorruption) {
    dropping_ = 0;
    return End(dropped->status, env);
  }
  if (--dropping_ > 0) return;
  if (!std::holds_alternative<PartitionId>(what_)) return Read(env);
  resume_at_ = shard().budget.Spend(price_, env.now.instant);
  env.now.instant < resume_at_ ? SetTimer(resume_at_) : Read(env);
}

void SetAside::OnTimer(Env& env) {
  if (env.now.instant < resume_at_) return;
  resume_at_ = Instant::Max();
  Read(env);
}

void SetAside::End(Status status, Env& env) {
  env.local.push_back({asker_, LocalDurable{std::move(status)}});
  Finish();
}

}  // namespace gyre
