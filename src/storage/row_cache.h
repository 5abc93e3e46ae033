// One session's hot rows, in front of RocksDB; also where its uncommitted writes are read from.
// One thread, no lock. Eviction is CLOCK: a hit costs one bit, not a list update.
//
// A write pins its row until the database has it, which is after it is answered: writes are
// numbered in the order asked, they commit in that order, and a row is pinned while its number is
// above `committed`. So nothing is looked up when a commit completes. Invariant: after each call
// bytes() is at most bytes_max + pending_bytes().
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <span>
#include <vector>

#include "base/slot_index.h"
#include "core/key.h"
#include "storage/engine.h"

namespace gyre {

class RowCache {
 public:
  explicit RowCache(std::size_t bytes_max);
  RowCache(const RowCache&) = delete;
  RowCache& operator=(const RowCache&) = delete;

  // Null: not here. Nothing in it: there is no such row, whatever the database still has. Valid
  // until the next call that is not const.
  const std::optional<Row>* Find(const RowKey& key);
  // Starts to fetch these rows into the processor's caches, the misses of all at once instead of
  // one after the other.
  void Prefetch(std::span<const RowKey* const> keys) const;
  // A row read from disk. Ignored if the key is here already (what is here is newer) or the row is
  // a large part of the cache.
  void PutRead(const RowKey& key, const Row& row);
  // A write, the `number`th of the session; nullopt: a removal, which hides the row that the
  // database has until it is committed. One that passes is not kept once it is committed, unless
  // somebody has asked for it: a stream of millions must not throw out what is hot. REQUIRES: key
  // and record own their blocks (Compact), unless it passes.
  void PutWrite(const RowKey& key, const std::optional<Row>& row, std::uint64_t number,
                bool passing = false);
  // All writes up to `number` are in the database or have failed; `bytes` is the sum of Charge over
  // those since the last call.
  void SetCommitted(std::uint64_t number, std::size_t bytes);
  // Forgets every row written after `number`, as those writes failed.
  // Cost: O(rows); failures are rare.
  void DropWritesAfter(std::uint64_t number);
  // Forgets every row that the database should have. Cost: O(rows).
  void DropCommitted();

  // What a row counts for in bytes_max and bytes().
  static std::size_t Charge(const RowKey& key, const std::optional<Row>& row);
  std::size_t bytes() const { return bytes_; }
  // Sum of Charge over the writes that are not committed.
  std::size_t pending_bytes() const { return pending_bytes_; }

 private:
  struct Slot {
    RowKey key;
    std::optional<Row> row;
    std::uint64_t write_number = 0;  // 0: read
    bool in_use = false;
    bool referenced = false;
  };
  static std::uint32_t HashOf(const RowKey& key) {
    return static_cast<std::uint32_t>(RowKeyHash()(key));
  }
  // SlotIndex::kNone: not here.
  std::uint32_t SlotOf(const RowKey& key) const {
    return index_.Find(HashOf(key), [&](std::uint32_t slot) { return slots_[slot].key == key; });
  }
  // What is kept must not hold more than itself.
  static void Compact(Slot& slot) {
    const auto compact = [](Bytes& bytes) {
      if (bytes.block_bytes() != bytes.size()) bytes = bytes.Compact();
    };
    compact(slot.key.key);
    if (slot.row) compact(slot.row->record);
  }
  bool Pinned(const Slot& slot) const { return slot.write_number > committed_; }
  std::uint32_t Insert(const RowKey& key, const std::optional<Row>& row,
                       std::uint64_t write_number);
  void Remove(std::uint32_t slot);
  void RemovePassed();
  void Trim();

  const std::size_t bytes_max_;
  std::uint64_t committed_ = 0;
  std::size_t bytes_ = 0;
  std::size_t pending_bytes_ = 0;

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint32_t hand_ = 0;
  SlotIndex index_;
  struct Passing {
    std::uint64_t number;
    std::uint32_t slot;
  };
  std::deque<Passing> passing_;  // not committed yet
};

}  // namespace gyre
