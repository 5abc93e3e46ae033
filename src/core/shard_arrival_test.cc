// What a partition's rows do when it moves, through whole shards
// (docs/adr/0008-moving-partitions.md): they come to the new owners, which tell when all has
// arrived; afterwards those that own it no more give what they have, and drop it. Hints and purges
// go with it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_moving_scene.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;

// Into what an owner holds, and no other: no quorum, no hint.
PutRequest PutHere(const RowKey& key, std::string_view value) {
  PutRequest put = PutW(key, value, 1);
  put.options.sloppy = false;
  return put;
}

// A row that the key's first owner has, and nobody else.
void PutAtFirstOwner(MovingScene& scene) {
  for (const int place : {1, 2}) scene.Cut(0, place);
  ASSERT_TRUE(scene.Run(0, PutHere(scene.key, "v")).has_value());
  for (const int place : {1, 2}) {
    ASSERT_EQ(scene.Own(place), std::nullopt);
    scene.Heal(0, place);
  }
}

// ---- arrival -----------------------------------------------------------------------------------

// Goal: what every owner of before has is there before a new owner says that all has arrived.
TEST(ShardArrivalTest, ArrivedIsWhoHasComparedWithEachOwnerOfBefore) {
  for (const int late : {0, 1, 2}) {
    MovingScene scene(Quick());
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
    const Layout joint = scene.To({1, 2, 3});
    scene.Cut(3, late);
    scene.TakeAll(joint);
    scene.cluster.RunFor(Duration::Millis(400));
    EXPECT_EQ(scene.Own(3), scene.Own(0));
    EXPECT_FALSE(scene.Arrived(3, joint)) << late;
    scene.Heal(3, late);
    scene.cluster.RunFor(Duration::Millis(700));
    EXPECT_TRUE(scene.Arrived(3, joint)) << late;
    // Of those that had it all along nobody waits for anything.
    EXPECT_TRUE(scene.Arrived(1, joint));
  }
}

// Goal: an owner of before that has another view does not tell what it holds: it may still take
// writes that need none of the new owners.
TEST(ShardArrivalTest, AnOwnerOfBeforeWithAnotherViewIsWaitedFor) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  const Layout joint = scene.To({1, 2, 3});
  for (const int place : {0, 1, 3}) scene.Take(place, joint);
  scene.cluster.RunFor(Duration::Millis(700));
  EXPECT_FALSE(scene.Arrived(3, joint));
  scene.Take(2, joint);
  scene.cluster.RunFor(Duration::Millis(100));
  EXPECT_TRUE(scene.Arrived(3, joint));
}

// Goal: what has arrived by one layout has not by the next in which the owners are others.
TEST(ShardArrivalTest, ArrivalIsOfOneEpoch) {
  MovingScene scene(Quick());
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  scene.cluster.RunFor(Duration::Millis(100));
  ASSERT_TRUE(scene.Arrived(3, joint));
  const Layout other = scene.To({1, 4, 3}, joint);
  scene.TakeAll(other);
  EXPECT_FALSE(scene.Arrived(3, other));
  scene.cluster.RunFor(Duration::Millis(100));
  EXPECT_TRUE(scene.Arrived(3, other));
  EXPECT_TRUE(scene.Arrived(4, other));
  // A layout that changes nothing for the partition leaves it arrived.
  std::vector<PartitionId> others;
  for (std::uint32_t p = 0; p < 16; ++p) {
    if (PartitionId(p) != scene.partition) others.emplace_back(p);
  }
  const Layout next = other.Settle(others);
  scene.TakeAll(next);
  EXPECT_TRUE(scene.Arrived(3, next));
}

// Goal: a comparison that began before the view changed is of no use for the view of now.
TEST(ShardArrivalTest, AComparisonUnderWayWhenTheViewChangesDoesNotCount) {
  MovingScene scene(Quick());
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  for (std::size_t asked = scene.cluster.flights.size(); asked > 0; --asked) {
    scene.cluster.Deliver();
  }
  // 3 was answered by all, and takes another view before it hears of that.
  const Layout other = scene.To({1, 4, 3}, joint);
  scene.Take(3, other);
  for (int place = 0; place < 7; ++place) scene.Cut(3, place);
  scene.cluster.DeliverAll();
  EXPECT_FALSE(scene.Arrived(3, other));
}

