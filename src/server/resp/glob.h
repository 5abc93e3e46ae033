// Glob patterns as Redis reads them in KEYS, SCAN MATCH and CONFIG GET: * ? [a-z] [^a] and \x.
#pragma once

#include <cstddef>
#include <string_view>

namespace gyre {

// Longer patterns are refused by those who take them from a client.
inline constexpr std::size_t kGlobBytesMax = 1024;

// Cost: at worst text times pattern, whatever the number of stars: a match that fails goes back to
// the last star only, as an earlier star could not do better.
bool GlobMatch(std::string_view pattern, std::string_view text, bool ignore_case = false);

}  // namespace gyre
