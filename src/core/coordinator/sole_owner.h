// The short way of a request: its key has this node as its only owner, and the row is at hand. Then
// nobody has to be asked or waited for, and it is answered within the call, to the same effect as
// by the machines but without one: no deadline, no table entry, no event.
#pragma once

#include "core/coordinator/request_machine.h"

namespace gyre {

// True: `result` is the client's answer. False: nothing was done, and `result` means nothing; Admit
// it. REQUIRES: `result` holds no error.
bool AnswerAsSoleOwner(ShardState& shard, const GetRequest& request, ClientResult& result);
bool AnswerAsSoleOwner(ShardState& shard, PutRequest& request, Now now, ClientResult& result);

}  // namespace gyre
