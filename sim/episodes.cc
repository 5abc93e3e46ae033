#include "sim/episodes.h"

#include <algorithm>
#include <vector>

namespace gyre::sim {
namespace {

constexpr std::int64_t kCalmUsMax = 3'000'000;
constexpr std::uint64_t kReplays = 200'000;
constexpr std::uint64_t kSpikes = 30'000;

}  // namespace

std::string_view WayName(Episodes::Away away) {
  constexpr std::string_view kNames[Episodes::kWays] = {
      "killed", "without power", "stopped", "cut off", "cut off unnoticed",
      "frozen", "restored",      "none"};
  return kNames[static_cast<int>(away)];
}

void Episodes::Later(std::int64_t least_us, std::int64_t most_us, void (Episodes::*step)()) {
  world_.events().After(prng_.Between(least_us, most_us), [this, step] { (this->*step)(); });
}

// ---- who and where -----------------------------------------------------------------------------

bool Episodes::DrawOwner() {
  const RowKey& key = world_.judge().keys()[key_];
  std::vector<int> owners;
  for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) {
    if (!world_.node(i).up() || world_.node(i).paused()) continue;
    if (world_.Owns(i, key)) owners.push_back(i);
  }
  if (owners.empty()) return false;
  owner_ = owners[prng_.Below(owners.size())];
  return true;
}

