// What this shard holds, in sums that two owners can compare: a trie over the token space for each
// keyspace. A section, and so a partition, is a subtree, a leaf an arc of 2^-leaf_bits of the ring.
// Paper 4.7.
//
// A row counts as a hash of its key and of its record's metadata (which covers the values by their
// checksums); a node of the trie is the sum of the rows below it, modulo 2^64. So a changed row is
// one addition, nothing is ever rebuilt, and an inner node is just the sum of its leaves: none is
// kept. Rows may come in any order and from any side; equal sets of rows have equal sums, and
// unequal ones do by a chance of 2^-64.
//
// Sizing: kLeafBitsPerSection = 12 bits below the section, for good: a split of partitions leaves
// the tree as it is. A node owns a few hundred partitions
// (64 of its own, times N), so about 10^6 leaves: ten rows each at 10^7 rows a node, whatever the
// size of the cluster. 8 bytes a leaf, taken by whole partitions once they hold something: 32 KiB
// each.
//
// Pure. Invariant: what is not there has the sum 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "core/causality/record.h"
#include "core/ids.h"
#include "core/key.h"

namespace gyre {

inline constexpr int kLeafBitsPerSection = 12;

constexpr int LeafBitsOf(int section_bits) { return section_bits + kLeafBitsPerSection; }
// The leaf that holds `token`: its top `leaf_bits` bits. REQUIRES: 1 <= leaf_bits <= 32.
constexpr std::uint32_t LeafOf(Token token, int leaf_bits) {
  return static_cast<std::uint32_t>(token.high >> (64 - leaf_bits));
}

using LeafName = std::pair<KeyspaceId, std::uint32_t>;

// The sum of one leaf, as storage keeps it: that of every change ever made to it, modulo 2^64.
struct LeafSum {
  KeyspaceId keyspace;
  std::uint32_t leaf = 0;  // the top LeafBitsOf(partition bits) bits of its tokens
  std::uint64_t sum = 0;   // not 0

  bool operator==(const LeafSum&) const = default;
};

// What a row adds to its leaf. Never 0. `record`: encoded. Cost: a hash of the record's metadata,
// about 100 bytes.
std::uint64_t RowDigest(const RowKey& key, std::string_view record);

class MerkleTree {
 public:
  explicit MerkleTree(int section_bits) : section_bits_(section_bits) {}

  int section_bits() const { return section_bits_; }
  int leaf_bits() const { return LeafBitsOf(section_bits_); }
  SectionId SectionOfLeaf(std::uint32_t leaf) const {
    return SectionId(leaf >> kLeafBitsPerSection);
  }

  void Add(KeyspaceId keyspace, Token token, std::uint64_t delta) {
    if (delta != 0) AddToLeaf(keyspace, LeafOf(token, leaf_bits()), delta);
  }
  void AddToLeaf(KeyspaceId keyspace, std::uint32_t leaf, std::uint64_t delta);

  // Starts to fetch the token's leaf into the processor's caches, for a change that comes soon: the
  // leaves of a node are megabytes, and no two keys that follow each other share one.
  void Prefetch(KeyspaceId keyspace, Token token) const;

  // A node of the trie: all tokens whose upper `bits` bits are `index`. The root of a partition has
  // section_bits() bits, a leaf leaf_bits().
  struct Node {
    int bits = 0;
    std::uint32_t index = 0;

    bool operator==(const Node&) const = default;
  };
  // Cost: one addition for each leaf below. REQUIRES: section_bits() <= bits <= leaf_bits().
  std::uint64_t SumOf(KeyspaceId keyspace, Node node) const;
  std::uint64_t SumOfSection(KeyspaceId keyspace, SectionId section) const {
    return SumOf(keyspace, {section_bits_, section.value});
  }
  // Of all leaves. O(1).
  std::uint64_t sum() const { return sum_; }
  // Of memory.
  std::size_t bytes() const { return sections_held_ * kLeaves * sizeof(std::uint64_t); }

 private:
  static constexpr std::size_t kLeaves = std::size_t{1} << kLeafBitsPerSection;
  using Leaves = std::vector<std::uint64_t>;  // of one partition; empty: all are 0
  struct Space {
    KeyspaceId keyspace;
    std::vector<Leaves> sections;
  };

  Space& SpaceOf(KeyspaceId keyspace);

  const int section_bits_;
  std::vector<Space> spaces_;  // few; the one written last comes first
  std::size_t sections_held_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace gyre
