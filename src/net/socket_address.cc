#include "net/socket_address.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <charconv>
#include <cstring>

namespace gyre {
namespace {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;
};

Result<HostPort> Split(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  const auto bad = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text) + "' is not an address: want host:port");
  };
  if (colon == std::string_view::npos || colon == 0) return bad();
  std::string_view host = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  if (host.front() == '[') {
    if (host.size() < 3 || host.back() != ']') return bad();
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();  // an IPv6 address wants brackets
  }
  HostPort split{std::string(host), 0};
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), split.port);
  if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return bad();
  return split;
}

}  // namespace

SocketAddress::SocketAddress(const sockaddr* address, socklen_t size) : size_(size) {
  if (size_ > sizeof storage_) size_ = sizeof storage_;
  std::memcpy(&storage_, address, size_);
}

Result<SocketAddress> SocketAddress::Parse(std::string_view text) {
  const Result<HostPort> split = Split(text);
  if (!split) return Fail(split.error());
  const std::string host = split->host == "*" ? "0.0.0.0" : split->host;
  sockaddr_in v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(split->port);
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v4), sizeof v4);
  }
  sockaddr_in6 v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(split->port);
    return SocketAddress(reinterpret_cast<const sockaddr*>(&v6), sizeof v6);
  }
  return Fail(ErrorCode::kInvalidArgument, "'" + host + "' is not an IPv4 or IPv6 address");
}

Result<SocketAddress> SocketAddress::Resolve(const std::string& text) {
  if (Result<SocketAddress> literal = Parse(text)) return literal;
  const Result<HostPort> split = Split(text);
  if (!split) return Fail(split.error());
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      getaddrinfo(split->host.c_str(), std::to_string(split->port).c_str(), &hints, &found);
  if (error != 0) {
    return Fail(ErrorCode::kIoError,
                "cannot resolve '" + split->host + "': " + gai_strerror(error));
  }
  SocketAddress address(found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return address;
}

std::uint16_t SocketAddress::port() const {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in&>(storage_).sin_port);
  if (family() == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(storage_).sin6_port);
  return 0;
}

std::string SocketAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "?";
  if (family() == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(storage_).sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(port());
  }
  if (family() == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(storage_).sin6_addr, text,
              sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(port());
  }
  return "?";
}

}  // namespace gyre
