// Stretches of stored keys whose rows are in doubt: a block of them was emptied (table_mask.h), so
// that older versions of its rows may show, and these have not been made what they may be yet.
// Until then a read there is refused as damage, which is what it was.
//
// Readers take no lock while nothing is in doubt: they look at a number before and after. It is odd
// while something is, and another each time: so who began before it and ended after it notices. A
// reader that finds it odd waits for the one who settles it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gyre {

struct DoubtfulSpan {
  bool hints = false;       // the column family: hints or rows
  std::string first, last;  // stored keys, both included
  bool older = false;       // what shows there may be older than what was lost: no row of it stays

  bool operator==(const DoubtfulSpan&) const = default;
};

// How the spans lie in `meta` (docs/disk-format.md). Errors of Decode: kCorruption.
std::string EncodeDoubt(const std::vector<DoubtfulSpan>& spans);
Result<std::vector<DoubtfulSpan>> DecodeDoubt(std::string_view bytes);

class Doubt {
 public:
  // Answers `read`, which reads between these stored keys (an empty `last`: to the end).
  // Errors: kCorruption, beside those of `read`.
  template <typename Read>
  auto Ask(bool hints, std::string_view first, std::string_view last, Read read)
      -> decltype(read()) {
    if (auto answer = AskAtOnce(read)) return *std::move(answer);
    const std::lock_guard lock(mutex_);
    for (const DoubtfulSpan& span : spans_) {
      const std::string_view begin = span.first;
      const std::string_view end = span.last;
      if (span.hints != hints || end < first || (!last.empty() && last < begin)) continue;
      return Fail(ErrorCode::kCorruption, "rows were lost here, and what is left is being checked");
    }
    return read();
  }
  // The same, nullopt instead of waiting.
  template <typename Read>
  auto AskAtOnce(Read read) const -> std::optional<decltype(read())> {
    const std::uint64_t before = number_;
    if (before % 2 != 0) return std::nullopt;
    auto answer = read();
    if (number_ != before) return std::nullopt;
    return answer;
  }

  // Of the one who settles; he holds the lock from the first Add to the end.
  std::unique_lock<std::mutex> Lock() { return std::unique_lock(mutex_); }
  void Add(DoubtfulSpan span) {
    spans_.push_back(std::move(span));
    if (number_ % 2 == 0) ++number_;
  }
  // Nothing was done to the last one.
  void Withdraw() {
    spans_.pop_back();
    if (spans_.empty()) Settled();
  }
  void Settled() {
    spans_.clear();
    if (number_ % 2 != 0) ++number_;
  }
  std::vector<DoubtfulSpan>& spans() { return spans_; }
  // Any thread.
  bool any() const { return number_ % 2 != 0; }

 private:
  std::atomic<std::uint64_t> number_{0};
  std::mutex mutex_;
  std::vector<DoubtfulSpan> spans_;
};

}  // namespace gyre
