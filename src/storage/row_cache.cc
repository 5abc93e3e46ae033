#include "storage/row_cache.h"

#include <algorithm>
#include <array>

namespace gyre {
namespace {

// A larger share of the cache than this is not worth one row that was read.
constexpr std::size_t kReadShareMax = 8;
constexpr std::size_t kLine = 64;  // of the processor's caches

std::size_t RecordBytes(const std::optional<Row>& row) { return row ? row->record.size() : 0; }

}  // namespace

RowCache::RowCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

std::size_t RowCache::Charge(const RowKey& key, const std::optional<Row>& row) {
  constexpr std::size_t kIndexBytes = 24;  // at the usual load, and a free-list entry
  constexpr std::size_t kBlockBytes = 2 * 16;
  return sizeof(Slot) + kIndexBytes + kBlockBytes + key.key.size() + RecordBytes(row);
}

const std::optional<Row>* RowCache::Find(const RowKey& key) {
  const std::uint32_t at = SlotOf(key);
  if (at == SlotIndex::kNone) return nullptr;
  slots_[at].referenced = true;
  return &slots_[at].row;
}

void RowCache::Prefetch(std::span<const RowKey* const> keys) const {
  std::array<const Slot*, 64> found;
  keys = keys.first(std::min(keys.size(), found.size()));
  for (const RowKey* key : keys) index_.Prefetch(HashOf(*key));
  std::size_t count = 0;
  for (const RowKey* key : keys) {
    // By its hash alone: to ask the slot would be to wait for it.
    const std::uint32_t at = index_.Find(HashOf(*key), [](std::uint32_t) { return true; });
    if (at == SlotIndex::kNone) continue;
    const char* const slot = reinterpret_cast<const char*>(&slots_[at]);
    for (std::size_t line = 0; line < sizeof(Slot); line += kLine) __builtin_prefetch(slot + line);
    found[count++] = &slots_[at];
  }
  for (std::size_t i = 0; i < count; ++i) {
    __builtin_prefetch(found[i]->key.key.data());
    if (!found[i]->row) continue;
    const char* const record = found[i]->row->record.data();
    __builtin_prefetch(record);
    __builtin_prefetch(record + kLine);
  }
}

void RowCache::PutRead(const RowKey& key, const Row& row) {
  if (Charge(key, row) > bytes_max_ / kReadShareMax || SlotOf(key) != SlotIndex::kNone) {
    return;
  }
  RowKey own_key = key;
  own_key.key = key.key.Compact();
  Insert(own_key, row, /*write_number=*/0);
  Trim();
}

void RowCache::PutWrite(const RowKey& key, const std::optional<Row>& row, std::uint64_t number,
                        bool passing) {
  GYRE_DCHECK(number > committed_);
  pending_bytes_ += Charge(key, row);
  if (const std::uint32_t at = SlotOf(key); at != SlotIndex::kNone) {
    Slot& slot = slots_[at];
    bytes_ += RecordBytes(row);
    bytes_ -= RecordBytes(slot.row);
    slot.row = row;
    Compact(slot);
    slot.write_number = number;
    slot.referenced = true;
  } else {
    const std::uint32_t taken = Insert(key, row, number);
    if (passing) passing_.push_back({number, taken});
  }
  Trim();
}

void RowCache::SetCommitted(std::uint64_t number, std::size_t bytes) {
  GYRE_CHECK(number >= committed_ && bytes <= pending_bytes_);
  committed_ = number;
  pending_bytes_ -= bytes;
  RemovePassed();
  Trim();
}

void RowCache::DropWritesAfter(std::uint64_t number) {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].in_use && slots_[i].write_number > number) Remove(i);
  }
}

void RowCache::DropCommitted() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].in_use && !Pinned(slots_[i])) Remove(i);
  }
}

std::uint32_t RowCache::Insert(const RowKey& key, const std::optional<Row>& row,
                               std::uint64_t write_number) {
  std::uint32_t at;
  if (free_.empty()) {
    at = static_cast<std::uint32_t>(slots_.size());
    slots_.emplace_back();
  } else {
    at = free_.back();
    free_.pop_back();
  }
  slots_[at] = Slot{key, row, write_number, /*in_use=*/true, /*referenced=*/false};
  bytes_ += Charge(key, row);
  index_.Insert(HashOf(key), at);
  return at;
}

void RowCache::Remove(std::uint32_t at) {
  index_.Remove(HashOf(slots_[at].key), at);
  bytes_ -= Charge(slots_[at].key, slots_[at].row);
  slots_[at] = Slot{};
  free_.push_back(at);
}

void RowCache::RemovePassed() {
  while (!passing_.empty() && passing_.front().number <= committed_) {
    const Passing passed = passing_.front();
    passing_.pop_front();
    // Else another row is there by now, or another write of this one.
    Slot& slot = slots_[passed.slot];
    if (slot.write_number != passed.number) continue;
    slot.referenced ? Compact(slot) : Remove(passed.slot);
  }
}

// The loop ends: while it runs, some row is not pinned, and the second pass of the hand takes it.
void RowCache::Trim() {
  while (bytes_ > bytes_max_ + pending_bytes_) {
    if (hand_ >= slots_.size()) hand_ = 0;
    Slot& slot = slots_[hand_];
    if (slot.in_use && !Pinned(slot)) {
      if (slot.referenced) {
        slot.referenced = false;
      } else {
        Remove(hand_);
      }
    }
    ++hand_;
  }
}

}  // namespace gyre
