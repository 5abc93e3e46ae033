// For tests of the verbs: runs the tool within the test, against a node that answers as told.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/cli.h"
#include "cli/cli_support.h"
#include "client/scripted_node.h"

namespace gyre {

struct Ran {
  int exit_code;
  std::string out;
  std::string err;
};

inline Ran Gyre(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "gyre");
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  const int exit_code = CliMain(static_cast<int>(argv.size()) - 1, argv.data());
  std::fflush(stdout);
  const std::string out = testing::internal::GetCapturedStdout();
  return {exit_code, out, testing::internal::GetCapturedStderr()};
}

class CliTest : public testing::Test {
 protected:
  // Runs a verb against a node that answers `answer` to everything but the greeting.
  Ran Against(const std::string& answer, std::vector<std::string> arguments) {
    seen_.clear();
    ScriptedNode node([&](const ScriptedNode::Command& command) {
      if (command[0] == "HELLO") return std::string("+OK\r\n");
      seen_.push_back(command);
      if (command[0] == "KV.GET" && !seen_value_.empty()) return seen_value_;
      return command[0].starts_with("KV.QUORUM") || command[0] == "KV.USE" ? "+OK\r\n" : answer;
    });
    arguments.insert(arguments.end(), {"--port", std::to_string(node.port())});
    return Gyre(std::move(arguments));
  }
  static std::string Values(const std::string& context, const std::vector<std::string>& values) {
    std::string text = "%2\r\n" + ScriptedNode::Bulk("context") + ScriptedNode::Bulk(context) +
                       ScriptedNode::Bulk("values") + "*" + std::to_string(values.size()) + "\r\n";
    for (const std::string& value : values) text += ScriptedNode::Bulk(value);
    return text;
  }
  static std::string Path(const char* name) { return testing::TempDir() + "gyre_cli_test_" + name; }
  static std::string Contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::vector<ScriptedNode::Command> seen_;
  std::string seen_value_;  // answers KV.GET, if given
};

}  // namespace gyre
