// Reads Redis commands (RESP arrays of bulk strings, and inline commands) from a byte stream that
// may be cut anywhere. Pure; safe for hostile bytes: memory grows with bytes received, never with
// bytes announced, and no byte of a command is looked at again when the next piece of it comes.
// Answers what Redis 7 answers, but is stricter in one thing: every line and every bulk must end in
// CR LF, because a stream that is out of step must not be guessed at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"

namespace gyre {

struct RespLimits {
  std::size_t args_max = 1'048'576;  // per command
  // A larger argument is read over, and its command refused; past the hard limit the connection is
  // given up. Likewise a command whose bytes together exceed command_bytes_max is read over.
  std::size_t bulk_bytes_max = 8 * 1024 * 1024;
  std::size_t bulk_bytes_hard_max = 64 * 1024 * 1024;
  std::size_t command_bytes_max = 128 * 1024 * 1024;  // < 4 GiB
  std::size_t inline_bytes_max = 64 * 1024;
  // Until the client has shown its password (trap: strangers must not make us buffer).
  std::size_t unauthenticated_args_max = 10;
  std::size_t unauthenticated_bulk_bytes_max = 16 * 1024;
};

// The arguments of one command, the command's name first: slices of the input, valid until the
// input moves.
class RespArgs {
 public:
  struct Piece {
    std::uint32_t offset;
    std::uint32_t size;
  };
  RespArgs() = default;
  RespArgs(const char* base, const Piece* pieces, std::size_t count)
      : base_(base), pieces_(pieces), count_(count) {}

  std::size_t size() const { return count_; }
  std::string_view operator[](std::size_t i) const {
    GYRE_DCHECK(i < count_);
    return {base_ + pieces_[i].offset, pieces_[i].size};
  }
  // From the first one's begin to the last one's end. REQUIRES: not empty.
  std::size_t bytes() const {
    const Piece& last = pieces_[count_ - 1];
    return last.offset + last.size - pieces_[0].offset;
  }

 private:
  const char* base_ = nullptr;
  const Piece* pieces_ = nullptr;
  std::size_t count_ = 0;
};

class RespParser {
 public:
  enum class Status : std::uint8_t {
    kNeedMore,
    kCommand,   // args() is one command, never empty
    kTooLarge,  // error() says why the command, now read over, cannot be carried out; go on
    kError,     // error() is for the client, then hang up
    kAttack,    // a browser made to speak to this port (POST, Host:): hang up at once
  };

  explicit RespParser(const RespLimits& limits, bool authenticated = true)
      : limits_(limits), authenticated_(authenticated) {
    GYRE_CHECK(limits.command_bytes_max < UINT32_MAX - limits.bulk_bytes_hard_max);
  }

  // Goes on with `bytes`, which begin where the last call's `*taken` ended and hold at least what
  // was there then. `*taken` is how many are done with and must not come again; with kCommand they
  // hold the command, so args() live as long as `bytes`. After kError or kAttack: not again.
  Status Next(std::string_view bytes, std::size_t* taken);

  RespArgs args() const { return {base_, pieces_.data(), pieces_.size()}; }
  // Without "ERR " and line end.
  const std::string& error() const { return error_; }

  // Gives the last command back: returns how many of the bytes taken are its own. The next Next(),
  // on bytes from there, returns it again at no cost. REQUIRES: the last status was kCommand.
  std::size_t Unget();
  void set_authenticated(bool authenticated) { authenticated_ = authenticated; }

  // Bytes of its own that it holds, for tests of the memory bound.
  std::size_t held_bytes() const {
    return pieces_.capacity() * sizeof(RespArgs::Piece) + scratch_.capacity();
  }

 private:
  enum class State : std::uint8_t { kStart, kInline, kBulkHeader, kBulkBody, kComplete, kUngot };
  enum class Line : std::uint8_t { kNeedMore, kWhole, kTooLong, kBad };

  // Each goes on with what state_ says; nothing returned: state_ has moved on.
  using MaybeStatus = std::optional<Status>;
  MaybeStatus Begin(std::string_view bytes);
  MaybeStatus ReadInline(std::string_view bytes, std::size_t* taken);
  MaybeStatus ReadArguments(std::string_view bytes, std::size_t* taken);
  MaybeStatus ReadBulkHeader(std::string_view bytes);
  MaybeStatus ReadBulkBody(std::string_view bytes, std::size_t* taken);
  Status Finish(const char* base, bool from_inline, std::size_t* taken);

  Line ReadNumberLine(std::string_view bytes, std::int64_t* value);
  bool SplitInline(std::string_view line);
  Status Fail(std::string message);
  void Refuse(std::string why);
  bool LooksLikeHttp() const;
  void Release();

  RespLimits limits_;
  bool authenticated_;
  State state_ = State::kStart;
  bool discarding_ = false;  // the command is read over, its bytes are taken as they come
  std::size_t at_ = 0;       // where to go on, from the start of `bytes`
  std::size_t args_left_ = 0;
  std::size_t bulk_left_ = 0;  // of the present bulk, without its CR LF
  bool inline_ = false;        // args() are in scratch_, not in the input
  const char* base_ = nullptr;
  std::vector<RespArgs::Piece> pieces_;
  std::string scratch_;  // unquoted inline arguments
  std::string error_;
};

}  // namespace gyre
