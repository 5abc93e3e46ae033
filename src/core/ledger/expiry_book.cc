#include "core/ledger/expiry_book.h"

#include <algorithm>

namespace gyre {

ExpiryBook::Step& ExpiryBook::FirstOf(const LeafName& leaf) {
  auto& sections = first_[leaf.first];
  if (sections.empty()) sections.resize(std::size_t{1} << section_bits_);
  auto& leaves = sections[leaf.second >> kLeafBitsPerSection];
  if (leaves.empty()) leaves.resize(kLeaves);
  return leaves[leaf.second & (kLeaves - 1)];
}

void ExpiryBook::Note(KeyspaceId keyspace, Token token, WallTime at) {
  if (size_ >= kSizeMax) return;
  // Up: at the end of its step all of it is over.
  const Step step = std::max<Step>(at.ms / step_ms_ + 1, 1);
  const LeafName leaf(keyspace, LeafOf(token, LeafBitsOf(section_bits_)));
  Step& first = FirstOf(leaf);
  if (first != 0 && first <= step) return;
  first = step;
  due_[first].push_back(leaf);
  ++size_;
}

std::optional<LeafName> ExpiryBook::TakeDue(WallTime then) {
  while (!due_.empty() && due_.begin()->first <= then.ms / step_ms_) {
    const auto it = due_.begin();
    const Step step = it->first;
    const LeafName leaf = it->second.back();
    it->second.pop_back();
    if (it->second.empty()) due_.erase(it);
    --size_;
    Step& first = FirstOf(leaf);
    if (first != step) continue;  // taken, or noted for an earlier time since
    first = 0;
    return leaf;
  }
  return std::nullopt;
}

}  // namespace gyre
