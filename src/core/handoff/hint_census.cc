#include "core/handoff/hint_census.h"

#include <algorithm>
#include <utility>

namespace gyre {
namespace {

// When its newest write was made; what does not decode counts as new.
WallTime MadeAt(const Bytes& encoded, WallTime now) {
  Record record;
  if (!record.DecodeFrom(encoded)) return now;
  WallTime made_at{0};
  for (const Sibling& sibling : record.siblings) {
    made_at = std::max(made_at, sibling.time.wall());
  }
  return std::min(made_at, now);
}

}  // namespace

void HintCensus::Start(Env& env) {
  view().ForEachTarget([&](NodeId target) {
    if (target == shard().self) return;
    for (const auto& [keyspace, config] : view().keyspaces) {
      ranges_.push_back({target, keyspace, {}});
    }
  });
  if (!ranges_.empty()) return Read(std::nullopt, env);
  shard().ledger.EndCensus();
  Finish();
}

void HintCensus::Read(std::optional<RowKey> after, Env& env) {
  const Range& range = ranges_.back();
  const TokenSpan span = range.steps ? range.steps->Span() : SpanOf(0, 0);
  env.out.emplace_back(
      ScanEffect{id(),
                 {range.target, range.keyspace, span.first, span.last, std::move(after),
                  shard().config.scan_rows_max, shard().config.scan_bytes_max}});
}

void HintCensus::OnScanDone(Result<ScanPage> page, Env& env) {
  if (!page) return OnDamage(env);
  for (const ScannedRow& hint : page->rows) {
    if (!shard().Serves(view().ring.SectionOf(hint.key.token))) continue;
    shard().ledger.CountHint(hint.key, hint.row, MadeAt(hint.row.record, env.now.wall));
  }
  if (!page->done) return Read(std::move(page->rows.back().key), env);
  auto& steps = ranges_.back().steps;
  if (steps) steps->Pass();
  if (steps && !steps->done()) return Read(std::nullopt, env);
  NextRange(env);
}

// What is damaged is not counted, and left to the exchange; what lies beside it is.
void HintCensus::OnDamage(Env& env) {
  Range& range = ranges_.back();
  if (range.steps) {
    shard().ledger.NoteUncounted(shard().ledger.tree().SectionOfLeaf(range.steps->first()));
    range.steps->PassDamage();
    if (!range.steps->done()) return Read(std::nullopt, env);
    return NextRange(env);
  }
  const Range whole = range;
  ranges_.pop_back();
  for (std::uint32_t s = 0; s < view().ring.section_count(); ++s) {
    if (!shard().Serves(SectionId(s))) continue;
    const LeafSteps steps(SectionId(s), shard().ledger.tree().leaf_bits());
    ranges_.push_back({whole.target, whole.keyspace, steps});
  }
  Read(std::nullopt, env);
}

void HintCensus::NextRange(Env& env) {
  ranges_.pop_back();
  if (!ranges_.empty()) return Read(std::nullopt, env);
  shard().ledger.EndCensus();
  Finish();
}

}  // namespace gyre
