// Writes RESP2 or RESP3 replies into an OutputBuffer. What RESP2 lacks becomes what Redis 7 sends
// there: maps and sets are flat arrays, null is $-1, booleans are 1 and 0, doubles are bulks.
// Aggregates are written as a header with their count, then that many elements by the caller.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "net/output_buffer.h"

namespace gyre {

class RespWriter {
 public:
  RespWriter(OutputBuffer& out, bool resp3) : out_(out), resp3_(resp3) {}

  bool resp3() const { return resp3_; }

  // REQUIRES: no CR or LF in `text`; for literals of our own.
  void Simple(std::string_view text) {
    char* to = out_.Grow(text.size() + 3);
    *to = '+';
    std::memcpy(to + 1, text.data(), text.size());
    std::memcpy(to + 1 + text.size(), "\r\n", 2);
  }
  void Ok() { out_.Append(std::string_view("+OK\r\n")); }
  // `text` begins with its code word. Control characters in it (it may quote the client) become
  // blanks, so that an error is always one line.
  void Error(std::string_view text) {
    char* to = out_.Grow(text.size() + 3);
    *to++ = '-';
    for (const char c : text) *to++ = c == '\r' || c == '\n' ? ' ' : c;
    std::memcpy(to, "\r\n", 2);
  }
  void Integer(std::int64_t value) { Header(':', value); }
  void Bulk(std::string_view bytes) {
    char head[kHeaderMax];
    const std::size_t head_bytes = FormatHeader(head, '$', static_cast<std::int64_t>(bytes.size()));
    char* to = out_.Grow(head_bytes + bytes.size() + 2);
    std::memcpy(to, head, head_bytes);
    if (!bytes.empty()) std::memcpy(to + head_bytes, bytes.data(), bytes.size());
    std::memcpy(to + head_bytes + bytes.size(), "\r\n", 2);
  }
  // By reference if large.
  void Bulk(const Bytes& bytes) {
    if (bytes.size() < OutputBuffer::kByReferenceMin) return Bulk(bytes.view());
    Header('$', static_cast<std::int64_t>(bytes.size()));
    out_.Append(bytes);
    out_.Append(std::string_view("\r\n"));
  }
  void BulkInteger(std::int64_t value) {
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value);
    Bulk(std::string_view(digits, static_cast<std::size_t>(end.ptr - digits)));
  }
  void Null() { out_.Append(std::string_view(resp3_ ? "_\r\n" : "$-1\r\n")); }
  void NullArray() { out_.Append(std::string_view(resp3_ ? "_\r\n" : "*-1\r\n")); }
  void Array(std::size_t count) { Header('*', static_cast<std::int64_t>(count)); }
  // Then `count` keys and values in turn.
  void Map(std::size_t count) {
    Header(resp3_ ? '%' : '*', static_cast<std::int64_t>(resp3_ ? count : count * 2));
  }
  void Set(std::size_t count) { Header(resp3_ ? '~' : '*', static_cast<std::int64_t>(count)); }
  void Push(std::size_t count) { Header(resp3_ ? '>' : '*', static_cast<std::int64_t>(count)); }
  void Bool(bool value) {
    if (!resp3_) return Integer(value ? 1 : 0);
    out_.Append(std::string_view(value ? "#t\r\n" : "#f\r\n"));
  }
  // The shortest digits that read back as `value`.
  void Double(double value) {
    char text[40];
    std::size_t size = 0;
    if (std::isnan(value)) {
      std::memcpy(text, "nan", size = 3);
    } else if (std::isinf(value)) {
      const std::string_view name = value < 0 ? "-inf" : "inf";
      std::memcpy(text, name.data(), size = name.size());
    } else {
      size = static_cast<std::size_t>(std::to_chars(text, text + sizeof text, value).ptr - text);
    }
    if (!resp3_) return Bulk(std::string_view(text, size));
    out_.Append(',');
    out_.Append(std::string_view(text, size));
    out_.Append(std::string_view("\r\n"));
  }
  // Text for people. REQUIRES: format has three letters ("txt", "mkd").
  void Verbatim(std::string_view format, std::string_view text) {
    if (!resp3_) return Bulk(text);
    Header('=', static_cast<std::int64_t>(text.size() + 4));
    out_.Append(format);
    out_.Append(':');
    out_.Append(text);
    out_.Append(std::string_view("\r\n"));
  }

 private:
  static constexpr std::size_t kHeaderMax = 24;
  static std::size_t FormatHeader(char* to, char mark, std::int64_t value) {
    to[0] = mark;
    char* end;
    if (value >= 0 && value < 10) {
      to[1] = static_cast<char>('0' + value);
      end = to + 2;
    } else {
      end = std::to_chars(to + 1, to + kHeaderMax - 2, value).ptr;
    }
    *end++ = '\r';
    *end++ = '\n';
    return static_cast<std::size_t>(end - to);
  }
  void Header(char mark, std::int64_t value) {
    char head[kHeaderMax];
    out_.Append(std::string_view(head, FormatHeader(head, mark, value)));
  }

  OutputBuffer& out_;
  bool resp3_;
};

}  // namespace gyre
