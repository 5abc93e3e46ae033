// Three kinds of time that must not be mixed. Nothing here reads a clock: the driver (server or
// simulator) does, and hands `Now` to every handler of the core.
#pragma once

#include <compare>
#include <cstdint>

namespace gyre {

// A span, in microseconds. May be negative.
struct Duration {
  std::int64_t us = 0;

  static constexpr Duration Micros(std::int64_t n) { return {n}; }
  static constexpr Duration Millis(std::int64_t n) { return {n * 1000}; }
  static constexpr Duration Seconds(std::int64_t n) { return {n * 1'000'000}; }
  constexpr std::int64_t ms() const { return us / 1000; }
  constexpr auto operator<=>(const Duration&) const = default;
  constexpr Duration operator+(Duration o) const { return {us + o.us}; }
  constexpr Duration operator-(Duration o) const { return {us - o.us}; }
  constexpr Duration operator*(std::int64_t n) const { return {us * n}; }
};

// A point on this process's monotonic clock. For timeouts; never stored, never sent.
struct Instant {
  std::int64_t us = 0;

  static constexpr Instant Max() { return {INT64_MAX}; }
  constexpr auto operator<=>(const Instant&) const = default;
  constexpr Instant operator+(Duration d) const { return {us + d.us}; }
  constexpr Duration operator-(Instant o) const { return {us - o.us}; }
};

// A point on the wall clock: milliseconds since 1970, UTC. Decides only expiry, truncation age
// and the newest-sibling resolver.
struct WallTime {
  std::int64_t ms = 0;

  constexpr auto operator<=>(const WallTime&) const = default;
};

// What a handler may know of time.
struct Now {
  Instant instant;
  WallTime wall;
};

}  // namespace gyre
