// For the tests of src/net: real sockets on loopback, loops stepped by the test's own thread, and
// waiting for facts instead of sleeping.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "net/reactor.h"

namespace gyre {

inline std::unique_ptr<Reactor> NewReactor(Log* log = nullptr) {
  return std::move(MakeEpollReactor({.log = log}).value());
}

inline SocketAddress Loopback(std::uint16_t port = 0) {
  return SocketAddress::Parse("127.0.0.1:" + std::to_string(port)).value();
}

// Turns the loops until `fact` holds; false if it does not within 20 s.
inline bool TurnUntil(std::initializer_list<Reactor*> reactors, const std::function<bool()>& fact) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!fact()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    for (Reactor* reactor : reactors) reactor->RunOnce(Duration::Millis(1));
  }
  return true;
}
// Turns the loops for a span of real time: for what must not happen within it.
inline void TurnFor(std::initializer_list<Reactor*> reactors, Duration span) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(span.us);
  while (std::chrono::steady_clock::now() < end) {
    for (Reactor* reactor : reactors) reactor->RunOnce(Duration::Millis(1));
  }
}

// The other end of a connection: a plain non-blocking socket.
class TestSocket {
 public:
  TestSocket() = default;
  explicit TestSocket(std::uint16_t port) : fd_(DialSocket(Loopback(port)).value()) {
    WaitFor(POLLOUT);
  }
  explicit TestSocket(UniqueFd fd) : fd_(std::move(fd)) {}

  // As much as the system takes now.
  std::size_t SendSome(std::string_view bytes) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  // Appends what is there to received(). False once the peer has closed or reset.
  bool ReceiveSome(std::size_t bytes_max = kChunkBytes) {
    if (chunk_ == nullptr) chunk_.reset(new char[kChunkBytes]);
    const ssize_t got = recv(fd_.get(), chunk_.get(), std::min(bytes_max, kChunkBytes), 0);
    if (got > 0) received_.append(chunk_.get(), static_cast<std::size_t>(got));
    if (got == 0) closed_ = true;
    if (got < 0 && errno != EAGAIN) closed_ = reset_ = true;
    return !closed_;
  }
  void ReceiveAll() {
    std::size_t before;
    do {
      before = received_.size();
    } while (ReceiveSome() && received_.size() > before);
  }
  const std::string& received() const { return received_; }
  std::string& mutable_received() { return received_; }
  bool closed() const { return closed_; }
  bool reset() const { return reset_; }
  void EndSending() { shutdown(fd_.get(), SHUT_WR); }
  void Close() { fd_.Reset(); }
  // The peer sees a reset, as from a crashed machine that came back.
  void Reset() {
    const linger hard{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
    fd_.Reset();
  }
  void WaitFor(short events) {
    pollfd entry{fd_.get(), events, 0};
    poll(&entry, 1, 10'000);
  }
  int fd() const { return fd_.get(); }

 private:
  static constexpr std::size_t kChunkBytes = 256 * 1024;

  UniqueFd fd_;
  std::unique_ptr<char[]> chunk_;
  std::string received_;
  bool closed_ = false;
  bool reset_ = false;
};

class RecordingLog final : public Log {
 public:
  void Write(LogLevel, std::string_view event, std::string_view message,
             std::initializer_list<LogField> fields) override {
    std::string line = std::string(event) + ": " + std::string(message);
    for (const LogField& field : fields) line += " " + std::string(field.name) + "=" + field.value;
    const std::lock_guard<std::mutex> lock(mutex_);
    lines_.push_back(std::move(line));
  }
  // A line that holds all of `parts`.
  bool Has(std::initializer_list<std::string_view> parts) const { return Count(parts) > 0; }
  std::size_t Count(std::initializer_list<std::string_view> parts) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::size_t count = 0;
    for (const std::string& line : lines_) {
      bool all = true;
      for (std::string_view part : parts) all = all && line.find(part) != std::string::npos;
      count += all ? 1 : 0;
    }
    return count;
  }
  std::string Text() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    std::string text;
    for (const std::string& line : lines_) text += line + "\n";
    return text;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

}  // namespace gyre
