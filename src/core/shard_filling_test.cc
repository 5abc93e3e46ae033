// An owner whose disk was empty at its start, through whole shards (docs/adr/0015-empty-disks.md):
// what it has yet to get it answers no reads of.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_moving_scene.h"

namespace gyre::testing {
namespace {

class ShardFillingTest : public ::testing::Test {
 protected:
  // The key is written, and lies at the places 0 and 1 only, as 2 was away for it.
  void PutAtTwoOfThree() {
    scene.Isolate(2);
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 2)).has_value());
    ASSERT_TRUE(scene.Own(1).has_value());
  }
  // Starts again on an empty disk; its links are down until Rejoin.
  void ReplaceDisk(int place) {
    scene.At(place).rows.clear();
    scene.At(place).leaf_sums.clear();
    scene.cluster.Restart(scene.Index(place), /*fills=*/true);
  }
  std::size_t Unfilled(int place) { return scene.At(place).shard().repair_state().unfilled; }
  ErrorCode CodeOfGet(int place, std::uint8_t r) {
    const ClientResult got = scene.Run(place, GetR(scene.key, r));
    return got ? ErrorCode::kNotFound : got.error().code;
  }

  // The partition moves from place 2 to 3; then comes a write that `away` misses, and of the two
  // new owners the other one and `away` are all that is left.
  void MovesAndIsWrittenWithout(int away) {
    scene.TakeAll(joint);
    scene.cluster.RunFor(Duration::Millis(500));
    ASSERT_TRUE(scene.Arrived(3, joint));
    scene.TakeAll(settled);
    scene.Isolate(away);
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 2)).has_value());
    ASSERT_TRUE(scene.Own(away == 1 ? 3 : 1).has_value());
    for (const int place : {0, 2, 4, 5, 6}) scene.Isolate(place);
  }
  // What moved to place 3 is lost with its disk, and 1 had missed it. `each`: 3 hears of all
  // layouts.
  void LosesDiskAndLayout(bool each) {
    ASSERT_NO_FATAL_FAILURE(MovesAndIsWrittenWithout(1));
    scene.cluster.RestoreView(scene.Index(3), scene.founded);
    ReplaceDisk(3);
    scene.Rejoin(3);
    if (each) scene.Take(3, joint);
    scene.Take(3, settled);
    scene.Rejoin(1);
    scene.cluster.RunFor(Duration::Millis(300));
    EXPECT_EQ(CodeOfGet(1, 2), ErrorCode::kUnavailable);
    for (const int place : {0, 2, 4, 5, 6}) scene.Rejoin(place);
    scene.cluster.RunFor(Duration::Seconds(2));
    EXPECT_EQ(Unfilled(3), 0u);
    EXPECT_THAT(ValuesOf(scene.Run(1, GetR(scene.key, 2))), ::testing::ElementsAre("v"));
  }

  MovingScene scene{Quick()};
  const Layout joint = scene.To({0, 1, 3});
  const Layout settled = scene.Settled(joint);
};

// Goal: two of three owners hold what was written, and one of these loses its disk: a read that
// hears it and the third does not say absent. Once the other one is back it fills up and answers.
TEST_F(ShardFillingTest, AnEmptyDiskIsNoAbsence) {
  PutAtTwoOfThree();
  for (const int place : {0, 3, 4, 5, 6}) scene.Isolate(place);  // and who kept a hint for 2
  ReplaceDisk(1);
  EXPECT_GT(Unfilled(1), 0u);
  scene.Rejoin(1);
  scene.Rejoin(2);
  scene.cluster.RunFor(Duration::Seconds(1));
  EXPECT_EQ(scene.Own(1), std::nullopt);
  EXPECT_EQ(CodeOfGet(2, 2), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOfGet(1, 2), ErrorCode::kUnavailable);
  EXPECT_GT(scene.CountersOf(1).reads_unfilled, 0u);
  EXPECT_TRUE(scene.Run(1, PutW(scene.key, "w", 2)).has_value());

  for (const int place : {0, 3, 4, 5, 6}) scene.Rejoin(place);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_EQ(Unfilled(1), 0u);
  EXPECT_TRUE(scene.Own(1).has_value());
  using ::testing::UnorderedElementsAre;
  EXPECT_THAT(ValuesOf(scene.Run(1, GetR(scene.key, 1))), UnorderedElementsAre("v", "w"));
  EXPECT_THAT(ValuesOf(scene.Run(2, GetR(scene.key, 2))), UnorderedElementsAre("v", "w"));
}

