#include "core/ledger/ballot_book.h"

#include <gtest/gtest.h>

#include "core/scan_range.h"

namespace gyre {
namespace {

constexpr int kBits = 4;
constexpr SectionId kSection(5);

RowKey RowIn(SectionId partition) {
  return {KeyspaceId(0), SpanOf(partition.value, kBits).first, Bytes("k")};
}

// Goal: what is not on disk yet binds this node, and is not told to others.
TEST(BallotBookTest, PendingNumbersBindAndDurableOnesAreTold) {
  BallotBook book(kBits);
  EXPECT_EQ(book.Stamp(RowIn(kSection)), 0u);
  book.Pend(kSection, {3, 0});
  EXPECT_EQ(book.Stamp(RowIn(kSection)), 0u);
  EXPECT_EQ(book.Floor(RowIn(kSection).OwedTo(NodeId(7))), 3u);
  EXPECT_EQ(book.Floor(RowIn(kSection)), 0u);
  book.MakeDurable(kSection, {3, 2});
  EXPECT_EQ(book.Stamp(RowIn(kSection)), 3u);
  EXPECT_EQ(book.Floor(RowIn(kSection)), 2u);
  EXPECT_EQ(book.Stamp(RowIn(SectionId(6))), 0u);
}

// Goal: numbers only rise.
TEST(BallotBookTest, NumbersOnlyRise) {
  BallotBook book(kBits);
  book.MakeDurable(kSection, {5, 4});
  book.MakeDurable(kSection, {4, 5});
  EXPECT_EQ(book.Durable(kSection), (BallotNumbers{5, 5}));
  int seen = 0;
  book.ForEachDurable([&](SectionId partition, const BallotNumbers& numbers) {
    ++seen;
    EXPECT_EQ(partition, kSection);
    EXPECT_EQ(numbers, (BallotNumbers{5, 5}));
  });
  EXPECT_EQ(seen, 1);
}

// Goal: a note lies in its partition, and damage to it shows.
TEST(BallotBookTest, NotesAreGuarded) {
  const BallotBook book(kBits);
  EXPECT_EQ(book.SectionOf(book.KeyOf(kSection)), kSection);
  EXPECT_TRUE(IsNote(book.KeyOf(kSection)));
  EXPECT_EQ(book.Floor(book.KeyOf(kSection)), 0u);
  const BallotNumbers numbers{0x0102030405060708, 9};
  EXPECT_EQ(DecodeNote(EncodeNote(numbers)).value(), numbers);
  const std::string good = EncodeNote(numbers).ToString();
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    EXPECT_FALSE(DecodeNote(Bytes(bad)).has_value()) << i;
    EXPECT_FALSE(DecodeNote(Bytes(good.substr(0, i))).has_value()) << i;
  }
  EXPECT_FALSE(DecodeNote(Bytes(good + "x")).has_value());
}

}  // namespace
}  // namespace gyre
