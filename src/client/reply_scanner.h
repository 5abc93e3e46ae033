// Where a reply ends, found as its bytes come and without building anything: so that a reader that
// does not block reads each reply once, when it is whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"
#include "client/resp_value.h"

namespace gyre {

class ReplyScanner {
 public:
  explicit ReplyScanner(ReplyLimits limits = {}) : limits_(limits) {}

  // The size of the reply that `stream` begins with; nullopt: more must come. Then it is called
  // again with the same bytes and more; after a size, with what begins behind it. Each byte is
  // looked at about once. Errors: kCorruption (no RESP, or past a limit).
  Result<std::optional<std::size_t>> Scan(std::string_view stream);

 private:
  Status TakeLine(std::string_view line);

  const ReplyLimits limits_;
  std::size_t at_ = 0;             // scanned
  std::size_t searched_ = 0;       // no line ends before it
  std::uint64_t values_left_ = 1;  // that the reply still consists of
};

// A whole reply. Errors: kCorruption.
Result<RespValue> ParseReply(std::string_view whole);

}  // namespace gyre
