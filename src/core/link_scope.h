// Which links between nodes a setting applies to.
#pragma once

#include <cstdint>
#include <string_view>

namespace gyre {

enum class LinkScope : std::uint8_t { kNone, kRegions, kAll };  // kRegions: between two regions

// Does it apply to the link between nodes of these regions?
constexpr bool Covers(LinkScope scope, std::string_view region, std::string_view other) {
  return scope == LinkScope::kAll || (scope == LinkScope::kRegions && region != other);
}

}  // namespace gyre