Episodes::Away Episodes::DrawAway() {
  if (world_.node_count() < 2) return Away::kNot;
  const bool may_restore = world_.spec().restores && world_.MayReplaceDisk(owner_);
  if (may_restore && prng_.Chance(400'000)) return Away::kRestored;
  const Away away = static_cast<Away>(prng_.Below(kWays));
  return away == Away::kRestored && !may_restore ? Away::kKilled : away;
}

// Mostly one that is up, and not the owner that is away.
int Episodes::DrawOther() {
  int node = 0;
  for (int tries = 0; tries < 8; ++tries) {
    node = static_cast<int>(prng_.Below(world_.node_count()));
    if (world_.node(node).up() && node != owner_) break;
  }
  return node;
}

bool Episodes::HeldAnywhere() const {
  const RowKey& key = world_.judge().keys()[key_];
  const auto storages = world_.storages();
  return std::any_of(storages.begin(), storages.end(), [&](const SimStorage* storage) {
    return storage->Latest(key) != nullptr || storage->IsRotten(key);
  });
}

bool Episodes::HintedAnywhere() const {
  const RowKey& key = world_.judge().keys()[key_];
  const auto storages = world_.storages();
  return std::any_of(storages.begin(), storages.end(), [&](const SimStorage* storage) {
    return std::any_of(
        world_.spec().members.begin(), world_.spec().members.end(),
        [&](const Member& member) { return storage->Latest(key.OwedTo(member.id)) != nullptr; });
  });
}

// ---- steps -------------------------------------------------------------------------------------

void Episodes::Begin() {
  key_ = prng_.Below(world_.judge().keys().size());
  if (!DrawOwner()) return;
  running_ = true;
  ++counters_.begun;
  hinted_ = deleted_ = false;
  calm_ = prng_.Chance(600'000);
  load_.LeaveAlone(key_);
  load_.Rest(calm_);
  late_ = !world_.spec().network.in_order && prng_.Chance(500'000);
  if (late_) {
    world_.network().profile().replayed_per_million += kReplays;
    world_.network().profile().spike_per_million += kSpikes;
  }
  away_ = DrawAway();
  world_.Note("episode: key " + std::to_string(key_) + ", owner " + std::to_string(owner_) + " " +
              std::string(WayName(away_)));
  Write();
}

void Episodes::Write() {
  sim::Write& write = world_.judge().NewWrite(key_, OpKind::kPut);
  write.value = load_.NewValue();
  write.read_first = prng_.Chance(300'000);
  load_.WriteAt(DrawOther(), write, [this](bool) { Later(0, 50'000, &Episodes::Leave); });
}

void Episodes::Leave() {
  SimNode& node = world_.node(owner_);
  if (!node.up() || node.paused()) away_ = Away::kNot;  // something else has come first
  life_ = node.life();
  switch (away_) {
    case Away::kKilled:
    case Away::kRestored:
      // What it holds now is what it will hold again.
      if (away_ == Away::kRestored) world_.BackUpNode(owner_);
      world_.CrashNode(owner_, CrashKind::kProcess);
      break;
    case Away::kPowerLoss:
      world_.CrashNode(owner_, CrashKind::kPower);
      break;
    case Away::kStopped:
      world_.StopNode(owner_);
      break;
    case Away::kCutOff:
    case Away::kCutOffUnnoticed:
      for (int peer = 0; peer < static_cast<int>(world_.node_count()); ++peer) {
        if (peer == owner_) continue;
        world_.CutLink(peer, owner_, away_ == Away::kCutOff);
        world_.CutLink(owner_, peer, away_ == Away::kCutOff);
      }
      break;
    case Away::kFrozen:
      node.PauseUntil(world_.events().now() + prng_.Between(50'000, 800'000));
      break;
    case Away::kNot:
      break;
  }
  if (!node.up()) life_ = node.life();
  deletes_left_ = static_cast<int>(prng_.Between(1, 4));
  Later(0, prng_.Chance(500'000) ? 5'000 : 200'000, &Episodes::Delete);
}

// Deletes, and perhaps writes again without having seen that, until one is acknowledged.
void Episodes::Delete() {
  --deletes_left_;
  const std::uint64_t choice = prng_.Below(10);
  const OpKind kind = choice < 7 ? OpKind::kDelete : OpKind::kPut;
  sim::Write& write = world_.judge().NewWrite(key_, kind);
  write.read_first = prng_.Chance(500'000);
  if (kind == OpKind::kPut) {
    write.value = load_.NewValue();
    if (choice < 9) write.expiry = load_.NewExpiry();
    if (choice == 9 && deletes_left_ == 0) deletes_left_ = 1;
  }
  const bool deletes = kind == OpKind::kDelete;
  load_.WriteAt(DrawOther(), write,
                [this, deletes](bool acknowledged) { OnDeleted(acknowledged && deletes); });
}

void Episodes::OnDeleted(bool acknowledged) {
  if (acknowledged && !deleted_) ++counters_.deleted;
  deleted_ = deleted_ || acknowledged;
  hinted_ = hinted_ || HintedAnywhere();
  if (deletes_left_ > 0 || (!deleted_ && deletes_left_ > -6))
    return Later(0, 20'000, &Episodes::Delete);
  Later(1'000, prng_.Chance(700'000) ? 200'000 : 1'000'000, &Episodes::Return);
}

void Episodes::Return() {
  hinted_ = hinted_ || HintedAnywhere();
  SimNode& node = world_.node(owner_);
  switch (away_) {
    case Away::kRestored:
      if (!node.up() && node.life() == life_ && world_.MayReplaceDisk(owner_)) {
        world_.RestoreNode(owner_);
        faults_.Count(FaultKind::kRestoredBackup);
      }
      world_.StartNode(owner_);
      break;
    case Away::kKilled:
    case Away::kPowerLoss:
    case Away::kStopped:
      world_.StartNode(owner_);
      break;
    case Away::kCutOff:
    case Away::kCutOffUnnoticed:
      for (int peer = 0; peer < static_cast<int>(world_.node_count()); ++peer) {
        if (peer == owner_) continue;
        world_.UncutLink(peer, owner_);
        world_.UncutLink(owner_, peer);
      }
      break;
    case Away::kFrozen:
      if (node.up() && node.paused()) return Later(1'000, 50'000, &Episodes::Return);
      break;
    case Away::kNot:
      break;
  }
  if (deleted_) ++counters_.back[static_cast<std::size_t>(away_)];
  calm_ = true;
  load_.Rest(!late_);
  // Whose clock is late by hours does not purge what has just been deleted.
  if (prng_.Chance(700'000)) {
    for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) world_.SetClockRight(i);
  }
  look_until_ = world_.events().now() + kCalmUsMax;
  Look();
}

void Episodes::Look() {
  if (HeldAnywhere()) {
    hinted_ = hinted_ || HintedAnywhere();
    if (world_.events().now() < look_until_) return Later(10'000, 30'000, &Episodes::Look);
    return End();
  }
  if (!deleted_) return End();
  ++counters_.purged[static_cast<std::size_t>(away_)];
  counters_.purged_with_hint += hinted_;
  world_.Note("episode: purged");
  if (prng_.Chance(300'000)) return End();
  Later(0, 100'000, &Episodes::WriteAnew);
}

void Episodes::WriteAnew() {
  sim::Write& write = world_.judge().NewWrite(key_, OpKind::kPut);
  write.value = load_.NewValue();
  write.read_first = prng_.Chance(300'000);
  load_.WriteAt(DrawOther(), write, [this](bool acknowledged) {
    counters_.written_anew += acknowledged;
    Later(0, 50'000, &Episodes::End);
  });
}

void Episodes::End() {
  if (late_) {
    NetworkProfile& network = world_.network().profile();
    network.replayed_per_million -= std::min(network.replayed_per_million, kReplays);
    network.spike_per_million -= std::min(network.spike_per_million, kSpikes);
  }
  load_.LeaveAlone(std::nullopt);
  load_.Rest(false);
  calm_ = false;
  running_ = false;
}

}  // namespace gyre::sim
