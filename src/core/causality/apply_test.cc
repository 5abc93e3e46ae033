#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/causality/arbitrary.h"
#include "core/causality/merge.h"

namespace gyre {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr ActorId kA{10}, kB{20};
constexpr WallTime kNow{1'700'000'000'000};

// One coordinator with one row of one key.
struct Coordinator {
  explicit Coordinator(ActorId actor) : dots(actor, 1), clock(Duration::Seconds(60)) {}

  // What is refused, or changes nothing, leaves the record as it is.
  Result<Applied> Try(const Mutation& mutation) {
    const Record before = record;
    const Result<Applied> applied = Apply(mutation, record, own, dots, clock, now, limits);
    if (!applied.has_value() || !applied->changed) {
      EXPECT_EQ(record, before);
    } else {
      own = applied->own;
    }
    return applied;
  }
  Applied Do(const Mutation& mutation) { return Try(mutation).value(); }
  Applied Put(std::string_view value, std::optional<VersionVector> context,
              WallTime expiry = kNeverExpires) {
    return Do(WriteValue{std::move(context), Bytes(value), Xxh3_64(value), expiry});
  }
  // Live values, oldest first.
  std::vector<std::string> Values() const {
    std::vector<Sibling> live;
    for (const Sibling& s : record.siblings) {
      if (s.LiveAt(now)) live.push_back(s);
    }
    std::sort(live.begin(), live.end(), [](auto& a, auto& b) { return a.time < b.time; });
    std::vector<std::string> values;
    for (const Sibling& s : live) values.push_back(s.value.ToString());
    return values;
  }
  std::size_t Tombstones() const {
    return static_cast<std::size_t>(
        std::count_if(record.siblings.begin(), record.siblings.end(),
                      [](const Sibling& s) { return s.type == ValueType::kTombstone; }));
  }

