// What this node keeps of one key for the key's owners: the join of its hints. A fallback answers
// reads with it (paper 4.6).
#pragma once

#include "core/machine.h"

namespace gyre {

// Answers `ticket` as Replica::Get would, stamp and all. Mostly at once: there is no hint, which
// needs no look.
void GetOwed(const RowKey& key, const Ticket& ticket, ShardState& shard, Env& env);

}  // namespace gyre
