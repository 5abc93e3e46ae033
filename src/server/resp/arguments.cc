#include "server/resp/arguments.h"

#include <algorithm>

#include "core/causality/record.h"

namespace gyre {

tl::expected<WallTime, std::string> ParseExpiry(std::string_view text, TimeUnit unit, TimeBase base,
                                                bool must_be_positive, std::string_view command,
                                                WallTime now) {
  const std::optional<std::int64_t> parsed = ParseInteger<std::int64_t>(text);
  if (!parsed.has_value()) return tl::unexpected(std::string(kNotAnInteger));
  const auto out_of_range = [&] {
    return tl::unexpected("ERR invalid expire time in '" + std::string(command) + "' command");
  };
  std::int64_t ms = *parsed;
  if (must_be_positive && ms <= 0) return out_of_range();
  if (unit == TimeUnit::kSeconds && __builtin_mul_overflow(ms, 1000, &ms)) return out_of_range();
  if (base == TimeBase::kFromNow && __builtin_add_overflow(ms, now.ms, &ms)) return out_of_range();
  if (ms > kWallTimeMsMax) return out_of_range();
  return WallTime{std::max<std::int64_t>(ms, 1)};
}

tl::expected<ExpiryOptions, std::string> ParseExpiryOptions(const RespArgs& args, std::size_t first,
                                                            ExpiryVerb verb, WallTime now) {
  struct TimeWord {
    std::string_view word;
    TimeUnit unit;
    TimeBase base;
  };
  static constexpr TimeWord kTimeWords[] = {{"ex", TimeUnit::kSeconds, TimeBase::kFromNow},
                                            {"px", TimeUnit::kMillis, TimeBase::kFromNow},
                                            {"exat", TimeUnit::kSeconds, TimeBase::kUnix},
                                            {"pxat", TimeUnit::kMillis, TimeBase::kUnix}};
  const auto syntax_error = [] { return tl::unexpected(std::string(kSyntaxError)); };
  const bool set = verb == ExpiryVerb::kSet;
  ExpiryOptions options;
  const TimeWord* time_word = nullptr;
  std::string_view time_text;
  for (std::size_t i = first; i < args.size(); ++i) {
    const std::string_view word = args[i];
    const bool timed = time_word != nullptr || options.keep || options.persist;
    if (set && (EqualsWord(word, "nx") || EqualsWord(word, "xx"))) {
      options.exists = true;
    } else if (set && EqualsWord(word, "get")) {
      options.get = true;
    } else if (set && EqualsWord(word, "keepttl") && !timed) {
      options.keep = true;
    } else if (!set && EqualsWord(word, "persist") && !timed) {
      options.persist = true;
    } else {
      const auto* found = std::find_if(std::begin(kTimeWords), std::end(kTimeWords),
                                       [&](const TimeWord& w) { return EqualsWord(word, w.word); });
      if (found == std::end(kTimeWords) || timed || i + 1 == args.size()) return syntax_error();
      time_word = found;
      time_text = args[++i];
    }
  }
  if (time_word != nullptr) {
    const auto expiry = ParseExpiry(time_text, time_word->unit, time_word->base,
                                    /*must_be_positive=*/true, set ? "set" : "getex", now);
    if (!expiry.has_value()) return tl::unexpected(expiry.error());
    options.expiry = *expiry;
  }
  return options;
}

}  // namespace gyre
