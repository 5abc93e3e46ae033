// For tests of clients: a RESP server on a free loopback port that answers what the test says.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "client/resp_value.h"

namespace gyre {

class ScriptedNode {
 public:
  using Command = std::vector<std::string>;
  // Bytes to answer with; empty: hang up. Each connection has a thread, and calls are one at a
  // time.
  using Script = std::function<std::string(const Command&)>;

  explicit ScriptedNode(Script script)
      : script_(std::move(script)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    GYRE_CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
    GYRE_CHECK(listen(listener_, 16) == 0);
    GYRE_CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { Accept(); });
  }
  // As if killed: whoever is connected is cut off.
  ~ScriptedNode() {
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    close(listener_);
    for (const int fd : connections_) shutdown(fd, SHUT_RDWR);
    for (std::thread& thread : threads_) thread.join();
    for (const int fd : connections_) close(fd);
  }
  ScriptedNode(const ScriptedNode&) = delete;
  ScriptedNode& operator=(const ScriptedNode&) = delete;

  std::uint16_t port() const { return port_; }
  static std::string Bulk(const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }

 private:
  class Source final : public ByteSource {
   public:
    explicit Source(int fd) : fd_(fd) {}
    Status ReadMore(std::string& buffer) override {
      char block[4096];
      const ssize_t got = recv(fd_, block, sizeof block, 0);
      if (got <= 0) return Fail(ErrorCode::kIoError, "the client has gone");
      buffer.append(block, static_cast<std::size_t>(got));
      return {};
    }

   private:
    const int fd_;
  };

  void Accept() {
    for (;;) {
      const int fd = accept(listener_, nullptr, nullptr);
      if (fd < 0) return;
      connections_.push_back(fd);
      threads_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    Source source(fd);
    ReplyReader reader(source);
    while (Result<RespValue> value = reader.Read()) {
      Command command;
      for (RespValue& item : value->items) command.push_back(std::move(item.text));
      std::string answer;
      {
        const std::lock_guard lock(mutex_);
        answer = script_(command);
      }
      if (answer.empty()) break;
      if (send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) < 0) break;
    }
    shutdown(fd, SHUT_RDWR);  // closed at the end, so that its number names nothing else meanwhile
  }

  const Script script_;
  const int listener_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::vector<int> connections_;  // the acceptor's, until it has ended
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace gyre