  DotSource dots;
  HybridClock clock;
  WallTime now = kNow;
  ApplyLimits limits{100, 10, Duration::Seconds(3600)};
  Record record;
  std::optional<OwnWrites> own;
};

const VersionVector kNothing;

// ---- the textbook ----------------------------------------------------------------------------

// Goal: the example of paper 4.4, figure 3, with A for Sx, B for Sy, C for Sz.
// Paper 4.4
TEST(ApplyTest, FigureThreeOfThePaper) {
  Coordinator a(kA), b(kB), c(ActorId(30));
  a.Put("D1", kNothing);
  a.Put("D2", a.record.clock);
  EXPECT_EQ(a.record.clock.entries()[0].dot(), (Dot{kA, 1, 2}));
  EXPECT_THAT(a.Values(), ElementsAre("D2"));
  b.record = c.record = a.record;  // replicated; then the nodes part
  b.Put("D3", a.record.clock);
  c.Put("D4", a.record.clock);
  const Record healed = Join(b.record, c.record);
  EXPECT_EQ(healed.siblings.size(), 2u);
  a.record = Join(a.record, healed);
  a.Put("D5", healed.clock);
  EXPECT_THAT(a.Values(), ElementsAre("D5"));
  std::vector<Dot> clock;
  for (const auto& entry : a.record.clock.entries()) clock.push_back(entry.dot());
  EXPECT_THAT(clock, ElementsAre(Dot{kA, 1, 3}, Dot{kB, 1, 1}, Dot{ActorId(30), 1, 1}));
  EXPECT_EQ(Compare(a.record, healed), Causal::kNewer);
}

// Goal: siblings are exactly the writes that did not see each other, also through one coordinator.
TEST(ApplyTest, TwoPutsWithOneContextAreSiblingsAndOneThatSawBothReplacesBoth) {
  Coordinator a(kA);
  a.Put("base", kNothing);
  const VersionVector seen = a.record.clock;
  a.Put("left", seen);
  const Applied right = a.Put("right", seen);
  EXPECT_THAT(a.Values(), ElementsAre("left", "right"));
  EXPECT_EQ(right.own, (OwnWrites{kA, 1, 3}));
  a.Put("merged", a.record.clock);
  EXPECT_THAT(a.Values(), ElementsAre("merged"));
}

TEST(ApplyTest, WithoutAContextAWriteCoversWhatTheCoordinatorKnows) {
  Coordinator a(kA);
  a.Put("one", kNothing);
  a.Put("two", kNothing);
  a.Put("plain", std::nullopt);
  EXPECT_THAT(a.Values(), ElementsAre("plain"));
  EXPECT_EQ(a.record.siblings.size(), 1u);
}

// Goal: what a client has seen elsewhere is overwritten here too, also if it comes here later.
TEST(ApplyTest, AContextCoversWritesThatThisCoordinatorNeverGot) {
  Coordinator a(kA), b(kB);
  b.Put("elsewhere", kNothing);
  a.Put("newer", b.record.clock);
  EXPECT_THAT(Join(a.record, b.record).siblings.size(), 1u);
}

// ---- refusals --------------------------------------------------------------------------------

// Goal: a forged context cannot hide later writes of this coordinator, and costs no dot.
TEST(ApplyTest, AContextWithDotsThatWereNeverGivenIsRefused) {
  Coordinator a(kA);
  a.Put("one", kNothing);
  const Record before = a.record;
  for (const Dot& forged : {Dot{kA, 1, 2}, Dot{kA, 2, 1}, Dot{kA, ~0ull, 1}}) {
    VersionVector context;
    context.Add(forged, {});
    for (const Mutation& mutation : {Mutation(WriteValue{context, Bytes("x"), Xxh3_64("x")}),
                                     Mutation(DeleteValue{context})}) {
      const auto refused = a.Try(mutation);
      ASSERT_FALSE(refused.has_value());
      EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    }
  }
  EXPECT_EQ(a.dots.next_epoch(), 2u);
  EXPECT_EQ(a.Put("two", before.clock).own, (OwnWrites{kA, 1, 2}));
  // An earlier tenure of this key, or another actor's dots, cannot be judged here.
  VersionVector elsewhere = a.record.clock;
  elsewhere.Add({kB, 7, 7}, {});
  EXPECT_TRUE(a.Try(WriteValue{elsewhere, Bytes("x"), Xxh3_64("x")}).has_value());
}

// Goal: should a forgery come in through another node, the key stays writable and loses nothing.
TEST(ApplyTest, AForgeryTakenElsewhereNeitherLocksTheKeyNorHidesWrites) {
  Coordinator a(kA), b(kB);
  a.Put("one", kNothing);
  VersionVector forged = a.record.clock;
  forged.Add({kA, 1, 50}, {});
  b.Put("forger", forged);
  a.record = Join(a.record, b.record);
  a.Put("two", a.record.clock);
  const Record joined = Join(a.record, b.record);
  ASSERT_EQ(joined.siblings.size(), 1u);
  EXPECT_EQ(joined.siblings[0].value.view(), "two");
  EXPECT_EQ(a.own, (OwnWrites{kA, 2, 1}));
}

// Goal: scenario of 1000 blind writers: one sibling too many is refused, none is ever dropped.
TEST(ApplyTest, OneSiblingPastTheLimitIsRefusedAndDrawsNoDot) {
  Coordinator a(kA);
  a.limits.siblings_max = 3;
  for (const char* value : {"1", "2", "3"}) a.Put(value, kNothing);
  const auto refused = a.Try(WriteValue{kNothing, Bytes("4"), Xxh3_64("4")});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_FALSE(a.Try(DeleteValue{kNothing}).has_value());
  // What does not add one is taken, also past the limit (joins may bring more).
  a.limits.siblings_max = 2;
  VersionVector one;
  one.Add({kA, 1, 1}, {});
  EXPECT_EQ(a.Put("replaces 1", one).own.n, 4u);
  EXPECT_EQ(a.record.siblings.size(), 3u);
  a.Put("all", a.record.clock);
  EXPECT_THAT(a.Values(), ElementsAre("all"));
}

TEST(ApplyTest, RecordsThatNoDecoderWouldTakeAreRefused) {
  Coordinator a(kA);
  const Bytes large(std::string(kValueBytesHardMax, 'x'));
  for (int i = 0; i < 3; ++i) a.Do(WriteValue{kNothing, large, 0});
  EXPECT_EQ(a.Try(WriteValue{kNothing, large, 0}).error().code, ErrorCode::kOverloaded);
  const Bytes larger(std::string(kValueBytesHardMax + 1, 'x'));
  EXPECT_EQ(a.Try(WriteValue{kNothing, larger, 0}).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(a.own, (OwnWrites{kA, 1, 3}));
}

TEST(ApplyTest, AnExpiryPastTheFormatIsRefused) {
  Coordinator a(kA);
  a.Put("v", kNothing);
  const WallTime late{kWallTimeMsMax + 1};
  EXPECT_EQ(a.Try(WriteValue{kNothing, Bytes("x"), Xxh3_64("x"), late}).error().code,
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(a.Try(SetExpiry{late}).error().code, ErrorCode::kInvalidArgument);
}

// Goal: a time from a client's context cannot keep a clock entry for ever.
TEST(ApplyTest, TimesOfAContextAreTakenWithinTheSafeAge) {
  Coordinator a(kA);
  VersionVector context;
  context.Add({kB, 1, 1}, {kWallTimeMsMax});
  a.Put("v", context);
  EXPECT_EQ(a.record.clock.Find(kB, 1)->time.ms, kNow.ms + 3'600'000);
}

// ---- deletes ---------------------------------------------------------------------------------

TEST(ApplyTest, ADeleteLeavesATombstoneThatCoversWhatItsContextCovers) {
  Coordinator a(kA);
  a.Put("seen", kNothing);
  const VersionVector seen = a.record.clock;
  a.Put("unseen", kNothing);
  EXPECT_TRUE(a.Do(DeleteValue{seen}).changed);
  EXPECT_THAT(a.Values(), ElementsAre("unseen"));
  EXPECT_EQ(a.Tombstones(), 1u);
  EXPECT_TRUE(a.Do(DeleteValue{std::nullopt}).changed);
  EXPECT_THAT(a.Values(), IsEmpty());
  EXPECT_EQ(a.record.siblings.size(), 1u);
}

TEST(ApplyTest, ADeleteOfNothingChangesNothing) {
  Coordinator a(kA);
  EXPECT_FALSE(a.Do(DeleteValue{std::nullopt}).changed);
  EXPECT_FALSE(a.Do(DeleteValue{kNothing}).changed);
  a.Put("v", kNothing);
  a.Do(DeleteValue{std::nullopt});
  const Record deleted = a.record;
  const Applied again = a.Do(DeleteValue{std::nullopt});
  EXPECT_FALSE(again.changed);
  EXPECT_EQ(a.record, deleted);
  EXPECT_EQ(again.own, a.own);
  EXPECT_EQ(a.dots.next_epoch(), 2u);
}

// Goal: what is deleted stays deleted, also if this coordinator had never heard of it.
TEST(ApplyTest, ADeleteWithAContextIsKeptWhereNothingIsLive) {
  Coordinator a(kA), b(kB);
  b.Put("v", kNothing);
  EXPECT_TRUE(a.Do(DeleteValue{b.record.clock}).changed);
  EXPECT_FALSE(Join(a.record, b.record).AnyLiveAt(kNow));
  EXPECT_TRUE(a.Do(DeleteValue{a.record.clock}).changed);
}

// Goal: a delete concurrent with a put leaves the put.
TEST(ApplyTest, APutConcurrentWithADeleteSurvives) {
  Coordinator a(kA), b(kB);
  a.Put("v", kNothing);
  b.record = a.record;
  a.Do(DeleteValue{a.record.clock});
  b.Put("kept", b.record.clock);
  const Record joined = Join(a.record, b.record);
  EXPECT_EQ(joined.siblings.size(), 2u);
  EXPECT_EQ(joined.NewestLive(kNow)->value.view(), "kept");
}

// ---- expiry ----------------------------------------------------------------------------------

TEST(ApplyTest, KeepExpiryTakesThatOfTheNewestLiveSibling) {
  Coordinator a(kA);
  a.Put("old", kNothing, {kNow.ms + 500});
  a.Put("new", kNothing, {kNow.ms + 900});
  a.Do(WriteValue{std::nullopt, Bytes("x"), Xxh3_64("x"), kNeverExpires, /*keep_expiry=*/true});
  EXPECT_EQ(a.record.siblings[0].expiry.ms, kNow.ms + 900);
  a.now.ms += 900;  // the instant itself is too late
  a.Do(WriteValue{std::nullopt, Bytes("y"), Xxh3_64("y"), kNeverExpires, /*keep_expiry=*/true});
  EXPECT_EQ(a.record.siblings[0].expiry, kNeverExpires);
}

TEST(ApplyTest, AnExpiredSiblingVanishesWithTheWriteThatHasSeenIt) {
  Coordinator a(kA);
  a.Put("expires", kNothing, {kNow.ms + 10});
  const VersionVector seen = a.record.clock;
  a.now.ms += 10;
  a.Put("blind", kNothing);
  EXPECT_EQ(a.record.siblings.size(), 2u);
  a.Put("next", seen);
  EXPECT_THAT(a.Values(), ElementsAre("blind", "next"));
  EXPECT_EQ(a.record.siblings.size(), 2u);
}

TEST(ApplyTest, WhatIsExpiredAtOnceIsATombstoneAtOnce) {
  Coordinator a(kA);
  for (const WallTime past : {WallTime{1}, WallTime{-5}, kNow}) {
    a.Put("v", std::nullopt, past);
    EXPECT_EQ(a.record.siblings.size(), 1u);
    EXPECT_EQ(a.Tombstones(), 1u);
    EXPECT_TRUE(a.record.siblings[0].value.empty());
  }
  a.Put("left", a.record.clock);
  a.Put("right", kNothing);
  a.Do(SetExpiry{{1}});
  EXPECT_EQ(a.record.siblings.size(), 1u);
  EXPECT_EQ(a.Tombstones(), 1u);
  EXPECT_TRUE(Record::Decode(a.record.Encode()).has_value());
}

// Goal: EXPIRE reconciles nothing: siblings stay siblings, the newest stays the newest, and other
// replicas replace each old sibling by its successor.
TEST(ApplyTest, SetExpiryWritesEachLiveSiblingAnewWithConsecutiveDots) {
  Coordinator a(kA), b(kB);
  b.Put("older", kNothing);
  b.now.ms += 5;
  b.Put("newer, lesser dot follows", kNothing);
  a.record = b.record;
  a.now.ms += 9;
  const Record before = a.record;
  const Applied applied = a.Do(SetExpiry{{kNow.ms + 1'000}});
  EXPECT_TRUE(applied.changed);
  EXPECT_EQ(applied.own, (OwnWrites{kA, 1, 2}));
  EXPECT_THAT(a.Values(), ElementsAre("older", "newer, lesser dot follows"));
  EXPECT_EQ(a.record.siblings[0].dot, (Dot{kA, 1, 1}));
  EXPECT_EQ(a.record.siblings[1].dot, (Dot{kA, 1, 2}));
  for (const Sibling& s : a.record.siblings) EXPECT_EQ(s.expiry.ms, kNow.ms + 1'000);
  EXPECT_EQ(Join(before, a.record), a.record);
  a.Put("after", kNothing);
  EXPECT_EQ(a.own, (OwnWrites{kA, 1, 3}));
}

TEST(ApplyTest, SetExpiryKeepsTheNewestTheNewest) {
  Coordinator a(kA), b(kB);
  b.now.ms -= 50;
  b.Put("older, greater dot", kNothing);
  a.Put("newer, lesser dot", kNothing);
  a.record = Join(a.record, b.record);
  a.Do(SetExpiry{{kNow.ms + 1'000}});
  EXPECT_THAT(a.Values(), ElementsAre("older, greater dot", "newer, lesser dot"));
  // A sibling that the condition leaves out takes part, with its expiry, or it would fall behind.
  a.Put("endless", a.record.clock);
  a.Put("newest", kNothing, {kNow.ms + 70});
  a.Do(SetExpiry{{kNow.ms + 90}, SetExpiry::Condition::kIfNone});
  EXPECT_THAT(a.Values(), ElementsAre("endless", "newest"));
  EXPECT_EQ(a.record.NewestLive(kNow)->expiry.ms, kNow.ms + 70);
  EXPECT_EQ(a.record.siblings[0].expiry.ms, kNow.ms + 90);
}

// Goal: a delete that someone may still have to weigh against the value is not decided by EXPIRE.
TEST(ApplyTest, SetExpiryKeepsTombstonesAndLetsExpiredSiblingsGo) {
  Coordinator a(kA);
  a.Put("live", kNothing);
  a.Put("expired", kNothing, {kNow.ms + 1});
  a.Do(DeleteValue{kNothing});
  a.now.ms += 1;
  const Dot tombstone = a.record.siblings[2].dot;
  a.Do(SetExpiry{{kNow.ms + 1'000}});
  ASSERT_EQ(a.record.siblings.size(), 2u);
  EXPECT_EQ(a.record.siblings[0].dot, tombstone);
  EXPECT_THAT(a.Values(), ElementsAre("live"));
  EXPECT_TRUE(a.record.clock.Covers({kA, 1, 2}));
}

TEST(ApplyTest, SetExpiryOfNothingLiveChangesNothing) {
  Coordinator a(kA);
  EXPECT_FALSE(a.Do(SetExpiry{{kNow.ms + 1}}).changed);
  a.Put("v", kNothing, {kNow.ms + 1});
  a.now.ms += 1;
  EXPECT_FALSE(a.Do(SetExpiry{{kNow.ms + 9}}).changed);
  a.Do(DeleteValue{a.record.clock});
  EXPECT_FALSE(a.Do(SetExpiry{{kNow.ms + 9}}).changed);
  a.Put("v", a.record.clock);
  EXPECT_FALSE(a.Do(SetExpiry{kNeverExpires}).changed) << "PERSIST of a value without expiry";
  EXPECT_EQ(a.own->n, 3u);
}

// Goal: NX, XX, GT and LT as Redis has them: no expiry counts as endless for GT and LT.
TEST(ApplyTest, SetExpiryConditionsAreThoseOfRedis) {
  using Condition = SetExpiry::Condition;
  struct Case {
    Condition condition;
    bool endless, to_later, to_earlier, to_equal, persist;
  };
  const Case cases[] = {
      {Condition::kAlways, true, true, true, true, true},
      {Condition::kIfNone, true, false, false, false, false},
      {Condition::kIfAny, false, true, true, true, true},
      {Condition::kIfLater, false, true, false, false, true},
      {Condition::kIfEarlier, true, false, true, false, false},
  };
  const auto changes = [](WallTime from, WallTime to, Condition condition) {
    Coordinator a(kA);
    a.Put("v", kNothing, from);
    const bool changed = a.Do(SetExpiry{to, condition}).changed;
    EXPECT_EQ(a.record.siblings[0].expiry, changed ? to : from);
    return changed;
  };
  const WallTime at{kNow.ms + 500}, later{kNow.ms + 501}, earlier{kNow.ms + 499};
  for (const Case& c : cases) {
    SCOPED_TRACE(static_cast<int>(c.condition));
    EXPECT_EQ(changes(kNeverExpires, at, c.condition), c.endless);
    EXPECT_EQ(changes(at, later, c.condition), c.to_later);
    EXPECT_EQ(changes(at, earlier, c.condition), c.to_earlier);
    EXPECT_EQ(changes(at, at, c.condition), c.to_equal);
    EXPECT_EQ(changes(at, kNeverExpires, c.condition), c.persist);
  }
}

// ---- all of them -----------------------------------------------------------------------------

// Goal: whatever is applied to whatever, the result is a sound record that is newer than before.
RC_GTEST_PROP(ApplyProperty, GivesASoundRecordThatIncludesTheOneBefore, ()) {
  Coordinator a(kA);
  a.now = {*rc::gen::inRange(0, 9)};
  a.limits = {*rc::gen::inRange<std::size_t>(1, 9), /*clock_entries_max=*/1'000, {}};
  a.record = AnyRecord();
  std::optional<VersionVector> context;
  if (*rc::gen::arbitrary<bool>()) context = AnyClock();
  const WallTime expiry{*rc::gen::inRange(0, 9)};
  Mutation mutation = DeleteValue{context};
  switch (*rc::gen::inRange(0, 3)) {
    case 0:
      mutation = WriteValue{context, Bytes("x"), Xxh3_64("x"), expiry};
      break;
    case 1:
      mutation = SetExpiry{expiry, static_cast<SetExpiry::Condition>(*rc::gen::inRange(0, 5))};
      break;
  }
  const Record before = a.record;
  const auto applied = a.Try(mutation);
  if (!applied.has_value()) {
    RC_ASSERT(applied.error().code == ErrorCode::kOverloaded);
    RC_ASSERT(a.dots.next_epoch() == 1u);
    return;
  }
  RC_ASSERT(Record::Decode(a.record.Encode()).value() == a.record);
  if (!applied->changed) {
    RC_ASSERT(a.record == before);
    RC_ASSERT(a.dots.next_epoch() == 1u);
    return;
  }
  RC_ASSERT(Compare(a.record, before) == Causal::kNewer);
  RC_ASSERT(Join(before, a.record).Encode() == a.record.Encode());
  RC_ASSERT(a.record.clock.Find(kA, applied->own.epoch)->n == applied->own.n);
}

}  // namespace
}  // namespace gyre
