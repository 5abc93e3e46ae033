// Which machine runs a request: checked, planned, and refused here if it cannot succeed, before any
// I/O. Paper 4.5. Called by the shard only; the machine returned is started by it.
#pragma once

#include <memory>

#include "core/coordinator/forward_coordinator.h"
#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"
#include "core/request.h"

namespace gyre {

// Never null: a refused request gets a machine that answers with the error. A request of a peer
// (origin.peer) is coordinated here or refused, never forwarded again.
std::unique_ptr<RequestMachine> Admit(ShardState& shard, const Origin& origin, GetRequest&& request,
                                      Now now);
std::unique_ptr<RequestMachine> Admit(ShardState& shard, const Origin& origin, PutRequest&& request,
                                      Now now);
std::unique_ptr<RequestMachine> Admit(ShardState& shard, const Origin& origin,
                                      ScanRequest&& request, Now now);
std::unique_ptr<RequestMachine> Admit(ShardState& shard, const Origin& origin,
                                      ExplainRequest&& request, Now now);
std::unique_ptr<RequestMachine> Refuse(ShardState& shard, const Origin& origin,
                                       RequestMachine::Kind kind, Error error);

// Who else can coordinate a request, the best first: the reachable owners; if there are none, and
// the plan is sloppy, the fallbacks that come before this node.
NodeList OthersThatCoordinate(const ShardState& shard, const ReplicaPlan& plan);
// A machine that coordinates the request here, on a node that does not own the key (paper 4.6).
// Null, and the request untouched, if too few nodes are healthy, or this one cannot write, or keeps
// as much for others as it may; or leaves, and so keeps nothing.
// REQUIRES: plan.sloppy, or this node is an owner.
std::unique_ptr<RequestMachine> CoordinateAsStandIn(ShardState& shard, const Origin& origin,
                                                    ForwardCoordinator::Request&& request,
                                                    const ReplicaPlan& plan, Now now);

// Errors: kInvalidArgument unless 1..kKeyBytesMax bytes.
Status CheckKey(const RowKey& key);
// Gives a new value the keyspace's time to live, if it has none of its own.
// Errors: kInvalidArgument: the value is larger than the config allows.
Status CheckMutation(Mutation& mutation, const KeyspaceConfig& keyspace, const CoreConfig& config,
                     Now now);

}  // namespace gyre
