// What this node tells the others of itself: its name, where it is reached, its place and weight.
#pragma once

#include <cstdint>

#include "core/membership/member_record.h"
#include "core/ring/layout.h"
#include "server/config.h"

namespace gyre {

// As bound, where the config says "any".
struct BoundPorts {
  std::uint16_t peer = 0;
  std::uint16_t resp = 0;
  std::uint16_t http = 0;
};

// An address is empty, which is "not told", if all that is known is that it listens everywhere;
// where clients are listened for everywhere, its peers' way leads there too. Errors:
// kInvalidArgument: a field is too long to be told.
Result<DescriptionPtr> DescribeSelf(const ServerConfig& config, const Layout& layout,
                                    const BoundPorts& bound);

}  // namespace gyre
