// Sessions that end by themselves: a value with a time to live, renewed at each visit. The last
// writer wins, which is right where one browser writes one session.
//   sessions HOST:PORT[,HOST:PORT...] [SECONDS]     visits for that long (default 0: once)
#include <gyre/client.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "addresses.h"

using namespace std::chrono_literals;

namespace {

constexpr auto kIdleMax = 30min;  // of a session
constexpr int kVisitors = 20;

// False: the session could not be read or written, and why is said. Where `unknown` is counted the
// write may have worked: a session is simply written again at the next visit.
bool Visit(gyre::Client& client, const std::string& session, int visits, int& unknown) {
  const auto before = client.GetNewest(session);
  if (!before) {
    std::fprintf(stderr, "get %s: %s\n", session.c_str(), before.error().message.c_str());
    return false;
  }
  const auto set = client.Set(session, "visits=" + std::to_string(visits), {.ttl = kIdleMax});
  if (set) return true;
  if (set.error().kind == gyre::ErrorKind::kUnknown) {
    ++unknown;
    return true;
  }
  std::fprintf(stderr, "set %s: %s\n", session.c_str(), set.error().message.c_str());
  return false;
}

bool EndsByItself(gyre::Client& client) {
  if (!client.Set("session:short", "soon gone", {.ttl = 1ms})) return false;
  std::this_thread::sleep_for(50ms);
  const auto gone = client.GetNewest("session:short");
  return gone && !gone->has_value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "usage: sessions HOST:PORT,... [SECONDS]\n"), 2;
  auto client = gyre::Client::Connect({.addresses = SplitAddresses(argv[1])});
  if (!client) {
    return std::fprintf(stderr, "connect: %s\n", client.error().message.c_str()), 1;
  }
  const auto end =
      std::chrono::steady_clock::now() + std::chrono::seconds(argc > 2 ? std::atoi(argv[2]) : 0);
  int visits = 0;
  int failed = 0;
  int unknown = 0;
  do {
    ++visits;
    for (int visitor = 0; visitor < kVisitors; ++visitor) {
      const std::string session = "session:" + std::to_string(visitor);
      if (!Visit(*client, session, visits, unknown)) ++failed;
    }
    if (visits == 1) std::printf("visiting\n"), std::fflush(stdout);
  } while (std::chrono::steady_clock::now() < end);
  std::printf("visits %d, failed %d, unknown %d\n", visits * kVisitors, failed, unknown);
  if (!EndsByItself(*client)) return std::fprintf(stderr, "a session outlived its end\n"), 1;
  return failed == 0 ? 0 : 1;
}
