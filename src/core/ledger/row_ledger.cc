#include "core/ledger/row_ledger.h"

#include <utility>

namespace gyre {
namespace {

// What a hint counts for in the limits: key, record, and what storage keeps beside them.
std::uint64_t HintBytes(const RowKey& key, const Row* row) {
  constexpr std::uint64_t kOverhead = 64;
  return row == nullptr ? 0 : key.key.size() + row->record.size() + kOverhead;
}

}  // namespace

RowLedger::Entry RowLedger::Note(const RowKey& key, const Row* before, const Row* after,
                                 WallTime now) {
  Entry entry;
  if (IsNote(key)) return entry;
  TellWatches(key);
  if (key.is_hint()) {
    entry.hint_bytes_before = HintBytes(key, before);
    entry.hint_bytes_after = HintBytes(key, after);
    ChangeHint(key, entry.hint_bytes_before, entry.hint_bytes_after, now);
  } else if (keeps_tree_) {
    if (after != nullptr) entry.leaf_delta += RowDigest(key, after->record.view());
    if (before != nullptr) entry.leaf_delta -= RowDigest(key, before->record.view());
    ChangeLeaf(key, entry.leaf_delta);
  }
  return entry;
}

void RowLedger::TellWatches(const RowKey& key) {
  for (KeyWatch* watch : key_watches_) {
    watch->touched_ = watch->touched_ || watch->keys_.contains(key);
  }
}

void RowLedger::ChangeLeaf(const RowKey& key, std::uint64_t delta) {
  tree_.Add(key.keyspace, key.token, delta);
  if (watched_) watched_->insert({key.keyspace, LeafOf(key.token, tree_.leaf_bits())});
}

void RowLedger::BeginWatch(const std::optional<LeafName>& keep) {
  const bool kept = keep && ChangedUnderWatch(*keep);
  watched_.emplace();
  if (kept) watched_->insert(*keep);
}

void RowLedger::Revert(const RowKey& key, const Entry& entry, WallTime now) {
  if (IsNote(key)) return;
  TellWatches(key);
  if (!key.is_hint()) return ChangeLeaf(key, -entry.leaf_delta);
  ChangeHint(key, entry.hint_bytes_after, entry.hint_bytes_before, now);
}

void RowLedger::ChangeHint(const RowKey& key, std::uint64_t before, std::uint64_t after,
                           WallTime now) {
  bool was_counted = true;
  if (counted_) was_counted = std::exchange(counted_->try_emplace(key).first->second, after != 0);
  if (before != 0 && was_counted) hints_.Remove(PlaceOf(key), before);
  if (after != 0) hints_.Add(PlaceOf(key), after, now);
}

void RowLedger::CountHint(const RowKey& key, const Row& row, WallTime made_at) {
  if (counted_ && counted_->try_emplace(key, true).second) {
    hints_.Add(PlaceOf(key), HintBytes(key, &row), made_at);
  }
}

std::uint64_t RowLedger::CorrectLeaf(KeyspaceId keyspace, std::uint32_t leaf,
                                     std::uint64_t actual) {
  const std::uint64_t delta = actual - tree_.SumOf(keyspace, {tree_.leaf_bits(), leaf});
  if (delta != 0) tree_.AddToLeaf(keyspace, leaf, delta);
  return delta;
}

}  // namespace gyre
