#include "core/ledger/merkle_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/causality/arbitrary.h"

namespace gyre {
namespace {

using Node = MerkleTree::Node;

constexpr int kPartitionBits = 3;
constexpr int kLeafBits = LeafBitsOf(kPartitionBits);
constexpr KeyspaceId kKeyspace{0};

// One addition to the tree.
struct Change {
  KeyspaceId keyspace;
  Token token;
  std::uint64_t delta = 0;
};

// Tokens of few leaves of few partitions, so that the changes of a run meet.
Token AnyToken() {
  const auto partition = *rc::gen::inRange<std::uint64_t>(0, 1u << kPartitionBits);
  const auto leaf = *rc::gen::inRange<std::uint64_t>(0, 3);
  const std::uint64_t high = partition << (64 - kPartitionBits) | leaf << (64 - kLeafBits);
  return {high | *rc::gen::inRange<std::uint64_t>(0, 4), *rc::gen::inRange<std::uint64_t>(0, 4)};
}

std::vector<Change> AnyChanges() {
  std::vector<Change> changes(*rc::gen::inRange<std::size_t>(0, 20));
  for (Change& change : changes) {
    change = {KeyspaceId(*rc::gen::inRange(0u, 2u)), AnyToken(),
              *rc::gen::arbitrary<std::uint64_t>()};
  }
  return changes;
}

MerkleTree TreeOf(const std::vector<Change>& changes) {
  MerkleTree tree(kPartitionBits);
  for (const Change& change : changes) {
    tree.Prefetch(change.keyspace, change.token);  // a hint, whatever the tree holds
    tree.Add(change.keyspace, change.token, change.delta);
  }
  return tree;
}

// All leaves that AnyToken can mean, and their neighbours.
std::vector<std::uint32_t> LeavesInUse() {
  std::vector<std::uint32_t> leaves;
  for (std::uint32_t partition = 0; partition < 1u << kPartitionBits; ++partition) {
    for (std::uint32_t leaf = 0; leaf < 4; ++leaf) {
      leaves.push_back(partition << kLeafBitsPerSection | leaf);
    }
  }
  return leaves;
}

bool SameSums(const MerkleTree& a, const MerkleTree& b) {
  for (const std::uint32_t leaf : LeavesInUse()) {
    for (const KeyspaceId keyspace : {KeyspaceId(0), KeyspaceId(1)}) {
      for (int bits = kPartitionBits; bits <= kLeafBits; ++bits) {
        const Node node{bits, leaf >> (kLeafBits - bits)};
        if (a.SumOf(keyspace, node) != b.SumOf(keyspace, node)) return false;
      }
    }
  }
  return true;
}

// Goal: two owners that took the same writes in different orders agree. Paper 4.7.
RC_GTEST_PROP(MerkleTreeProperty, TheOrderOfChangesDoesNotMatter, ()) {
  const std::vector<Change> changes = AnyChanges();
  std::vector<Change> other(changes.rbegin(), changes.rend());
  if (!other.empty()) {
    const auto by = *rc::gen::inRange<std::size_t>(0, other.size());
    std::rotate(other.begin(), other.begin() + static_cast<std::ptrdiff_t>(by), other.end());
  }
  RC_ASSERT(SameSums(TreeOf(changes), TreeOf(other)));
}

// Goal: what is compared level by level hangs together: a node differs only if a child does.
RC_GTEST_PROP(MerkleTreeProperty, ANodeIsTheSumOfItsChildren, ()) {
  const MerkleTree tree = TreeOf(AnyChanges());
  for (const std::uint32_t leaf : LeavesInUse()) {
    for (int bits = kPartitionBits; bits < kLeafBits; ++bits) {
      const std::uint32_t index = leaf >> (kLeafBits - bits);
      const std::uint64_t children = tree.SumOf(kKeyspace, {bits + 1, index << 1}) +
                                     tree.SumOf(kKeyspace, {bits + 1, index << 1 | 1});
      RC_ASSERT(tree.SumOf(kKeyspace, {bits, index}) == children);
    }
  }
}

// Goal: the sums are those of the rows, counted apart: of each leaf and each keyspace for itself.
RC_GTEST_PROP(MerkleTreeProperty, ALeafIsTheSumOfItsRows, ()) {
  const std::vector<Change> changes = AnyChanges();
  const MerkleTree tree = TreeOf(changes);
  std::map<std::pair<KeyspaceId, std::uint32_t>, std::uint64_t> expected;
  std::map<std::pair<KeyspaceId, std::uint32_t>, std::uint64_t> of_partitions;
  for (const Change& change : changes) {
    const std::uint64_t leaf = change.token.high >> (64 - kLeafBits);
    expected[{change.keyspace, static_cast<std::uint32_t>(leaf)}] += change.delta;
    of_partitions[{change.keyspace, PartitionOf(change.token, kPartitionBits).value}] +=
        change.delta;
  }
  for (const std::uint32_t leaf : LeavesInUse()) {
    for (const KeyspaceId keyspace : {KeyspaceId(0), KeyspaceId(1)}) {
      RC_ASSERT(tree.SumOf(keyspace, {kLeafBits, leaf}) == (expected[{keyspace, leaf}]));
      const SectionId section = tree.SectionOfLeaf(leaf);
      RC_ASSERT(tree.SumOfSection(keyspace, section) == (of_partitions[{keyspace, section.value}]));
    }
  }
}

// Goal: a row that came, changed or went shows in its leaf and on the way up from it, and nowhere
// else: so an exchange looks there only. Paper 4.7.
RC_GTEST_PROP(MerkleTreeProperty, AChangedRowChangesItsLeafAndThePathToItOnly, ()) {
  const std::vector<Change> changes = AnyChanges();
  const MerkleTree before = TreeOf(changes);
  MerkleTree after = TreeOf(changes);
  const Token token = AnyToken();
  const auto old_digest = *rc::gen::arbitrary<std::uint64_t>();
  const auto new_digest = *rc::gen::arbitrary<std::uint64_t>();
  RC_PRE(old_digest != new_digest);
  after.Add(kKeyspace, token, new_digest - old_digest);
  const std::uint32_t changed = LeafOf(token, kLeafBits);
  for (const std::uint32_t leaf : LeavesInUse()) {
    for (int bits = kPartitionBits; bits <= kLeafBits; ++bits) {
      const std::uint32_t index = leaf >> (kLeafBits - bits);
      const bool on_the_path = index == changed >> (kLeafBits - bits);
      const bool differs =
          before.SumOf(kKeyspace, {bits, index}) != after.SumOf(kKeyspace, {bits, index});
      RC_ASSERT(differs == on_the_path);
      RC_ASSERT(before.SumOf(KeyspaceId(1), {bits, index}) ==
                after.SumOf(KeyspaceId(1), {bits, index}));
    }
  }
  after.Add(kKeyspace, token, old_digest - new_digest);
  RC_ASSERT(SameSums(before, after));
}

// Goal: what is not there has the sum 0, and costs nothing.
TEST(MerkleTreeTest, AnEmptyTreeIsAllZerosAndTakesNoMemory) {
  MerkleTree tree(kPartitionBits);
  EXPECT_EQ(tree.SumOfSection(kKeyspace, SectionId(7)), 0u);
  EXPECT_EQ(tree.SumOf(kKeyspace, {kLeafBits, (1u << kLeafBits) - 1}), 0u);
  tree.Add(kKeyspace, {}, 0);
  EXPECT_EQ(tree.bytes(), 0u);
  tree.Add(kKeyspace, {}, 5);
  EXPECT_EQ(tree.bytes(), (std::size_t{1} << kLeafBitsPerSection) * 8);
}

// Goal: the ends of the ring and of a partition belong where the ring says they do.
TEST(MerkleTreeTest, TheLastTokenBelongsToTheLastLeaf) {
  MerkleTree tree(kPartitionBits);
  constexpr std::uint64_t kAll = ~std::uint64_t{0};
  tree.Add(kKeyspace, {kAll, kAll}, 1);
  tree.Add(kKeyspace, {kAll >> kPartitionBits, kAll}, 2);  // the last of partition 0
  EXPECT_EQ(tree.SumOf(kKeyspace, {kLeafBits, (1u << kLeafBits) - 1}), 1u);
  EXPECT_EQ(tree.SumOfSection(kKeyspace, SectionId(7)), 1u);
  EXPECT_EQ(tree.SumOf(kKeyspace, {kLeafBits, (1u << kLeafBitsPerSection) - 1}), 2u);
  EXPECT_EQ(tree.SumOfSection(kKeyspace, SectionId(0)), 2u);
  EXPECT_EQ(tree.SumOfSection(kKeyspace, SectionId(1)), 0u);
}

// ---- digests ---------------------------------------------------------------------------------

RowKey KeyAt(std::uint64_t high, std::uint64_t low) {
  return {kKeyspace, {high, low}, Bytes("key")};
}

// Goal: two versions of a row differ in their digests, and so do two rows of one version: the
// metadata says which version it is. Never 0, which would be no row.
RC_GTEST_PROP(RowDigestProperty, DiffersByKeyAndByMetadata, ()) {
  const Record one = AnyRecord();
  const Record other = AnyRecord();
  const RowKey key = KeyAt(*rc::gen::arbitrary<std::uint64_t>(), 7);
  const std::uint64_t digest = RowDigest(key, one.Encode().view());
  RC_ASSERT(digest != 0u);
  RC_ASSERT(digest == RowDigest(key, one.Encode().view()));
  RC_ASSERT(digest != RowDigest(KeyAt(key.token.high + 1, 7), one.Encode().view()));
  RC_ASSERT(digest != RowDigest(KeyAt(key.token.high, 8), one.Encode().view()));
  RC_ASSERT((digest == RowDigest(key, other.Encode().view())) == (one.Encode() == other.Encode()));
}

// Goal: values count by their checksums, so that large ones are not hashed again; and another value
// has another checksum.
TEST(RowDigestTest, CoversValuesByTheirChecksums) {
  const RowKey key = KeyAt(1, 2);
  const auto encoded = [](std::string_view value) {
    Record record;
    record.clock.Add({ActorId(1), 1, 1}, {1});
    record.siblings.push_back(SiblingOf({ActorId(1), 1, 1}, {1}, value));
    return record.Encode().ToString();
  };
  EXPECT_NE(RowDigest(key, encoded("apples")), RowDigest(key, encoded("appleS")));
  std::string rotten = encoded("apples");
  rotten.back() ^= 1;
  EXPECT_EQ(RowDigest(key, rotten), RowDigest(key, encoded("apples")));
}

// Goal: bytes that are no record have a digest all the same: of all of them.
TEST(RowDigestTest, TakesAnyBytes) {
  const RowKey key = KeyAt(1, 2);
  EXPECT_NE(RowDigest(key, ""), 0u);
  EXPECT_NE(RowDigest(key, "rubbish"), RowDigest(key, "rubbisH"));
}

}  // namespace
}  // namespace gyre
