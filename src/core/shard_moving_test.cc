// Partitions that move, through whole shards (docs/adr/0008-moving-partitions.md): requests need
// their quorum in both owner sets, nodes that know different owners do not count for each other,
// and what was written is with the new owners before those of before are let go.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "core/test_moving_scene.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// ---- quorums of both sets --------------------------------------------------------------------

// Goal: W of the owners of before are not enough without W of those of now, nor the other way
// round; a node in both sets counts in both.
TEST(ShardMovingTest, APutNeedsWInBothSets) {
  for (const bool now_is_slow : {true, false}) {
    MovingScene scene(WithoutExchange());
    scene.TakeAll(scene.To({3, 4, 5}));
    const std::vector<int> slow = now_is_slow ? std::vector{3, 4, 5} : std::vector{1, 2};
    for (const int place : slow) scene.At(place).hold_writes = true;
    const auto put = scene.Start(0, PutW(scene.key, "v", 2));
    scene.cluster.DeliverAll();
    EXPECT_FALSE(scene.Answered(put));
    if (now_is_slow) {
      scene.ReleaseWrites(3);
      EXPECT_FALSE(scene.Answered(put));
    }
    scene.ReleaseWrites(slow[1]);
    ASSERT_TRUE(scene.Answered(put));
    EXPECT_EQ(OutcomeOf(scene.AnswerOf(put)).copies, 2);
    EXPECT_EQ(OutcomeOf(scene.AnswerOf(put)).hints, 0);
    EXPECT_TRUE(OutcomeOf(scene.AnswerOf(put)).strict);
  }
}

TEST(ShardMovingTest, AnOwnerInBothSetsCountsInBoth) {
  MovingScene scene(WithoutExchange());
  scene.TakeAll(scene.To({1, 2, 3}));
  scene.At(0).hold_writes = scene.At(3).hold_writes = true;
  const auto put = scene.Start(0, PutW(scene.key, "v", 2));
  scene.cluster.DeliverAll();
  ASSERT_TRUE(scene.Answered(put));
  EXPECT_EQ(OutcomeOf(scene.AnswerOf(put)).copies, 2);
}

// Goal: what a fallback keeps for an owner counts in the sets of that owner, and in no other.
TEST(ShardMovingTest, AHintCountsForTheSetsOfItsOwner) {
  MovingScene scene(WithoutExchange());
  scene.TakeAll(scene.To({1, 3, 4}));
  scene.Isolate(1);  // of both
  scene.Isolate(4);  // of now only
  const PutOutcome put = OutcomeOf(scene.Run(0, PutW(scene.key, "v", 3)));
  EXPECT_EQ(put.copies, 3);
  EXPECT_EQ(put.hints, 2);  // of those of now
  scene.Isolate(3);
  scene.Isolate(5);
  scene.Isolate(6);  // no fallback is left, and one owner of now has no copy anywhere
  EXPECT_EQ(CodeOf(scene.Run(0, PutW(scene.key, "v", 1))), ErrorCode::kUnavailable);
}

// Goal: an owner of before keeps no copy for another owner of before: it is asked for its own only.
TEST(ShardMovingTest, OwnersOfBeforeAreNoFallbacks) {
  MovingScene scene(WithoutExchange());
  scene.TakeAll(scene.To({1, 2, 3}));
  for (const int place : {0, 5, 6}) scene.Isolate(place);
  scene.Cut(1, 2);
  scene.Start(1, PutW(scene.key, "v", 3));
  scene.cluster.DeliverAll();
  ASSERT_TRUE(scene.Hint(4, 0).has_value());
  scene.Rejoin(0);
  scene.cluster.RunFor(Duration::Millis(600));  // 2 is silent
  EXPECT_EQ(scene.Hint(0, 2), std::nullopt);
}

