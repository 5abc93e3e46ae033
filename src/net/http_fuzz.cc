// Hostile bytes at the HTTP parser: no crash, no endless loop, bounded memory; and the same
// requests whether the bytes come whole or cut into pieces. The first byte chooses the cuts.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/http_parser.h"

namespace {

struct Outcome {
  std::vector<gyre::HttpRequest> requests;
  bool failed = false;

  bool operator==(const Outcome&) const = default;
};

Outcome Run(std::string_view bytes, std::size_t piece) {
  gyre::HttpLimits limits;
  limits.header_bytes_max = 512;  // small, so that the fuzzer reaches them
  limits.headers_max = 8;
  limits.body_bytes_max = 256;
  gyre::HttpParser parser(limits);
  Outcome outcome;
  std::size_t used = 0;
  std::size_t given = 0;
  while (given < bytes.size()) {
    given = std::min(bytes.size(), given + piece);
    bool again = true;
    while (again && used < given) {
      const gyre::HttpParser::Step step = parser.Feed(bytes.substr(used, given - used));
      GYRE_CHECK(step.used <= given - used);
      used += step.used;
      switch (step.progress) {
        case gyre::HttpParser::Progress::kDone:
          GYRE_CHECK(step.used > 0);
          outcome.requests.push_back(parser.TakeRequest());
          GYRE_CHECK(outcome.requests.back().body.size() <= limits.body_bytes_max);
          break;
        case gyre::HttpParser::Progress::kFailed:
          GYRE_CHECK(!parser.failure().message.empty());
          outcome.failed = true;
          return outcome;
        case gyre::HttpParser::Progress::kExpectsContinue:
          break;
        case gyre::HttpParser::Progress::kNeedMore:
          again = false;
      }
    }
    GYRE_CHECK(given - used <= limits.header_bytes_max + piece);
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Outcome whole = Run(bytes, bytes.size() + 1);
  GYRE_CHECK(Run(bytes, 1) == whole);
  GYRE_CHECK(Run(bytes, 1 + data[0] % 37) == whole);
  std::string decoded;
  if (gyre::PercentDecode(bytes, decoded)) {
    std::string again;
    GYRE_CHECK(gyre::PercentDecode(gyre::PercentEncode(decoded), again) && again == decoded);
  }
  return 0;
}