// Goal: an owner of before that was removed dead is not waited for.
TEST(ShardArrivalTest, WhoWasRemovedIsNotWaitedFor) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.Isolate(2);
  const Layout joint = scene.To({0, 1, 3});
  for (int place = 0; place < 7; ++place) scene.Take(place, joint);
  scene.cluster.RunFor(Duration::Millis(200));
  EXPECT_FALSE(scene.Arrived(3, joint));
  const Layout removed = scene.Removed(2, 3, joint);
  for (int place = 0; place < 7; ++place) {
    if (place != 2) scene.Take(place, removed);
  }
  scene.cluster.RunFor(Duration::Millis(200));
  EXPECT_TRUE(scene.Arrived(3, removed));
  EXPECT_EQ(scene.Own(3), scene.Own(0));
}

// Goal: a damaged leaf that was being fetched when the view changed is fetched by the next one.
TEST(ShardArrivalTest, AFetchThatIsCutByAnotherViewIsDoneAnew) {
  CoreConfig config = Quick();
  config.request_timeout = Duration::Seconds(5);
  config.scrub_cycle = Duration::Seconds(100'000);
  MovingScene scene(config);
  scene.Cut(0, 2);
  PutRequest put = PutW(scene.key, "v", 2);
  put.options.sloppy = false;
  ASSERT_TRUE(scene.Run(0, put).has_value());
  scene.At(1).damaged.insert(scene.key);
  bool fetching = false;
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    const auto* keys = std::get_if<LeafKeys>(&flight.message);
    if (keys == nullptr || !keys->damaged || std::exchange(fetching, true)) return;
    scene.Cut(1, 0);
    scene.Cut(1, 2);
  };
  scene.cluster.SetLink(scene.Index(1), scene.Index(2), true);  // compared at once
  scene.cluster.RunFor(Duration::Millis(100));
  ASSERT_TRUE(fetching);
  // 2 gets what it lacked, so that no sums differ any more.
  scene.Heal(0, 2);
  scene.cluster.RunFor(Duration::Millis(600));
  ASSERT_EQ(scene.Own(2), scene.Own(0));
  ASSERT_FALSE(scene.At(1).damaged.empty());
  scene.Heal(1, 0);
  scene.Heal(1, 2);
  scene.TakeAll(scene.To({1, 0, 2}));
  scene.cluster.RunFor(Duration::Seconds(3));
  EXPECT_TRUE(scene.At(1).damaged.empty());
}

// ---- surplus -----------------------------------------------------------------------------------

// Goal: who owns a partition no more gives what it holds to each owner, and drops it once each has
// it, and not before.
TEST(ShardArrivalTest, SurplusIsGivenToAllOwnersAndThenDropped) {
  for (const int late : {1, 2, 3}) {
    MovingScene scene(Quick());
    PutAtFirstOwner(scene);
    scene.Cut(0, late);
    for (const int place : {1, 2, 3}) {
      // Not from each other: from the one that has it.
      if (place != late) scene.Cut(place, late);
      if (place != late) scene.Cut(late, place);
    }
    scene.TakeAll(scene.Settled(scene.To({1, 2, 3})));
    scene.cluster.RunFor(Duration::Seconds(2));
    ASSERT_TRUE(scene.Own(0).has_value());
    EXPECT_EQ(scene.Own(late), std::nullopt);
    EXPECT_EQ(scene.At(0).shard().surplus_partitions(), 1u);
    EXPECT_EQ(scene.CountersOf(0).surplus_dropped, 0u);
    for (const int place : {1, 2, 3}) {
      if (place != late) {
        EXPECT_EQ(scene.Own(place), scene.Own(0));
      }
    }
    scene.Heal(0, late);
    scene.cluster.RunFor(Duration::Seconds(2));
    EXPECT_TRUE(scene.Own(late).has_value());
    EXPECT_EQ(scene.Own(0), std::nullopt);
    EXPECT_EQ(scene.At(0).shard().surplus_partitions(), 0u);
    EXPECT_EQ(scene.CountersOf(0).surplus_dropped, 1u);
    EXPECT_EQ(scene.At(0).leaf_sums[scene.At(0).LeafOfKey(scene.key)], 0u);
  }
}

