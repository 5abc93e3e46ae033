// A TOML file as a flat list of settings with their places, so that the rest of config.cc does not
// know TOML. The only file of the project that includes toml++.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace gyre {

struct TomlEntry {
  std::string key;    // "storage.folder"; in arrays of tables "cluster.peers[0].name"
  std::string value;  // a string as it is; numbers and booleans as text
  std::string place;  // "gyre.toml:12:3"
};

// In the order of the file's keys. Errors: kInvalidArgument with place (syntax; a type of value
// that no setting has: dates, floats, arrays of other than tables).
Result<std::vector<TomlEntry>> FlattenToml(std::string_view text, const std::string& file_name);

}  // namespace gyre
