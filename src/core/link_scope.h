// Which links between nodes a setting applies to.
#pragma once

#include <cstdint>

namespace gyre {

enum class LinkScope : std::uint8_t { kNone, kRegions, kAll };  // kRegions: between two regions

}  // namespace gyre
