#include "core/ledger/hint_ledger.h"

#include <gtest/gtest.h>

#include <optional>

namespace gyre {
namespace {

using Place = HintLedger::Place;
using Debt = HintLedger::Debt;

constexpr NodeId A(1), B(2);
constexpr KeyspaceId kDefault(0), kOther(7);

Place At(NodeId target, std::uint32_t partition, KeyspaceId keyspace = kDefault) {
  return {target, keyspace, SectionId(partition)};
}

// Goal: what is owed is known by place, by target and in all.
TEST(HintLedgerTest, CountsByPlaceByTargetAndInAll) {
  HintLedger hints;
  EXPECT_TRUE(hints.empty());
  hints.Add(At(A, 1), 10, {100});
  hints.Add(At(A, 1), 20, {90});
  hints.Add(At(A, 2), 30, {80});
  hints.Add(At(A, 1, kOther), 40, {110});
  hints.Add(At(B, 1), 50, {70});
  EXPECT_EQ(hints.At(At(A, 1)), (Debt{2, 30, {90}}));
  EXPECT_EQ(hints.At(At(A, 1, kOther)), (Debt{1, 40, {110}}));
  EXPECT_EQ(hints.Of(A), (Debt{4, 100, {80}}));
  EXPECT_EQ(hints.Of(B), (Debt{1, 50, {70}}));
  EXPECT_EQ(hints.total_bytes(), 150u);
  EXPECT_EQ(hints.by_target().size(), 2u);
  EXPECT_TRUE(hints.Has(At(A, 2)));
  EXPECT_FALSE(hints.Has(At(B, 2)));
  EXPECT_EQ(hints.At(At(B, 2)), Debt{});
  EXPECT_EQ(hints.Of(NodeId(3)), Debt{});
}

// Goal: with the last hint of a place, and of a target, they are gone, and so is its age.
TEST(HintLedgerTest, WhatIsPaidIsGone) {
  HintLedger hints;
  hints.Add(At(A, 1), 10, {100});
  hints.Add(At(A, 1), 20, {90});
  hints.Add(At(A, 2), 5, {95});
  hints.Remove(At(A, 1), 10);
  EXPECT_EQ(hints.At(At(A, 1)), (Debt{1, 20, {90}}));
  hints.Remove(At(A, 1), 20);
  EXPECT_FALSE(hints.Has(At(A, 1)));
  EXPECT_EQ(hints.Of(A).hints, 1u);
  EXPECT_EQ(hints.Of(A).bytes, 5u);
  hints.Remove(At(A, 2), 5);
  EXPECT_TRUE(hints.empty());
  EXPECT_EQ(hints.total_bytes(), 0u);
  hints.Add(At(A, 1), 1, {300});
  EXPECT_EQ(hints.Of(A).oldest, WallTime{300});
}

// Goal: the age of a debt is never less than it is: it may name a hint that is gone, not hide one.
TEST(HintLedgerTest, TheOldestIsAtLeastAsOldAsWhatIsLeft) {
  HintLedger hints;
  hints.Add(At(A, 1), 10, {100});
  hints.Add(At(A, 1), 10, {50});
  hints.Add(At(A, 1), 10, {70});
  hints.Remove(At(A, 1), 10);
  EXPECT_LE(hints.At(At(A, 1)).oldest, WallTime{50});
  EXPECT_LE(hints.Of(A).oldest, WallTime{50});
}

// Goal: a removal of what was never counted harms nothing: rows that were damaged may be
// miscounted.
TEST(HintLedgerTest, RemovingWhatIsNotThereChangesNothing) {
  HintLedger hints;
  hints.Remove(At(A, 1), 10);
  EXPECT_TRUE(hints.empty());
  hints.Add(At(A, 2), 10, {1});
  hints.Remove(At(A, 1), 10);
  EXPECT_EQ(hints.Of(A), (Debt{1, 10, {1}}));
  hints.Remove(At(A, 2), 99);
  EXPECT_TRUE(hints.empty());
  EXPECT_EQ(hints.total_bytes(), 0u);
}

// Goal: nor does one that takes fewer bytes than were counted: with the last hint all are gone,
// else the limits would shrink for good.
TEST(HintLedgerTest, NoBytesStayBehindTheLastHint) {
  HintLedger hints;
  hints.Add(At(A, 1), 10, {1});
  hints.Add(At(A, 2), 10, {1});
  hints.Remove(At(A, 1), 4);
  EXPECT_EQ(hints.Of(A).bytes, 10u);
  EXPECT_EQ(hints.total_bytes(), 10u);
  hints.Remove(At(A, 2), 4);
  EXPECT_TRUE(hints.empty());
  EXPECT_EQ(hints.total_bytes(), 0u);
}

// Goal: a debt that nobody finds is forgotten, but not if a hint came meanwhile.
TEST(HintLedgerTest, ForgetsOnlyTheDebtThatWasLookedFor) {
  HintLedger hints;
  hints.Add(At(A, 1), 10, {1});
  hints.Add(At(A, 2), 30, {1});
  const Debt looked_for = hints.At(At(A, 1));
  hints.Add(At(A, 1), 20, {2});
  hints.Forget(At(A, 1), looked_for);
  EXPECT_EQ(hints.At(At(A, 1)).hints, 2u);
  hints.Forget(At(A, 1), hints.At(At(A, 1)));
  EXPECT_FALSE(hints.Has(At(A, 1)));
  EXPECT_EQ(hints.Of(A).hints, 1u);
  EXPECT_EQ(hints.total_bytes(), 30u);
  hints.Forget(At(A, 2), hints.At(At(A, 2)));
  EXPECT_TRUE(hints.empty());
  EXPECT_EQ(hints.total_bytes(), 0u);
  hints.Forget(At(A, 2), Debt{});
  EXPECT_TRUE(hints.empty());
}

// Goal: a walk over what one target is owed visits each of its places once, and nobody else's.
TEST(HintLedgerTest, NextWalksThePlacesOfOneTarget) {
  HintLedger hints;
  hints.Add(At(A, 3), 1, {1});
  hints.Add(At(A, 1), 1, {1});
  hints.Add(At(A, 2, kOther), 1, {1});
  hints.Add(At(B, 2), 1, {1});
  const auto first = hints.Next(A, std::nullopt);
  EXPECT_EQ(first, At(A, 1));
  const auto second = hints.Next(A, first);
  EXPECT_EQ(second, At(A, 3));
  const auto third = hints.Next(A, second);
  EXPECT_EQ(third, At(A, 2, kOther));
  EXPECT_EQ(hints.Next(A, third), std::nullopt);
  EXPECT_EQ(hints.Next(B, std::nullopt), At(B, 2));
  EXPECT_EQ(hints.Next(NodeId(3), std::nullopt), std::nullopt);
  // Also past a place that has been paid meanwhile.
  hints.Remove(At(A, 1), 1);
  EXPECT_EQ(hints.Next(A, At(A, 1)), At(A, 3));
}

}  // namespace
}  // namespace gyre
