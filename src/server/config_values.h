// Values of settings as people write them: sizes, durations, whole numbers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace gyre {

// Digits only, in [low, high]. Errors: kInvalidArgument naming the range.
Result<std::uint64_t> ParseWhole(std::string_view text, std::uint64_t low, std::uint64_t high);
// "4096", "64KiB", "8 MiB", "1GiB" (also KB, MB, GB and k, m, g, all powers of 1024).
Result<std::uint64_t> ParseSize(std::string_view text, std::uint64_t low, std::uint64_t high);
std::string SizeText(std::uint64_t bytes);  // "64MiB"; exact
// "500ms", "2s", "10m", "24h", "7d", "0". A bare number other than 0 is refused: its unit is
// unknown.
Result<Duration> ParseDuration(std::string_view text, Duration low, Duration high);
std::string DurationText(Duration duration);  // "500ms"; exact

}  // namespace gyre
