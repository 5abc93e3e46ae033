// The books of one shard: what its rows add up to, changed with each of them. A row is noted when
// its write is asked for, so that the books are those of what a scan sees, and reverted if that
// fails.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/time.h"
#include "core/causality/record.h"
#include "core/ids.h"
#include "core/key.h"
#include "core/ledger/ballot_book.h"
#include "core/ledger/expiry_book.h"
#include "core/ledger/hint_ledger.h"
#include "core/ledger/merkle_tree.h"

namespace gyre {

class RowLedger {
 public:
  // `keeps_tree`: false where a row has no other owner to be compared with (one node alone).
  // `expiry_step`: see ExpiryBook.
  RowLedger(int section_bits, bool keeps_tree, Duration expiry_step)
      : tree_(section_bits),
        ballots_(section_bits),
        expiries_(section_bits, expiry_step),
        keeps_tree_(keeps_tree) {}

  // What one change did to the books.
  struct Entry {
    std::uint64_t leaf_delta = 0;
    std::uint64_t hint_bytes_before = 0;  // 0: there was none
    std::uint64_t hint_bytes_after = 0;   // 0: there is none
  };
  // `before` became `after` (null: no row).
  Entry Note(const RowKey& key, const Row* before, const Row* after, WallTime now);
  void Revert(const RowKey& key, const Entry& entry, WallTime now);

  // A hint that the row will be changed soon. Changes nothing.
  void Prefetch(const RowKey& key) const {
    if (keeps_tree_) tree_.Prefetch(key.keyspace, key.token);
  }

  const MerkleTree& tree() const { return tree_; }
  const HintLedger& hints() const { return hints_; }
  const BallotBook& ballots() const { return ballots_; }
  BallotBook& ballots() { return ballots_; }
  bool keeps_tree() const { return keeps_tree_; }
  // What storage held at the start, and what it adds by itself.
  void LoadLeaf(KeyspaceId keyspace, std::uint32_t leaf, std::uint64_t sum) {
    tree_.AddToLeaf(keyspace, leaf, sum);
  }
  // The census of hints at the start: counts one that storage holds, unless it is counted already
  // because it has changed since. Until EndCensus the ledger remembers which are.
  void CountHint(const RowKey& key, const Row& row, WallTime made_at);
  void EndCensus() { counted_.reset(); }
  // Hints of this section may lie where they could not be counted, among damage.
  void NoteUncounted(SectionId section) { uncounted_.insert(section); }
  // May this shard hold any hint of the section, as far as it can know?
  bool MayHoldHints(SectionId section) const {
    return counted_ || uncounted_.contains(section) || hints_.HasOf(section);
  }
  // For one who counts leaves while rows change: from here on it is noted which leaves do. Of those
  // noted before only `keep` stays.
  void BeginWatch(const std::optional<LeafName>& keep);
  void EndWatch() { watched_.reset(); }
  bool ChangedUnderWatch(const LeafName& leaf) const {
    return watched_ && watched_->contains(leaf);
  }
  // For one who has to know whether any of a few rows is changed: said until `watch` is gone.
  class KeyWatch {
   public:
    KeyWatch(RowLedger& ledger, std::set<RowKey> keys) : ledger_(ledger), keys_(std::move(keys)) {
      ledger_.key_watches_.push_back(this);
    }
    ~KeyWatch() { std::erase(ledger_.key_watches_, this); }
    KeyWatch(const KeyWatch&) = delete;
    KeyWatch& operator=(const KeyWatch&) = delete;
    bool touched() const { return touched_; }

   private:
    friend class RowLedger;
    RowLedger& ledger_;
    const std::set<RowKey> keys_;
    bool touched_ = false;
  };
  // This row is nothing but tombstones: it may be purged some day.
  void NoteDead(const RowKey& key) {
    if (!key.is_hint() && dead_.size() < kDeadMax) dead_.push_back(key);
  }
  // It will be nothing but that from `at` on, if nobody writes it.
  void NoteExpiry(const RowKey& key, WallTime at) {
    if (!key.is_hint()) expiries_.Note(key.keyspace, key.token, at);
  }
  ExpiryBook& expiries() { return expiries_; }
  bool any_dead() const { return !dead_.empty(); }
  std::vector<RowKey> TakeDead() { return std::exchange(dead_, {}); }
  // See HintLedger::Forget.
  void ForgetHints(const HintLedger::Place& place, const HintLedger::Debt& debt) {
    hints_.Forget(place, debt);
  }
  // A leaf's sum was found to differ from its rows': from now on it is `actual`. Returns what has
  // to be added to the stored sum.
  std::uint64_t CorrectLeaf(KeyspaceId keyspace, std::uint32_t leaf, std::uint64_t actual);

 private:
  static constexpr std::size_t kDeadMax = 10'000;  // the rest is found by a scrub

  HintLedger::Place PlaceOf(const RowKey& key) const {
    return {key.owed_to, key.keyspace, gyre::SectionOf(key.token, tree_.section_bits())};
  }
  void ChangeHint(const RowKey& key, std::uint64_t before, std::uint64_t after, WallTime now);

  void ChangeLeaf(const RowKey& key, std::uint64_t delta);
  void TellWatches(const RowKey& key);

  MerkleTree tree_;
  HintLedger hints_;
  BallotBook ballots_;
  ExpiryBook expiries_;
  std::set<SectionId> uncounted_;
  std::vector<RowKey> dead_;
  std::vector<KeyWatch*> key_watches_;
  std::optional<std::set<LeafName>> watched_;
  // During the census: what is known of single hints. True: counted; false: it is gone.
  std::optional<std::map<RowKey, bool>> counted_{std::in_place};
  const bool keeps_tree_;
};

}  // namespace gyre
