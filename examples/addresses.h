// "a:1,b:2" as the client wants it; for the examples' command lines.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

inline std::vector<std::string> SplitAddresses(const std::string& list) {
  std::vector<std::string> addresses;
  for (std::size_t from = 0; from <= list.size();) {
    const std::size_t comma = std::min(list.find(',', from), list.size());
    addresses.push_back(list.substr(from, comma - from));
    from = comma + 1;
  }
  return addresses;
}
