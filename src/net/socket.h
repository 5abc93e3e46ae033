// Owning a file descriptor, and the few ways to make a socket. All sockets are non-blocking, and
// closed on exec.
#pragma once

#include <string>
#include <utility>

#include "base/result.h"
#include "net/socket_address.h"

namespace gyre {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& o) noexcept : fd_(std::exchange(o.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& o) noexcept {
    if (this != &o) Reset(std::exchange(o.fd_, -1));
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int Release() { return std::exchange(fd_, -1); }
  void Reset(int fd = -1);

 private:
  int fd_ = -1;
};

// "connection refused", for a log.
std::string ErrnoText(int error);

// `reuse_port`: several sockets (one per shard) listen on one port, the system spreads connections.
// `receive_bytes`: the system's buffer for what comes in; 0: as it likes. Accepted sockets inherit
// that, TCP_NODELAY and keepalive. Errors: kIoError.
Result<UniqueFd> ListenSocket(const SocketAddress& address, bool reuse_port, int backlog,
                              int receive_bytes = 0);
// Starts to connect: writable, or failed, later. Errors: kIoError if it fails at once.
Result<UniqueFd> DialSocket(const SocketAddress& address);
// Takes and clears the socket's pending error, 0 if none.
int TakeSocketError(int fd);
SocketAddress LocalAddress(int fd);
SocketAddress RemoteAddress(int fd);

}  // namespace gyre
