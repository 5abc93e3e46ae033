#include "core/causality/actor.h"

#include <algorithm>

#include "base/codec.h"
#include "base/hash.h"

namespace gyre {
namespace {

constexpr std::uint8_t kCleanStopVersion = 1;
constexpr std::size_t kFingerprintBytesMax = 4'096;
constexpr std::size_t kShardsMax = 65'535;
constexpr std::size_t kShardBytesMin = 9;  // actor 8, next epoch at least 1
constexpr std::size_t kGuardBytes = 4;

bool Holds(const std::vector<ShardActor>& shards, ActorId actor) {
  return std::any_of(shards.begin(), shards.end(),
                     [actor](const ShardActor& shard) { return shard.actor == actor; });
}

}  // namespace

std::string EncodeCleanStop(const CleanStop& stop) {
  GYRE_CHECK(stop.fingerprint.size() <= kFingerprintBytesMax && stop.shards.size() <= kShardsMax);
  std::size_t size = 1 + SizedBytes(stop.fingerprint.size()) + VarintBytes(stop.shards.size());
  for (const ShardActor& shard : stop.shards) size += 8 + VarintBytes(shard.next_epoch);
  std::string bytes(size + kGuardBytes, '\0');
  Writer out(bytes.data());
  out.U8(kCleanStopVersion);
  out.Sized(stop.fingerprint);
  out.Varint(stop.shards.size());
  for (const ShardActor& shard : stop.shards) {
    out.U64(shard.actor.value);
    out.Varint(shard.next_epoch);
  }
  out.U32(Crc32c(std::string_view(bytes).substr(0, size)));
  return bytes;
}

Result<CleanStop> DecodeCleanStop(std::string_view bytes) {
  const auto corrupt = Fail(ErrorCode::kCorruption, "the note of the last clean stop is damaged");
  if (bytes.size() < kGuardBytes) return corrupt;
  const std::string_view guarded = bytes.substr(0, bytes.size() - kGuardBytes);
  if (Reader(bytes.substr(guarded.size())).U32() != Crc32c(guarded)) return corrupt;
  Reader in(guarded);
  if (in.U8() != kCleanStopVersion) return corrupt;
  CleanStop stop;
  stop.fingerprint = in.Sized(kFingerprintBytesMax);
  const std::uint64_t count = in.VarintAtMost(kShardsMax);
  if (count > in.remaining() / kShardBytesMin) return corrupt;
  for (std::uint64_t i = 0; i < count; ++i) {
    ShardActor shard{ActorId(in.U64()), in.Varint()};
    // Two shards that write as one actor would give the same dots.
    if (!in.ok() || shard.next_epoch == 0 || Holds(stop.shards, shard.actor)) return corrupt;
    stop.shards.push_back(shard);
  }
  if (!in.done()) return corrupt;
  return stop;
}

std::vector<ShardActor> ChooseActors(NodeId node, std::uint16_t shard_count,
                                     const std::optional<CleanStop>& stop,
                                     std::string_view fingerprint, Prng& prng) {
  if (stop.has_value() && !fingerprint.empty() && stop->fingerprint == fingerprint &&
      stop->shards.size() == shard_count &&
      std::all_of(stop->shards.begin(), stop->shards.end(),
                  [node](const ShardActor& shard) { return NodeOf(shard.actor) == node; })) {
    std::vector<ShardActor> same = stop->shards;
    for (ShardActor& shard : same) shard.resumes = true;
    return same;
  }
  std::vector<ShardActor> fresh;
  while (fresh.size() < shard_count) {
    const ActorId actor = DrawActor(node, prng);
    if (Holds(fresh, actor) || (stop.has_value() && Holds(stop->shards, actor))) continue;
    fresh.push_back({actor, 1});
  }
  return fresh;
}

}  // namespace gyre