// Goal: R of one set do not answer a get; and what it answers is with so many of both sets that
// later gets meet it there.
TEST(ShardMovingTest, AGetNeedsRInBothSets) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.TakeAll(scene.To({3, 4, 5}));
  scene.Cut(0, 3);
  scene.Cut(0, 4);
  const auto get = scene.Start(0, GetR(scene.key, 2));
  scene.cluster.RunFor(Duration::Millis(900));
  EXPECT_FALSE(scene.Answered(get));
  scene.cluster.RunFor(Duration::Millis(200));
  EXPECT_EQ(CodeOf(scene.AnswerOf(get)), ErrorCode::kUnavailable);
  scene.Heal(0, 4);
  EXPECT_THAT(ValuesOf(scene.Run(0, GetR(scene.key, 2))), ElementsAre("v"));
  for (const int place : {4, 5}) EXPECT_EQ(scene.Own(place), scene.Own(0));
}

// Goal: what is answered is with enough of those of before, too, and not only of those of now.
TEST(ShardMovingTest, AGetWritesBackInBothSets) {
  MovingScene scene(WithoutExchange());
  scene.Cut(0, 1);
  scene.Cut(0, 2);
  PutRequest put = PutW(scene.key, "v", 1);
  put.options.sloppy = false;
  ASSERT_TRUE(scene.Run(0, put).has_value());
  scene.Heal(0, 1);
  scene.Heal(0, 2);
  scene.TakeAll(scene.To({3, 4, 5}));
  scene.At(1).hold_writes = scene.At(2).hold_writes = true;
  const auto get = scene.Start(0, GetR(scene.key, 2));
  scene.cluster.DeliverAll();
  ASSERT_TRUE(scene.Own(3).has_value());
  EXPECT_FALSE(scene.Answered(get));
  scene.ReleaseWrites(1);
  scene.ReleaseWrites(2);
  ASSERT_TRUE(scene.Answered(get));
  EXPECT_THAT(ValuesOf(scene.AnswerOf(get)), ElementsAre("v"));
}

TEST(ShardMovingTest, AGetNeedsROfThoseOfBeforeToo) {
  MovingScene scene(WithoutExchange());
  scene.TakeAll(scene.To({3, 4, 5}));
  scene.Cut(0, 1);
  scene.Cut(0, 2);
  const auto get = scene.Start(0, GetR(scene.key, 2));
  scene.cluster.RunFor(Duration::Millis(900));
  EXPECT_FALSE(scene.Answered(get));
}

// Goal: where those who own it before and after suffice, a get asks nobody else: an owner to come,
// which lacks most, would be among the first to answer and have to be given it.
TEST(ShardMovingTest, AGetAsksThoseInBothSetsFirst) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.TakeAll(scene.To({1, 2, 3}));
  std::set<int> asked;
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    if (std::holds_alternative<ReplicaGet>(flight.message)) asked.insert(flight.to);
  };
  for (const int place : {0, 1, 2, 3}) {
    EXPECT_THAT(ValuesOf(scene.Run(place, GetR(scene.key, 2))), ElementsAre("v")) << place;
    EXPECT_EQ(scene.CountersOf(place).steady_reads, 1u);
  }
  EXPECT_EQ(asked, (std::set<int>{scene.Index(1), scene.Index(2)}));
  EXPECT_EQ(scene.Own(3), std::nullopt);
  // Two do not suffice for R = 3.
  EXPECT_THAT(ValuesOf(scene.Run(0, GetR(scene.key, 3))), ElementsAre("v"));
  EXPECT_EQ(scene.CountersOf(0).steady_reads, 1u);
  EXPECT_TRUE(scene.Own(3).has_value());
}

// Goal: one of them that is silent holds a get up for a moment only; one that is known to be away,
// not at all.
TEST(ShardMovingTest, AGetAsksTheOthersWhereOneInBothSetsIsSilent) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.TakeAll(scene.To({1, 2, 3}));
  scene.Cut(0, 1);
  const auto get = scene.Start(0, GetR(scene.key, 2));
  scene.cluster.RunFor(Duration::Millis(20));
  EXPECT_FALSE(scene.Answered(get));
  scene.cluster.RunFor(Duration::Millis(80));
  ASSERT_TRUE(scene.Answered(get));
  EXPECT_THAT(ValuesOf(scene.AnswerOf(get)), ElementsAre("v"));
  EXPECT_EQ(scene.CountersOf(0).steady_reads_widened, 1u);
  scene.Isolate(1);
  EXPECT_THAT(ValuesOf(scene.Run(0, GetR(scene.key, 2))), ElementsAre("v"));
  EXPECT_EQ(scene.CountersOf(0).steady_reads, 1u);
}

