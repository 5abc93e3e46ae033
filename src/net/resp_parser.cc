#include "net/resp_parser.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

namespace gyre {
namespace {

// Longest line that can hold a valid number, with room to see that it is none.
constexpr std::size_t kNumberLineMax = 64;
// Of plain commands; what has more is left to the careful way.
constexpr std::ptrdiff_t kPlainDigitsMax = 9;
constexpr std::size_t kPlainArgsMax = 64;
// Capacity that is kept between commands.
constexpr std::size_t kKeptPiecesMax = 1024;

bool EqualsIgnoringCase(std::string_view a, std::string_view lower) {
  if (a.size() != lower.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const char c = a[i] >= 'A' && a[i] <= 'Z' ? static_cast<char>(a[i] + 32) : a[i];
    if (c != lower[i]) return false;
  }
  return true;
}

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// A number of a few digits and its CR LF at `*at`, which moves behind it.
inline bool ReadPlainNumber(const char** at, const char* end, std::size_t* value) {
  // Longer than any such number, so that what follows needs no bound.
  char few[kPlainDigitsMax + 2];
  const char* digit = *at;
  if (const auto left = static_cast<std::size_t>(end - digit); left < sizeof few) {
    std::memset(few, 0, sizeof few);
    if (left > 0) std::memcpy(few, digit, left);
    digit = few;
  }
  const char* const start = digit;
  const auto value_of = [](char c) { return static_cast<std::uint32_t>(c) - '0'; };
  std::uint32_t number = value_of(*digit++);
  if (number > 9) return false;
  if (number > 0) {
    const char* const last = digit + kPlainDigitsMax - 1;
    for (; value_of(*digit) <= 9; ++digit) {
      if (digit == last) return false;
      number = number * 10 + value_of(*digit);
    }
  }
  if (digit[0] != '\r' || digit[1] != '\n') return false;
  *at += digit + 2 - start;
  *value = number;
  return true;
}

// What nearly every command is: an array of a few small arguments, all here. False: the careful
// way has to look at it; `pieces` is of no use then.
bool ReadPlainCommand(std::string_view bytes, const RespLimits& limits,
                      std::vector<RespArgs::Piece>& pieces, std::size_t* used) {
  const char* const begin = bytes.data();
  const char* const end = begin + bytes.size();
  const char* at = begin + 1;
  std::size_t count = 0;
  if (!ReadPlainNumber(&at, end, &count)) return false;
  if (count == 0 || count > std::min(kPlainArgsMax, limits.args_max)) return false;
  for (; count > 0; --count) {
    std::size_t size = 0;
    if (at == end || *at++ != '$' || !ReadPlainNumber(&at, end, &size)) return false;
    if (size > limits.bulk_bytes_max || static_cast<std::size_t>(end - at) < size + 2) return false;
    if (at[size] != '\r' || at[size + 1] != '\n') return false;
    pieces.push_back({static_cast<std::uint32_t>(at - begin), static_cast<std::uint32_t>(size)});
    at += size + 2;
    if (static_cast<std::size_t>(at - begin) > limits.command_bytes_max) return false;
  }
  *used = static_cast<std::size_t>(at - begin);
  return true;
}

}  // namespace

RespParser::Status RespParser::Next(std::string_view bytes, std::size_t* taken) {
  *taken = 0;
  if (state_ == State::kUngot)
    return Finish(inline_ ? scratch_.data() : bytes.data(), inline_, taken);
  if (state_ == State::kComplete) Release();
  if (state_ == State::kStart && at_ == 0 && authenticated_ && bytes.starts_with('*')) {
    if (ReadPlainCommand(bytes, limits_, pieces_, &at_)) {
      return Finish(bytes.data(), /*from_inline=*/false, taken);
    }
    pieces_.clear();
    at_ = 0;
  }
  while (true) {
    MaybeStatus status;
    if (state_ == State::kStart) {
      bytes.remove_prefix(at_);  // an empty command
      *taken += std::exchange(at_, 0);
      status = Begin(bytes);
    } else if (state_ == State::kInline) {
      status = ReadInline(bytes, taken);
    } else {
      status = ReadArguments(bytes, taken);
    }
    if (status.has_value()) return *status;
  }
}

std::size_t RespParser::Unget() {
  GYRE_CHECK(state_ == State::kComplete);
  state_ = State::kUngot;
  return at_;
}

// Reads a number that ends in CR LF at at_, and moves at_ behind it. The line is bounded, so
// reading it again when it came in pieces is too.
RespParser::Line RespParser::ReadNumberLine(std::string_view bytes, std::int64_t* value) {
  const std::string_view rest = bytes.substr(at_);
  std::size_t end = 0;
  while (end < rest.size() && end < kNumberLineMax && rest[end] != '\r') ++end;
  if (end == kNumberLineMax) return Line::kTooLong;
  if (end + 1 >= rest.size()) return Line::kNeedMore;
  if (rest[end + 1] != '\n') return Line::kBad;
  const char* first = rest.data();
  const char* last = first + end;
  at_ += end + 2;
  if (first == last || (*first == '0' && end > 1)) return Line::kBad;
  if (*first == '-' && (end < 2 || first[1] == '0')) return Line::kBad;
  const auto parsed = std::from_chars(first, last, *value);
  return parsed.ec == std::errc() && parsed.ptr == last ? Line::kWhole : Line::kBad;
}

RespParser::Status RespParser::Fail(std::string message) {
  error_ = "Protocol error: " + std::move(message);
  pieces_.clear();
  return Status::kError;
}

RespParser::MaybeStatus RespParser::Begin(std::string_view bytes) {
  if (bytes.empty()) return Status::kNeedMore;
  if (bytes[0] != '*') {
    state_ = State::kInline;
    return std::nullopt;
  }
  at_ = 1;
  std::int64_t count = 0;
  const Line line = ReadNumberLine(bytes, &count);
  if (line == Line::kNeedMore) {
    at_ = 0;
    return Status::kNeedMore;
  }
  if (line == Line::kTooLong) return Fail("too big mbulk count string");
  if (line == Line::kBad || count > static_cast<std::int64_t>(limits_.args_max)) {
    return Fail("invalid multibulk length");
  }
  if (!authenticated_ && count > static_cast<std::int64_t>(limits_.unauthenticated_args_max)) {
    return Fail("unauthenticated multibulk length");
  }
  if (count <= 0) return std::nullopt;  // no command
  args_left_ = static_cast<std::size_t>(count);
  state_ = State::kBulkHeader;
  return std::nullopt;
}

RespParser::MaybeStatus RespParser::ReadInline(std::string_view bytes, std::size_t* taken) {
  // at_ is where the search for the line's end goes on.
  const std::size_t search_end = std::min(bytes.size(), limits_.inline_bytes_max + 1);
  const void* found =
      at_ < search_end ? std::memchr(bytes.data() + at_, '\n', search_end - at_) : nullptr;
  if (found == nullptr) {
    at_ = search_end;
    if (search_end > limits_.inline_bytes_max) return Fail("too big inline request");
    return Status::kNeedMore;
  }
  const auto line_bytes = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
  if (!SplitInline(bytes.substr(0, line_bytes))) return Fail("unbalanced quotes in request");
  at_ = line_bytes + 1;
  if (pieces_.empty()) {
    state_ = State::kStart;
    return std::nullopt;
  }
  if (!authenticated_) {
    if (pieces_.size() > limits_.unauthenticated_args_max) {
      return Fail("unauthenticated multibulk length");
    }
    for (const RespArgs::Piece& piece : pieces_) {
      if (piece.size > limits_.unauthenticated_bulk_bytes_max) {
        return Fail("unauthenticated bulk length");
      }
    }
  }
  return Finish(scratch_.data(), /*from_inline=*/true, taken);
}

// Words as redis-cli and Redis split them: 'single' quotes know \', "double" ones \n \r \t \b \a
// \xHH and \any; a closing quote must end its word. False if a quote stays open.
bool RespParser::SplitInline(std::string_view line) {
  scratch_.clear();
  line = line.substr(0, line.find('\0'));  // as Redis, for which it is a C string
  pieces_.clear();
  std::size_t i = 0;
  while (true) {
    while (i < line.size() && IsSpace(line[i])) ++i;
    if (i == line.size()) break;
    const std::size_t begin = scratch_.size();
    char quote = 0;
    while (true) {
      if (i == line.size()) {
        if (quote != 0) return false;
        break;
      }
      const char c = line[i];
      if (quote == '"') {
        if (c == '\\' && i + 3 < line.size() && line[i + 1] == 'x' && HexDigit(line[i + 2]) >= 0 &&
            HexDigit(line[i + 3]) >= 0) {
          scratch_.push_back(static_cast<char>(HexDigit(line[i + 2]) * 16 + HexDigit(line[i + 3])));
          i += 4;
          continue;
        }
        if (c == '\\' && i + 1 < line.size()) {
          scratch_.push_back(Unescape(line[i + 1]));
          i += 2;
          continue;
        }
      } else if (quote == '\'' && c == '\\' && i + 1 < line.size() && line[i + 1] == '\'') {
        scratch_.push_back('\'');
        i += 2;
        continue;
      }
      if (quote != 0) {
        ++i;
        if (c != quote) {
          scratch_.push_back(c);
          continue;
        }
        if (i < line.size() && !IsSpace(line[i])) return false;
        break;
      }
      if (IsSpace(c)) break;
      ++i;
      if (c == '"' || c == '\'') {
        quote = c;
      } else {
        scratch_.push_back(c);
      }
    }
    pieces_.push_back(
        {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(scratch_.size() - begin)});
  }
  return true;
}

RespParser::MaybeStatus RespParser::ReadArguments(std::string_view bytes, std::size_t* taken) {
  while (args_left_ > 0) {
    if (discarding_ && at_ > 0) {
      const std::size_t done = std::min(at_, bytes.size());
      bytes.remove_prefix(done);
      *taken += done;
      at_ -= done;
    }
    const MaybeStatus status =
        state_ == State::kBulkHeader ? ReadBulkHeader(bytes) : ReadBulkBody(bytes, taken);
    if (status.has_value()) return status;
  }
  if (!discarding_) return Finish(bytes.data(), /*from_inline=*/false, taken);
  *taken += std::exchange(at_, 0);
  discarding_ = false;
  state_ = State::kStart;
  return Status::kTooLarge;
}

RespParser::MaybeStatus RespParser::ReadBulkHeader(std::string_view bytes) {
  if (at_ >= bytes.size()) return Status::kNeedMore;
  const char mark = bytes[at_];
  if (mark != '$') {
    // As Redis, but never a control character inside an error line.
    return Fail(std::string("expected '$', got '") + (mark >= ' ' && mark != 127 ? mark : '?') +
                "'");
  }
  const std::size_t start = at_++;
  std::int64_t size = 0;
  const Line line = ReadNumberLine(bytes, &size);
  if (line == Line::kNeedMore) {
    at_ = start;
    return Status::kNeedMore;
  }
  if (line == Line::kTooLong) return Fail("too big bulk count string");
  if (line == Line::kBad || size < 0 ||
      size > static_cast<std::int64_t>(limits_.bulk_bytes_hard_max)) {
    return Fail("invalid bulk length");
  }
  const auto bulk_bytes = static_cast<std::size_t>(size);
  if (!authenticated_ && bulk_bytes > limits_.unauthenticated_bulk_bytes_max) {
    return Fail("unauthenticated bulk length");
  }
  bulk_left_ = bulk_bytes;
  state_ = State::kBulkBody;
  if (discarding_) return std::nullopt;
  if (bulk_bytes > limits_.bulk_bytes_max) {
    Refuse("value is larger than " + std::to_string(limits_.bulk_bytes_max) +
           " bytes (value_bytes_max)");
  } else if (at_ + bulk_bytes + 2 > limits_.command_bytes_max) {
    Refuse("command is larger than " + std::to_string(limits_.command_bytes_max) +
           " bytes: send it in parts");
  }
  return std::nullopt;
}

RespParser::MaybeStatus RespParser::ReadBulkBody(std::string_view bytes, std::size_t* taken) {
  const std::size_t available = bytes.size() - at_;
  if (available < bulk_left_ + 2) {
    // The last two bytes stay until both are there, so that the end can be checked.
    if (discarding_ && available > 0) {
      const std::size_t done = std::min(available, bulk_left_);
      bulk_left_ -= done;
      *taken += at_ + done;
      at_ = 0;
    }
    return Status::kNeedMore;
  }
  const char* end = bytes.data() + at_ + bulk_left_;
  if (end[0] != '\r' || end[1] != '\n') return Fail("expected CR LF after a bulk string");
  if (!discarding_) {
    pieces_.push_back({static_cast<std::uint32_t>(at_), static_cast<std::uint32_t>(bulk_left_)});
  }
  at_ += bulk_left_ + 2;
  --args_left_;
  state_ = State::kBulkHeader;
  return std::nullopt;
}

RespParser::Status RespParser::Finish(const char* base, bool from_inline, std::size_t* taken) {
  base_ = base;
  inline_ = from_inline;
  if (LooksLikeHttp()) return Status::kAttack;
  state_ = State::kComplete;
  *taken += at_;
  return Status::kCommand;
}

void RespParser::Refuse(std::string why) {
  error_ = std::move(why);
  discarding_ = true;
  pieces_.clear();
  pieces_.shrink_to_fit();
}

bool RespParser::LooksLikeHttp() const {
  const std::string_view first = args()[0];
  return EqualsIgnoringCase(first, "post") || EqualsIgnoringCase(first, "host:");
}

void RespParser::Release() {
  state_ = State::kStart;
  at_ = 0;
  pieces_.clear();
  if (pieces_.capacity() > kKeptPiecesMax) pieces_.shrink_to_fit();
  if (scratch_.capacity() > kKeptPiecesMax) scratch_ = std::string();
}

}  // namespace gyre
