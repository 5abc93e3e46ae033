// The keys that a connection's commands in flight touch, by 64-bit hash. Two keys of one hash count
// as one: then a command waits that need not, never the other way round.
#pragma once

#include <cstdint>
#include <vector>

#include "base/check.h"
#include "server/resp/command_table.h"

namespace gyre {

class KeyConflicts {
 public:
  // Must a command that touches a key in the way `later` wait for one that touches it in the way
  // `earlier`? REQUIRES: kRead, kSet or kWrite.
  static constexpr bool Conflict(KeyAccess earlier, KeyAccess later) {
    return earlier != later || earlier == KeyAccess::kWrite;
  }
  // Must a command that touches the key in this way wait? REQUIRES: kRead, kSet or kWrite.
  bool Conflicts(std::uint64_t hash, KeyAccess access) const {
    if (used_ == 0) return false;
    const Entry& entry = entries_[Find(hash)];
    switch (access) {
      case KeyAccess::kRead:
        return entry.sets + entry.writes > 0;
      case KeyAccess::kSet:
        return entry.reads + entry.writes > 0;
      default:
        return entry.reads + entry.sets + entry.writes > 0;
    }
  }
  void Add(std::uint64_t hash, KeyAccess access) {
    if ((used_ + 1) * 2 > entries_.size()) Grow();
    Entry& entry = entries_[Find(hash)];
    if (entry.empty()) {
      entry.hash = hash;
      ++used_;
    }
    ++CountOf(entry, access);
  }
  // REQUIRES: Add was called with the same.
  void Remove(std::uint64_t hash, KeyAccess access) {
    std::size_t at = Find(hash);
    std::uint32_t& count = CountOf(entries_[at], access);
    GYRE_CHECK(count > 0);
    --count;
    if (!entries_[at].empty()) return;
    --used_;
    // Closes the gap: what was pushed past it moves back.
    const std::size_t mask = entries_.size() - 1;
    for (std::size_t next = (at + 1) & mask; !entries_[next].empty(); next = (next + 1) & mask) {
      const std::size_t home = HomeOf(entries_[next].hash);
      if (((next - home) & mask) < ((next - at) & mask)) continue;
      entries_[at] = entries_[next];
      entries_[next] = Entry();
      at = next;
    }
    if (used_ == 0 && entries_.size() > kKeptMax) entries_ = std::vector<Entry>();
  }
  std::size_t size() const { return used_; }

 private:
  struct Entry {
    std::uint64_t hash = 0;
    std::uint32_t reads = 0, sets = 0, writes = 0;
    bool empty() const { return (reads | sets | writes) == 0; }
  };
  static constexpr std::size_t kFirst = 32;
  static constexpr std::size_t kKeptMax = 256;

  static std::uint32_t& CountOf(Entry& entry, KeyAccess access) {
    return access == KeyAccess::kRead  ? entry.reads
           : access == KeyAccess::kSet ? entry.sets
                                       : entry.writes;
  }
  std::size_t HomeOf(std::uint64_t hash) const {
    return static_cast<std::size_t>((hash * 0x9E3779B97F4A7C15u) >> 32) & (entries_.size() - 1);
  }
  // Where the hash is, or would be.
  std::size_t Find(std::uint64_t hash) const {
    const std::size_t mask = entries_.size() - 1;
    std::size_t at = HomeOf(hash);
    while (!entries_[at].empty() && entries_[at].hash != hash) at = (at + 1) & mask;
    return at;
  }
  void Grow() {
    std::vector<Entry> old(entries_.empty() ? kFirst : entries_.size() * 2);
    old.swap(entries_);
    for (const Entry& entry : old) {
      if (!entry.empty()) entries_[Find(entry.hash)] = entry;
    }
  }

  std::vector<Entry> entries_;  // a power of two, at most half full
  std::size_t used_ = 0;
};

}  // namespace gyre
