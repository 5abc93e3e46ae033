// The questions that machines put to the owners of a key and to those who stand in for them,
// wherever these are: the own replica is asked by a call, the others by messages, and both answers
// end in the same ReadSet.
#pragma once

#include "core/coordinator/read_set.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

// Asks each reachable owner of the plan for its copy, and each stand-in for what it keeps of the
// key, for the machine `id`. Their stamps are at least `floor`; other owners give digests as in
// ReplicaGet.
void AskForCopies(const ReplicaPlan& plan, const RowKey& key, std::uint64_t floor,
                  std::uint64_t digest_over, RequestId id, ShardState& shard, Env& env);
// What came back.
void TakeCopy(ReadSet& reads, NodeId from, ReplicaGetReply& reply);
void TakeCopy(ReadSet& reads, NodeId self, LocalGetDone& outcome);

// Gives `record`, read with this stamp, to each of `stale` as a repair. With an id the machine is
// told when it is durable there; RequestId{}: nobody waits.
void SendRepairs(const NodeList& stale, const RowKey& key, RingEpoch epoch, const Bytes& record,
                 std::uint64_t stamp, RequestId id, ShardState& shard, Env& env);

}  // namespace gyre
