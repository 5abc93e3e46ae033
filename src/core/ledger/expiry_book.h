// When rows will be dead of themselves: for each leaf, the first time at which one of its rows will
// have expired. Nobody writes a row when it expires, so somebody has to come and look; without this
// only the scrubber would, once in a cycle, and sessions of half an hour would fill the disk for a
// day.
//
// Times are kept in steps, and a leaf under one step at most, however many rows it has: 32 KiB a
// section that holds such rows, and 8 bytes a leaf. What does not fit is left to the scrubber,
// and so is what was there before the start. Pure; wall times come from outside.
// Invariant: a leaf that has a time lies under it; under later ones it may lie without meaning.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "base/time.h"
#include "core/ids.h"
#include "core/ledger/merkle_tree.h"

namespace gyre {

class ExpiryBook {
 public:
  ExpiryBook(int section_bits, Duration step)
      : section_bits_(section_bits), step_ms_(step.ms() > 0 ? step.ms() : 1) {}

  // A row of this leaf will be dead from `at` on.
  void Note(KeyspaceId keyspace, Token token, WallTime at);
  // Takes a leaf of which a row had been dead by `then`; it has no time any more.
  std::optional<LeafName> TakeDue(WallTime then);
  // Leaves that lie somewhere, those without meaning too.
  std::size_t size() const { return size_; }

  static constexpr std::size_t kSizeMax = 4'000'000;

 private:
  using Step = std::int64_t;  // a time, in steps since 1970; 0: none
  static constexpr std::size_t kLeaves = std::size_t{1} << kLeafBitsPerSection;

  Step& FirstOf(const LeafName& leaf);

  const int section_bits_;
  const std::int64_t step_ms_;
  std::map<KeyspaceId, std::vector<std::vector<Step>>> first_;  // by section, then by leaf
  std::map<Step, std::vector<LeafName>> due_;
  std::size_t size_ = 0;
};

}  // namespace gyre
