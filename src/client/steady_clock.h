// The one clock of the client.
#pragma once

#include <chrono>

#include "base/time.h"

namespace gyre {

inline Instant SteadyNow() {
  return {std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::steady_clock::now().time_since_epoch())
              .count()};
}
// For the waits of the standard library.
inline std::chrono::steady_clock::time_point ToTimePoint(Instant instant) {
  return std::chrono::steady_clock::time_point(std::chrono::microseconds(instant.us));
}

}  // namespace gyre
