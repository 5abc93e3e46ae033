// The short way of a request: its key has this node as its only owner, and the row is at hand. Then
// nobody has to be asked or waited for, and it is answered within the call, to the same effect as
// by the machines but without one: no deadline, no table entry, no event.
#pragma once

#include "core/coordinator/request_machine.h"

namespace gyre {

// True: `out` has the client's answer. False: nothing was done; Admit it.
bool AnswerAsSoleOwner(ShardState& shard, ClientId client, const GetRequest& request, Now now,
                       Effects& out);
bool AnswerAsSoleOwner(ShardState& shard, ClientId client, PutRequest& request, Now now,
                       Effects& out);

}  // namespace gyre
