// What the verbs share: exit codes, where the node is, output as text or JSON.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/resp_client.h"

namespace CLI {
class App;
}

namespace gyre {

enum ExitCode : int {
  kExitOk = 0,
  kExitNotFound = 1,
  kExitUsage = 2,           // wrong arguments, a refused request, a bad config
  kExitUnavailable = 3,     // no node, too few nodes, overloaded: surely not applied
  kExitOutcomeUnknown = 4,  // may be applied, now or later
};

// Options of every verb that talks to a node.
struct ClientFlags {
  std::string host;  // empty: from GYRE_ADDRESS, else 127.0.0.1
  std::uint16_t port = 0;
  std::string password;
  std::string keyspace = "default";
  std::string output = "text";
  double timeout_seconds = 10;

  bool json() const { return output == "json"; }
};
// Adds --host, --port, --password, --timeout, -o; with `keyspace` also --keyspace.
void AddClientFlags(CLI::App& verb, ClientFlags& flags, bool keyspace);
// Errors: kInvalidArgument (GYRE_ADDRESS), and those of RespClient::Connect.
Result<RespClient> ConnectTo(const ClientFlags& flags);

// Prints "gyre: <sentence>" to stderr; returns the exit code for it.
int Complain(const Error& error);
int ExitCodeOf(ErrorCode code);
// One command. Errors: as RespClient::Call, and a RESP error as ErrorOfReply.
Result<RespValue> CallNode(RespClient& client, const std::vector<std::string_view>& command);

// A key as given on the command line: as it is; with `hex`, as hex digits; with `percent`, with
// %XX. Errors: kInvalidArgument.
Result<std::string> ReadKey(const std::string& text, bool hex, bool percent);
// Keys and values for people: printable text as it is, everything else as \xNN.
std::string Printable(std::string_view bytes, std::size_t bytes_max = 200);

// "90 s", "5 min", "3 h".
std::string SecondsText(std::uint64_t ms);

// A file's bytes; "-" is stdin. Errors: kInvalidArgument, with the reason.
Result<std::string> ReadFile(const std::string& path, std::size_t bytes_max);
Status WriteFile(const std::string& path, std::string_view bytes);
// To stdout, unchanged. False if that failed (a closed pipe).
bool WriteOut(std::string_view bytes);

// A table for a terminal: columns as wide as their widest cell, numbers to the right.
class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string Render() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace gyre
