// One node's clocks: a monotonic one that runs at its own rate, and a wall clock that also drifts
// against it and jumps, forwards and backwards, by a millisecond or by decades.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace gyre::sim {

class SimClock {
 public:
  // `rate_ppm`: local microseconds in a million of the world's.
  SimClock(WallTime wall, std::int64_t rate_ppm) : wall_us_(wall.ms * 1000), rate_ppm_(rate_ppm) {}

  Now At(std::int64_t world_us) const {
    const std::int64_t passed = Passed(world_us);
    return {Instant{instant_us_ + passed}, WallTime{(wall_us_ + passed) / 1000}};
  }
  // The first time of the world at which the monotonic clock shows at least `instant`.
  std::int64_t WorldTimeOf(Instant instant) const {
    const __int128 wanted = static_cast<__int128>(instant.us) - instant_us_;
    if (wanted <= 0) return since_;
    const __int128 world = (wanted * 1'000'000 + rate_ppm_ - 1) / rate_ppm_ + since_;
    return world > kFarFuture ? kFarFuture : static_cast<std::int64_t>(world);
  }
  void SetRate(std::int64_t world_us, std::int64_t rate_ppm) {
    const std::int64_t passed = Passed(world_us);
    instant_us_ += passed;
    wall_us_ += passed;
    since_ = world_us;
    rate_ppm_ = rate_ppm;
  }
  void JumpWall(Duration by) { wall_us_ += by.us; }
  void SetWall(std::int64_t world_us, WallTime wall) {
    wall_us_ = wall.ms * 1000 - Passed(world_us);
  }

  static constexpr std::int64_t kFarFuture = INT64_MAX / 4;

 private:
  std::int64_t Passed(std::int64_t world_us) const {
    return static_cast<std::int64_t>(static_cast<__int128>(world_us - since_) * rate_ppm_ /
                                     1'000'000);
  }
  std::int64_t since_ = 0;
  std::int64_t instant_us_ = 0;
  std::int64_t wall_us_;
  std::int64_t rate_ppm_;
};

}  // namespace gyre::sim
