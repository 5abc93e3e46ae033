// One operation, carried out on the caller's own thread.
#pragma once

#include "client/call.h"
#include "client/router.h"

namespace gyre {

Outcome<RespValue> RunBlocking(Router& router, const Call& call);

}  // namespace gyre
