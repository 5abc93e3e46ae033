// Objects in flight, found by RequestId in O(1) without hashing. An id is not given out again for
// 2^40 generations of its slot, and the first generation is drawn by chance, so a late answer to a
// finished request, or to the process before a restart, finds nothing.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/prng.h"
#include "core/ids.h"

namespace gyre {

template <typename T>
class SlotMap {
 public:
  explicit SlotMap(Prng& prng) : generation_(prng.Next() >> (64 - kGenerationBits)) {}

  RequestId Insert(T object) {
    std::uint32_t slot;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(slots_.size());
      GYRE_CHECK(slot < (1u << kSlotBits));
      slots_.push_back({});
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].object = std::move(object);
    ++size_;
    return NameAnew(slot);
  }
  // The same object gets another id; its old one names nothing any more. REQUIRES: Find(id) !=
  // nullptr.
  RequestId Renew(RequestId id) {
    GYRE_CHECK(Find(id) != nullptr);
    return NameAnew(SlotOf(id));
  }
  // Null if the id names nothing (any more).
  T* Find(RequestId id) {
    const std::uint32_t slot = SlotOf(id);
    if (slot >= slots_.size() || slots_[slot].id != id || id.value == 0) return nullptr;
    return &slots_[slot].object;
  }
  // Takes the object out. REQUIRES: Find(id) != nullptr.
  T Take(RequestId id) {
    GYRE_CHECK(Find(id) != nullptr);
    const std::uint32_t slot = SlotOf(id);
    slots_[slot].id = RequestId{};
    free_.push_back(slot);
    --size_;
    return std::exchange(slots_[slot].object, T{});
  }
  // The ids present, in slot order: the same on every run.
  std::vector<RequestId> Ids() const {
    std::vector<RequestId> ids;
    for (const Slot& slot : slots_) {
      if (slot.id.value != 0) ids.push_back(slot.id);
    }
    return ids;
  }
  std::size_t size() const { return size_; }

 private:
  static constexpr int kSlotBits = 24;
  static constexpr int kGenerationBits = 40;
  struct Slot {
    RequestId id;  // 0: free
    T object{};
  };
  static std::uint32_t SlotOf(RequestId id) {
    return static_cast<std::uint32_t>(id.value & ((1u << kSlotBits) - 1));
  }
  RequestId NameAnew(std::uint32_t slot) {
    generation_ = (generation_ + 1) & ((std::uint64_t{1} << kGenerationBits) - 1);
    slots_[slot].id = RequestId((generation_ << kSlotBits) | slot);
    if (slots_[slot].id.value == 0) slots_[slot].id.value = std::uint64_t{1} << kSlotBits;
    return slots_[slot].id;
  }

  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_;
  std::uint64_t generation_;
  std::size_t size_ = 0;
};

}  // namespace gyre
