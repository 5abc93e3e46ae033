#include "server/config_values.h"

#include <charconv>
#include <iterator>

namespace gyre {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// The first of a factor is the one that is printed; largest first.
constexpr Unit kSizeUnits[] = {
    {"GiB", 1u << 30}, {"MiB", 1u << 20}, {"KiB", 1u << 10}, {"GB", 1u << 30}, {"MB", 1u << 20},
    {"KB", 1u << 10},  {"g", 1u << 30},   {"m", 1u << 20},   {"k", 1u << 10},
};
constexpr Unit kDurationUnits[] = {
    {"d", 86'400'000'000}, {"h", 3'600'000'000}, {"m", 60'000'000},
    {"s", 1'000'000},      {"ms", 1'000},        {"us", 1},
};

// Splits "64 MiB" into 64 and "MiB". False if there are no digits, or too many.
bool SplitNumber(std::string_view text, std::uint64_t& number, std::string_view& unit) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return false;
  unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  return true;
}

template <std::size_t count>
std::uint64_t FactorOf(std::string_view name, const Unit (&units)[count]) {
  for (const Unit& unit : units) {
    if (unit.name == name) return unit.factor;
  }
  return 0;
}

template <std::size_t count>
std::string UnitText(std::uint64_t value, const Unit (&units)[count]) {
  if (value == 0) return "0";
  for (const Unit& unit : units) {
    if (value % unit.factor == 0) {
      return std::to_string(value / unit.factor) + std::string(unit.name);
    }
  }
  return std::to_string(value);
}

}  // namespace

Result<std::uint64_t> ParseWhole(std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t number = 0;
  std::string_view rest;
  if (SplitNumber(text, number, rest) && rest.empty() && text.back() != ' ' && number >= low &&
      number <= high) {
    return number;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
}

Result<std::uint64_t> ParseSize(std::string_view text, std::uint64_t low, std::uint64_t high) {
  std::uint64_t number = 0;
  std::string_view unit;
  if (SplitNumber(text, number, unit)) {
    const std::uint64_t factor = unit.empty() ? 1 : FactorOf(unit, kSizeUnits);
    if (factor != 0 && number <= high / factor && number * factor >= low) return number * factor;
  }
  return Fail(ErrorCode::kInvalidArgument,
              "a size such as 64MiB, from " + SizeText(low) + " to " + SizeText(high));
}

std::string SizeText(std::uint64_t bytes) { return UnitText(bytes, kSizeUnits); }

Result<Duration> ParseDuration(std::string_view text, Duration low, Duration high) {
  std::uint64_t number = 0;
  std::string_view unit;
  if (SplitNumber(text, number, unit)) {
    const std::uint64_t factor = unit.empty() && number == 0 ? 1 : FactorOf(unit, kDurationUnits);
    if (factor != 0 && number <= static_cast<std::uint64_t>(high.us) / factor) {
      const Duration duration{static_cast<std::int64_t>(number * factor)};
      if (duration >= low) return duration;
    }
  }
  return Fail(ErrorCode::kInvalidArgument, "a duration such as 500ms, 2s or 24h, from " +
                                               DurationText(low) + " to " + DurationText(high));
}

std::string DurationText(Duration duration) {
  return UnitText(static_cast<std::uint64_t>(duration.us < 0 ? 0 : duration.us), kDurationUnits);
}

}  // namespace gyre
