// Where a socket listens or dials: an IPv4 or IPv6 address with a port.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre {

class SocketAddress {
 public:
  SocketAddress() = default;
  SocketAddress(const sockaddr* address, socklen_t size);

  // Reads "127.0.0.1:7381", "[::1]:7381", or "*:7381" (every IPv4 address). Never blocks.
  // Errors: kInvalidArgument, also for host names.
  static Result<SocketAddress> Parse(std::string_view text);
  // As Parse, and asks the system's resolver for host names: may block for seconds, so never on a
  // loop's thread. Errors: kInvalidArgument (no port), kIoError (no such host).
  static Result<SocketAddress> Resolve(const std::string& text);

  const sockaddr* data() const { return reinterpret_cast<const sockaddr*>(&storage_); }
  socklen_t size() const { return size_; }
  int family() const { return storage_.ss_family; }
  std::uint16_t port() const;
  std::string ToString() const;  // in the form that Parse reads

 private:
  sockaddr_storage storage_{};
  socklen_t size_ = 0;
};

}  // namespace gyre
