// What this node holds of one key, for a coordinator here or elsewhere. Paper 4.5, 4.6.
#pragma once

#include "core/machine.h"

namespace gyre {

// Answers `ticket` with the own row, or (`owed`) with the join of the hints. The copy's stamp is at
// least `floor`: where this shard has promised less, it raises that first, durably.
void GetCopy(const RowKey& key, bool owed, std::uint64_t floor, const Ticket& ticket,
             ShardState& shard, Env& env);

}  // namespace gyre