// ---- nodes that know different owners ----------------------------------------------------------

// Goal: copies are not taken by those who know other owners than their sender; once both know the
// same the put goes on by itself, whoever was behind, and has W in both sets.
TEST(ShardMovingTest, APutGoesOnOnceTheViewsAgree) {
  for (const bool coordinator_is_behind : {true, false}) {
    MovingScene scene(WithoutExchange());
    const Layout joint = scene.To({3, 4, 5});
    for (int place = 0; place < 7; ++place) {
      if ((place != 0) == coordinator_is_behind) scene.Take(place, joint);
    }
    const auto put = scene.Start(0, PutW(scene.key, "v", 2));
    scene.cluster.RunFor(Duration::Millis(200));
    EXPECT_FALSE(scene.Answered(put));
    for (int place = 1; place < 7; ++place) EXPECT_THAT(scene.At(place).rows, IsEmpty());
    EXPECT_GT(scene.CountersOf(1).wrong_epoch, 0u);
    for (int place = 0; place < 7; ++place) {
      if ((place == 0) == coordinator_is_behind) scene.Take(place, joint);
    }
    scene.cluster.RunFor(Duration::Millis(50));
    ASSERT_TRUE(scene.Answered(put));
    EXPECT_EQ(OutcomeOf(scene.AnswerOf(put)).copies, 2);
    for (int place = 0; place < 6; ++place) EXPECT_EQ(scene.Own(place), scene.Own(0));
    EXPECT_EQ(scene.Hint(6, 1), std::nullopt);
    EXPECT_EQ(scene.At(0).shard().requests_in_flight(), 0u);
  }
}

TEST(ShardMovingTest, AGetGoesOnOnceTheViewsAgree) {
  for (const bool coordinator_is_behind : {true, false}) {
    MovingScene scene(WithoutExchange());
    ASSERT_TRUE(scene.Run(1, PutW(scene.key, "v", 3)).has_value());
    const Layout joint = scene.To({3, 4, 5});
    for (int place = 0; place < 7; ++place) {
      if ((place != 0) == coordinator_is_behind) scene.Take(place, joint);
    }
    const auto get = scene.Start(0, GetR(scene.key, 2));
    scene.cluster.RunFor(Duration::Millis(200));
    EXPECT_FALSE(scene.Answered(get));
    for (int place = 0; place < 7; ++place) {
      if ((place == 0) == coordinator_is_behind) scene.Take(place, joint);
    }
    scene.cluster.RunFor(Duration::Millis(50));
    ASSERT_TRUE(scene.Answered(get));
    EXPECT_THAT(ValuesOf(scene.AnswerOf(get)), ElementsAre("v"));
  }
}

// Goal: a node that is behind forwards to those who own the key no more. As stand-ins they
// coordinate it with the owners of today; if they may not, it asks again once it knows better.
TEST(ShardMovingTest, AForwardedPutGoesOnOnceTheViewsAgree) {
  for (const bool sloppy : {true, false}) {
    MovingScene scene(WithoutExchange());
    const Layout settled = scene.Settled(scene.To({3, 4, 5}));
    for (int place = 0; place < 6; ++place) scene.Take(place, settled);
    PutRequest request = PutW(scene.key, "v", 2);
    request.options.sloppy = sloppy;
    const auto put = scene.Start(6, request);
    scene.cluster.RunFor(Duration::Millis(200));
    EXPECT_EQ(scene.Answered(put), sloppy);
    scene.Take(6, settled);
    scene.cluster.RunFor(Duration::Millis(50));
    ASSERT_TRUE(scene.Answered(put));
    EXPECT_TRUE(scene.AnswerOf(put).has_value());
    EXPECT_EQ(scene.Own(0), std::nullopt);
    for (const int place : {4, 5}) EXPECT_EQ(scene.Own(place), scene.Own(3));
  }
}

