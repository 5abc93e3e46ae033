// The version that this binary says it is.
#pragma once

namespace gyre {

inline constexpr const char kGyreVersion[] = "0.1.0";

}  // namespace gyre
