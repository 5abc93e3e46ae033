// A RESP reply as a value, and reading one from a stream of bytes (RESP2 and RESP3).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace gyre {

struct RespValue {
  // Of RESP's many types only what a caller treats differently: simple, bulk, verbatim and big
  // numbers are kString; sets and pushes are kArray; a map is kMap with keys and values in turn.
  enum class Kind : std::uint8_t {
    kNull,
    kString,
    kError,
    kInteger,
    kDouble,
    kBoolean,
    kArray,
    kMap
  };

  Kind kind = Kind::kNull;
  std::string text;          // kString, kError
  std::int64_t integer = 0;  // kInteger; kBoolean: 0 or 1
  double real = 0;
  std::vector<RespValue> items;

  bool is_error() const { return kind == Kind::kError; }
  // The value of `key` in a kMap, or in the flat array that RESP2 has for one; null if absent.
  const RespValue* Find(std::string_view key) const;
  RespValue* Find(std::string_view key) {
    return const_cast<RespValue*>(std::as_const(*this).Find(key));
  }
};

// Where bytes come from.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Appends at least one byte to `buffer`. Errors: the stream ended or failed.
  virtual Status ReadMore(std::string& buffer) = 0;
};

struct ReplyLimits {
  std::size_t bytes_max = 512 * 1024 * 1024;  // of one reply, all together
  std::size_t line_bytes_max = 64 * 1024;
  int depth_max = 32;
};

// Reads replies one by one; keeps what came after.
class ReplyReader {
 public:
  explicit ReplyReader(ByteSource& source, ReplyLimits limits = {})
      : source_(source), limits_(limits) {}

  // Errors: those of the source; kCorruption if it is no RESP or past a limit (the stream is of no
  // use then). Memory grows with the bytes that came, not with lengths announced.
  Result<RespValue> Read();
  bool empty() const { return at_ == buffer_.size(); }  // nothing came after the last reply

 private:
  Result<RespValue> ReadValue(int depth);
  Result<RespValue> ReadItems(std::string_view count, std::size_t per_entry, int depth);
  Result<std::string> ReadLine();
  Result<std::string> ReadBulk(std::size_t size);
  Status Need(std::size_t bytes);

  ByteSource& source_;
  const ReplyLimits limits_;
  std::string buffer_;
  std::size_t at_ = 0;     // read of buffer_
  std::size_t taken_ = 0;  // of the present reply
};

}  // namespace gyre
