#include "core/ledger/row_ledger.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/causality/arbitrary.h"

namespace gyre {
namespace {

constexpr int kPartitionBits = 4;
constexpr WallTime kNow{1'000};
constexpr NodeId kTarget(9);

Row RowOf(std::string_view value, std::uint64_t n = 1) {
  Record record;
  record.clock.Add({ActorId(1), 1, n}, {1});
  record.siblings.push_back(SiblingOf({ActorId(1), 1, n}, {1}, value));
  return {{}, record.Encode()};
}

RowKey KeyOf(std::string_view name) { return {KeyspaceId(0), {Xxh3_64(name), 1}, Bytes(name)}; }
RowKey HintOf(std::string_view name, NodeId target = kTarget) { return KeyOf(name).OwedTo(target); }

HintLedger::Place PlaceOf(const RowKey& key) {
  return {key.owed_to, key.keyspace, SectionOf(key.token, kPartitionBits)};
}
LeafName LeafNameOf(const RowKey& key) {
  return {key.keyspace, LeafOf(key.token, LeafBitsOf(kPartitionBits))};
}
std::uint64_t SumAt(const RowLedger& ledger, const RowKey& key) {
  const auto [keyspace, leaf] = LeafNameOf(key);
  return ledger.tree().SumOf(keyspace, {ledger.tree().leaf_bits(), leaf});
}

// A ledger whose census is over.
RowLedger Ledger(bool keeps_tree = true) {
  RowLedger ledger(kPartitionBits, keeps_tree, Duration::Seconds(1));
  ledger.EndCensus();
  return ledger;
}

// Goal: the books of a row: what it adds to its leaf, and the change that storage has to make.
TEST(RowLedgerTest, ARowCountsInItsLeaf) {
  RowLedger ledger = Ledger();
  const RowKey key = KeyOf("k");
  const Row one = RowOf("one"), two = RowOf("two", 2);
  const std::uint64_t digest = RowDigest(key, one.record.view());
  EXPECT_EQ(ledger.Note(key, nullptr, &one, kNow).leaf_delta, digest);
  EXPECT_EQ(SumAt(ledger, key), digest);
  const auto change = ledger.Note(key, &one, &two, kNow);
  EXPECT_EQ(change.leaf_delta, RowDigest(key, two.record.view()) - digest);
  EXPECT_EQ(SumAt(ledger, key), RowDigest(key, two.record.view()));
  ledger.Note(key, &two, nullptr, kNow);
  EXPECT_EQ(SumAt(ledger, key), 0u);
  EXPECT_TRUE(ledger.hints().empty());
}

// Goal: a write that failed leaves no trace in the books, whatever came between.
RC_GTEST_PROP(RowLedgerProperty, RevertUndoesNote, ()) {
  RowLedger ledger = Ledger();
  std::map<RowKey, Row> rows;
  const auto step = [&](bool revert) {
    RowKey key = KeyOf("k" + std::to_string(*rc::gen::inRange(0, 3)));
    if (*rc::gen::arbitrary<bool>()) key = key.OwedTo(NodeId(*rc::gen::inRange(1u, 3u)));
    const auto it = rows.find(key);
    const Row* before = it == rows.end() ? nullptr : &it->second;
    const Row next = RowOf(std::string(*rc::gen::inRange<std::size_t>(0, 20), 'x'));
    const Row* after = *rc::gen::arbitrary<bool>() ? &next : nullptr;
    const auto entry = ledger.Note(key, before, after, kNow);
    if (revert) return ledger.Revert(key, entry, kNow);
    if (after != nullptr) {
      rows[key] = next;
    } else {
      rows.erase(key);
    }
  };
  const auto books = [&] {
    std::vector<std::uint64_t> all{ledger.hints().total_bytes(), ledger.hints().by_target().size()};
    for (const char* name : {"k0", "k1", "k2"}) {
      all.push_back(SumAt(ledger, KeyOf(name)));
      for (const std::uint32_t target : {1u, 2u}) {
        const auto debt = ledger.hints().At(PlaceOf(HintOf(name, NodeId(target))));
        all.insert(all.end(), {debt.hints, debt.bytes, ledger.hints().Of(NodeId(target)).hints});
      }
    }
    return all;
  };
  for (int i = *rc::gen::inRange(0, 10); i > 0; --i) step(/*revert=*/false);
  const auto before = books();
  step(/*revert=*/true);
  RC_ASSERT(books() == before);
}

// Goal: a hint counts at its place, for its target, and not in the tree: it is no row of this node.
TEST(RowLedgerTest, AHintCountsForItsTargetAndNotInTheTree) {
  RowLedger ledger = Ledger();
  const RowKey hint = HintOf("k");
  const Row row = RowOf("value");
  const auto entry = ledger.Note(hint, nullptr, &row, kNow);
  EXPECT_EQ(entry.leaf_delta, 0u);
  EXPECT_EQ(SumAt(ledger, hint), 0u);
  const auto debt = ledger.hints().At(PlaceOf(hint));
  EXPECT_EQ(debt.hints, 1u);
  EXPECT_GE(debt.bytes, hint.key.size() + row.record.size());
  EXPECT_EQ(debt.oldest, kNow);
  EXPECT_EQ(ledger.hints().Of(kTarget), debt);
  // A second one of the same key for another owner is another debt.
  ledger.Note(HintOf("k", NodeId(8)), nullptr, &row, kNow);
  EXPECT_EQ(ledger.hints().At(PlaceOf(hint)), debt);
  EXPECT_EQ(ledger.hints().Of(NodeId(8)).hints, 1u);
}

// Goal: a hint that changes is still one, of another size; one that goes is none.
TEST(RowLedgerTest, AHintThatChangesIsStillOne) {
  RowLedger ledger = Ledger();
  const RowKey hint = HintOf("k");
  const Row small = RowOf("v"), large = RowOf(std::string(1'000, 'v'), 2);
  ledger.Note(hint, nullptr, &small, kNow);
  const std::uint64_t bytes = ledger.hints().total_bytes();
  ledger.Note(hint, &small, &large, kNow);
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 1u);
  EXPECT_EQ(ledger.hints().total_bytes(), bytes + large.record.size() - small.record.size());
  ledger.Note(hint, &large, nullptr, kNow);
  EXPECT_TRUE(ledger.hints().empty());
  EXPECT_EQ(ledger.hints().total_bytes(), 0u);
}

// Goal: one node alone has nobody to compare with, and pays for no tree.
TEST(RowLedgerTest, WithoutATreeNothingIsSummed) {
  RowLedger ledger = Ledger(/*keeps_tree=*/false);
  const Row row = RowOf("v");
  EXPECT_EQ(ledger.Note(KeyOf("k"), nullptr, &row, kNow).leaf_delta, 0u);
  EXPECT_EQ(SumAt(ledger, KeyOf("k")), 0u);
  EXPECT_EQ(ledger.tree().bytes(), 0u);
}

// ---- the census ------------------------------------------------------------------------------

// Goal: a hint that is changed, or comes, while the census is still to see it counts once.
TEST(RowLedgerTest, TheCensusCountsEachHintOnce) {
  RowLedger ledger(kPartitionBits, true, Duration::Seconds(1));
  const Row old_row = RowOf("old"), new_row = RowOf("longer", 2);
  ledger.CountHint(HintOf("counted"), old_row, {5});
  ledger.CountHint(HintOf("counted"), old_row, {5});  // a page that is read again
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 1u);
  ledger.Note(HintOf("changed"), &old_row, &new_row, kNow);  // stored by the life before
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 2u);
  ledger.CountHint(HintOf("changed"), new_row, {5});
  ledger.Note(HintOf("new"), nullptr, &new_row, kNow);
  ledger.CountHint(HintOf("new"), new_row, {5});
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 3u);
  ledger.Note(HintOf("counted"), &old_row, nullptr, kNow);
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 2u);
  ledger.EndCensus();
  ledger.Note(HintOf("changed"), &new_row, nullptr, kNow);
  ledger.Note(HintOf("new"), &new_row, nullptr, kNow);
  EXPECT_TRUE(ledger.hints().empty());
  EXPECT_EQ(ledger.hints().total_bytes(), 0u);
}

