#include "base/slot_index.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace gyre {
namespace {

// Goal: whatever comes and goes, also with equal hashes and such that lie beside each other, what
// is in it is found and nothing else.
RC_GTEST_PROP(SlotIndexTest, FindsWhatIsInIt, ()) {
  SlotIndex index;
  std::map<std::uint32_t, std::uint32_t> hash_of;  // by slot
  const int steps = *rc::gen::inRange(0, 400);
  for (int i = 0; i < steps; ++i) {
    const auto slot = *rc::gen::inRange<std::uint32_t>(0, 60);
    const auto found = hash_of.find(slot);
    if (found == hash_of.end()) {
      // Around the end of the table too, where probing wraps.
      const std::uint32_t hash = *rc::gen::inRange<std::uint32_t>(0, 12) - 6;
      index.Insert(hash, slot);
      hash_of[slot] = hash;
    } else {
      index.Remove(found->second, slot);
      hash_of.erase(found);
    }
    RC_ASSERT(index.size() == hash_of.size());
    for (std::uint32_t wanted = 0; wanted < 60; ++wanted) {
      const auto entry = hash_of.find(wanted);
      for (std::uint32_t hash = -6; hash != 6; ++hash) {
        const bool in = entry != hash_of.end() && entry->second == hash;
        RC_ASSERT(index.Find(hash, [&](std::uint32_t s) { return s == wanted; }) ==
                  (in ? wanted : SlotIndex::kNone));
      }
    }
  }
}

}  // namespace
}  // namespace gyre
