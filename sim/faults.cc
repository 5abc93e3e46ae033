#include "sim/faults.h"

#include <numeric>
#include <vector>

#include "sim/world.h"

namespace gyre::sim {
namespace {

struct KindInfo {
  std::string_view name;
  int weight;
};
constexpr KindInfo kKinds[kFaultKinds] = {
    {"process crash", 10}, {"power loss", 10}, {"power loss of all", 2}, {"clean restart", 5},
    {"pause", 6},          {"split", 8},       {"one-way split", 6},     {"link cut", 8},
    {"slow link", 4},      {"link flap", 6},   {"loss burst", 5},        {"double burst", 4},
    {"clock jump", 6},     {"clock rate", 3},  {"disk stall", 5},        {"read errors", 7},
    {"write errors", 6},   {"bit rot", 5},     {"wiped disk", 3},        {"replay burst", 3},
    {"block rot", 2},      {"lost row", 3},    {"leaf rot", 3},          {"restored backup", 4},
};

}  // namespace

std::string_view FaultName(FaultKind kind) { return kKinds[static_cast<int>(kind)].name; }

std::uint64_t Faults::total() const {
  return std::accumulate(injected_.begin(), injected_.end(), std::uint64_t{0});
}

FaultKind Faults::DrawKind() {
  int sum = 0;
  for (const KindInfo& kind : kKinds) sum += kind.weight;
  auto left = static_cast<int>(prng_.Below(static_cast<std::uint64_t>(sum)));
  int kind = 0;
  while (left >= kKinds[kind].weight) left -= kKinds[kind++].weight;
  return static_cast<FaultKind>(kind);
}

std::int64_t Faults::DrawDuration() {
  return prng_.Chance(800'000) ? prng_.Between(1'000, 200'000) : prng_.Between(1'000, 1'500'000);
}

void Faults::InjectAny() {
  constexpr int kTriesMax = 50;
  // Now and then one of the disks is backed up, for a restore to come.
  if (world_.spec().restores && prng_.Chance(200'000)) {
    world_.BackUpNode(static_cast<int>(prng_.Below(world_.node_count())));
  }
  if (world_.spec().wipes_disks && shift_prng_.Chance(250'000)) WipeOneOfTwo();
  for (int i = 0; i < kTriesMax; ++i) {
    if (Inject(DrawKind())) return;
  }
}

bool Faults::Inject(FaultKind kind) {
  const auto injected = [&] {
    switch (kind) {
      case FaultKind::kProcessCrash:
      case FaultKind::kPowerLoss:
      case FaultKind::kCleanRestart:
      case FaultKind::kWipedDisk:
      case FaultKind::kRestoredBackup:
        return Crash(kind);
      case FaultKind::kPowerLossAll:
        return CrashAll();
      case FaultKind::kSplit:
        return Split(/*one_way=*/false);
      case FaultKind::kOneWaySplit:
        return Split(/*one_way=*/true);
      case FaultKind::kLinkCut:
        return CutOneLink();
      case FaultKind::kSlowLink:
        return SlowLink();
      case FaultKind::kLinkFlap:
        return Flap();
      case FaultKind::kLossBurst:
      case FaultKind::kDoubleBurst:
      case FaultKind::kReplayBurst:
        return Burst(kind);
      case FaultKind::kClockJump:
        return JumpClock();
      case FaultKind::kClockRate:
        return ChangeRate();
      case FaultKind::kPause:
      case FaultKind::kDiskStall:
      case FaultKind::kReadErrors:
      case FaultKind::kWriteErrors:
        return DisturbDisk(kind);
      case FaultKind::kBitRot:
      case FaultKind::kBlockRot:
      case FaultKind::kLostRow:
      case FaultKind::kLeafRot:
        return Rot(kind);
    }
    return false;
  }();
  if (injected) {
    ++injected_[static_cast<std::size_t>(kind)];
    world_.Note("fault: " + std::string(FaultName(kind)));
  }
  return injected;
}

bool Faults::Crash(FaultKind kind) {
  const int node = static_cast<int>(prng_.Below(world_.node_count()));
  if (!world_.node(node).up()) return false;
  if (kind == FaultKind::kWipedDisk && !world_.spec().wipes_disks) return false;
  if (kind == FaultKind::kRestoredBackup && !MayRestore(node)) return false;
  if (kind == FaultKind::kWipedDisk && !world_.MayReplaceDisk(node)) return false;
  if (kind == FaultKind::kCleanRestart) {
    if (world_.node(node).paused()) return false;
    world_.StopNode(node);
    world_.node(node).SetVersion(kProtocolVersion);  // one node after the other is upgraded so
  } else {
    world_.CrashNode(node,
                     kind == FaultKind::kProcessCrash ? CrashKind::kProcess : CrashKind::kPower);
    if (kind == FaultKind::kWipedDisk) world_.WipeNode(node);
    if (kind == FaultKind::kRestoredBackup) world_.RestoreNode(node);
  }
  if (prng_.Chance(100'000)) {
    world_.node(node).SetShardCount(static_cast<std::uint16_t>(prng_.Between(1, 3)));
  }
  world_.events().After(DrawDuration(), [this, node] { world_.StartNode(node); });
  return true;
}

// One node misses what the others take, one of these loses its disk, and when both are back a third
// is away: what it shares with the lost disk nobody else has.
void Faults::WipeOneOfTwo() {
  const auto count = static_cast<int>(world_.node_count());
  const int wiped = static_cast<int>(shift_prng_.Below(world_.node_count()));
  const int misses = static_cast<int>(shift_prng_.Below(world_.node_count()));
  if (count < 3 || misses == wiped || !world_.node(misses).up()) return;
  world_.CrashNode(misses, CrashKind::kProcess);
  const auto later = [this](std::int64_t least_us, std::int64_t most_us, auto step) {
    world_.events().After(
        static_cast<std::int64_t>(shift_prng_.Between(static_cast<std::uint64_t>(least_us),
                                                      static_cast<std::uint64_t>(most_us))),
        step);
  };
  later(20'000, 300'000, [this, count, wiped, misses, later] {
    const bool lost = world_.node(wiped).up() && world_.MayReplaceDisk(wiped);
    if (lost) {
      world_.CrashNode(wiped, CrashKind::kPower);
      world_.WipeNode(wiped);
      Count(FaultKind::kWipedDisk);
    }
    later(1'000, 200'000, [this, count, wiped, misses, lost, later] {
      world_.StartNode(misses);
      if (!lost) return;
      world_.StartNode(wiped);
      for (int goes = 0; goes < count; ++goes) {
        if (goes == wiped || goes == misses || !world_.node(goes).up()) continue;
        if (count > 3 && shift_prng_.Chance(500'000)) continue;
        world_.CrashNode(goes, CrashKind::kProcess);
        later(100'000, 2'000'000, [this, goes] { world_.StartNode(goes); });
      }
    });
  });
}

bool Faults::MayRestore(int node) const {
  return world_.spec().restores && world_.node_count() > 1 && world_.HasBackup(node) &&
         world_.MayReplaceDisk(node);
}

bool Faults::CrashAll() {
  bool any = false;
  for (int node = 0; node < static_cast<int>(world_.node_count()); ++node) {
    if (!world_.node(node).up()) continue;
    any = true;
    world_.CrashNode(node, CrashKind::kPower);
    world_.events().After(DrawDuration(), [this, node] { world_.StartNode(node); });
  }
  return any;
}

bool Faults::Split(bool one_way) {
  const int nodes = static_cast<int>(world_.node_count());
  if (nodes < 2) return false;
  std::vector<bool> side(static_cast<std::size_t>(nodes));
  for (std::size_t i = 0; i < side.size(); ++i) side[i] = prng_.Chance(500'000);
  side[prng_.Below(side.size())] = !side[0];
  // Where there are regions, more often than not one is cut off as a whole.
  if (world_.spec().region_distance_us > 0 && prng_.Chance(700'000)) {
    const std::string& region = world_.RegionOf(static_cast<int>(prng_.Below(side.size())));
    for (int i = 0; i < nodes; ++i) {
      side[static_cast<std::size_t>(i)] = world_.RegionOf(i) == region;
    }
  }
  std::vector<std::pair<int, int>> cut;
  for (int a = 0; a < nodes; ++a) {
    for (int b = 0; b < nodes; ++b) {
      const bool from_first = side[static_cast<std::size_t>(a)];
      if (from_first == side[static_cast<std::size_t>(b)]) continue;
      if (one_way && !from_first) continue;
      cut.emplace_back(a, b);
    }
  }
  if (cut.empty()) return false;
  const bool noticed = prng_.Chance(600'000);
  for (const auto& [from, to] : cut) world_.CutLink(from, to, noticed);
  world_.events().After(DrawDuration(), [this, cut] {
    for (const auto& [from, to] : cut) world_.UncutLink(from, to);
  });
  return true;
}

bool Faults::CutOneLink() {
  const std::size_t nodes = world_.node_count();
  if (nodes < 2) return false;
  const int a = static_cast<int>(prng_.Below(nodes));
  const int b =
      static_cast<int>((static_cast<std::size_t>(a) + 1 + prng_.Below(nodes - 1)) % nodes);
  const bool noticed = prng_.Chance(500'000);
  world_.CutLink(a, b, noticed);
  world_.CutLink(b, a, noticed);
  world_.events().After(DrawDuration(), [this, a, b] { world_.UncutLink(a, b); });
  world_.events().After(DrawDuration(), [this, a, b] { world_.UncutLink(b, a); });
  return true;
}

bool Faults::SlowLink() {
  const std::size_t nodes = world_.node_count();
  if (nodes < 2) return false;
  const int a = static_cast<int>(prng_.Below(nodes));
  const int b =
      static_cast<int>((static_cast<std::size_t>(a) + 1 + prng_.Below(nodes - 1)) % nodes);
  world_.network().SetSlowness(a, b, prng_.Between(5, 100));
  world_.events().After(DrawDuration(), [this, a, b] { world_.network().SetSlowness(a, b, 1); });
  return true;
}

bool Faults::Flap() {
  const std::size_t nodes = world_.node_count();
  if (nodes < 2) return false;
  const int a = static_cast<int>(prng_.Below(nodes));
  const int b =
      static_cast<int>((static_cast<std::size_t>(a) + 1 + prng_.Below(nodes - 1)) % nodes);
  world_.FlapLink(a, b);
  return true;
}

bool Faults::Burst(FaultKind kind) {
  if (world_.node_count() < 2 || world_.spec().network.in_order) return false;
  std::uint64_t NetworkProfile::*rate =
      kind == FaultKind::kLossBurst     ? &NetworkProfile::lost_per_million
      : kind == FaultKind::kDoubleBurst ? &NetworkProfile::doubled_per_million
                                        : &NetworkProfile::replayed_per_million;
  const std::uint64_t by = static_cast<std::uint64_t>(prng_.Between(50'000, 400'000));
  if (world_.network().profile().*rate > 50'000) return false;  // there is one already
  world_.network().profile().*rate += by;
  world_.events().After(DrawDuration(), [this, rate, by] {
    std::uint64_t& present = world_.network().profile().*rate;
    present -= std::min(present, by);
  });
  return true;
}

bool Faults::JumpClock() {
  const int index = static_cast<int>(prng_.Below(world_.node_count()));
  SimNode& node = world_.node(index);
  constexpr std::int64_t kMs1970 = 1'000;
  constexpr std::int64_t kMs2038 = 2'147'483'647'000;
  switch (prng_.Below(12)) {
    case 0:
      node.clock().SetWall(world_.events().now(), WallTime{kMs1970});
      break;
    case 1:
      node.clock().SetWall(world_.events().now(), WallTime{kMs2038});
      break;
    case 2:
      node.clock().JumpWall(Duration::Seconds(prng_.Between(-7'200, 7'200)));
      break;
    default:
      node.clock().JumpWall(Duration::Millis(prng_.Between(-3'000, 3'000)));
  }
  // Often somebody sets it right.
  if (prng_.Chance(500'000)) {
    world_.events().After(DrawDuration(), [this, index] { world_.SetClockRight(index); });
  }
  return true;
}

bool Faults::ChangeRate() {
  SimNode& node = world_.node(static_cast<int>(prng_.Below(world_.node_count())));
  node.clock().SetRate(world_.events().now(), prng_.Between(500'000, 2'000'000));
  return true;
}

bool Faults::DisturbDisk(FaultKind kind) {
  SimNode& node = world_.node(static_cast<int>(prng_.Below(world_.node_count())));
  if (!node.up()) return false;
  const std::int64_t end = world_.events().now() + DrawDuration();
  SimStorage& storage = node.storage();
  switch (kind) {
    case FaultKind::kPause:
      node.PauseUntil(end);
      return true;
    case FaultKind::kDiskStall:
      storage.StallUntil(end);
      return true;
    case FaultKind::kReadErrors:
      storage.SetReadErrors(static_cast<std::uint64_t>(prng_.Between(50'000, 1'000'000)));
      world_.events().At(end, [&storage] { storage.SetReadErrors(0); });
      return true;
    case FaultKind::kWriteErrors:
      if (storage.failing()) return false;
      storage.FailWrites();
      world_.events().At(end, [&storage] { storage.Recover(); });
      return true;
    default:
      return false;
  }
}

bool Faults::Rot(FaultKind kind) {
  if (!world_.spec().rots) return false;
  const int node = static_cast<int>(prng_.Below(world_.node_count()));
  const auto& keys = world_.judge().keys();
  const std::size_t key = prng_.Below(keys.size());
  switch (kind) {
    case FaultKind::kLostRow:
      return world_.LoseRow(node, keys[key]);
    case FaultKind::kLeafRot:
      if (world_.node(node).storage().Latest(keys[key]) == nullptr) return false;
      world_.node(node).storage().RotLeaf(keys[key], prng_.Next());
      return true;
    case FaultKind::kBlockRot: {
      bool any = false;
      for (std::size_t i = key; i < std::min(key + 3, keys.size()); ++i) {
        any = world_.RotRow(node, keys[i]) || any;
      }
      return any;
    }
    default:
      return world_.RotRow(node, keys[key]);
  }
}

}  // namespace gyre::sim