// Goal: one that goes before the census has come to it does not count: neither for less than
// nothing, nor when a page that was read before its end comes in after it.
TEST(RowLedgerTest, AHintThatWentDuringTheCensusDoesNotCount) {
  RowLedger ledger(kPartitionBits, true, Duration::Seconds(1));
  const Row row = RowOf("v");
  ledger.CountHint(HintOf("other"), row, {5});
  ledger.Note(HintOf("gone"), &row, nullptr, kNow);
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 1u);
  ledger.CountHint(HintOf("gone"), row, {5});
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 1u);
}

// Goal: the same for a hint whose change fails while the census is under way.
TEST(RowLedgerTest, AChangeRevertedDuringTheCensusLeavesOneHint) {
  RowLedger ledger(kPartitionBits, true, Duration::Seconds(1));
  const Row row = RowOf("v"), changed = RowOf("longer", 2);
  const auto change = ledger.Note(HintOf("k"), &row, &changed, kNow);
  ledger.Revert(HintOf("k"), change, kNow);
  ledger.CountHint(HintOf("k"), row, {5});
  const auto removal = ledger.Note(HintOf("k"), &row, nullptr, kNow);
  EXPECT_TRUE(ledger.hints().empty());
  ledger.Revert(HintOf("k"), removal, kNow);
  EXPECT_EQ(ledger.hints().Of(kTarget).hints, 1u);
  ledger.EndCensus();
  ledger.Note(HintOf("k"), &row, nullptr, kNow);
  EXPECT_TRUE(ledger.hints().empty());
}

