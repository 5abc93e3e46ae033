// Bugs made on purpose in how partitions move (docs/adr/0008-moving-partitions.md).
#pragma once

#include <vector>

#include "sim/planted_bugs.h"

namespace gyre::sim {

std::vector<PlantInfo> MovingBugs();

}  // namespace gyre::sim
