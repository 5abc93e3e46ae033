// How a node that is in no cluster yet gets into one: it knocks at members that it was told of, as
// their guest, until one answers with the layout that has it. Before anything else of the node
// runs.
#pragma once

#include <functional>

#include "base/log.h"
#include "core/ring/layout.h"
#include "server/config.h"
#include "server/link_security.h"

namespace gyre {

// Blocks until this node is a member, or `give_up` says so (asked several times a second).
// Errors: kUnavailable (given up; the message says what the members last answered), kIoError.
Result<Layout> JoinCluster(const ServerConfig& config, const Member& self,
                           const LinkSecurity& security, Log& log,
                           const std::function<bool()>& give_up);

}  // namespace gyre
