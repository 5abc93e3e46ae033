#include "storage/key_layout.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstring>
#include <tuple>

namespace gyre {
namespace {

RowKey AnyKey() {
  // Few distinct bytes, so that keys share prefixes and halves.
  const auto word =
      rc::gen::element<std::uint64_t>(0, 1, 0x7F, 0x80, 0xFF, 0x8000000000000000u, UINT64_MAX);
  const auto text = rc::gen::container<std::string>(rc::gen::element('\0', '\1', '\x7F', '\xFF'));
  RowKey key{KeyspaceId(static_cast<std::uint32_t>(*word)), Token{*word, *word}, Bytes(*text)};
  key.owed_to = NodeId(*rc::gen::element<std::uint32_t>(0, 1, 0x80, kNodeIdMax));
  return key;
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
    RC_PRE(a.is_hint() == b.is_hint());  // else they lie apart
    const int on_disk = Sign(Stored(a).compare(Stored(b)));
    const int in_memory = a < b ? -1 : b < a ? 1 : 0;
    RC_ASSERT(on_disk == in_memory);
    RC_ASSERT((a.is_hint() ? DecodeHintKey : DecodeRowKey)(Stored(a)).value() == a);
  }));
}

// Goal: the end of a range lies behind every key of its last token and before the next token's.
TEST(KeyLayoutTest, PrefixSuccessorEndsTheToken) {
  EXPECT_TRUE(rc::check([] {
    const RowKey a = AnyKey();
    const auto end = PrefixSuccessor(EncodeRowKeyPrefix(a));
    if (!end) {
      RC_ASSERT(!a.is_hint());  // no node has the greatest number
      RC_ASSERT(a.keyspace.value == UINT32_MAX);
      RC_ASSERT(a.token == (Token{UINT64_MAX, UINT64_MAX}));
      return;
    }
    RC_ASSERT(Stored(a) < end->view());
    const RowKey b = AnyKey();
    RC_PRE(a.is_hint() == b.is_hint());
    const bool behind =
        std::tuple(b.owed_to, b.keyspace, b.token) > std::tuple(a.owed_to, a.keyspace, a.token);
    RC_ASSERT((Stored(b) >= end->view()) == behind);
  }));
}

TEST(KeyLayoutTest, ShortKeysAreCorruption) {
  EXPECT_EQ(DecodeRowKey("too short").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(DecodeHintKey("longer, and still short").error().code, ErrorCode::kCorruption);
}

TEST(KeyLayoutTest, AHintOwedToNoOneIsCorruption) {
  const std::string zeros(kHintKeyPrefixBytes, '\0');
  EXPECT_EQ(DecodeHintKey(zeros).error().code, ErrorCode::kCorruption);
}

}  // namespace
}  // namespace gyre
