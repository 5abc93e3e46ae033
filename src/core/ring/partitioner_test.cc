#include "core/ring/partitioner.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

// Goal: the names of the config file and the kinds are one mapping, both ways; others are refused.
TEST(PartitionerTest, NamesParseBack) {
  for (const PartitionerKind kind : {PartitionerKind::kMd5, PartitionerKind::kXxh3}) {
    EXPECT_EQ(ParsePartitioner(PartitionerName(kind)).value(), kind);
  }
  for (const char* name : {"", "MD5", "md5 ", "sha1"}) {
    const Result<PartitionerKind> kind = ParsePartitioner(name);
    ASSERT_FALSE(kind) << name;
    EXPECT_EQ(kind.error().code, ErrorCode::kInvalidArgument);
  }
}

// Goal: tokens are part of the disk format; the values are RFC 1321's test suite and the XXH3
// reference, so they must never change.
TEST(PartitionerTest, TokensAreTheDigestsBigEndian) {
  EXPECT_EQ(TokenOf(PartitionerKind::kMd5, "abc"),
            (Token{.high = 0x900150983cd24fb0, .low = 0xd6963f7d28e17f72}));
  EXPECT_EQ(TokenOf(PartitionerKind::kXxh3, ""),
            (Token{.high = 0x99aa06d3014798d8, .low = 0x6001c324468d497f}));
}

}  // namespace
}  // namespace gyre
