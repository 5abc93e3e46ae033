// The logarithms of the protocol's formulas, in thousandths, without floating point: the same on
// every machine.
#pragma once

#include <bit>
#include <cstdint>

namespace gyre {

// 1000 * log2(n), at most 86 too low: straight lines between the powers of two. REQUIRES: n >= 1,
// n < 2^54.
constexpr std::int64_t Log2Milli(std::uint64_t n) {
  const int whole = std::bit_width(n) - 1;
  const std::uint64_t part = ((n << 10) >> whole) - 1024;
  return whole * 1000 + static_cast<std::int64_t>(part * 1000 / 1024);
}
// 1000 * log10(n), as near.
constexpr std::int64_t Log10Milli(std::uint64_t n) { return Log2Milli(n) * 1000 / 3322; }

}  // namespace gyre
