#include "storage/table_mask.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gyre {
namespace {

// What LZ4's block format says, byte by byte; nullopt: not well formed.
std::optional<std::string> Unpack(std::string_view bytes, std::size_t size) {
  std::string out;
  std::size_t at = 0;
  const auto length = [&](std::size_t nibble) {
    std::size_t total = nibble;
    if (nibble < 15) return total;
    while (at < bytes.size()) {
      const auto more = static_cast<unsigned char>(bytes[at++]);
      total += more;
      if (more < 255) break;
    }
    return total;
  };
  while (at < bytes.size()) {
    const auto token = static_cast<unsigned char>(bytes[at++]);
    const std::size_t literals = length(token >> 4);
    if (literals > bytes.size() - at) return std::nullopt;
    out.append(bytes.substr(at, literals));
    at += literals;
    if (at == bytes.size()) return out.size() == size ? std::optional(out) : std::nullopt;
    if (bytes.size() - at < 2) return std::nullopt;
    const std::size_t back = static_cast<unsigned char>(bytes[at]) |
                             static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + 1]))
                                 << 8;
    at += 2;
    if (back == 0 || back > out.size()) return std::nullopt;
    const std::size_t match = 4 + length(token & 15);
    for (std::size_t i = 0; i < match; ++i) out.push_back(out[out.size() - back]);
  }
  return std::nullopt;
}

// Goal: whatever the size of a block, there is one of that size that holds no entries, though
// beyond 64 KiB not always without LZ4. (That RocksDB takes it for one: rocks_salvage_test.cc.)
TEST(TableMaskTest, AnEmptyBlockOfAnySize) {
  std::vector<std::size_t> sizes = {(1 << 21) + 1, 8'400'001, (128 << 20) - 1, 128 << 20};
  for (std::size_t size = kEmptyBlockBytesMin; size < 5'000; ++size) sizes.push_back(size);
  for (std::size_t size = 65'500; size < 70'000; ++size) sizes.push_back(size);
  for (std::size_t size = 2'097'100; size < 2'098'000; size += 7) sizes.push_back(size);
  for (const std::size_t size : sizes) {
    const auto empty = EmptyBlockOf(size, /*may_be_lz4=*/true);
    ASSERT_TRUE(empty.has_value()) << size;
    ASSERT_EQ(empty->bytes.size(), size);
    std::string block = empty->bytes;
    if (empty->lz4) {
      std::size_t whole = 0;
      std::size_t at = 0;
      for (int shift = 0; at < 5; shift += 7) {
        const auto byte = static_cast<unsigned char>(block[at++]);
        whole |= static_cast<std::size_t>(byte & 0x7F) << shift;
        if (byte < 0x80) break;
      }
      const auto unpacked = Unpack(std::string_view(block).substr(at), whole);
      ASSERT_TRUE(unpacked.has_value()) << size;
      block = *unpacked;
    }
    std::uint32_t points = 0;
    std::memcpy(&points, block.data() + block.size() - 4, 4);
    std::size_t around = 4;
    if (size <= kHashedBlockBytesMax) {
      ASSERT_EQ(points, 0x8000'0001) << size;
      points = 1;
      std::uint16_t buckets = 0;
      std::memcpy(&buckets, block.data() + block.size() - 6, 2);
      around += 2u + buckets;
    }
    // Restart points from the first byte on, all zeros.
    ASSERT_EQ(points * std::size_t{4} + around, block.size()) << size;
    ASSERT_GE(block.find_first_not_of('\0'), points * std::size_t{4}) << size;
    ASSERT_EQ(EmptyBlockOf(size, /*may_be_lz4=*/false).has_value(), !empty->lz4) << size;
  }
  for (const std::size_t size :
       {std::size_t{0}, kEmptyBlockBytesMin - 1, (std::size_t{128} << 20) + 1}) {
    EXPECT_FALSE(EmptyBlockOf(size, /*may_be_lz4=*/true).has_value()) << size;
  }
}

}  // namespace
}  // namespace gyre
