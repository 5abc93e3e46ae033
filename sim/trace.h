// The trace of a run as one number: everything that happens is mixed in, in order (G9). With a log
// it also prints a line for each event, for looking into one seed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/hash.h"

namespace gyre::sim {

class Trace {
 public:
  void Mix(std::uint64_t value) {
    std::uint64_t z = hash_ + 0x9E3779B97F4A7C15u + value;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    hash_ = z ^ (z >> 31);
  }
  void Mix(std::string_view bytes) { Mix(Xxh3_64(bytes)); }
  template <typename... Values>
  void Event(std::int64_t time, const Values&... values) {
    Mix(static_cast<std::uint64_t>(time));
    (Mix(values), ...);
  }
  std::uint64_t hash() const { return hash_; }

 private:
  std::uint64_t hash_ = 0;
};

}  // namespace gyre::sim
