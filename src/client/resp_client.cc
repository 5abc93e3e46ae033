#include "client/resp_client.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace gyre {
namespace {

std::int64_t MonotonicUs() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// A non-blocking socket used as a blocking one with a deadline.
class Socket final : public ByteSource {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() override {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void SetDeadline(Duration from_now) { deadline_us_ = MonotonicUs() + from_now.us; }
  Duration TimeLeft() const { return {deadline_us_ - MonotonicUs()}; }

  void Shutdown() const { shutdown(fd_, SHUT_RDWR); }
  int Release() { return std::exchange(fd_, -1); }

  bool Readable() const {  // bytes, the end, or an error
    pollfd wanted{fd_, POLLIN, 0};
    return poll(&wanted, 1, 0) != 0;
  }

  // False once the deadline has passed.
  bool Wait(short events) {
    for (;;) {
      const std::int64_t left_us = deadline_us_ - MonotonicUs();
      if (left_us <= 0) return false;
      pollfd wanted{fd_, events, 0};
      const int ready = poll(&wanted, 1, static_cast<int>(left_us / 1000 + 1));
      if (ready > 0) return true;
      if (ready < 0 && errno != EINTR) return true;  // the read or write will tell
    }
  }

  Status ReadMore(std::string& buffer) override {
    constexpr std::size_t kStep = 64 * 1024;
    for (;;) {
      const std::size_t size = buffer.size();
      buffer.resize(size + kStep);
      const ssize_t got = recv(fd_, buffer.data() + size, kStep, 0);
      const int error = errno;
      buffer.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
      if (got > 0) return {};
      if (got == 0) return Lost("the node closed the connection");
      if (error == EINTR) continue;
      if (error != EAGAIN) return Lost(std::strerror(error));
      if (!Wait(POLLIN)) return Lost("no reply came in time");
    }
  }

  Status Send(std::string_view bytes) {
    const std::size_t size = bytes.size();
    const auto failed = [&](const std::string& why) -> Status {
      if (bytes.size() < size) return Lost(why);
      return Fail(ErrorCode::kUnavailable, "the connection to the node is lost: " + why);
    };
    while (!bytes.empty()) {
      const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        bytes.remove_prefix(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        if (!Wait(POLLOUT)) return failed("the node took no more bytes in time");
      } else if (errno != EINTR) {
        return failed(std::strerror(errno));
      }
    }
    return {};
  }

 private:
  static Status Lost(const std::string& why) {
    return Fail(ErrorCode::kOutcomeUnknown, "the connection to the node is lost: " + why);
  }

  int fd_;
  std::int64_t deadline_us_ = 0;
};

std::unique_ptr<Socket> DialOne(const addrinfo& address, Duration timeout, std::string& problem) {
  const int fd = socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) {
    problem = std::strerror(errno);
    return nullptr;
  }
  auto dialed = std::make_unique<Socket>(fd);
  const int one = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(fd, address.ai_addr, address.ai_addrlen) != 0) {
    int error = errno;
    if (error == EINPROGRESS) {
      dialed->SetDeadline(timeout);
      if (!dialed->Wait(POLLOUT)) {
        problem = "no answer in time";
        return nullptr;
      }
      socklen_t size = sizeof error;
      getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
      problem = std::strerror(error);
      return nullptr;
    }
  }
  return dialed;
}

