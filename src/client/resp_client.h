// A blocking RESP3 connection to one node, for tools: one command, one reply.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "client/resp_value.h"

namespace gyre {

struct RespClientOptions {
  std::string host = "127.0.0.1";
  std::uint16_t port = 7379;
  std::string password;
  std::string keyspace;                      // empty or "default": none to choose
  Duration timeout = Duration::Seconds(10);  // to connect, all of it; and for each command's reply
};

class RespClient {
 public:
  // Connects, says HELLO 3 (with the password) and chooses the keyspace.
  // Errors: kUnavailable (nobody there), kInvalidArgument (refused, the node's sentence),
  // kOverloaded (it takes no more connections).
  static Result<RespClient> Connect(const RespClientOptions& options);
  ~RespClient();
  RespClient(RespClient&&) noexcept;
  RespClient& operator=(RespClient&&) noexcept;

  // The reply, which may be a RESP error. After an Error the connection is of no use.
  // Errors: kUnavailable (not a byte could be sent), kOutcomeUnknown (no whole reply came: the
  // command may have been applied), kCorruption (what came is no RESP: likewise).
  Result<RespValue> Call(std::span<const std::string_view> command);
  Result<RespValue> Call(std::span<const std::string_view> command, Duration timeout);
  Result<RespValue> Call(std::initializer_list<std::string_view> command) {
    return Call(std::span<const std::string_view>(command.begin(), command.size()));
  }
  // A command that is bytes already (EncodeCommand).
  Result<RespValue> CallEncoded(std::string_view command, Duration timeout);
  // Between calls: the node has not hung up, nor said what nobody asked for.
  bool Quiet() const;
  // From another thread, while this one lives: a call under way, and each later one, fails.
  void Interrupt();
  // The socket, non-blocking; this object is of no use then. Errors: kCorruption (the node has said
  // what nobody asked for).
  Result<int> Release() &&;

 private:
  struct Impl;
  explicit RespClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// A command as bytes: an array of bulk strings.
std::string EncodeCommand(std::span<const std::string_view> command);

// A RESP error as an Error: the first word is the code ("UNKNOWN ..." is kOutcomeUnknown).
Error ErrorOfReply(std::string_view text);

}  // namespace gyre
