// Paper 4.4: clocks stay short. Declared in merge.h.
#include <algorithm>
#include <tuple>
#include <vector>

#include "core/causality/merge.h"

namespace gyre {

int Truncate(Record& record, const Dot& keep, WallTime now, const ApplyLimits& limits) {
  if (record.clock.size() <= limits.clock_entries_max) return 0;
  const std::size_t excess = record.clock.size() - limits.clock_entries_max;
  const WallTime safe{now.ms - limits.clock_entry_age_safe.ms()};

  std::vector<VersionVector::Entry> droppable;
  auto sibling = record.siblings.begin();
  for (const VersionVector::Entry& entry : record.clock.entries()) {
    const auto counter = std::tie(entry.actor, entry.epoch);
    while (sibling != record.siblings.end() &&
           std::tie(sibling->dot.actor, sibling->dot.epoch) < counter) {
      ++sibling;
    }
    const bool named = sibling != record.siblings.end() &&
                       std::tie(sibling->dot.actor, sibling->dot.epoch) == counter;
    const bool kept = std::tie(keep.actor, keep.epoch) == counter;
    if (!named && !kept && entry.time < safe) droppable.push_back(entry);
  }
  std::sort(droppable.begin(), droppable.end(), [](const auto& a, const auto& b) {
    return std::tie(a.time, a.actor, a.epoch) < std::tie(b.time, b.actor, b.epoch);
  });
  if (droppable.size() > excess) droppable.resize(excess);
  for (const VersionVector::Entry& entry : droppable) {
    record.clock.Remove(entry.actor, entry.epoch);
  }
  return static_cast<int>(droppable.size());
}

}  // namespace gyre
