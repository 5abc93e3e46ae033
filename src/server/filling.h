// Has this node's disk yet to get what the other owners hold (ShardOptions::fills)? A small file of
// the data folder remembers it, over restarts in the middle.
#pragma once

#include <string>

#include "base/result.h"

namespace gyre {

inline constexpr const char* kFillingFile = "filling";
inline constexpr const char* kFilled = "0";

// At a start, before anything is answered. `folder` empty: memory, which is always empty at a
// start. `empty`: there are no rows; then that is noted, durably. Errors: kIoError.
Result<bool> TakeFilling(const std::string& folder, bool empty);
// At a clean stop, where all that came is durable. Errors: kIoError.
Status NoteFilled(const std::string& folder);

}  // namespace gyre
