#include "storage/row_table.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "base/prng.h"
#include "core/causality/arbitrary.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

using Rows = std::map<RowKey, Row>;

// Tokens of one shape: spread over the ring, counting up from 0 (one leaf for all), or few.
RowKey KeyOf(std::uint64_t number, std::uint64_t shape) {
  RowKey key = MakeKey(std::to_string(number));
  if (shape == 1) key.token = {number, 0};
  if (shape == 2) key.token = {number % 3 << 62, number % 2};
  return key;
}

class RowTableTest : public ::testing::Test {
 protected:
  void Put(const RowKey& key, const Row& row) {
    const auto outcome = table_.Put(key.token, key.key.view(), row.own, row.record);
    ASSERT_EQ(outcome.inserted, !model_.contains(key));
    model_[key] = row;
    row_bytes_ += outcome.bytes_difference;
  }
  void Remove(const RowKey& key) {
    const auto outcome = table_.Remove(key.token, key.key.view());
    ASSERT_EQ(outcome.removed, model_.erase(key) == 1);
    row_bytes_ += outcome.bytes_difference;
  }
  void ExpectModel() {
    ASSERT_EQ(table_.rows(), model_.size());
    std::vector<ScannedRow> rows;
    ScanRange all{NodeId(), KeyspaceId(0), Token{0, 0}, Token{UINT64_MAX, UINT64_MAX}};
    all.rows_max = SIZE_MAX;
    all.bytes_max = SIZE_MAX;
    ASSERT_TRUE(table_.Scan(all, rows));
    ASSERT_EQ(rows.size(), model_.size());
    std::size_t i = 0;
    std::int64_t bytes = 0;
    for (const auto& [key, row] : model_) {
      ASSERT_EQ(rows[i].key, key);
      ASSERT_EQ(rows[i].row, row);
      ASSERT_EQ(table_.Find(key.token, key.key.view()), row);
      bytes += static_cast<std::int64_t>(20 + (row.own != OwnWrites{} ? 24 : 0) + key.key.size() +
                                         row.record.size());
      ++i;
    }
    ASSERT_EQ(row_bytes_, bytes);
  }

  RowTable table_;
  Rows model_;
  std::int64_t row_bytes_ = 0;
};

// Goal: under any puts and removals it holds what a map holds, and counts its bytes right.
TEST(RowTablePropertyTest, HoldsWhatAMapHolds) {
  class Fixture : public RowTableTest {
   public:
    void TestBody() override {
      Prng prng(*rc::gen::arbitrary<std::uint64_t>());
      const std::uint64_t shape = prng.Below(3);
      const std::uint64_t keys = 1 + prng.Below(600);
      for (int phase = 0; phase < 6; ++phase) {
        const std::uint64_t removals_of_ten = prng.Below(11);
        for (int i = 0; i < 300; ++i) {
          const RowKey key = KeyOf(prng.Below(keys), shape);
          if (prng.Below(10) < removals_of_ten) {
            Remove(key);
          } else {
            Row row = MakeRow(Noise(prng.Below(40), prng.Next()));
            if (prng.Below(2) == 0) row.own = OwnWrites{};
            Put(key, row);
          }
        }
        ExpectModel();
      }
    }
  };
  EXPECT_TRUE(rc::check([] {
    Fixture fixture;
    fixture.TestBody();
    RC_ASSERT(!::testing::Test::HasFatalFailure());
  }));
}

// Goal: what is removed gives its memory back: an emptied table is a small part of the full one,
// whatever its tokens, and fills up again.
TEST_F(RowTableTest, AnEmptiedTableIsSmall) {
  for (const std::uint64_t shape : {0u, 1u}) {
    SCOPED_TRACE(shape);
    constexpr std::uint64_t kRows = 20'000;
    for (std::uint64_t i = 0; i < kRows; ++i) Put(KeyOf(i, shape), MakeRow("r"));
    const std::size_t full = table_.index_bytes();
    for (std::uint64_t i = 0; i < kRows; ++i) Remove(KeyOf(i, shape));
    EXPECT_EQ(row_bytes_, 0);
    EXPECT_LT(table_.index_bytes(), full / 3);
    ExpectModel();
    for (std::uint64_t i = 0; i < kRows; i += 50) Put(KeyOf(i, shape), MakeRow("again"));
    ExpectModel();
    for (std::uint64_t i = 0; i < kRows; i += 50) Remove(KeyOf(i, shape));
  }
}

// Goal: a large record that was encoded for its row is kept where it is, without a copy; for any
// other row the same bytes are copied, as the row's block says what row it is.
TEST_F(RowTableTest, ALargeRecordStaysWhereItWasEncoded) {
  const OwnWrites own{ActorId{7}, 2, 9};
  Record record;
  record.clock.Add({own.actor, own.epoch, own.n}, {1});
  record.siblings.push_back(SiblingOf({own.actor, own.epoch, own.n}, {1}, std::string(2'000, 'v')));
  const RowKey key = KeyOf(1, 0);
  const auto encoded = [&] { return RowTable::Encode(key.token, key.key.view(), own, record); };
  const auto kept_at = [&](const RowKey& where, const OwnWrites& whose, const Bytes& bytes) {
    Put(where, {whose, bytes});
    return table_.Find(where.token, where.key.view())->record.data();
  };
  const Bytes first = encoded();
  EXPECT_EQ(first, record.Encode());
  EXPECT_EQ(kept_at(key, own, first), first.data());
  EXPECT_EQ(kept_at(key, own, first), first.data());  // it replaces itself
  const Bytes next = encoded();
  EXPECT_EQ(kept_at(key, own, next), next.data());

  const Bytes other = encoded();
  const Bytes copy = other.Compact();
  EXPECT_NE(kept_at(KeyOf(2, 0), own, other), other.data());
  EXPECT_NE(kept_at(key, {ActorId{7}, 2, 10}, other), other.data());
  EXPECT_NE(kept_at(key, {}, other), other.data());
  EXPECT_NE(kept_at(key, own, copy), copy.data());
  EXPECT_NE(kept_at(key, own, other.Slice(0, other.size() - 1)), other.data());
  ExpectModel();
}

// Goal: a row that comes and goes does not change the block of its leaf each time.
TEST_F(RowTableTest, ARowThatComesAndGoesMovesNothing) {
  for (std::uint64_t rows = 0; rows < 60; ++rows) {
    Put(KeyOf(rows, 0), MakeRow("r"));
    Remove(KeyOf(1000, 0));
    int changes = 0;
    std::size_t before = table_.index_bytes();
    for (int i = 0; i < 10; ++i) {
      Put(KeyOf(1000, 0), MakeRow("r"));
      changes += table_.index_bytes() != before ? 1 : 0;
      before = table_.index_bytes();
      Remove(KeyOf(1000, 0));
      changes += table_.index_bytes() != before ? 1 : 0;
      before = table_.index_bytes();
    }
    ASSERT_LE(changes, 2) << rows;
  }
}

}  // namespace
}  // namespace gyre
