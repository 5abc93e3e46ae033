// Finds slot numbers by a 32-bit hash of what is in the slot. Open addressing with linear probing,
// at most half full, nothing left behind by a removal. It knows nothing of what the slots hold: the
// caller says whether one with this hash is the one. Unlike a library's table it tells where it
// would look, so that the misses of many lookups can be under way at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace gyre {

class SlotIndex {
 public:
  static constexpr std::uint32_t kNone = UINT32_MAX;

  // The slot with this hash for which `is_it(slot)`; kNone: there is none.
  template <typename IsIt>
  std::uint32_t Find(std::uint32_t hash, IsIt&& is_it) const {
    if (entries_.empty()) return kNone;
    for (std::size_t at = HomeOf(hash); entries_[at].slot != kNone; at = Next(at)) {
      if (entries_[at].hash == hash && is_it(entries_[at].slot)) return entries_[at].slot;
    }
    return kNone;
  }
  // REQUIRES: slot is not in it, and not kNone.
  void Insert(std::uint32_t hash, std::uint32_t slot) {
    if ((size_ + 1) * 2 > entries_.size()) Grow();
    Put({hash, slot});
    ++size_;
  }
  // REQUIRES: it was inserted with this hash.
  void Remove(std::uint32_t hash, std::uint32_t slot) {
    std::size_t at = HomeOf(hash);
    while (entries_[at].slot != slot) {
      GYRE_CHECK(entries_[at].slot != kNone);
      at = Next(at);
    }
    --size_;
    // What was pushed past the gap moves back.
    for (std::size_t next = Next(at); entries_[next].slot != kNone; next = Next(next)) {
      const std::size_t home = HomeOf(entries_[next].hash);
      if (((next - home) & Mask()) < ((next - at) & Mask())) continue;
      entries_[at] = entries_[next];
      at = next;
    }
    entries_[at] = Entry();
  }
  // Fetches the place where Find would begin.
  void Prefetch(std::uint32_t hash) const {
    if (!entries_.empty()) __builtin_prefetch(&entries_[HomeOf(hash)]);
  }
  std::size_t size() const { return size_; }

 private:
  struct Entry {
    std::uint32_t hash = 0;
    std::uint32_t slot = kNone;
  };
  static constexpr std::size_t kFirst = 64;

  std::size_t Mask() const { return entries_.size() - 1; }
  std::size_t HomeOf(std::uint32_t hash) const { return hash & Mask(); }
  std::size_t Next(std::size_t at) const { return (at + 1) & Mask(); }
  void Put(Entry entry) {
    std::size_t at = HomeOf(entry.hash);
    while (entries_[at].slot != kNone) at = Next(at);
    entries_[at] = entry;
  }
  void Grow() {
    std::vector<Entry> old(entries_.empty() ? kFirst : entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (entry.slot != kNone) Put(entry);
    }
  }

  std::vector<Entry> entries_;  // a power of two
  std::size_t size_ = 0;
};

}  // namespace gyre
