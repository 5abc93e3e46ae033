// The bare limit to compare against: Gyre's event loop with the least RESP around it. Answers every
// SET-like command +OK and every other one with a fixed bulk of 100 bytes; keeps nothing.
//   gyre-echo --port N
#include <charconv>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include "net/reactor.h"

namespace gyre {
namespace {

constexpr std::size_t kValueBytes = 100;

// The number after the type byte at `at`, which is moved past its CRLF. False: more is needed.
bool ReadNumber(std::string_view bytes, std::size_t& at, long& number) {
  const void* newline = std::memchr(bytes.data() + at, '\n', bytes.size() - at);
  if (newline == nullptr) return false;
  const char* const begin = bytes.data() + at + 1;
  const char* const end = static_cast<const char*>(newline);
  number = -1;
  std::from_chars(begin, end, number);
  at = static_cast<std::size_t>(end - bytes.data()) + 1;
  return true;
}

class EchoHandler final : public ConnectionHandler {
 public:
  explicit EchoHandler(Connection& connection) : connection_(connection) {
    value_reply_ =
        "$" + std::to_string(kValueBytes) + "\r\n" + std::string(kValueBytes, 'x') + "\r\n";
  }

  std::size_t OnBytes(std::string_view bytes) override {
    std::size_t used = 0;
    while (used < bytes.size()) {
      if (connection_.OutputFull()) break;
      const std::size_t next = Answer(bytes, used);
      if (next == used) break;
      used = next;
    }
    return used;
  }
  void OnClosed() override {}
  std::size_t pending() const override { return 0; }

 private:
  // Answers the command at `begin`; returns where the next one begins, or `begin` if it is not
  // whole.
  std::size_t Answer(std::string_view bytes, std::size_t begin) {
    std::size_t at = begin;
    long count = 0;
    if (bytes[at] != '*') return HangUp(bytes);
    if (!ReadNumber(bytes, at, count)) return begin;
    char first = 0;
    for (long i = 0; i < count; ++i) {
      long size = 0;
      if (at >= bytes.size() || !ReadNumber(bytes, at, size)) return begin;
      if (size < 0) return HangUp(bytes);
      if (bytes.size() - at < static_cast<std::size_t>(size) + 2) return begin;
      if (i == 0 && size > 0) first = bytes[at];
      at += static_cast<std::size_t>(size) + 2;
    }
    if ((first | 0x20) == 's') {
      connection_.out().Append("+OK\r\n");
    } else {
      connection_.out().Append(value_reply_);
    }
    return at;
  }
  std::size_t HangUp(std::string_view bytes) {
    connection_.out().Append("-ERR only arrays of bulk strings here\r\n");
    connection_.CloseAfterFlush();
    return bytes.size();
  }

  Connection& connection_;
  std::string value_reply_;
};

int Main(int argc, char** argv) {
  std::string port = "0";
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (flag == "--port") {
      port = argv[i + 1];
    } else {
      std::fprintf(stderr, "usage: gyre-echo --port N\n");
      return 2;
    }
  }
  Result<std::unique_ptr<Reactor>> reactor = MakeEpollReactor();
  const Result<SocketAddress> address = SocketAddress::Parse("127.0.0.1:" + port);
  if (!reactor || !address) {
    std::fprintf(stderr, "gyre-echo: cannot start on port '%s'\n", port.c_str());
    return 1;
  }
  const Result<SocketAddress> bound = (*reactor)->Listen(
      {.address = *address},
      [](Connection& connection) { return std::make_unique<EchoHandler>(connection); });
  if (!bound) {
    std::fprintf(stderr, "gyre-echo: %s\n", bound.error().message.c_str());
    return 1;
  }
  std::printf("listening on %s\n", bound->ToString().c_str());
  std::fflush(stdout);
  (*reactor)->Run();
  return 0;
}

}  // namespace
}  // namespace gyre

int main(int argc, char** argv) { return gyre::Main(argc, argv); }
