// Has this node's disk yet to get what the other owners hold (ShardOptions::fills)? A small file of
// the data folder remembers it, over restarts in the middle.
#pragma once

#include <string>

#include "base/result.h"

namespace gyre {

inline constexpr const char* kFillingFile = "filling";
inline constexpr const char* kFilled = "0";

// At a start, before anything is answered. `folder` empty: memory, which is always new at a start.
// `is_new`: there was no database, so all that it may have held is gone; then that is noted,
// durably. Errors: kIoError.
Result<bool> TakeFilling(const std::string& folder, bool is_new);
// At a clean stop, where all that came is durable. Errors: kIoError.
Status NoteFilled(const std::string& folder);

}  // namespace gyre
