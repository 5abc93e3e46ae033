// Which machine runs a request: checked, planned, and refused here if it cannot succeed, before any
// I/O. Paper 4.5. Called by the shard only; the machine returned is started by it.
#pragma once

#include <memory>

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

// Errors: kInvalidArgument unless 1..kKeyBytesMax bytes.
Status CheckKey(const RowKey& key);
// Gives a new value the keyspace's time to live, if it has none of its own.
// Errors: kInvalidArgument: the value is larger than the config allows.
Status CheckMutation(Mutation& mutation, const KeyspaceConfig& keyspace, const CoreConfig& config,
                     Now now);

}  // namespace gyre
