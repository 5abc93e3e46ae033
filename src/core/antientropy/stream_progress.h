// How far one stream of a partition is (range_stream.h).
#pragma once

#include <cstdint>

#include "base/time.h"
#include "core/ids.h"

namespace gyre {

struct StreamProgress {
  NodeId peer;  // that gives
  Instant began;
  // Rows are spread evenly over the leaves, so these tell what is left.
  std::uint32_t leaves = 0;
  std::uint32_t leaves_done = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

}  // namespace gyre