// Goal: a disk is lost, and with it the layout: the node starts as it was founded, and hears that
// it owns what it did not own then. That is to be filled as well; also where it hears of one layout
// after the other, by which all that moved to it came long ago.
TEST_F(ShardFillingTest, WhatItOwnsByALaterLayoutIsFilledToo) { LosesDiskAndLayout(false); }
TEST_F(ShardFillingTest, WhatMovedToItLongAgoIsFilledToo) { LosesDiskAndLayout(true); }

// Goal: a disk is lost after its node has said that all of a partition had arrived: the others
// settle the move, and what the node has then to get again it answers no reads of.
TEST_F(ShardFillingTest, WhatHadArrivedIsFilledAgain) {
  scene.TakeAll(joint);
  scene.cluster.RunFor(Duration::Millis(500));
  ASSERT_TRUE(scene.Arrived(3, joint));
  scene.Isolate(1);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 2)).has_value());
  ASSERT_TRUE(scene.Own(3).has_value());

  for (const int place : {0, 2, 4, 5, 6}) scene.Isolate(place);
  ReplaceDisk(3);
  scene.TakeAll(settled);
  scene.Rejoin(3);
  scene.Rejoin(1);
  scene.cluster.RunFor(Duration::Millis(300));
  EXPECT_EQ(CodeOfGet(1, 2), ErrorCode::kUnavailable);
}

// Goal: partitions are whole, and answer, one after the other, and not all at the end.
TEST(ShardFillingOrderTest, OnePartitionAfterTheOther) {
  CoreConfig config = Quick();
  config.exchange_sessions_max = 1;
  config.stream_leaves_min = 1;
  MovingScene scene(config);
  std::size_t owned = 0;
  for (int i = 0; i < 600; ++i) {
    const RowKey key = scene.cluster.Key("k" + std::to_string(i));
    ASSERT_TRUE(scene.Run(0, PutW(key, "v", 3)).has_value());
    owned += scene.At(1).rows.contains(key);
  }
  scene.At(1).rows.clear();
  scene.At(1).leaf_sums.clear();
  scene.cluster.Restart(scene.Index(1), /*fills=*/true);
  scene.Rejoin(1);
  const auto unfilled = [&] { return scene.At(1).shard().repair_state().unfilled; };
  const std::size_t all = unfilled();
  ASSERT_GE(all, 4u);
  for (int i = 0; i < 10'000 && unfilled() == all; ++i) {
    scene.cluster.flights.empty() ? scene.cluster.Advance(Duration::Millis(1))
                                  : scene.cluster.Deliver();
  }
  EXPECT_LT(unfilled(), all);
  EXPECT_LT(scene.At(1).rows.size(), owned / 2);
}

// Goal: with the other two at hand reads go on meanwhile, and see what was written.
TEST_F(ShardFillingTest, TheOthersAnswerMeanwhile) {
  PutAtTwoOfThree();
  ReplaceDisk(1);
  scene.Rejoin(2);
  scene.Rejoin(1);
  scene.Cut(0, 1);  // nothing comes from there
  scene.cluster.RunFor(Duration::Millis(300));
  ASSERT_GT(Unfilled(1), 0u);
  EXPECT_THAT(ValuesOf(scene.Run(2, GetR(scene.key, 2))), ::testing::ElementsAre("v"));
}

