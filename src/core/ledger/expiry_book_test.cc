#include "core/ledger/expiry_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <map>

namespace gyre {
namespace {

constexpr int kPartitionBits = 3;
constexpr int kLeafBits = LeafBitsOf(kPartitionBits);
constexpr KeyspaceId kKeyspace{1};
constexpr Duration kStep = Duration::Seconds(10);

Token InLeaf(std::uint32_t leaf) { return {std::uint64_t{leaf} << (64 - kLeafBits), 7}; }
WallTime At(std::int64_t seconds) { return {seconds * 1'000}; }

std::vector<std::uint32_t> TakeAll(ExpiryBook& book, WallTime then) {
  std::vector<std::uint32_t> leaves;
  while (const auto leaf = book.TakeDue(then)) leaves.push_back(leaf->second);
  return leaves;
}

TEST(ExpiryBookTest, GivesALeafOnceItsFirstRowIsDead) {
  ExpiryBook book(kPartitionBits, kStep);
  book.Note(kKeyspace, InLeaf(5), At(1'003));
  book.Note(kKeyspace, InLeaf(5), At(2'000));
  book.Note(kKeyspace, InLeaf(4'099), At(1'001));
  EXPECT_EQ(book.TakeDue(At(1'009)), std::nullopt);  // its step is not over
  EXPECT_THAT(TakeAll(book, At(1'010)), testing::UnorderedElementsAre(5, 4'099));
  EXPECT_EQ(book.TakeDue(At(99'999)), std::nullopt) << "whoever looks notes the later row again";
  EXPECT_EQ(book.size(), 0u);
  book.Note(kKeyspace, InLeaf(5), At(2'000));
  EXPECT_THAT(TakeAll(book, At(2'010)), testing::ElementsAre(5));
}

TEST(ExpiryBookTest, AnEarlierRowComesFirst) {
  ExpiryBook book(kPartitionBits, kStep);
  book.Note(kKeyspace, InLeaf(5), At(2'000));
  book.Note(kKeyspace, InLeaf(5), At(1'000));
  EXPECT_THAT(TakeAll(book, At(1'010)), testing::ElementsAre(5));
  EXPECT_THAT(TakeAll(book, At(5'000)), testing::IsEmpty());
}

TEST(ExpiryBookTest, TakesAnyTime) {
  ExpiryBook book(kPartitionBits, Duration());
  book.Note(kKeyspace, InLeaf(1), WallTime{-5});
  book.Note(kKeyspace, InLeaf(2), WallTime{kWallTimeMsMax});
  EXPECT_THAT(TakeAll(book, At(1'700'000'000)), testing::ElementsAre(1));
  EXPECT_THAT(TakeAll(book, WallTime{kWallTimeMsMax + 1}), testing::ElementsAre(2));
}

// Against the plain truth: for each leaf the first time, by whole steps.
RC_GTEST_PROP(ExpiryBookProperty, IsAMapOfFirstTimes, ()) {
  ExpiryBook book(kPartitionBits, kStep);
  std::map<std::uint32_t, std::int64_t> truth;  // leaf -> step
  std::int64_t now = 0;
  for (int i = *rc::gen::inRange(0, 60); i > 0; --i) {
    const auto leaf = *rc::gen::inRange<std::uint32_t>(0, 6);
    const std::int64_t at = now + *rc::gen::inRange<std::int64_t>(0, 200);
    book.Note(kKeyspace, InLeaf(leaf * 5'000), At(at));
    const auto [known, fresh] = truth.try_emplace(leaf * 5'000, at / 10 + 1);
    if (!fresh) known->second = std::min(known->second, at / 10 + 1);
    now += *rc::gen::inRange<std::int64_t>(0, 20);
    if (*rc::gen::inRange(0, 3) > 0) continue;
    for (const std::uint32_t taken : TakeAll(book, At(now))) {
      RC_ASSERT(truth.contains(taken) && truth.at(taken) <= now / 10);
      truth.erase(taken);
    }
    for (const auto& [left, step] : truth) RC_ASSERT(step > now / 10);
  }
}

}  // namespace
}  // namespace gyre
