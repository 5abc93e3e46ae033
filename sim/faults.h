// What goes wrong, and for how long. Chosen by the seed, injected while the load runs.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/prng.h"

namespace gyre::sim {

class World;

enum class FaultKind : std::uint8_t {
  kProcessCrash,  // killed; what the disk had been given stays
  kPowerLoss,     // unsynced writes are gone
  kPowerLossAll,  // every node at once
  kCleanRestart,  // stopped and started again in order
  kPause,         // as SIGSTOP
  kSplit,         // two halves that do not hear each other
  kOneWaySplit,   // messages pass in one direction only
  kLinkCut,       // one pair of nodes
  kSlowLink,
  kLinkFlap,     // the link goes down and up again, nothing is lost
  kLossBurst,    // one in a few messages lost
  kDoubleBurst,  // many doubled, and out of order
  kClockJump,    // the wall clock, by a second or by decades
  kClockRate,    // runs at up to twice or half its rate
  kDiskStall,
  kReadErrors,
  kWriteErrors,     // all writes fail until the disk recovers
  kBitRot,          // one row cannot be read any more
  kWipedDisk,       // crash, and an empty disk under the old name
  kReplayBurst,     // frames come once more, seconds later
  kBlockRot,        // several rows cannot be read any more, nor scans over them
  kLostRow,         // a row is gone behind everybody's back: its leaf still counts it
  kLeafRot,         // the stored sum of a leaf is another one; seen from the next start on
  kRestoredBackup,  // crash, and the disk as it was some time ago
};
inline constexpr int kFaultKinds = 24;
std::string_view FaultName(FaultKind kind);

class Faults {
 public:
  Faults(World& world, std::uint64_t seed) : world_(world), prng_(seed), shift_prng_(~seed) {}

  // Injects one fault now, and plans its end.
  void InjectAny();
  // False if it cannot be had now (the node is down already, there is no row to rot, ...).
  bool Inject(FaultKind kind);

  const std::array<std::uint64_t, kFaultKinds>& injected() const { return injected_; }
  std::uint64_t total() const;
  // One was injected by somebody else.
  void Count(FaultKind kind) { ++injected_[static_cast<std::size_t>(kind)]; }

 private:
  FaultKind DrawKind();
  std::int64_t DrawDuration();
  bool Crash(FaultKind kind);
  void WipeOneOfTwo();
  bool MayRestore(int node) const;
  bool CrashAll();
  bool Split(bool one_way);
  bool CutOneLink();
  bool SlowLink();
  bool Flap();
  bool Burst(FaultKind kind);
  bool JumpClock();
  bool ChangeRate();
  bool DisturbDisk(FaultKind kind);
  bool Rot(FaultKind kind);

  World& world_;
  Prng prng_;
  Prng shift_prng_;  // of WipeOneOfTwo, so that all else is drawn as without it
  std::array<std::uint64_t, kFaultKinds> injected_{};
};

}  // namespace gyre::sim