// Goal: a scan takes no empty disk for an empty partition.
TEST_F(ShardFillingTest, AScanAsksSomebodyElse) {
  PutAtTwoOfThree();
  scene.Isolate(0);
  ReplaceDisk(1);
  scene.Rejoin(1);
  scene.cluster.RunFor(Duration::Millis(300));
  ScanRequest scan;
  scan.keyspace = scene.key.keyspace;
  scan.partition = scene.partition;
  scan.partition_bits = scene.cluster.ring().partition_bits();
  const ClientResult result = scene.Run(1, scan);
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(CodeOf(result), ErrorCode::kUnavailable);
}

// Goal: a cluster that begins, all of whose disks are empty, serves without those that have not
// come yet.
TEST_F(ShardFillingTest, TwoEmptyDisksAreANewCluster) {
  scene.Isolate(0);
  ReplaceDisk(1);
  ReplaceDisk(2);
  EXPECT_GT(Unfilled(1), 0u);
  scene.Rejoin(1);
  scene.Rejoin(2);
  scene.cluster.RunFor(Duration::Millis(300));
  EXPECT_EQ(Unfilled(1), 0u);
  EXPECT_EQ(Unfilled(2), 0u);
  EXPECT_THAT(ValuesOf(scene.Run(1, GetR(scene.key, 2))), ::testing::IsEmpty());
}

// Goal: an empty disk and a node that has yet to get a partition that it came to own, as its disk
// is from before that, are no new cluster.
TEST_F(ShardFillingTest, OneThatGainedAndAnEmptyDiskAreNoNewCluster) {
  ASSERT_NO_FATAL_FAILURE(MovesAndIsWrittenWithout(3));
  scene.cluster.RestoreView(scene.Index(3), scene.founded);
  scene.cluster.Restart(scene.Index(3));
  scene.Take(3, settled);
  ReplaceDisk(1);
  scene.Rejoin(1);
  scene.Rejoin(3);
  scene.cluster.RunFor(Duration::Millis(300));
  EXPECT_GT(Unfilled(1), 0u);
  EXPECT_GT(Unfilled(3), 0u);
  EXPECT_EQ(CodeOfGet(1, 2), ErrorCode::kUnavailable);
  for (const int place : {0, 2, 4, 5, 6}) scene.Rejoin(place);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_EQ(Unfilled(1), 0u);
  EXPECT_EQ(Unfilled(3), 0u);
}

// Goal: who comes to a new cluster a little later need not fill up from nodes that never came; who
// comes much later has to.
TEST_F(ShardFillingTest, LateComersToANewClusterServe) {
  for (const int place : {0, 3, 4, 5, 6}) scene.Isolate(place);
  ReplaceDisk(1);
  ReplaceDisk(2);
  scene.Rejoin(1);
  scene.Rejoin(2);
  scene.cluster.RunFor(Duration::Millis(300));
  ASSERT_EQ(Unfilled(1), 0u);
  ReplaceDisk(0);
  scene.Rejoin(0);
  scene.cluster.RunFor(Duration::Millis(100));
  EXPECT_EQ(Unfilled(0), 0u);

  scene.cluster.RunFor(kFoundingGrace);
  ReplaceDisk(0);
  scene.Rejoin(0);
  scene.cluster.RunFor(Duration::Millis(100));
  EXPECT_GT(Unfilled(0), 0u);
}

// Goal: an owner that is removed as dead is waited for no longer.
TEST_F(ShardFillingTest, WhoIsRemovedIsNotWaitedFor) {
  PutAtTwoOfThree();
  scene.Isolate(0);
  ReplaceDisk(1);
  scene.Rejoin(1);
  scene.Rejoin(2);
  scene.cluster.RunFor(Duration::Seconds(1));
  ASSERT_GT(Unfilled(1), 0u);
  const Layout removed = scene.Removed(0, 3, scene.founded);
  for (int place = 1; place < scene.cluster.size(); ++place) scene.Take(place, removed);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_EQ(Unfilled(1), 0u);
}

}  // namespace
}  // namespace gyre::testing
