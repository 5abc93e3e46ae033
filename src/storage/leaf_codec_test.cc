#include "storage/leaf_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <memory>

#include "base/codec.h"
#include "base/hash.h"

namespace gyre {
namespace {

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[c & 15];
  }
  return text;
}

std::string SealedEntry(const std::string& key, const std::vector<LeafDelta>& deltas) {
  std::string bytes;
  EncodeLeafEntry(key, deltas, bytes);
  return bytes;
}

std::string SealedBlock(const std::string& key, std::uint64_t upto, const LeafBlockSums& sums) {
  const auto zeros = std::count(sums.begin(), sums.end(), std::uint64_t{0});
  std::string bytes;
  EncodeLeafBlock(key, upto, sums, kLeavesPerBlock - static_cast<std::uint32_t>(zeros), bytes);
  return bytes;
}

const LeafDelta kDelta{KeyspaceId(0x01020304), 0x0005F607, 0x1112131415161718};
const std::string kEntryKey = EncodeLeafEntryKey(0x0102030405060708);
const LeafBlockId kBlock{KeyspaceId(0x01020304), 0x05};
const std::string kBlockKey = EncodeLeafBlockKey(kBlock);

// Goal: golden bytes. A change of the format on disk is seen here, and wants a new format number.
TEST(LeafCodecTest, BytesOnDiskStayAsTheyAre) {
  EXPECT_EQ(Hex(kEntryKey), "4c0102030405060708");
  EXPECT_EQ(Hex(kBlockKey), "420102030400000005");
  EXPECT_EQ(Hex(SealedEntry(kEntryKey, {kDelta})),
            "01"
            "04030201"
            "07f60500"
            "1817161514131211"
            "4545a1b3");
  LeafBlockSums sums{};
  sums[0x0102] = 0x1112131415161718;
  EXPECT_EQ(Hex(SealedBlock(kBlockKey, 0x21, sums)),
            "01"
            "2100000000000000"
            "0201"
            "1817161514131211"
            "4cc97bac");
  sums.fill(3);
  const std::string full = SealedBlock(kBlockKey, 0x21, sums);
  EXPECT_EQ(full.size(), 1u + 8 + 4096 * 8 + 4);
  EXPECT_EQ(Hex(full.substr(0, 17)),
            "02"
            "2100000000000000"
            "0300000000000000");
}

TEST(LeafCodecTest, KeysComeBackEqual) {
  EXPECT_EQ(DecodeLeafEntryKey(kEntryKey).value(), 0x0102030405060708u);
  EXPECT_EQ(DecodeLeafBlockKey(kBlockKey).value(), kBlock);
  EXPECT_FALSE(DecodeLeafEntryKey(kBlockKey).has_value());
  EXPECT_FALSE(DecodeLeafBlockKey(kEntryKey).has_value());
  EXPECT_FALSE(DecodeLeafEntryKey("L1234567").has_value());
  EXPECT_FALSE(DecodeLeafBlockKey("").has_value());
}

// Goal: what is written is read, with any number of sums, and takes no more than the shorter form.
TEST(LeafCodecTest, WhatIsWrittenIsRead) {
  EXPECT_TRUE(rc::check([] {
    std::vector<LeafDelta> deltas(*rc::gen::inRange(1, 50));
    for (LeafDelta& each : deltas) {
      each = {KeyspaceId(*rc::gen::arbitrary<std::uint32_t>()),
              *rc::gen::arbitrary<std::uint32_t>(), *rc::gen::arbitrary<std::uint64_t>()};
    }
    RC_ASSERT(DecodeLeafEntry(kEntryKey, SealedEntry(kEntryKey, deltas)).value() == deltas);
  }));
  for (const std::uint32_t nonzero : {0u, 1u, 100u, 3275u, 3276u, 3277u, 4095u, 4096u}) {
    LeafBlockSums sums{};
    for (std::uint32_t i = 0; i < nonzero; ++i) sums[i * 4099 % 4096] = i + 1;
    const std::string bytes = SealedBlock(kBlockKey, 9, sums);
    EXPECT_EQ(bytes.size(), LeafBlockBytes(nonzero));
    EXPECT_EQ(bytes.size(), 13 + std::min<std::size_t>(nonzero * 10, 4096 * 8)) << nonzero;
    const Result<LeafBlock> block = DecodeLeafBlock(kBlockKey, bytes);
    ASSERT_TRUE(block.has_value()) << nonzero;
    EXPECT_EQ(block->upto, 9u);
    EXPECT_EQ(block->sums, sums);
  }
}

// Goal: no flipped bit, no cut and no other place is ever read as sums.
TEST(LeafCodecTest, EveryFlippedBitAndEveryCutIsCorruption) {
  LeafBlockSums sums{};
  sums[7] = 1;
  const std::string entry = SealedEntry(kEntryKey, {kDelta, kDelta});
  const std::string block = SealedBlock(kBlockKey, 1, sums);
  for (const std::string& sealed : {entry, block}) {
    const auto is_read = [&](const std::string& bytes) {
      return sealed == entry ? DecodeLeafEntry(kEntryKey, bytes).has_value()
                             : DecodeLeafBlock(kBlockKey, bytes).has_value();
    };
    ASSERT_TRUE(is_read(sealed));
    for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
      std::string damaged = sealed;
      damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_FALSE(is_read(damaged)) << bit;
    }
    for (std::size_t size = 0; size < sealed.size(); ++size) {
      ASSERT_FALSE(is_read(sealed.substr(0, size))) << size;
    }
  }
  EXPECT_FALSE(DecodeLeafEntry(EncodeLeafEntryKey(1), entry).has_value());
  EXPECT_FALSE(DecodeLeafBlock(EncodeLeafBlockKey({KeyspaceId(1), 5}), block).has_value());
}

// Goal: a good checksum does not make good bytes: what is not in the form is refused.
TEST(LeafCodecTest, WhatIsNotInTheFormIsCorruption) {
  const auto sealed = [](const std::string& key, std::string body) {
    const std::uint32_t crc = Crc32c(body, Crc32c(key));
    body.resize(body.size() + 4);
    Writer(body.data() + body.size() - 4).U32(crc);
    return body;
  };
  const std::string sum("\x05\0\1\0\0\0\0\0\0\0", 10);  // of leaf 5
  const std::string head("\1\0\0\0\0\0\0\0\0", 9);
  EXPECT_TRUE(DecodeLeafBlock(kBlockKey, sealed(kBlockKey, head + sum)).has_value());
  EXPECT_TRUE(DecodeLeafBlock(kBlockKey, sealed(kBlockKey, head)).has_value());
  const std::string bodies[] = {
      head + sum + sum,                                  // a leaf twice
      head + std::string("\x05\0\0\0\0\0\0\0\0\0", 10),  // a sum of 0
      head + std::string("\0\x10\1\0\0\0\0\0\0\0", 10),  // beyond the block
      head + sum.substr(0, 9),                           // cut
      "\2" + head.substr(1) + sum,                       // full, and too short
      "\3" + head.substr(1),                             // of a later form
      ""};
  for (const std::string& body : bodies) {
    EXPECT_FALSE(DecodeLeafBlock(kBlockKey, sealed(kBlockKey, body)).has_value()) << Hex(body);
  }
  for (const std::string& body : {std::string("\1"), std::string("\2") + std::string(16, 'x'),
                                  std::string("\1") + std::string(15, 'x'), std::string()}) {
    EXPECT_FALSE(DecodeLeafEntry(kEntryKey, sealed(kEntryKey, body)).has_value()) << Hex(body);
  }
}

}  // namespace
}  // namespace gyre