// Goal: a get that begins anew forgets its replies: a stand-in that had nothing may be an owner by
// now, which must not count as having nothing.
TEST(ShardMovingTest, RepliesToAnEarlierTryDoNotCount) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.Isolate(1);
  scene.Isolate(2);
  // 3 and 4 stand in, and keep nothing for anybody.
  const auto get = scene.Start(0, GetR(scene.key, 2));
  std::deque<TestCluster::Flight> replies;
  while (!scene.cluster.flights.empty()) {
    if (std::holds_alternative<ReplicaGetReply>(scene.cluster.flights.front().message)) {
      replies.push_back(std::move(scene.cluster.flights.front()));
      scene.cluster.flights.pop_front();
    } else {
      scene.cluster.Deliver();
    }
  }
  ASSERT_EQ(replies.size(), 2u);
  scene.TakeAll(scene.Settled(scene.To({3, 4, 5})));
  for (TestCluster::Flight& reply : replies) scene.cluster.flights.push_front(std::move(reply));
  for (int i = 0; i < 2; ++i) scene.cluster.Deliver();
  scene.cluster.flights.clear();  // nobody has answered the second try
  scene.cluster.RunFor(Duration::Millis(100));
  EXPECT_FALSE(scene.Answered(get));
}

// Goal: what a node reads after it let a get in, and other owners came to be, may have been dropped
// there meanwhile: it answers that its view is another one, not that there is nothing.
TEST(ShardMovingTest, AReadThatTookLongerThanTheMoveDoesNotCount) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  for (const int place : {0, 1, 2}) scene.At(place).hold_reads = true;
  const auto get = scene.Start(0, GetR(scene.key, 2));
  scene.cluster.DeliverAll();
  std::deque<ReadEffect> slow[3];
  for (const int place : {1, 2}) {
    scene.At(place).held_reads.swap(slow[place]);
    ASSERT_EQ(slow[place].size(), 1u);
    scene.At(place).hold_reads = false;
  }
  const Layout settled = scene.Settled(scene.To({3, 4, 5}));
  for (int place = 1; place < 7; ++place) scene.Take(place, settled);
  scene.cluster.RunFor(Duration::Millis(250));
  for (const int place : {1, 2}) {
    ASSERT_EQ(scene.Own(place), std::nullopt);  // given and dropped
    scene.At(place).held_reads.swap(slow[place]);
    scene.cluster.ReleaseRead(scene.Index(place));
    scene.cluster.DeliverAll();
  }
  EXPECT_FALSE(scene.Answered(get));
  scene.At(0).hold_reads = false;
  scene.Take(0, settled);
  scene.cluster.RunFor(Duration::Millis(50));
  ASSERT_TRUE(scene.Answered(get));
  EXPECT_THAT(ValuesOf(scene.AnswerOf(get)), ElementsAre("v"));
}

// Goal: a get whose write-back is refused for another view begins anew, and ends well.
TEST(ShardMovingTest, AGetThatWritesBackWhileTheViewChangesBeginsAnew) {
  for (const bool coordinator_learns : {true, false}) {
    MovingScene scene(WithoutExchange());
    scene.Cut(0, 2);
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 2)).has_value());
    scene.Heal(0, 2);
    const Layout joint = scene.To({0, 2, 3});
    scene.Cut(0, 1);
    const auto get = scene.Start(0, GetR(scene.key, 2));
    while (!std::holds_alternative<ReplicaPut>(scene.cluster.flights.front().message)) {
      scene.cluster.Deliver();
    }
    scene.Take(2, joint);
    scene.Take(3, joint);
    if (coordinator_learns) scene.Take(0, joint);
    scene.cluster.DeliverAll();
    scene.Take(0, joint);
    scene.Take(1, joint);
    scene.Heal(0, 1);
    scene.cluster.RunFor(Duration::Millis(50));
    ASSERT_TRUE(scene.Answered(get));
    ASSERT_TRUE(scene.AnswerOf(get).has_value());
    EXPECT_THAT(ValuesOf(scene.AnswerOf(get)), ElementsAre("v"));
  }
}

