// Bounded reading and writing of binary formats. Integers are little endian; a varint is LEB128,
// at most 10 bytes, and only its shortest form is accepted, so that equal values have equal bytes.
// A Reader never reads past its end: after the first failure ok() is false, every read gives zero
// or nothing, and the caller asks once, at the end.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace gyre {

static_assert(std::endian::native == std::endian::little, "formats are written as in memory");

constexpr std::size_t kVarintBytesMax = 10;

constexpr std::size_t VarintBytes(std::uint64_t value) {
  std::size_t bytes = 1;
  while (value >= 0x80) value >>= 7, ++bytes;
  return bytes;
}

// Writes into a buffer that the caller has sized exactly (one allocation for a whole message).
class Writer {
 public:
  explicit Writer(char* out) : out_(out) {}

  void U8(std::uint8_t value) { *out_++ = static_cast<char>(value); }
  void U16(std::uint16_t value) { Fixed(value); }
  void U32(std::uint32_t value) { Fixed(value); }
  void U64(std::uint64_t value) { Fixed(value); }
  void Varint(std::uint64_t value) {
    while (value >= 0x80) {
      *out_++ = static_cast<char>(value | 0x80);
      value >>= 7;
    }
    *out_++ = static_cast<char>(value);
  }
  void Raw(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(out_, bytes.data(), bytes.size());
    out_ += bytes.size();
  }
  // Length as varint, then the bytes.
  void Sized(std::string_view bytes) {
    Varint(bytes.size());
    Raw(bytes);
  }
  char* position() const { return out_; }

 private:
  template <typename T>
  void Fixed(T value) {
    std::memcpy(out_, &value, sizeof value);
    out_ += sizeof value;
  }
  char* out_;
};

constexpr std::size_t SizedBytes(std::size_t size) { return VarintBytes(size) + size; }

class Reader {
 public:
  explicit Reader(std::string_view bytes) : at_(bytes.data()), end_(at_ + bytes.size()) {}

  std::uint8_t U8() { return Fixed<std::uint8_t>(); }
  std::uint16_t U16() { return Fixed<std::uint16_t>(); }
  std::uint32_t U32() { return Fixed<std::uint32_t>(); }
  std::uint64_t U64() { return Fixed<std::uint64_t>(); }
  std::uint64_t Varint() {
    if (at_ != end_ && static_cast<std::uint8_t>(*at_) < 0x80) {
      return static_cast<std::uint8_t>(*at_++);
    }
    std::uint64_t value = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (at_ == end_) break;
      const auto byte = static_cast<std::uint8_t>(*at_++);
      if (shift == 63 && byte > 1) break;  // past 64 bits
      if (shift > 0 && byte == 0) break;   // not the shortest form
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    SetFailed();
    return 0;
  }
  // A varint that must not exceed `limit`.
  std::uint64_t VarintAtMost(std::uint64_t limit) {
    const std::uint64_t value = Varint();
    if (value <= limit) return value;
    SetFailed();
    return 0;
  }
  std::string_view Raw(std::size_t size) {
    if (size > remaining()) {
      SetFailed();
      return {};
    }
    const std::string_view bytes(at_, size);
    at_ += size;
    return bytes;
  }
  // Length as varint, at most `size_max`, then the bytes.
  std::string_view Sized(std::size_t size_max) { return Raw(VarintAtMost(size_max)); }

  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  const char* position() const { return at_; }
  bool ok() const { return ok_; }
  // Everything was read and nothing failed.
  bool done() const { return ok_ && at_ == end_; }
  void SetFailed() {
    ok_ = false;
    at_ = end_;
  }

 private:
  template <typename T>
  T Fixed() {
    if (sizeof(T) > remaining()) {
      SetFailed();
      return 0;
    }
    T value;
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return value;
  }
  const char* at_;
  const char* end_;
  bool ok_ = true;
};

}  // namespace gyre
