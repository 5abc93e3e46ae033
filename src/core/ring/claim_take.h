// Which of their partitions the others give to a joiner. Called by claim_change.cc only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/ring/claim_layout.h"

namespace gyre {

struct Taking {
  std::uint32_t joiner = 0;
  std::vector<std::uint32_t> given;  // to the joiner, by each of the layout's members
  std::size_t members = 0;           // when the change is over
  std::uint64_t chance = 0;          // decides between equals
};
// The layout after it: nodes are crowded as little as a search of bounded work finds, and what is
// given lies evenly around the ring.
// REQUIRES: the joiner owns nothing yet; nobody gives more than it has.
ClaimLayout TakeForJoiner(ClaimLayout layout, const Taking& taking);

}  // namespace gyre
