#include "storage/key_layout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>

namespace gyre {
namespace {

RowKey AnyKey() {
  // Few distinct bytes, so that keys share prefixes and halves.
  const auto word =
      rc::gen::element<std::uint64_t>(0, 1, 0x7F, 0x80, 0xFF, 0x8000000000000000u, UINT64_MAX);
  const auto text = rc::gen::container<std::string>(rc::gen::element('\0', '\1', '\x7F', '\xFF'));
  return {KeyspaceId(static_cast<std::uint32_t>(*word)), Token{*word, *word}, Bytes(*text)};
}

std::string Stored(const RowKey& key) {
  std::string bytes;
  AppendRowKey(key, bytes);
  return bytes;
}

int Sign(int value) { return (value > 0) - (value < 0); }

// Goal: bytewise order on disk is RowKey's order, so that a partition is one range.
TEST(KeyLayoutTest, BytewiseOrderIsRowKeyOrder) {
  EXPECT_TRUE(rc::check([] {
    const RowKey a = AnyKey();
    const RowKey b = AnyKey();
    const int on_disk = Sign(Stored(a).compare(Stored(b)));
    const int in_memory = a < b ? -1 : b < a ? 1 : 0;
    RC_ASSERT(on_disk == in_memory);
    RC_ASSERT(DecodeRowKey(Stored(a)).value() == a);
  }));
}

// Goal: the end of a range lies behind every key of its last token and before the next token's.
TEST(KeyLayoutTest, PrefixSuccessorEndsTheToken) {
  EXPECT_TRUE(rc::check([] {
    const RowKey a = AnyKey();
    const auto end = PrefixSuccessor(EncodeRowKeyPrefix(a.keyspace, a.token));
    if (!end) {
      RC_ASSERT(a.keyspace.value == UINT32_MAX);
      RC_ASSERT(a.token == (Token{UINT64_MAX, UINT64_MAX}));
      return;
    }
    const std::string_view end_view(end->data(), end->size());
    RC_ASSERT(Stored(a) < end_view);
    const RowKey b = AnyKey();
    const bool behind = std::pair(b.keyspace, b.token) > std::pair(a.keyspace, a.token);
    RC_ASSERT((Stored(b) >= end_view) == behind);
  }));
}

TEST(KeyLayoutTest, ShortKeysAreCorruption) {
  EXPECT_EQ(DecodeRowKey("too short").error().code, ErrorCode::kCorruption);
}

}  // namespace
}  // namespace gyre