// Goal: to drop what has gone elsewhere is work in the background, at the pace of the budget.
TEST(ShardArrivalTest, SurplusIsDroppedAtThePaceOfTheBudget) {
  CoreConfig config = Quick();
  config.background_bytes_per_second_min = config.background_bytes_per_second_max = 200'000;
  config.exchange_rows_max = 8;
  MovingScene scene(config);
  const std::vector<RowKey> keys = scene.Fill(100);
  scene.TakeAll(scene.Settled(scene.To({1, 2, 3})));
  const auto left = [&] { return scene.At(0).rows.size(); };
  for (int ms = 0; ms < 10'000 && left() == 100; ++ms) scene.cluster.RunFor(Duration::Millis(1));
  // 100 rows for 768 bytes each are 384 ms.
  scene.cluster.RunFor(Duration::Millis(150));
  EXPECT_GT(left(), 40u);
  EXPECT_LT(left(), 80u);
  scene.cluster.RunFor(Duration::Millis(400));
  EXPECT_EQ(left(), 0u);
  EXPECT_EQ(scene.CountersOf(0).surplus_dropped, 1u);
}

// Goal: while an owner that has been given the surplus is away it is kept: with what disk will that
// one come back?
TEST(ShardArrivalTest, SurplusIsKeptWhileAnOwnerIsAway) {
  MovingScene scene(Quick());
  PutAtFirstOwner(scene);
  scene.Cut(0, 3);
  scene.TakeAll(scene.Settled(scene.To({1, 2, 3})));
  scene.cluster.RunFor(Duration::Seconds(2));
  ASSERT_TRUE(scene.Own(1).has_value());
  scene.Isolate(1);
  scene.Heal(0, 3);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_TRUE(scene.Own(3).has_value());
  EXPECT_TRUE(scene.Own(0).has_value());
  scene.Rejoin(1);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_EQ(scene.Own(0), std::nullopt);
}

// Goal: what an owner was given it may have lost since, if it was away (a disk restored from a
// backup): surplus stays until it has been compared again.
TEST(ShardArrivalTest, SurplusIsKeptForAnOwnerThatComesBackWithLess) {
  MovingScene scene(Quick());
  PutAtFirstOwner(scene);
  const auto cut_from_others = [&] {  // they do not give it to 1
    for (const int place : {2, 3}) {
      scene.Cut(1, place);
      scene.Cut(place, 1);
    }
  };
  scene.Cut(0, 3);
  cut_from_others();
  scene.TakeAll(scene.Settled(scene.To({1, 2, 3})));
  scene.cluster.RunFor(Duration::Seconds(2));
  ASSERT_TRUE(scene.Own(1).has_value());
  ASSERT_TRUE(scene.Own(0).has_value());
  scene.Isolate(1);
  scene.At(1).rows.clear();
  scene.At(1).leaf_sums.clear();
  scene.cluster.Restart(scene.Index(1));
  scene.Rejoin(1);
  cut_from_others();
  scene.Cut(0, 1);
  scene.Heal(0, 3);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_TRUE(scene.Own(3).has_value());
  EXPECT_TRUE(scene.Own(0).has_value());
  scene.Heal(0, 1);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_TRUE(scene.Own(1).has_value());
  EXPECT_EQ(scene.Own(0), std::nullopt);
}

// Goal: surplus is only given: what its owners write meanwhile does not come to where it goes from,
// and does not keep it there.
TEST(ShardArrivalTest, SurplusDoesNotGrow) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "old", 3)).has_value());
  const Bytes old = *scene.Own(0);
  scene.Cut(0, 3);
  scene.TakeAll(scene.Settled(scene.To({1, 2, 3})));
  ASSERT_TRUE(scene.Run(1, PutW(scene.key, "new", 3)).has_value());
  scene.cluster.RunFor(Duration::Millis(300));
  EXPECT_EQ(scene.Own(0), old);
  scene.Heal(0, 3);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_EQ(scene.Own(0), std::nullopt);
  EXPECT_THAT(ValuesOf(scene.Run(3, GetR(scene.key, 3))), ElementsAre("new", "old"));
}

// Goal: surplus that is kept over a restart is given all the same.
TEST(ShardArrivalTest, SurplusIsFoundAfterARestart) {
  MovingScene scene(Quick());
  PutAtFirstOwner(scene);
  const Layout settled = scene.Settled(scene.To({1, 2, 3}));
  scene.Isolate(0);
  scene.TakeAll(settled);
  scene.cluster.Restart(scene.Index(0));
  scene.Rejoin(0);
  scene.cluster.RunFor(Duration::Seconds(2));
  for (const int place : {1, 2, 3}) EXPECT_TRUE(scene.Own(place).has_value()) << place;
  EXPECT_EQ(scene.Own(0), std::nullopt);
}

// Goal: a partition that becomes a node's own again while its rows are still being dropped has not
// arrived there by what was compared meanwhile.
TEST(ShardArrivalTest, ADroppedPartitionThatIsOursAgainHasNotArrived) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  const Layout settled = scene.Settled(scene.To({1, 2, 3}));
  scene.At(0).hold_reads = true;
  scene.TakeAll(settled);
  for (int i = 0; i < 200 && scene.At(0).held_reads.empty(); ++i) {
    scene.cluster.RunFor(Duration::Millis(10));
  }
  // About to be dropped: the row is looked at once more.
  ASSERT_EQ(scene.At(0).held_reads.size(), 1u);
  const Layout again = scene.To({0, 1, 2}, settled);
  scene.TakeAll(again);
  scene.cluster.RunFor(Duration::Millis(300));
  EXPECT_FALSE(scene.Arrived(0, again));
  scene.At(0).hold_reads = false;
  scene.cluster.ReleaseRead(scene.Index(0));
  EXPECT_FALSE(scene.Arrived(0, again));  // what was compared before is forgotten
  scene.cluster.RunFor(Duration::Millis(500));
  EXPECT_TRUE(scene.Arrived(0, again));
  EXPECT_EQ(scene.Own(0), scene.Own(1));
  EXPECT_TRUE(scene.Own(0).has_value());
}

