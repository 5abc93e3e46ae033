#include "net/socket.h"

#include <netinet/tcp.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace gyre {
namespace {

constexpr int kKeepaliveIdleSeconds = 300;

void SetOption(int fd, int level, int option, int value) {
  // What fails here is a matter of comfort, not of function.
  (void)setsockopt(fd, level, option, &value, sizeof value);
}

void SetTcpOptions(int fd) {
  SetOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  SetOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  SetOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepaliveIdleSeconds);
}

}  // namespace

void UniqueFd::Reset(int fd) {
  if (fd_ >= 0) close(fd_);  // on Linux the descriptor is gone even if close reports EINTR
  fd_ = fd;
}

std::string ErrnoText(int error) { return std::generic_category().message(error); }

Result<UniqueFd> ListenSocket(const SocketAddress& address, bool reuse_port, int backlog,
                              int receive_bytes) {
  const auto failed = [&](const char* what) {
    return Fail(ErrorCode::kIoError,
                std::string("cannot ") + what + " " + address.ToString() + ": " + ErrnoText(errno));
  };
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return failed("open a socket for");
  SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (reuse_port) SetOption(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  SetTcpOptions(fd.get());
  if (receive_bytes > 0) SetOption(fd.get(), SOL_SOCKET, SO_RCVBUF, receive_bytes);
  if (bind(fd.get(), address.data(), address.size()) != 0) return failed("bind to");
  if (listen(fd.get(), backlog) != 0) return failed("listen on");
  return fd;
}

Result<UniqueFd> DialSocket(const SocketAddress& address) {
  UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.valid()) {
    SetTcpOptions(fd.get());
    // Interrupted by a signal, the connect goes on by itself, as with EINPROGRESS.
    if (connect(fd.get(), address.data(), address.size()) == 0 || errno == EINPROGRESS ||
        errno == EINTR) {
      return fd;
    }
  }
  return Fail(ErrorCode::kIoError, ErrnoText(errno));
}

int TakeSocketError(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

SocketAddress LocalAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), size);
}

SocketAddress RemoteAddress(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  return SocketAddress(reinterpret_cast<const sockaddr*>(&storage), size);
}

}  // namespace gyre
