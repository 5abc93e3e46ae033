// The other side of an exchange (exchange_session.h): answers to what an owner asks of this shard's
// tree and leaves. Paper 4.7.
#pragma once

#include "core/antientropy/repair_scheduler.h"
#include "core/machine.h"

namespace gyre {

// At once. Errors: kInvalidArgument (another depth than this tree has, another shard's partition),
// kOverloaded (RepairScheduler::Busy).
TreeCompareReply AnswerTreeCompare(const TreeCompare& compare, NodeId from, const ShardState& shard,
                                   const RepairScheduler& scheduler);
// Once the own rows have been read.
void AnswerLeafKeys(LeafKeys&& keys, NodeId from, ShardId from_shard, ShardState& shard);

}  // namespace gyre
