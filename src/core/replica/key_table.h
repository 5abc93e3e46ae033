// The keys of which something is in flight, each with its state. Entries are numbered, so that an
// answer finds its own without looking for the key, and those that come and go use the same few
// places of memory over again.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/slot_index.h"
#include "core/key.h"

namespace gyre {

template <typename State>
class KeyTable {
 public:
  using Number = std::uint32_t;
  static constexpr Number kNone = SlotIndex::kNone;

  // kNone: not in it.
  Number Find(const RowKey& key) const {
    if (index_.size() == 0) return kNone;
    return index_.Find(HashOf(key), [&](Number at) { return entries_[at].key == key; });
  }
  // What refers to keys and states in it refers to nothing after this. REQUIRES: not in it.
  Number Insert(const RowKey& key) {
    Number at;
    if (free_.empty()) {
      at = static_cast<Number>(entries_.size());
      entries_.emplace_back();
    } else {
      at = free_.back();
      free_.pop_back();
    }
    entries_[at].key = key;
    index_.Insert(HashOf(key), at);
    return at;
  }
  // Returns the key. REQUIRES: its state is as new.
  RowKey Erase(Number at) {
    index_.Remove(HashOf(entries_[at].key), at);
    free_.push_back(at);
    return std::exchange(entries_[at].key, {});
  }
  const RowKey& KeyOf(Number at) const { return entries_[at].key; }
  State& operator[](Number at) { return entries_[at].state; }

 private:
  struct Entry {
    RowKey key;
    State state{};
  };
  static std::uint32_t HashOf(const RowKey& key) {
    return static_cast<std::uint32_t>(RowKeyHash()(key));
  }

  std::vector<Entry> entries_;
  std::vector<Number> free_;
  SlotIndex index_;
};

}  // namespace gyre
