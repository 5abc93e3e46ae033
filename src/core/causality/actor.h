// Which actor a shard writes as after a start. A dot must never come twice, so an actor goes on
// only where its counters surely did: after a clean stop, on the very folder that it stopped on, in
// the same boot. Everything else (crash, fresh disk, restored backup, cloned folder, moved folder)
// makes a new one. Kept small by design: a new actor costs a clock entry, a repeated dot costs a
// value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "core/causality/merge.h"

namespace gyre {

struct ShardActor {
  ActorId actor;
  std::uint64_t next_epoch = 1;  // the first that was not drawn
  bool resumes = false;          // of a start: goes on where the clean stop left it

  bool operator==(const ShardActor&) const = default;
};

// What a clean stop leaves behind, and a start takes away (durably, before the first dot).
struct CleanStop {
  // Names folder and boot in a way that a copy cannot have: boot id, device, inode and change time
  // of a marker file (see storage). Compared for equality only.
  std::string fingerprint;
  std::vector<ShardActor> shards;

  bool operator==(const CleanStop&) const = default;
};
std::string EncodeCleanStop(const CleanStop& stop);
// Errors: kCorruption.
Result<CleanStop> DecodeCleanStop(std::string_view bytes);

// The actors of `shard_count` shards: those of `stop` if there is one of this node with this
// fingerprint and shard count, else fresh ones. An empty fingerprint proves nothing: fresh ones.
std::vector<ShardActor> ChooseActors(NodeId node, std::uint16_t shard_count,
                                     const std::optional<CleanStop>& stop,
                                     std::string_view fingerprint, Prng& prng);

}  // namespace gyre
