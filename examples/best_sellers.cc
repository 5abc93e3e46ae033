// A list that is computed elsewhere and read by everybody (paper 6.1): one writer replaces it, and
// readers ask one owner only (R=1): fast and there whatever is down, at times a list too old.
//   best_sellers HOST:PORT[,HOST:PORT...] publish ITEM...
//   best_sellers HOST:PORT[,HOST:PORT...] read [SECONDS]     reads for that long (default 0: once)
#include <gyre/client.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "addresses.h"

namespace {

constexpr char kKey[] = "best-sellers:books";

int Publish(gyre::Client& client, int count, char** items) {
  std::string list;
  for (int i = 0; i < count; ++i) list += std::string(items[i]) + "\n";
  // On as many owners as there are, so that R=1 finds it; if one is down, on as many as a quorum.
  for (const char* w : {"all", "quorum"}) {
    const auto seen = client.Get(kKey);
    if (!seen) return std::fprintf(stderr, "get: %s\n", seen.error().message.c_str()), 1;
    const auto put = client.Put(kKey, list, seen->context, {.w = w});
    if (put) return std::printf("published with W=%s\n", w), 0;
    std::fprintf(stderr, "put with W=%s: %s\n", w, put.error().message.c_str());
    // Unknown: the same list once more does no harm.
    if (put.error().kind == gyre::ErrorKind::kInvalid) break;
  }
  return 1;
}

int Read(gyre::Client& client, int seconds) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  int reads = 0;
  int failed = 0;
  std::string list;
  do {
    const auto found = client.GetNewest(kKey, {.r = "1"});
    if (!found) {
      std::fprintf(stderr, "get: %s\n", found.error().message.c_str());
      ++failed;
    } else if (found->has_value()) {
      list = **found;
    }
    if (++reads == 1) std::printf("reading\n"), std::fflush(stdout);
  } while (std::chrono::steady_clock::now() < end);
  std::printf("reads %d, failed %d\n%s", reads, failed, list.c_str());
  return failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: best_sellers HOST:PORT,... VERB ...\n"), 2;
  auto client = gyre::Client::Connect({.addresses = SplitAddresses(argv[1])});
  if (!client) return std::fprintf(stderr, "connect: %s\n", client.error().message.c_str()), 1;
  const std::string verb = argv[2];
  if (verb == "publish") return Publish(*client, argc - 3, argv + 3);
  if (verb == "read") return Read(*client, argc > 3 ? std::atoi(argv[3]) : 0);
  return std::fprintf(stderr, "publish or read\n"), 2;
}