// Goal: a copy that was let in before the view changed and was applied after it is not
// acknowledged: what new owners have been given of the partition meanwhile may lack it, and so
// those of before could be let go with a write that only they have.
TEST(ShardMovingTest, AnAcknowledgementAfterTheViewChangedDoesNotCount) {
  MovingScene scene(Quick());
  const Layout joint = scene.To({1, 2, 3});
  scene.Cut(0, 2);
  scene.At(1).hold_reads = true;
  const auto put = scene.Start(0, PutW(scene.key, "v", 2));
  scene.cluster.DeliverAll();
  ASSERT_EQ(scene.At(1).held_reads.size(), 1u);
  for (const int place : {1, 2, 3}) scene.Take(place, joint);
  scene.cluster.RunFor(Duration::Millis(100));  // 3 has compared with 1 now: both had nothing
  scene.cluster.ReleaseRead(scene.Index(1));
  scene.cluster.DeliverAll();
  ASSERT_TRUE(scene.Own(1).has_value());
  EXPECT_EQ(scene.Own(3), std::nullopt);
  EXPECT_FALSE(scene.Answered(put));
  EXPECT_EQ(scene.CountersOf(1).wrong_epoch, 1u);
  // It has W once the coordinator knows all owners, and these have it.
  scene.At(1).hold_reads = false;
  scene.Take(0, joint);
  scene.cluster.RunFor(Duration::Millis(100));
  ASSERT_TRUE(scene.Answered(put));
  EXPECT_TRUE(scene.AnswerOf(put).has_value());
  EXPECT_EQ(scene.Own(3), scene.Own(1));
}

// ---- puts under way when the view changes ------------------------------------------------------

// Goal: a put that waits for its own row while the view changes has W in both sets of the view of
// then, and so has one that waits for acknowledgements.
TEST(ShardMovingTest, APutUnderWayHasItsQuorumInTheSetsOfNow) {
  for (const bool is_being_applied : {true, false}) {
    MovingScene scene(WithoutExchange());
    const Layout joint = scene.To({3, 4, 5});
    scene.At(0).hold_reads = is_being_applied;
    for (int place = 1; place < 6; ++place) scene.At(place).hold_writes = true;
    const auto put = scene.Start(0, PutW(scene.key, "v", 2));
    scene.cluster.DeliverAll();
    ASSERT_EQ(scene.At(0).held_reads.size(), is_being_applied ? 1u : 0u);
    scene.TakeAll(joint);
    if (is_being_applied) scene.cluster.ReleaseRead(scene.Index(0));
    scene.cluster.DeliverAll();
    // What they hold back of before the change they refuse, and take anew.
    for (const int place : {1, 2}) scene.ReleaseWrites(place);
    scene.cluster.RunFor(Duration::Millis(50));
    for (const int place : {1, 2}) scene.ReleaseWrites(place);
    EXPECT_FALSE(scene.Answered(put));
    scene.ReleaseWrites(3);
    EXPECT_FALSE(scene.Answered(put));
    scene.ReleaseWrites(4);
    ASSERT_TRUE(scene.Answered(put));
    EXPECT_EQ(OutcomeOf(scene.AnswerOf(put)).copies, 2);
  }
}

// Goal: the copy of a coordinator that owns the key no more counts for nobody.
TEST(ShardMovingTest, ACoordinatorThatIsNoOwnerAnyMoreDoesNotCount) {
  MovingScene scene(WithoutExchange());
  scene.At(0).hold_reads = true;
  const auto put = scene.Start(0, PutW(scene.key, "v", 2));
  scene.At(4).hold_writes = scene.At(5).hold_writes = true;
  scene.TakeAll(scene.Settled(scene.To({3, 4, 5})));
  scene.cluster.ReleaseRead(scene.Index(0));
  scene.cluster.DeliverAll();
  ASSERT_TRUE(scene.Own(0).has_value());
  ASSERT_TRUE(scene.Own(3).has_value());
  EXPECT_FALSE(scene.Answered(put));
  scene.ReleaseWrites(4);
  ASSERT_TRUE(scene.Answered(put));
  EXPECT_EQ(OutcomeOf(scene.AnswerOf(put)).copies, 2);
}

