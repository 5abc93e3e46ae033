// How far a change of members is, looked at now and then: for `gyre cluster commit --wait`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "server/rate_window.h"

namespace gyre {

// As a node tells it.
struct MovesLeft {
  std::uint64_t number = 0;      // of its layout
  std::uint64_t partitions = 0;  // that move
  std::uint64_t arrived = 0;     // copies that have arrived, and whose partition has not settled
  std::vector<std::string> leaving;  // members that have not handed over all they have

  bool operator==(const MovesLeft&) const = default;
};

class MoveProgress {
 public:
  // Waits for layout `number` or a later one. `patience`: how long nothing may change.
  MoveProgress(std::uint64_t number, Duration patience) : number_(number), patience_(patience) {}

  // `now` never falls.
  void Note(const MovesLeft& left, Instant now);
  bool done() const { return begun() && left_.partitions == 0 && left_.leaving.empty(); }
  bool stuck() const { return !done() && now_ - changed_ >= patience_; }
  // "12 partitions still move, 3.5 a second, about 4 s left"
  std::string Line() const;

 private:
  bool begun() const { return left_.number >= number_; }

  const std::uint64_t number_;
  const Duration patience_;
  bool any_ = false;
  MovesLeft left_;
  std::uint64_t settled_ = 0;  // since the first look
  RateWindow rate_;
  Instant now_;
  Instant changed_;
};

}  // namespace gyre
