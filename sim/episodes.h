// What faults that are drawn one by one seldom bring together: a key is deleted while one of its
// owners is away, the owner comes back, and all is calm until the key is purged; then it is written
// anew. docs/failures.md, 14, 15, 25. While an episode lasts the sessions only read its key.
//
//   written -> owner away -> deleted (written again, deleted again) -> owner back -> calm: purged
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/prng.h"
#include "sim/faults.h"
#include "sim/workload.h"
#include "sim/world.h"

namespace gyre::sim {

class Episodes {
 public:
  // How the owner goes.
  enum class Away : std::uint8_t {
    kKilled,
    kPowerLoss,
    kStopped,
    kCutOff,  // and everybody learns of it
    kCutOffUnnoticed,
    kFrozen,
    kRestored,  // its disk goes back to before the delete
    kNot,       // nobody is away
  };
  static constexpr int kWays = 8;

  struct Counters {
    std::uint64_t begun = 0;
    std::uint64_t deleted = 0;                  // acknowledged, with the owner away
    std::array<std::uint64_t, kWays> back{};    // the owner is back, by how it went
    std::array<std::uint64_t, kWays> purged{};  // ... and the key was purged after that
    std::uint64_t purged_with_hint = 0;         // ... there had been hints of it
    std::uint64_t written_anew = 0;             // after the purge, acknowledged
  };

  Episodes(World& world, Faults& faults, Workload& load, std::uint64_t seed)
      : world_(world), faults_(faults), load_(load), prng_(seed) {}

  // REQUIRES: idle().
  void Begin();
  bool idle() const { return !running_; }
  // No other faults are wanted now.
  bool calm() const { return calm_; }
  const Counters& counters() const { return counters_; }

 private:
  void Later(std::int64_t least_us, std::int64_t most_us, void (Episodes::*step)());
  bool DrawOwner();
  Away DrawAway();
  int DrawOther();
  void Write();
  void Leave();
  void Delete();
  void OnDeleted(bool acknowledged);
  void Return();
  void Look();
  void WriteAnew();
  void End();
  bool HeldAnywhere() const;
  bool HintedAnywhere() const;

  World& world_;
  Faults& faults_;
  Workload& load_;
  Prng prng_;
  Counters counters_;
  bool running_ = false;
  bool calm_ = false;
  std::size_t key_ = 0;
  int owner_ = 0;
  Away away_ = Away::kNot;
  int deletes_left_ = 0;
  bool deleted_ = false;
  bool hinted_ = false;
  bool late_ = false;       // frames come late, and again: some after the purge
  std::uint64_t life_ = 0;  // of the owner, when it went
  std::int64_t look_until_ = 0;
};

std::string_view WayName(Episodes::Away away);

}  // namespace gyre::sim
