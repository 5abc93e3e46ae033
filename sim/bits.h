// A small growing bit set, over the writes of one key.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace gyre::sim {

class Bits {
 public:
  void Set(std::size_t index) {
    if (index / 64 >= words_.size()) words_.resize(index / 64 + 1);
    words_[index / 64] |= std::uint64_t{1} << (index % 64);
  }
  void Clear(std::size_t index) {
    if (index / 64 < words_.size()) words_[index / 64] &= ~(std::uint64_t{1} << (index % 64));
  }
  bool Test(std::size_t index) const {
    return index / 64 < words_.size() && (words_[index / 64] >> (index % 64) & 1) != 0;
  }
  void Add(const Bits& other) {
    if (other.words_.size() > words_.size()) words_.resize(other.words_.size());
    for (std::size_t i = 0; i < other.words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void Remove(const Bits& other) {
    const std::size_t size = std::min(words_.size(), other.words_.size());
    for (std::size_t i = 0; i < size; ++i) words_[i] &= ~other.words_[i];
  }
  void Intersect(const Bits& other) {
    if (words_.size() > other.words_.size()) words_.resize(other.words_.size());
    for (std::size_t i = 0; i < words_.size(); ++i) words_[i] &= other.words_[i];
  }
  // What is here and not in `other`.
  Bits Without(const Bits& other) const {
    Bits rest = *this;
    rest.Remove(other);
    return rest;
  }
  bool any() const {
    for (const std::uint64_t word : words_) {
      if (word != 0) return true;
    }
    return false;
  }
  std::size_t count() const {
    std::size_t count = 0;
    for (const std::uint64_t word : words_) count += static_cast<std::size_t>(std::popcount(word));
    return count;
  }
  void clear() { words_.clear(); }
  // In rising order.
  std::vector<std::size_t> Indexes() const {
    std::vector<std::size_t> indexes;
    for (std::size_t i = 0; i < words_.size(); ++i) {
      for (std::uint64_t word = words_[i]; word != 0; word &= word - 1) {
        indexes.push_back(i * 64 + static_cast<std::size_t>(std::countr_zero(word)));
      }
    }
    return indexes;
  }

 private:
  std::vector<std::uint64_t> words_;
};

}  // namespace gyre::sim