// ---- who coordinates, who is scanned -----------------------------------------------------------

// Goal: a node that has not got all of a partition yet cannot tell what a plain SET replaces, so it
// leaves it to an owner of before.
TEST(ShardMovingTest, ANewOwnerLeavesPutsToThoseOfBefore) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "a", 3)).has_value());
  scene.TakeAll(scene.To({3, 4, 5}));
  int forwarded = 0;
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    forwarded += std::holds_alternative<ForwardPut>(flight.message);
  };
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, "b", 2, std::nullopt)).has_value());
  EXPECT_EQ(forwarded, 1);
  EXPECT_THAT(ValuesOf(scene.Run(1, GetR(scene.key, 2))), ElementsAre("b"));
}

// Goal: but it takes them where none of those can be reached.
TEST(ShardMovingTest, ANewOwnerCoordinatesWhereThoseOfBeforeAreAway) {
  MovingScene scene(WithoutExchange());
  scene.TakeAll(scene.To({1, 2, 3}));
  for (const int place : {0, 1, 2}) scene.Isolate(place);
  const PutOutcome put = OutcomeOf(scene.Run(3, PutW(scene.key, "v", 2)));
  EXPECT_GE(put.copies, 2);
  EXPECT_TRUE(scene.Own(3).has_value());
  EXPECT_EQ(scene.CountersOf(3).forwards, 0u);
  for (const int place : {0, 1, 2}) EXPECT_EQ(scene.Own(place), std::nullopt);
}

// Goal: it is refused before anything is written if too few are there for those of before.
TEST(ShardMovingTest, APutIsRefusedWhereOneSetCannotHaveItsQuorum) {
  MovingScene scene(WithoutExchange());
  scene.TakeAll(scene.To({3, 4, 5}));
  for (const int place : {0, 1, 2, 6}) scene.Isolate(place);
  EXPECT_EQ(CodeOf(scene.Run(3, PutW(scene.key, "v", 1))), ErrorCode::kUnavailable);
  EXPECT_EQ(scene.Own(3), std::nullopt);
}

ScanRequest ScanOf(const MovingScene& scene) {
  return {KeyspaceId(0), scene.partition, scene.cluster.ring().partition_bits()};
}

// Goal: scans show what there is, and so are done where all of it is.
TEST(ShardMovingTest, ScansAskTheOwnersOfBefore) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  const Layout joint = scene.To({3, 4, 5});
  scene.TakeAll(joint);
  for (int place = 0; place < 7; ++place) {
    const ClientResult result = scene.Run(place, ScanOf(scene));
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(std::get<ScanOutcome>(*result).keys.size(), 1u) << place;
  }
}

// Goal: a scan that was reading when the partition was let go does not end as if nothing were
// there.
TEST(ShardMovingTest, AScanUnderWayBeginsAnewWithTheOwnersOfNow) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  const Layout joint = scene.To({3, 4, 5});
  const Layout settled = scene.Settled(joint);
  for (int place = 0; place < 7; ++place) scene.Take(place, joint);
  scene.cluster.RunFor(Duration::Seconds(2));  // it arrives
  for (int place = 1; place < 7; ++place) scene.Take(place, settled);
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, "new", 3)).has_value());
  int asked = 0;
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    asked += std::holds_alternative<ReplicaScan>(flight.message);
  };
  const auto scan = scene.Start(6, ScanOf(scene));
  const Layout back = scene.To({0, 1, 2}, settled);
  scene.Take(6, back);
  scene.cluster.DeliverAll();
  EXPECT_FALSE(scene.Answered(scan));  // 3 to 5 have all of it still, and know no more than before
  for (int place = 3; place < 6; ++place) scene.Take(place, back);
  scene.cluster.RunFor(Duration::Millis(50));
  ASSERT_TRUE(scene.Answered(scan));
  ASSERT_TRUE(scene.AnswerOf(scan).has_value());
  EXPECT_EQ(std::get<ScanOutcome>(*scene.AnswerOf(scan)).keys.size(), 1u);
  EXPECT_EQ(asked, 3);
}

}  // namespace
}  // namespace gyre::testing
