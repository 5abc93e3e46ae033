#include "core/causality/merge.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>

#include "base/prng.h"
#include "core/causality/arbitrary.h"

namespace gyre {
namespace {

constexpr ActorId kA{10}, kB{20};

bool Holds(const Record& record, const Dot& dot) {
  return std::any_of(record.siblings.begin(), record.siblings.end(),
                     [&](const Sibling& sibling) { return sibling.dot == dot; });
}

// ---- Join and Compare ------------------------------------------------------------------------

// Goal: replicas that got the same records hold the same bytes, in whatever order they came, even
// if a fault gave one dot two contents.
RC_GTEST_PROP(JoinProperty, IsCommutativeAssociativeIdempotentInBytes, ()) {
  const bool wild = *rc::gen::arbitrary<bool>();
  const auto any = [wild] { return wild ? AnyWildRecord() : AnyRecord(); };
  const Record a = any();
  const Record b = any();
  const Record c = any();
  RC_ASSERT(Join(a, b).Encode() == Join(b, a).Encode());
  RC_ASSERT(Join(Join(a, b), c).Encode() == Join(a, Join(b, c)).Encode());
  RC_ASSERT(Join(a, a).Encode() == a.Encode());
  RC_ASSERT(Join(a, Record()).Encode() == a.Encode());
  RC_ASSERT(Record::Decode(Join(a, b).Encode()).value() == Join(a, b));
}

// Goal: a sibling goes only if one side saw it and dropped it (paper 4.4).
RC_GTEST_PROP(JoinProperty, KeepsWhatBothHaveOrOneHasNotSeen, ()) {
  const Record a = AnyRecord();
  const Record b = AnyRecord();
  const Record joined = Join(a, b);
  const auto expected = [&](const Record& mine, const Record& other, const Dot& dot) {
    return Holds(mine, dot) && (Holds(other, dot) || !other.clock.Covers(dot));
  };
  for (const Record* side : {&a, &b}) {
    for (const Sibling& sibling : side->siblings) {
      RC_ASSERT(Holds(joined, sibling.dot) ==
                (expected(a, b, sibling.dot) || expected(b, a, sibling.dot)));
    }
  }
  for (const Sibling& sibling : joined.siblings) {
    RC_ASSERT(Holds(a, sibling.dot) || Holds(b, sibling.dot));
    RC_ASSERT(joined.clock.Covers(sibling.dot));
  }
}

RC_GTEST_PROP(CompareProperty, SaysWhatJoinWouldDo, ()) {
  const bool above = *rc::gen::arbitrary<bool>();
  const Record other = AnyRecord();
  const Record a = above ? Join(other, AnyRecord()) : AnyRecord();
  const Record b = !above && *rc::gen::arbitrary<bool>() ? Join(a, other) : other;
  const auto same = [](const Record& x, const Record& y) {
    return x.clock.SameDots(y.clock) &&
           std::equal(x.siblings.begin(), x.siblings.end(), y.siblings.begin(), y.siblings.end(),
                      [](const Sibling& s, const Sibling& t) { return s.dot == t.dot; });
  };
  const bool a_wins = same(Join(a, b), a);
  const bool b_wins = same(Join(a, b), b);
  const Causal expected = a_wins && b_wins ? Causal::kEqual
                          : a_wins         ? Causal::kNewer
                          : b_wins         ? Causal::kOlder
                                           : Causal::kConcurrent;
  RC_ASSERT(Compare(a, b) == expected);
  RC_ASSERT((Compare(a, b) == Causal::kEqual) == same(a, b));
  RC_TAG(static_cast<int>(expected));
}

// ---- names and times -------------------------------------------------------------------------

TEST(DotSourceTest, ARowThatThisActorBeganGoesOnAndEveryOtherBeginsAnEpoch) {
  DotSource dots(kA, 5);
  EXPECT_EQ(dots.Next(std::nullopt, {}), (Dot{kA, 5, 1}));
  EXPECT_EQ(dots.Next(OwnWrites{kA, 5, 1}, {}), (Dot{kA, 5, 2}));
  EXPECT_EQ(dots.Next(OwnWrites{kB, 5, 1}, {}), (Dot{kA, 6, 1})) << "began by another actor";
  EXPECT_EQ(dots.Next(OwnWrites{}, {}), (Dot{kA, 7, 1})) << "came by replication";
  EXPECT_EQ(dots.next_epoch(), 8u);
  dots.Retire(kB);
  EXPECT_EQ(dots.Next(OwnWrites{kA, 5, 2}, {}), (Dot{kB, 1, 1}));
}

// Goal: a write is never named by a dot that the row takes for seen, whatever others put in there.
TEST(DotSourceTest, AClaimOfDotsNeverGivenCostsEpochsNotValues) {
  DotSource dots(kA, 5);
  VersionVector poisoned;
  poisoned.Add({kA, 3, 100}, {});
  poisoned.Add({kA, 5, 1}, {});
  poisoned.Add({kA, 6, ~0ull}, {});
  EXPECT_EQ(dots.Next(OwnWrites{kA, 3, 7}, poisoned), (Dot{kA, 7, 1}));
}

TEST(DotSourceTest, DrawnActorsCarryTheirNode) {
  Prng prng(1);
  const ActorId first = DrawActor(NodeId(0xABCDEF), prng);
  EXPECT_EQ(NodeOf(first), NodeId(0xABCDEF));
  EXPECT_NE(first, DrawActor(NodeId(0xABCDEF), prng));
}

TEST(HybridClockTest, RisesEvenIfTheWallClockStandsOrGoesBack) {
  HybridClock clock(Duration::Seconds(60));
  const HybridTime first = clock.Tick({1'000});
  EXPECT_EQ(first.wall().ms, 1'000);
  const HybridTime second = clock.Tick({1'000});
  EXPECT_GT(second, first);
  const HybridTime third = clock.Tick({10});
  EXPECT_GT(third, second);
  EXPECT_GT(clock.Tick({2'000}), third);
  HybridTime last;
  for (int i = 0; i < 70'000; ++i) {  // more in one millisecond than its counter holds
    const HybridTime next = clock.Tick({2'000});
    ASSERT_GT(next, last);
    last = next;
  }
}

TEST(HybridClockTest, TakesOverAPeersTimeWithinItsBoundOnly) {
  HybridClock clock(Duration::Seconds(60));
  clock.Tick({1'000});
  const HybridTime ahead = HybridTime::Of({61'000});
  clock.Observe(ahead, {1'000});
  EXPECT_GT(clock.Tick({1'000}), ahead);
  const HybridTime far = HybridTime::Of({1'000'000});
  clock.Observe(far, {1'000});
  EXPECT_LT(clock.Tick({1'000}), far);
}

// ---- truncation ------------------------------------------------------------------------------

// Goal: paper 4.4: a clock stays short, and no sibling ever loses the entry that names it.
RC_GTEST_PROP(TruncateProperty, DropsOnlyOldEntriesThatNameNothing, ()) {
  const Record before = AnyWildRecord();
  Record after = before;
  const Dot keep = before.clock.empty() ? Dot{kA, 1, 1} : before.clock.entries()[0].dot();
  const ApplyLimits limits{100, *rc::gen::inRange<std::size_t>(0, 6), Duration::Millis(2)};
  const WallTime now{*rc::gen::inRange(0, 9)};
  const int dropped = Truncate(after, keep, now, limits);
  RC_ASSERT(after.siblings == before.siblings);
  RC_ASSERT(after.clock.size() + static_cast<std::size_t>(dropped) == before.clock.size());
  RC_ASSERT(dropped == 0 || after.clock.size() >= limits.clock_entries_max);
  WallTime newest_dropped{-1};
  const auto names_sibling = [&](const VersionVector::Entry& entry) {
    return std::any_of(before.siblings.begin(), before.siblings.end(), [&](const Sibling& s) {
      return s.dot.actor == entry.actor && s.dot.epoch == entry.epoch;
    });
  };
  const auto droppable = [&](const VersionVector::Entry& entry) {
    return entry.time.ms < now.ms - 2 && !names_sibling(entry) && entry.dot() != keep;
  };
  for (const VersionVector::Entry& entry : before.clock.entries()) {
    if (after.clock.Find(entry.actor, entry.epoch) != nullptr) continue;
    RC_ASSERT(droppable(entry));
    newest_dropped = std::max(newest_dropped, entry.time);
  }
  for (const VersionVector::Entry& entry : after.clock.entries()) {
    if (!droppable(entry)) continue;
    RC_ASSERT(after.clock.size() <= limits.clock_entries_max);  // else it had to go
    RC_ASSERT(dropped == 0 || entry.time >= newest_dropped);    // the oldest go first
  }
}

TEST(TruncateTest, DropsTheOldestPastTheLimit) {
  Record record;
  for (std::uint64_t i = 1; i <= 6; ++i) {
    record.clock.Add({ActorId(i), 1, 1}, {static_cast<std::int64_t>(100 - i)});
  }
  record.siblings.push_back(SiblingOf({ActorId(6), 1, 1}, {1}, "names the oldest"));
  const ApplyLimits limits{100, 4, Duration::Millis(10)};
  EXPECT_EQ(Truncate(record, {ActorId(5), 1, 1}, {1'000}, limits), 2);
  EXPECT_EQ(record.clock.size(), 4u);
  for (const std::uint64_t gone : {3, 4}) EXPECT_FALSE(record.clock.Covers({ActorId(gone), 1, 1}));
}

}  // namespace
}  // namespace gyre
