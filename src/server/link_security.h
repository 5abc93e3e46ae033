// What the config says about TLS between nodes, as links want it.
#pragma once

#include "base/log.h"
#include "base/result.h"
#include "net/peer_links.h"
#include "server/config.h"

namespace gyre {

// Reads the files. One for the whole node. `log` must outlive it; null: none.
// Errors: kInvalidArgument, with the file's name and what is wrong with it.
Result<LinkSecurity> LoadLinkSecurity(const ServerConfig& config, Log* log);

}  // namespace gyre
