#include "cli/cli_support.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <CLI/Option.hpp>
#include <CLI/Validators.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/config.h"
#include "net/http_parser.h"
#include "server/config.h"

namespace gyre {
namespace {

constexpr std::uint16_t kRespPort = 7379;

bool LooksLikeNumber(const std::string& cell) {
  return !cell.empty() && cell.find_first_not_of("0123456789.%-") == std::string::npos;
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void AddClientFlags(CLI::App& verb, ClientFlags& flags, bool keyspace) {
  verb.add_option("--host", flags.host, "the node's host [127.0.0.1, or that of GYRE_ADDRESS]");
  verb.add_option("--port", flags.port, "the node's RESP port [7379, or that of GYRE_ADDRESS]");
  verb.add_option("--password", flags.password, "also GYRE_PASSWORD")->envname("GYRE_PASSWORD");
  verb.add_option("--timeout", flags.timeout_seconds, "seconds to wait for the node [10]")
      ->check(CLI::Range(0.001, 86400.0));
  verb.add_option("-o,--output", flags.output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  if (keyspace) {
    verb.add_option("-k,--keyspace", flags.keyspace, "the keyspace [default]");
  }
}

Result<RespClient> ConnectTo(const ClientFlags& flags) {
  RespClientOptions options;
  if (const char* text = std::getenv("GYRE_ADDRESS"); text != nullptr && *text != '\0') {
    const Result<HostPort> address = ParseHostPort(text);
    if (!address) {
      return Fail(ErrorCode::kInvalidArgument,
                  "GYRE_ADDRESS: accepted: " + address.error().message);
    }
    options.host = address->host;
    options.port = address->port;
  } else {
    options.port = kRespPort;
  }
  if (!flags.host.empty()) options.host = flags.host;
  if (flags.port != 0) options.port = flags.port;
  options.password = flags.password;
  options.keyspace = flags.keyspace;
  options.timeout = Duration::Millis(static_cast<std::int64_t>(flags.timeout_seconds * 1000));
  return RespClient::Connect(options);
}

int ExitCodeOf(ErrorCode code) {
  switch (code) {
    case ErrorCode::kNotFound:
      return kExitNotFound;
    case ErrorCode::kUnavailable:
    case ErrorCode::kOverloaded:
    case ErrorCode::kWrongEpoch:
    case ErrorCode::kStaleCopy:
      return kExitUnavailable;
    case ErrorCode::kOutcomeUnknown:
      return kExitOutcomeUnknown;
    case ErrorCode::kCorruption:
    case ErrorCode::kIoError:
      return kExitUnavailable;
    case ErrorCode::kInvalidArgument:
    case ErrorCode::kUnsupported:
      return kExitUsage;
  }
  return kExitUsage;
}

int Complain(const Error& error) {
  std::fprintf(stderr, "gyre: %s\n", error.message.c_str());
  return ExitCodeOf(error.code);
}

Result<RespValue> CallNode(RespClient& client, const std::vector<std::string_view>& command) {
  Result<RespValue> reply = client.Call(command);
  if (reply && reply->is_error()) return Fail(ErrorOfReply(reply->text));
  return reply;
}

Result<std::string> ReadKey(const std::string& text, bool hex, bool percent) {
  std::string key = text;
  if (hex) {
    key.clear();
    for (std::size_t i = 0; i < text.size(); i += 2) {
      const int high = HexDigit(text[i]);
      const int low = i + 1 < text.size() ? HexDigit(text[i + 1]) : -1;
      if (high < 0 || low < 0) {
        return Fail(ErrorCode::kInvalidArgument, "--key-hex: the key must be pairs of hex digits");
      }
      key += static_cast<char>(high * 16 + low);
    }
  } else if (percent && !PercentDecode(text, key)) {
    return Fail(ErrorCode::kInvalidArgument,
                "--key-percent: a '%' is not followed by two hex digits");
  }
  if (key.empty() || key.size() > kKeyBytesMax) {
    return Fail(ErrorCode::kInvalidArgument, "a key has 1 to 65536 bytes");
  }
  return key;
}

std::string Printable(std::string_view bytes, std::size_t bytes_max) {
  std::string text;
  const bool cut = bytes.size() > bytes_max;
  for (const char c : bytes.substr(0, bytes_max)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7F && c != '\\') {
      text += c;
    } else {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\x%02x", byte);
      text += escape;
    }
  }
  return cut ? text + "..." : text;
}

std::string SecondsText(std::uint64_t ms) {
  const std::uint64_t seconds = ms / 1000;
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 7200) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h";
}

Result<std::string> ReadFile(const std::string& path, std::size_t bytes_max) {
  std::FILE* file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "cannot read " + path + ": " + std::strerror(errno));
  }
  std::string bytes;
  char block[64 * 1024];
  std::size_t got = 0;
  while (bytes.size() <= bytes_max && (got = std::fread(block, 1, sizeof block, file)) > 0) {
    bytes.append(block, got);
  }
  const bool failed = std::ferror(file) != 0;
  const int error = errno;
  if (file != stdin) std::fclose(file);
  if (failed) {
    return Fail(ErrorCode::kInvalidArgument, "cannot read " + path + ": " + std::strerror(error));
  }
  if (bytes.size() > bytes_max) {
    return Fail(ErrorCode::kInvalidArgument,
                path + " is larger than " + std::to_string(bytes_max) + " bytes");
  }
  return bytes;
}

Status WriteFile(const std::string& path, std::string_view bytes) {
  std::FILE* file = std::fopen(path.c_str(), "wb");
  bool ok = file != nullptr && std::fwrite(bytes.data(), 1, bytes.size(), file) == bytes.size();
  if (file != nullptr) ok = std::fclose(file) == 0 && ok;
  if (ok) return {};
  return Fail(ErrorCode::kInvalidArgument, "cannot write " + path + ": " + std::strerror(errno));
}

bool WriteOut(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), stdout) == bytes.size() &&
         std::fflush(stdout) == 0;
}

std::string Table::Render() const {
  std::vector<std::size_t> widths(rows_.front().size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size() && i < widths.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += LooksLikeNumber(row[i]) ? padding + row[i] : row[i] + padding;
      line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace gyre
