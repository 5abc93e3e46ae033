// Stands in for a Writer where only the size is wanted, so that one function gives both the size
// of a format and its bytes, and they cannot disagree.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/codec.h"

namespace gyre {

class SizeCounter {
 public:
  void U8(std::uint8_t) { size_ += 1; }
  void U16(std::uint16_t) { size_ += 2; }
  void U32(std::uint32_t) { size_ += 4; }
  void U64(std::uint64_t) { size_ += 8; }
  void Varint(std::uint64_t value) { size_ += VarintBytes(value); }
  void Raw(std::string_view bytes) { size_ += bytes.size(); }
  void Sized(std::string_view bytes) { size_ += SizedBytes(bytes.size()); }
  // Bytes that something else will write.
  void Skip(std::size_t bytes) { size_ += bytes; }
  std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
};

}  // namespace gyre
