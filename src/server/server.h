// A whole node: opens its storage, starts a thread per shard, serves until told to stop.
#pragma once

#include <functional>

#include "server/config.h"

namespace gyre {

// Runs a node until SIGINT or SIGTERM; then takes no more requests, answers or drops those in
// flight, makes everything durable and leaves a clean stop behind. Errors are logged, with what to
// do. Returns the process's exit code: 0 after a clean stop.
int RunServer(const ServerConfig& config);

}  // namespace gyre
