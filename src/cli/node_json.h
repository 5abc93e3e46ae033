// Answers of a node that are JSON (KV.STATUS and its kin): shown as they are, or as text.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cli/cli_support.h"

namespace gyre {

using Json = nlohmann::ordered_json;

// A field as text: strings as they are, numbers as JSON writes them; empty if absent.
std::string Field(const Json& json, const char* name);

// As the node gave it, with an end of line. Returns the exit code.
int PrintJson(std::string_view text);
// Asks the node and prints its JSON, or with -o text what `render` makes of it. Returns the exit
// code. `render` may throw what nlohmann throws: the node then speaks another dialect, and that is
// said.
int PrintFromNode(const ClientFlags& flags, const std::vector<std::string_view>& command,
                  const std::function<std::string(const Json&)>& render);

}  // namespace gyre
