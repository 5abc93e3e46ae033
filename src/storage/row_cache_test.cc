#include "storage/row_cache.h"

#include <gtest/gtest.h>

#include "storage/storage_test_util.h"

namespace gyre {
namespace {

Row Sized(std::size_t bytes) { return MakeRow(std::string(bytes, 'r')); }

// Goal: the cache keeps its bound, whatever is read.
TEST(RowCacheTest, ReadsStayWithinTheBound) {
  RowCache cache(10'000);
  for (int i = 0; i < 1000; ++i) {
    cache.PutRead(MakeKey(std::to_string(i)), Sized(static_cast<std::size_t>(i % 300)));
    ASSERT_LE(cache.bytes(), 10'000u);
  }
  EXPECT_GT(cache.bytes(), 8'000u);
}

// Goal: CLOCK. What is asked for again and again outlives what was read once.
TEST(RowCacheTest, HotRowsStay) {
  RowCache cache(10'000);
  cache.PutRead(MakeKey("hot"), Sized(100));
  for (int i = 0; i < 1000; ++i) {
    cache.PutRead(MakeKey(std::to_string(i)), Sized(100));
    ASSERT_NE(cache.Find(MakeKey("hot")), nullptr) << i;
  }
}

// Goal: an uncommitted write is never evicted: it is the only place to read it from.
TEST(RowCacheTest, UncommittedWritesArePinned) {
  RowCache cache(5'000);
  std::size_t bytes = 0;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    cache.PutWrite(MakeKey(std::to_string(i)), Sized(200), i);
    bytes += RowCache::Charge(MakeKey(std::to_string(i)), Sized(200));
  }
  for (int i = 0; i < 100; ++i) cache.PutRead(MakeKey("r" + std::to_string(i)), Sized(100));
  for (std::uint64_t i = 1; i <= 100; ++i) {
    ASSERT_NE(cache.Find(MakeKey(std::to_string(i))), nullptr) << i;
  }
  EXPECT_EQ(cache.pending_bytes(), bytes);
  cache.SetCommitted(100, bytes);
  EXPECT_LE(cache.bytes(), 5'000u);
  EXPECT_EQ(cache.pending_bytes(), 0u);
}

// Goal: a row read from disk never replaces a newer one.
TEST(RowCacheTest, AReadDoesNotReplaceAWrite) {
  RowCache cache(10'000);
  cache.PutWrite(MakeKey("k"), MakeRow("new"), 1);
  cache.PutRead(MakeKey("k"), MakeRow("old"));
  EXPECT_EQ(*cache.Find(MakeKey("k")), MakeRow("new"));
}

// Goal: after a failure what was written since is forgotten, and only that.
TEST(RowCacheTest, FailedWritesAreForgotten) {
  RowCache cache(10'000);
  const std::size_t charge = RowCache::Charge(MakeKey("a"), MakeRow("r"));
  cache.PutWrite(MakeKey("a"), MakeRow("1"), 1);
  cache.PutWrite(MakeKey("b"), MakeRow("2"), 2);
  cache.PutWrite(MakeKey("a"), MakeRow("3"), 3);
  cache.PutRead(MakeKey("c"), MakeRow("r"));
  cache.DropWritesAfter(2);
  cache.SetCommitted(3, 3 * charge);
  EXPECT_EQ(cache.Find(MakeKey("a")), nullptr);
  EXPECT_NE(cache.Find(MakeKey("b")), nullptr);
  EXPECT_NE(cache.Find(MakeKey("c")), nullptr);
  EXPECT_EQ(cache.bytes(), 2 * charge);
}

// Goal: what only passes goes once it is committed, and nothing else for it; what somebody asked
// for or wrote again stays.
TEST(RowCacheTest, WhatPassesIsNotKept) {
  RowCache cache(5'000);
  cache.PutRead(MakeKey("hot"), Sized(200));
  cache.PutWrite(MakeKey("was here"), Sized(200), 1);
  const std::size_t charge = RowCache::Charge(MakeKey("p99"), Sized(200));
  std::size_t bytes = RowCache::Charge(MakeKey("was here"), Sized(200));
  cache.SetCommitted(1, std::exchange(bytes, 0));
  const auto put = [&](const std::string& name, std::uint64_t number, bool passing) {
    cache.PutWrite(MakeKey(name), Sized(200), number, passing);
    bytes += RowCache::Charge(MakeKey(name), Sized(200));
  };
  for (std::uint64_t i = 10; i < 100; ++i) put("p" + std::to_string(i), i, /*passing=*/true);
  put("was here", 100, true);
  put("p20", 101, false);
  put("p21", 102, true);
  ASSERT_NE(cache.Find(MakeKey("p30")), nullptr);
  EXPECT_GT(cache.bytes(), 90 * charge);
  cache.DropWritesAfter(101);  // 102 failed
  cache.SetCommitted(103, bytes);
  for (const char* kept : {"hot", "was here", "p20", "p30"}) {
    EXPECT_NE(cache.Find(MakeKey(kept)), nullptr) << kept;
  }
  for (const char* passed : {"p10", "p21", "p99"}) {
    EXPECT_EQ(cache.Find(MakeKey(passed)), nullptr) << passed;
  }
  EXPECT_EQ(cache.bytes(), RowCache::Charge(MakeKey("hot"), Sized(200)) +
                               RowCache::Charge(MakeKey("was here"), Sized(200)) + 2 * charge);
}

// Goal: what passes may be a part of a large message; what is kept of it does not keep that.
TEST(RowCacheTest, WhatIsKeptOfAMessageIsNoPartOfIt) {
  RowCache cache(50'000);
  const Bytes message(std::string(10'000, 'm'));
  const auto key_in = [&](std::size_t at) {
    RowKey key = MakeKey(std::string(100, 'm') + std::to_string(at));
    key.key = message.Slice(at, 100);
    return key;
  };
  const auto row_in = [&](std::size_t at) {
    Row row = MakeRow("r");
    row.record = message.Slice(at, 500);
    return row;
  };
  const auto in_message = [&](const char* data) {
    return data >= message.data() && data < message.data() + message.size();
  };
  const std::size_t charge = RowCache::Charge(key_in(0), row_in(0));
  cache.PutWrite(key_in(1000), row_in(1100), 1, /*passing=*/true);
  cache.PutWrite(key_in(2000), row_in(2100), 2, /*passing=*/true);
  cache.PutWrite(key_in(2000), row_in(3100), 3, /*passing=*/true);  // one more of a key
  EXPECT_TRUE(in_message(cache.Find(key_in(1000))->value().record.data()));
  cache.SetCommitted(3, 3 * charge);
  for (const std::size_t at : {1000, 2000}) {
    const std::optional<Row>* const kept = cache.Find(key_in(at));
    ASSERT_NE(kept, nullptr);
    EXPECT_FALSE(in_message(kept->value().record.data()));
  }
  EXPECT_EQ(cache.Find(key_in(1000))->value(), row_in(1100));
  EXPECT_EQ(cache.Find(key_in(2000))->value(), row_in(3100));
}

// Goal: when the database may have lost rows, only what it does not have yet stays.
TEST(RowCacheTest, ForgetsWhatTheDatabaseShouldHave) {
  RowCache cache(10'000);
  const std::size_t charge = RowCache::Charge(MakeKey("a"), MakeRow("1"));
  cache.PutWrite(MakeKey("a"), MakeRow("1"), 1);
  cache.PutWrite(MakeKey("b"), MakeRow("2"), 2);
  cache.PutRead(MakeKey("c"), MakeRow("r"));
  cache.SetCommitted(1, charge);
  cache.DropCommitted();
  EXPECT_EQ(cache.Find(MakeKey("a")), nullptr);
  EXPECT_EQ(*cache.Find(MakeKey("b")), MakeRow("2"));
  EXPECT_EQ(cache.Find(MakeKey("c")), nullptr);
  EXPECT_EQ(cache.bytes(), charge);
}

// Goal: a removal hides what the database still has: it is an answer, pinned like any write, and
// what is read from disk meanwhile does not undo it.
TEST(RowCacheTest, ARemovalIsAnAnswerUntilItIsCommitted) {
  RowCache cache(5'000);
  const std::size_t put = RowCache::Charge(MakeKey("k"), Sized(200));
  const std::size_t removal = RowCache::Charge(MakeKey("k"), std::nullopt);
  EXPECT_EQ(put - removal, 200u);
  cache.PutWrite(MakeKey("k"), Sized(200), 1);
  cache.PutWrite(MakeKey("k"), std::nullopt, 2);
  EXPECT_EQ(cache.bytes(), removal);
  EXPECT_EQ(cache.pending_bytes(), put + removal);
  cache.PutRead(MakeKey("k"), Sized(200));
  for (int i = 0; i < 100; ++i) cache.PutRead(MakeKey("r" + std::to_string(i)), Sized(100));
  ASSERT_NE(cache.Find(MakeKey("k")), nullptr);
  EXPECT_EQ(*cache.Find(MakeKey("k")), std::nullopt);
  cache.SetCommitted(2, put + removal);
  // Now the database knows as well, and the place may go to others.
  for (int i = 0; i < 100; ++i) cache.PutRead(MakeKey("s" + std::to_string(i)), Sized(100));
  EXPECT_EQ(cache.Find(MakeKey("k")), nullptr);
  EXPECT_LE(cache.bytes(), 5'000u);
}

// Goal: a row that is written after its removal is there; a removal that failed is forgotten.
TEST(RowCacheTest, RemovalsAreReplacedAndForgottenLikeWrites) {
  RowCache cache(10'000);
  cache.PutRead(MakeKey("k"), MakeRow("old"));
  cache.PutWrite(MakeKey("k"), std::nullopt, 1);
  cache.PutWrite(MakeKey("k"), MakeRow("new"), 2);
  EXPECT_EQ(*cache.Find(MakeKey("k")), MakeRow("new"));
  cache.PutWrite(MakeKey("k"), std::nullopt, 3);
  cache.DropWritesAfter(2);
  EXPECT_EQ(cache.Find(MakeKey("k")), nullptr);
  EXPECT_EQ(cache.bytes(), 0u);
}

// Goal: a key's row and its hints are kept apart.
TEST(RowCacheTest, HintsAreOtherRows) {
  RowCache cache(10'000);
  cache.PutWrite(MakeKey("k"), MakeRow("own"), 1);
  cache.PutWrite(MakeKey("k").OwedTo(NodeId(7)), std::nullopt, 2);
  EXPECT_EQ(*cache.Find(MakeKey("k")), MakeRow("own"));
  EXPECT_EQ(*cache.Find(MakeKey("k").OwedTo(NodeId(7))), std::nullopt);
  EXPECT_EQ(cache.Find(MakeKey("k").OwedTo(NodeId(8))), nullptr);
}

// Goal: one huge row that is read does not sweep the cache.
TEST(RowCacheTest, LargeReadsAreNotKept) {
  RowCache cache(10'000);
  cache.PutRead(MakeKey("k"), Sized(100));
  cache.PutRead(MakeKey("huge"), Sized(9'000));
  EXPECT_NE(cache.Find(MakeKey("k")), nullptr);
  EXPECT_EQ(cache.Find(MakeKey("huge")), nullptr);
}

}  // namespace
}  // namespace gyre