// ---- counting leaves -------------------------------------------------------------------------

// Goal: who counts leaves while rows change knows which sums are of no use to him.
TEST(RowLedgerTest, TheWatchNotesLeavesThatChange) {
  RowLedger ledger = Ledger();
  const RowKey a = KeyOf("a"), b = KeyOf("b");
  ASSERT_NE(LeafNameOf(a), LeafNameOf(b));
  const Row row = RowOf("v");
  const auto before = ledger.Note(a, nullptr, &row, kNow);
  ledger.BeginWatch(std::nullopt);
  EXPECT_FALSE(ledger.ChangedUnderWatch(LeafNameOf(a)));
  ledger.Note(b, nullptr, &row, kNow);
  EXPECT_TRUE(ledger.ChangedUnderWatch(LeafNameOf(b)));
  ledger.Revert(a, before, kNow);  // a write that fails is a change too
  EXPECT_TRUE(ledger.ChangedUnderWatch(LeafNameOf(a)));
  // The next page: of what was noted only the leaf that goes on stays so.
  ledger.BeginWatch(LeafNameOf(a));
  EXPECT_TRUE(ledger.ChangedUnderWatch(LeafNameOf(a)));
  EXPECT_FALSE(ledger.ChangedUnderWatch(LeafNameOf(b)));
  ledger.BeginWatch(LeafNameOf(b));
  EXPECT_FALSE(ledger.ChangedUnderWatch(LeafNameOf(b)));
  ledger.EndWatch();
  ledger.Note(b, &row, nullptr, kNow);
  EXPECT_FALSE(ledger.ChangedUnderWatch(LeafNameOf(b)));
}

// Goal: hints are in no leaf: they disturb nobody who counts.
TEST(RowLedgerTest, TheWatchDoesNotMindHints) {
  RowLedger ledger = Ledger();
  ledger.BeginWatch(std::nullopt);
  const Row row = RowOf("v");
  ledger.Note(HintOf("a"), nullptr, &row, kNow);
  EXPECT_FALSE(ledger.ChangedUnderWatch(LeafNameOf(KeyOf("a"))));
}

// Goal: a wrong sum is put right, and storage is told by how much its own is off.
TEST(RowLedgerTest, CorrectsALeafByWhatItIsOff) {
  RowLedger ledger = Ledger();
  const RowKey key = KeyOf("k");
  const auto [keyspace, leaf] = LeafNameOf(key);
  ledger.LoadLeaf(keyspace, leaf, 100);
  EXPECT_EQ(SumAt(ledger, key), 100u);
  EXPECT_EQ(ledger.CorrectLeaf(keyspace, leaf, 70), std::uint64_t{0} - 30);
  EXPECT_EQ(SumAt(ledger, key), 70u);
  EXPECT_EQ(ledger.CorrectLeaf(keyspace, leaf, 70), 0u);
  EXPECT_EQ(ledger.CorrectLeaf(keyspace, leaf, 0), std::uint64_t{0} - 70);
  EXPECT_EQ(SumAt(ledger, key), 0u);
}

}  // namespace
}  // namespace gyre