// ---- hints -------------------------------------------------------------------------------------

// Goal: what is kept for an owner that is none any more goes to the owners of today, also by a node
// that starts after its name has been forgotten.
TEST(ShardArrivalTest, HintsForAFormerMemberGoToTheOwnersOfToday) {
  for (const bool restarts : {false, true}) {
    MovingScene scene(WithoutExchange());
    scene.Isolate(2);
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
    ASSERT_TRUE(scene.Hint(3, 2).has_value());
    const Layout removed = scene.Removed(2, 4, scene.To({0, 1, 4}));
    for (int place = 0; place < 7; ++place) {
      if (place != 2) scene.Take(place, removed);
    }
    if (restarts) {
      scene.cluster.Restart(scene.Index(3));
      scene.Rejoin(3);
    }
    EXPECT_EQ(scene.Own(4), std::nullopt);
    scene.cluster.RunFor(Duration::Seconds(2));
    EXPECT_EQ(scene.Own(4), scene.Own(0));
    EXPECT_EQ(scene.Hint(3, 2), std::nullopt);
  }
}

// Goal: the same of one that is still a member, once the partition is not with it any more.
TEST(ShardArrivalTest, HintsForAnOwnerOfBeforeGoToTheOwnersOfToday) {
  for (const bool is_back : {true, false}) {
    MovingScene scene(WithoutExchange());
    scene.Isolate(2);
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
    ASSERT_TRUE(scene.Hint(3, 2).has_value());
    scene.TakeAll(scene.Settled(scene.To({0, 1, 4})));
    if (is_back) scene.Rejoin(2);
    scene.cluster.RunFor(Duration::Seconds(2));
    EXPECT_EQ(scene.Own(4), scene.Own(0)) << is_back;
    EXPECT_EQ(scene.Hint(3, 2), std::nullopt) << is_back;
    EXPECT_EQ(scene.Own(2), std::nullopt);
  }
}

// Goal: a member that leaves keeps nothing for others, for nobody would come for it.
TEST(ShardArrivalTest, AMemberThatLeavesKeepsNoHints) {
  for (const bool leaves : {false, true}) {
    MovingScene scene(WithoutExchange());
    if (leaves) scene.TakeAll(scene.Left(6, 5, scene.founded));
    for (const int other : {0, 1, 2, 4, 5}) scene.Isolate(other);
    // The only other one cannot write, and knows it.
    scene.At(3).write_error = Error{ErrorCode::kIoError, "EIO"};
    ASSERT_FALSE(scene.Run(3, PutW(scene.key, "v", 2)).has_value());
    const ClientResult put = scene.Run(6, PutW(scene.key, "v", 1));
    EXPECT_EQ(put.has_value(), !leaves);
    EXPECT_EQ(scene.Hint(6, 0).has_value(), !leaves);
  }
}

// ---- purges ------------------------------------------------------------------------------------

PutRequest Delete(const RowKey& key) { return {key, DeleteValue{}, true, {}}; }

// Goal: no tombstone goes while its partition moves, or while somebody keeps rows of it that others
// own: they could come back without it.
TEST(ShardArrivalTest, NothingIsPurgedWhileThePartitionMovesOrSurplusIsKept) {
  MovingScene scene(Quick());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  ASSERT_TRUE(scene.Run(0, Delete(scene.key)).has_value());
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  scene.cluster.RunFor(Duration::Seconds(4));
  ASSERT_TRUE(scene.Arrived(3, joint));
  for (const int place : {0, 1, 2, 3}) EXPECT_TRUE(scene.Own(place).has_value()) << place;

  scene.Cut(0, 3);  // which cannot be given what 0 has
  scene.TakeAll(scene.Settled(joint));
  scene.cluster.RunFor(Duration::Seconds(4));
  for (const int place : {0, 1, 2, 3}) EXPECT_TRUE(scene.Own(place).has_value()) << place;

  scene.Heal(0, 3);
  scene.cluster.RunFor(Duration::Seconds(6));
  for (const int place : {0, 1, 2, 3}) EXPECT_EQ(scene.Own(place), std::nullopt) << place;
}

}  // namespace
}  // namespace gyre::testing
