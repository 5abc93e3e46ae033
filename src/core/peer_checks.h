// May a peer ask this of this shard? Checked before anything is touched. nullopt: it may.
#pragma once

#include <optional>

#include "core/shard_state.h"
#include "core/wire/messages.h"

namespace gyre {

// Errors of all: kInvalidArgument, kWrongEpoch (another ring, or not an owner here), kOverloaded.
std::optional<ErrorCode> Refused(const ReplicaGet& get, ShardState& shard);
// A hint is refused too (kOverloaded) where it would be more than may be kept; one that is taken
// counts as stored.
std::optional<ErrorCode> Refused(const ReplicaPut& put, ShardState& shard);
std::optional<ErrorCode> Refused(const LeafKeys& keys, const ShardState& shard);
std::optional<ErrorCode> Refused(const RangeGet& get, const ShardState& shard);

}  // namespace gyre
