// Reading the words and numbers of a command, with Redis's rules and errors.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"
#include "net/resp_parser.h"

namespace gyre {

// `lower` in any case?
inline bool EqualsWord(std::string_view text, std::string_view lower) {
  if (text.size() != lower.size()) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i] >= 'A' && text[i] <= 'Z' ? static_cast<char>(text[i] + 32) : text[i];
    if (c != lower[i]) return false;
  }
  return true;
}

// Decimal as Redis takes it: no plus sign, blank or leading zero.
template <typename Integer>
std::optional<Integer> ParseInteger(std::string_view text) {
  Integer value = 0;
  if (text.empty() || (text[0] == '0' && text.size() > 1)) return std::nullopt;
  if (text[0] == '-' && (text.size() < 2 || text[1] == '0')) return std::nullopt;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

inline constexpr std::string_view kSyntaxError = "ERR syntax error";
inline constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";

enum class TimeUnit : std::uint8_t { kSeconds, kMillis };
enum class TimeBase : std::uint8_t { kFromNow, kUnix };

// The time `text` from now, or since 1970. A whole RESP error for `command` if it is not a number
// or leaves the range; with `must_be_positive` also if it is 0 or less (SET), else such a time is
// in the past (EXPIRE), and comes back as 1 ms after 1970, since 0 is "never".
tl::expected<WallTime, std::string> ParseExpiry(std::string_view text, TimeUnit unit, TimeBase base,
                                                bool must_be_positive, std::string_view command,
                                                WallTime now);

// The time options of SET and GETEX.
struct ExpiryOptions {
  std::optional<WallTime> expiry;
  bool keep = false;     // KEEPTTL
  bool persist = false;  // PERSIST
  bool get = false;      // GET
  bool exists = false;   // NX or XX was given
};
enum class ExpiryVerb : std::uint8_t { kSet, kGetex };
// Reads args from `first` on. The error is a whole RESP error.
tl::expected<ExpiryOptions, std::string> ParseExpiryOptions(const RespArgs& args, std::size_t first,
                                                            ExpiryVerb verb, WallTime now);

}  // namespace gyre
