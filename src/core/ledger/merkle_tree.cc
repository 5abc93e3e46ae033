#include "core/ledger/merkle_tree.h"

#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/hash.h"

namespace gyre {

std::uint64_t RowDigest(const RowKey& key, std::string_view record) {
  const std::uint64_t hash = Xxh3_64Seeded(MetadataOf(record), key.token.low ^ key.token.high);
  return hash == 0 ? 1 : hash;
}

MerkleTree::Space& MerkleTree::SpaceOf(KeyspaceId keyspace) {
  for (std::size_t i = 0; i < spaces_.size(); ++i) {
    if (spaces_[i].keyspace != keyspace) continue;
    if (i > 0) std::swap(spaces_[0], spaces_[i]);
    return spaces_[0];
  }
  spaces_.push_back({keyspace, std::vector<Leaves>(std::size_t{1} << section_bits_)});
  std::swap(spaces_.front(), spaces_.back());
  return spaces_.front();
}

void MerkleTree::AddToLeaf(KeyspaceId keyspace, std::uint32_t leaf, std::uint64_t delta) {
  Leaves& leaves = SpaceOf(keyspace).sections[SectionOfLeaf(leaf).value];
  if (leaves.empty()) {
    leaves.resize(kLeaves);
    ++sections_held_;
  }
  leaves[leaf & (kLeaves - 1)] += delta;
  sum_ += delta;
}

void MerkleTree::Prefetch(KeyspaceId keyspace, Token token) const {
  if (spaces_.empty() || spaces_.front().keyspace != keyspace) return;
  const std::uint32_t leaf = LeafOf(token, leaf_bits());
  const Leaves& leaves = spaces_.front().sections[SectionOfLeaf(leaf).value];
  if (!leaves.empty()) __builtin_prefetch(&leaves[leaf & (kLeaves - 1)], /*for writing*/ 1);
}

std::uint64_t MerkleTree::SumOf(KeyspaceId keyspace, Node node) const {
  GYRE_CHECK(node.bits >= section_bits_ && node.bits <= leaf_bits());
  const int below = leaf_bits() - node.bits;  // bits of the leaf under the node
  const std::uint32_t first = node.index << below;
  for (const Space& space : spaces_) {
    if (space.keyspace != keyspace) continue;
    const Leaves& leaves = space.sections[SectionOfLeaf(first).value];
    if (leaves.empty()) return 0;
    const auto begin = leaves.begin() + (first & (kLeaves - 1));
    return std::accumulate(begin, begin + (std::ptrdiff_t{1} << below), std::uint64_t{0});
  }
  return 0;
}

}  // namespace gyre
