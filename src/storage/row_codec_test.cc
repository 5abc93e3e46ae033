#include "storage/row_codec.h"

#include <gtest/gtest.h>

#include "storage/key_layout.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

std::string StoredKey(const RowKey& key) {
  std::string bytes;
  AppendRowKey(key, bytes);
  return bytes;
}

std::string Seal(const RowKey& key, const Row& row) {
  const RowKeyPrefix prefix = EncodeRowKeyPrefix(key);
  const RowEnvelope envelope = SealRow(prefix.view(), key.key.view(), row);
  std::string bytes(envelope.head_view());
  bytes += row.record.view();
  bytes += envelope.tail_view();
  return bytes;
}

std::string Hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    text += "0123456789abcdef"[static_cast<unsigned char>(c) >> 4];
    text += "0123456789abcdef"[c & 15];
  }
  return text;
}

// Goal: golden bytes. A change of the format on disk is seen here, and wants a new format number.
TEST(RowCodecTest, BytesOnDiskStayAsTheyAre) {
  const RowKey key{KeyspaceId(1), Token{0x0102030405060708, 0x090A0B0C0D0E0F10}, Bytes("k")};
  EXPECT_EQ(Hex(StoredKey(key)),
            "00000001"
            "0102030405060708090a0b0c0d0e0f10"
            "6b");
  const Row row{{ActorId(0x81), 300, 2}, Bytes("rec")};
  EXPECT_EQ(Hex(Seal(key, row)),
            "01"
            "8101"
            "ac02"
            "02"
            "726563"
            "5324c8aa");
}

TEST(RowCodecTest, RowsComeBackEqual) {
  const RowKey key = MakeKey("k");
  for (const Row& row : {MakeRow("record"), Row{}, Row{{}, Bytes("no own writes")},
                         Row{{ActorId(UINT64_MAX), UINT64_MAX, UINT64_MAX}, Bytes("x")}}) {
    EXPECT_EQ(OpenRow(StoredKey(key), Seal(key, row)).value(), row);
  }
}

// Goal: no flipped bit and no cut is ever read as a row.
TEST(RowCodecTest, EveryFlippedBitAndEveryCutIsCorruption) {
  const RowKey key = MakeKey("k");
  const std::string sealed = Seal(key, MakeRow("some record"));
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    std::string damaged = sealed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    const auto row = OpenRow(StoredKey(key), damaged);
    ASSERT_FALSE(row.has_value()) << bit;
    EXPECT_EQ(row.error().code, ErrorCode::kCorruption);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    EXPECT_FALSE(OpenRow(StoredKey(key), std::string_view(sealed).substr(0, size)).has_value());
  }
}

// Goal: a whole row found under another key is damage too.
TEST(RowCodecTest, ARowUnderAnotherKeyIsCorruption) {
  const std::string sealed = Seal(MakeKey("k"), MakeRow("r"));
  EXPECT_TRUE(OpenRow(StoredKey(MakeKey("k")), sealed).has_value());
  EXPECT_FALSE(OpenRow(StoredKey(MakeKey("l")), sealed).has_value());
  EXPECT_FALSE(OpenRow(StoredKey(MakeKey("k", 1)), sealed).has_value());
}

// Goal: a row of a later version is said to be that, not damage.
TEST(RowCodecTest, ALaterFormatIsUnsupported) {
  const std::string stored_key = StoredKey(MakeKey("k"));
  std::string later("\2whatever", 9);
  const std::uint32_t crc = Crc32c(later, Crc32c(stored_key));
  later.resize(13);
  Writer(later.data() + 9).U32(crc);
  EXPECT_EQ(OpenRow(stored_key, later).error().code, ErrorCode::kUnsupported);
}

TEST(RowCodecTest, MetaIsChecked) {
  const std::string sealed = SealMeta("name", "value");
  EXPECT_EQ(OpenMeta("name", sealed).value(), "value");
  EXPECT_FALSE(OpenMeta("other", sealed).has_value());
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string damaged = sealed;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    EXPECT_FALSE(OpenMeta("name", damaged).has_value()) << i;
  }
  EXPECT_FALSE(OpenMeta("name", "abc").has_value());
}

}  // namespace
}  // namespace gyre
