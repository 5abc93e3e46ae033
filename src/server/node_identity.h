// Whose data a folder holds. Written at the first start, compared at every later one, so that a
// node started on another's folder, or with keys hashed another way, stops before it does harm.
#pragma once

#include <string>

#include "base/result.h"
#include "server/config.h"
#include "storage/engine.h"

namespace gyre {

// What must not change while there is data: cluster, node, partitioner. One line of text each.
std::string IdentityText(const ServerConfig& config);

// Does the database belong to a node? If not it is new, or has been set aside. Errors: kIoError.
Result<bool> HasIdentity(Engine& engine);
// Errors: kInvalidArgument if the folder is another node's (says whose), kIoError.
Status ClaimIdentity(Engine& engine, const ServerConfig& config);

}  // namespace gyre