Result<std::unique_ptr<Socket>> Dial(const RespClientOptions& options, std::int64_t deadline_us) {
  const std::string where = options.host + ":" + std::to_string(options.port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string port = std::to_string(options.port);
  if (const int error = getaddrinfo(options.host.c_str(), port.c_str(), &hints, &found);
      error != 0) {
    return Fail(ErrorCode::kUnavailable,
                "cannot find the host " + options.host + ": " + gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, &freeaddrinfo);
  std::string problem = "it has no address";
  std::int64_t untried = 0;
  for (const addrinfo* it = list.get(); it != nullptr; it = it->ai_next) ++untried;
  for (const addrinfo* it = list.get(); it != nullptr; it = it->ai_next, --untried) {
    // One that is silent must not take the time of those behind it.
    const Duration share{std::max<std::int64_t>(1, deadline_us - MonotonicUs()) / untried};
    if (auto dialed = DialOne(*it, share, problem)) return dialed;
  }
  return Fail(ErrorCode::kUnavailable, "cannot reach a node at " + where + ": " + problem);
}

}  // namespace

struct RespClient::Impl {
  Impl(std::unique_ptr<Socket> s, Duration t) : socket(std::move(s)), reader(*socket), timeout(t) {}
  std::unique_ptr<Socket> socket;
  ReplyReader reader;
  Duration timeout;
};

RespClient::RespClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RespClient::~RespClient() = default;
RespClient::RespClient(RespClient&&) noexcept = default;
RespClient& RespClient::operator=(RespClient&&) noexcept = default;

Result<RespClient> RespClient::Connect(const RespClientOptions& options) {
  const std::int64_t deadline_us = MonotonicUs() + options.timeout.us;
  Result<std::unique_ptr<Socket>> dialed = Dial(options, deadline_us);
  if (!dialed) return Fail(std::move(dialed.error()));
  RespClient client(std::make_unique<Impl>(std::move(*dialed), options.timeout));

  std::vector<std::string_view> hello = {"HELLO", "3"};
  if (!options.password.empty()) {
    hello.insert(hello.end(), {"AUTH", "default", options.password});
  }
  const auto greet = [&](std::span<const std::string_view> command) -> Status {
    Result<RespValue> reply = client.Call(command, Duration{deadline_us - MonotonicUs()});
    // Nothing of the caller's was sent yet, so whatever happened, nothing was applied.
    if (!reply) return Fail(ErrorCode::kUnavailable, reply.error().message);
    if (reply->is_error()) return Fail(ErrorOfReply(reply->text));
    return {};
  };
  if (Status status = greet(hello); !status) return Fail(std::move(status.error()));
  if (!options.keyspace.empty() && options.keyspace != "default") {
    const std::string_view use[] = {"KV.USE", options.keyspace};
    if (Status status = greet(use); !status) return Fail(std::move(status.error()));
  }
  return client;
}

Result<RespValue> RespClient::Call(std::span<const std::string_view> command) {
  return Call(command, impl_->timeout);
}

Result<RespValue> RespClient::Call(std::span<const std::string_view> command, Duration timeout) {
  return CallEncoded(EncodeCommand(command), timeout);
}

Result<RespValue> RespClient::CallEncoded(std::string_view command, Duration timeout) {
  impl_->socket->SetDeadline(timeout);
  if (Status status = impl_->socket->Send(command); !status) {
    // The node may have said why it hung up ("value too large") before our write failed.
    impl_->socket->SetDeadline(std::min(Duration::Millis(500), impl_->socket->TimeLeft()));
    if (Result<RespValue> reply = impl_->reader.Read(); reply && reply->is_error()) return reply;
    return Fail(std::move(status.error()));
  }
  return impl_->reader.Read();
}

void RespClient::Interrupt() { impl_->socket->Shutdown(); }

Result<int> RespClient::Release() && {
  if (!impl_->reader.empty()) {
    return Fail(ErrorCode::kCorruption, "the node says what nobody asked for");
  }
  return impl_->socket->Release();
}

bool RespClient::Quiet() const { return impl_->reader.empty() && !impl_->socket->Readable(); }

std::string EncodeCommand(std::span<const std::string_view> command) {
  std::size_t size = 16;
  for (const std::string_view argument : command) size += argument.size() + 24;
  std::string bytes;
  bytes.reserve(size);
  bytes += "*" + std::to_string(command.size()) + "\r\n";
  for (const std::string_view argument : command) {
    bytes += "$" + std::to_string(argument.size()) + "\r\n";
    bytes += argument;
    bytes += "\r\n";
  }
  return bytes;
}

Error ErrorOfReply(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  const auto of = [&](ErrorCode code) { return Error{code, std::string(text)}; };
  if (word == "UNKNOWN") return of(ErrorCode::kOutcomeUnknown);
  if (word == "UNAVAILABLE") return of(ErrorCode::kUnavailable);
  if (word == "BUSY" || text == "ERR max number of clients reached") {
    return of(ErrorCode::kOverloaded);
  }
  if (word == "CORRUPT") return of(ErrorCode::kCorruption);
  if (word == "IOERR") return of(ErrorCode::kIoError);
  return of(ErrorCode::kInvalidArgument);
}

}  // namespace gyre
