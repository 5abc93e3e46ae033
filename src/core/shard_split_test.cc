// Partitions that are split in two while everything goes on (ring/layout.h).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/test_moving_scene.h"

namespace gyre {
namespace {

using namespace testing;

std::uint64_t TreeSum(MovingScene& scene, int place) {
  return scene.At(place).shard().ledger().tree().sum();
}

// Goal: nodes that know of the split and nodes that do not serve each other's clients all the same,
// nothing is moved, and the trees are as they were.
TEST(ShardSplitTest, NodesTakeItOneByOneAndClientsSeeNothing) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v0", 3)).has_value());
  std::vector<std::uint64_t> sums;
  for (int place = 0; place < 7; ++place) sums.push_back(TreeSum(scene, place));
  EXPECT_NE(sums[0], 0u);
  const Layout split = *scene.founded.Split();
  std::vector<std::uint64_t> asked;
  for (int taken = 0; taken < 7; ++taken) {
    scene.Take(taken, split);
    for (int place = 0; place < 7; ++place) {
      asked.push_back(scene.Start(place, GetR(scene.key, 3)));
    }
    scene.cluster.RunFor(Duration::Millis(10));
  }
  scene.cluster.RunFor(Duration::Millis(50));
  for (const std::uint64_t number : asked) {
    ASSERT_TRUE(scene.Answered(number));
    EXPECT_THAT(ValuesOf(scene.AnswerOf(number)), ::testing::ElementsAre("v0"));
  }
  for (int place = 0; place < 7; ++place) {
    EXPECT_EQ(TreeSum(scene, place), sums[static_cast<std::size_t>(place)]) << place;
    EXPECT_EQ(scene.CountersOf(place).exchange_records_sent, 0u) << place;
    EXPECT_EQ(scene.At(place).shard().surplus_partitions(), 0u) << place;
  }
  ASSERT_TRUE(scene.Run(6, PutW(scene.key, "v1", 3)).has_value());
  EXPECT_THAT(ValuesOf(scene.Run(5, GetR(scene.key, 3))), ::testing::ElementsAre("v0", "v1"));
}

// Goal: a message that names a partition by its old number is not taken for the one that has the
// number now: each side gets the other to begin anew.
TEST(ShardSplitTest, AScanOnItsWayDuringASplitIsDoneAnew) {
  MovingScene scene(WithoutExchange());
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  const Layout split = *scene.founded.Split();
  for (int place = 0; place < 6; ++place) scene.Take(place, split);
  const int bits = scene.cluster.ring().partition_bits();
  const auto scan = scene.Start(6, ScanRequest{KeyspaceId(0), scene.partition, bits});
  scene.cluster.DeliverAll();
  EXPECT_FALSE(scene.Answered(scan));
  EXPECT_EQ(scene.CountersOf(0).wrong_epoch + scene.CountersOf(1).wrong_epoch +
                scene.CountersOf(2).wrong_epoch,
            1u);
  scene.Take(6, split);
  scene.cluster.RunFor(Duration::Millis(50));
  ASSERT_TRUE(scene.Answered(scan));
  ASSERT_TRUE(scene.AnswerOf(scan).has_value());
}

// Goal: what is known to differ, and is being compared, is compared in both halves after a split,
// and not only when their turn comes.
TEST(ShardSplitTest, AComparisonThatASplitCutsIsDoneAnew) {
  CoreConfig config = Quick();
  config.repair_cycle = Duration::Seconds(3'600);
  config.hint_bytes_max = 0;
  MovingScene scene(config);
  scene.Cut(0, 2);
  scene.Cut(1, 2);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 2)).has_value());
  scene.cluster.RunFor(config.hint_after + Duration::Millis(50));  // left to the exchange
  EXPECT_FALSE(scene.Own(2).has_value());
  EXPECT_GT(scene.At(0).shard().counters().exchanges, 0u);
  scene.TakeAll(*scene.founded.Split());
  scene.Heal(0, 2);
  scene.Heal(1, 2);
  scene.cluster.RunFor(Duration::Seconds(2));
  EXPECT_EQ(scene.Own(2), scene.Own(0));
}

// Goal: who pages through a partition by its old number sees each key of both halves once; who
// names a half before the node knows of it waits for the node.
TEST(ShardSplitTest, AScanGoesOnOverTheSplit) {
  MovingScene scene(WithoutExchange());
  const Ring& ring = scene.cluster.ring();
  std::set<std::string> written;
  for (int i = 0; written.size() < 12; ++i) {
    const std::string name = "key" + std::to_string(i);
    const Token token = ring.TokenOf(name);
    if (ring.PartitionOf(token) != scene.partition) continue;
    ASSERT_TRUE(scene.Run(0, PutW(RowKey(KeyspaceId(0), token, Bytes(name)), "v", 3)).has_value());
    written.insert(name);
  }
  const int bits = ring.partition_bits();
  scene.TakeAll(*scene.founded.Split());
  for (int place : {0, 1, 6}) {
    std::multiset<std::string> seen;
    ScanRequest page{KeyspaceId(0), scene.partition, bits};
    page.limit = 5;
    int pages = 0;
    do {
      const ClientResult result = scene.Run(place, page);
      ASSERT_TRUE(result.has_value()) << result.error().message;
      const auto& outcome = std::get<ScanOutcome>(*result);
      for (const ScannedKey& each : outcome.keys) seen.insert(each.key.ToString());
      page.after = outcome.next;
    } while (page.after && ++pages < 20);
    EXPECT_EQ(seen, (std::multiset<std::string>(written.begin(), written.end()))) << place;
  }
}

}  // namespace
}  // namespace gyre
