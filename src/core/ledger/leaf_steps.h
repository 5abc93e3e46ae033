// A walk over a run of leaves, some together, for those who read rows that may be damaged: where a
// step cannot be read smaller ones are tried, until the leaf that is damaged is found and passed
// over. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/ledger/merkle_tree.h"
#include "core/scan_range.h"

namespace gyre {

class LeafSteps {
 public:
  // From `first` to `last`, both included.
  LeafSteps(std::uint32_t first, std::uint32_t last, int leaf_bits)
      : first_(first), last_(last), leaf_bits_(leaf_bits) {}
  // All leaves of a section.
  LeafSteps(SectionId section, int leaf_bits)
      : LeafSteps(MerkleTree::Node{leaf_bits - kLeafBitsPerSection, section.value}, leaf_bits) {}
  // All leaves under a node of the tree.
  LeafSteps(MerkleTree::Node node, int leaf_bits)
      : LeafSteps(node.index << (leaf_bits - node.bits),
                  ((node.index + 1) << (leaf_bits - node.bits)) - 1, leaf_bits) {}

  bool done() const { return first_ > last_; }
  // The step to be read. REQUIRES of these and the next two: !done().
  std::uint32_t first() const { return first_; }
  std::uint32_t last() const { return std::min(first_ | (length_ - 1), last_); }
  TokenSpan Span() const {
    return {SpanOf(first_, leaf_bits_).first, SpanOf(last(), leaf_bits_).last};
  }
  // It was read: the next one begins behind it, and is as long as it may be there.
  void Pass() {
    first_ = last() + 1;
    while (length_ < kLongest && (first_ & (length_ * kFactor - 1)) == 0) length_ *= kFactor;
  }
  // It could not be read. True: it was a single leaf, which is passed over.
  bool PassDamage() {
    if (last() == first_) {
      ++first_;
      return true;
    }
    length_ /= kFactor;
    return false;
  }

 private:
  static constexpr std::uint32_t kLongest = 1u << kLeafBitsPerSection;
  static constexpr std::uint32_t kFactor = 16;
  std::uint32_t first_;
  std::uint32_t last_;
  int leaf_bits_;
  std::uint32_t length_ = kLongest;
};

}  // namespace gyre
