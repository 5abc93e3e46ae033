#include "server/admin_json_wholeness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

ClusterSight ThreeNodes(bool b_up, bool c_up) {
  ClusterSight sight;
  sight.peers = {{"b", b_up}, {"c", c_up}};
  return sight;
}
HintDebt Debt(const std::string& target, std::uint64_t hints, std::uint64_t bytes, Duration age) {
  return {NodeIdOf(target), target, hints, bytes, age};
}
constexpr Duration kThreeMinutes = Duration::Seconds(185);

std::string Summary(const ClusterSight& sight) {
  const Wholeness judged = JudgeWholeness(sight);
  EXPECT_FALSE(judged.whole) << judged.summary;
  return judged.summary;
}

// Goal: whole is said only if nothing at all is wrong.
TEST(WholenessTest, WholeWhenAllAreReachableAndNothingIsOwed) {
  const Wholeness three = JudgeWholeness(ThreeNodes(true, true));
  EXPECT_TRUE(three.whole);
  EXPECT_EQ(three.summary, "The cluster is whole: all 3 nodes reachable, nothing is owed.");
  const Wholeness alone = JudgeWholeness({});
  EXPECT_TRUE(alone.whole);
  EXPECT_EQ(alone.summary, "The cluster is whole: this is its only node.");
  // A debt that has been paid is none.
  ClusterSight paid = ThreeNodes(true, true);
  paid.owed = {Debt("c", 0, 0, {})};
  EXPECT_TRUE(JudgeWholeness(paid).whole);
}

// Goal: who is away is named, with what waits for it here.
TEST(WholenessTest, SaysWhatIsKeptForNodesThatAreAway) {
  ClusterSight sight = ThreeNodes(true, false);
  EXPECT_EQ(Summary(sight), "Node c is not reachable. Nothing is kept here for it.");
  sight.owed = {Debt("c", 1'204, 1'234'567, kThreeMinutes)};
  EXPECT_EQ(Summary(sight),
            "Node c is not reachable. 1,204 hints (1.2 MB) are kept here for it, the oldest 3 min "
            "old; they are handed over when it is back.");
  sight.owed = {Debt("c", 1, 120, Duration::Millis(20))};
  EXPECT_EQ(Summary(sight),
            "Node c is not reachable. 1 hint (120 B) is kept here for it, less than 1 s old; it is "
            "handed over when it is back.");
  sight.peers[1].away = kThreeMinutes;
  sight.owed.clear();
  EXPECT_EQ(Summary(sight), "Node c is not reachable, for 3 min now. Nothing is kept here for it.");
  sight.peers[1].away = Duration::Millis(999);
  EXPECT_EQ(Summary(sight), "Node c is not reachable. Nothing is kept here for it.");
  sight.peers[0].away = kThreeMinutes;  // of who is up nothing is said
  EXPECT_EQ(Summary(sight), "Node c is not reachable. Nothing is kept here for it.");
  sight.peers[0].up = false;
  EXPECT_EQ(Summary(sight),
            "Nodes b and c are not reachable, the longest for 3 min now. Nothing is kept here for "
            "them.");
  sight.peers[0].away = {};
  sight.owed = {Debt("b", 4, 4'000, Duration::Seconds(9)),
                Debt("c", 6, 6'000, Duration::Seconds(5))};
  EXPECT_EQ(Summary(sight),
            "Nodes b and c are not reachable. 10 hints (10.0 kB) are kept here for them, the "
            "oldest 9 s old; they are handed over when they are back.");
}

// Goal: what is being paid off is told apart from what waits, with its end.
TEST(WholenessTest, SaysThatANewDiskHasYetToFillUp) {
  ClusterSight sight = ThreeNodes(true, true);
  sight.repair.unfilled = 1204;
  const Wholeness judged = JudgeWholeness(sight);
  EXPECT_FALSE(judged.whole);
  EXPECT_EQ(judged.summary,
            "The disk of this node was empty: 1,204 of its partitions have yet to come from their "
            "other owners, and until then it answers no reads of them.");
}

TEST(WholenessTest, SaysHowFastADebtDrains) {
  ClusterSight sight = ThreeNodes(true, true);
  sight.owed = {Debt("c", 1'204, 1'234'567, kThreeMinutes)};
  sight.hints_replayed_per_second = 5'100;
  EXPECT_EQ(Summary(sight),
            "1,204 hints (1.2 MB) are owed to c, the oldest 3 min old; draining at 5,100 a second, "
            "done in about 1 s.");
  sight.hints_replayed_per_second = 2.5;
  EXPECT_THAT(Summary(sight), EndsWith("; draining at 2.5 a second, done in about 8 min."));
  sight.hints_replayed_per_second = 0;
  EXPECT_THAT(Summary(sight), EndsWith("; none was handed over of late."));
  sight.owed.push_back(Debt("b", 1, 1, Duration::Seconds(3'600 * 50)));
  EXPECT_EQ(Summary(sight),
            "1,205 hints (1.2 MB) are owed to c and b, the oldest 2 d old; none was handed over of "
            "late.");
}

// Goal: several things at once are all said: the worst first.
TEST(WholenessTest, SaysThatCopiesDiffer) {
  ClusterSight sight = ThreeNodes(true, true);
  sight.repair = {512, 3, 1};
  EXPECT_EQ(Summary(sight),
            "3 of 512 copies of partitions differed from this node's when they were last compared; "
            "that is being repaired.");
  sight.peers[0].up = false;  // what cannot be compared is no news then
  EXPECT_EQ(Summary(sight).find("differed"), std::string::npos);
}

TEST(WholenessTest, SaysEverythingThatIsWrong) {
  ClusterSight sight = ThreeNodes(true, false);
  sight.writable = false;
  sight.storage_problem = "the disk is full";
  sight.hints_replayed_per_second = 20;
  sight.owed = {Debt("b", 100, 1'000, Duration::Seconds(2)),
                Debt("c", 7, 700, Duration::Seconds(4)),
                Debt("gone", 1, 70, Duration::Seconds(86'400 * 9))};
  EXPECT_EQ(Summary(sight),
            "The storage of this node takes no writes: the disk is full. "
            "Node c is not reachable. 7 hints (700 B) are kept here for it, the oldest 4 s old; "
            "they are handed over when it is back. "
            "100 hints (1.0 kB) are owed to b, the oldest 2 s old; draining at 20 a second, done "
            "in about 5 s. "
            "1 hint (70 B) is kept here for gone, 9 d old, not among the nodes any more.");
}

// Goal: the sentence stays one that people read, however large the cluster.
TEST(WholenessTest, NamesAFewOfMany) {
  ClusterSight sight;
  for (int i = 1; i <= 200; ++i) sight.peers.push_back({"n" + std::to_string(i), false});
  EXPECT_THAT(Summary(sight), HasSubstr("Nodes n1, n2, n3, n4, n5 and 195 more are not reachable"));
  sight.peers.resize(5);
  EXPECT_THAT(Summary(sight), HasSubstr("Nodes n1, n2, n3, n4 and n5 are not reachable"));
}

// Goal: the judgement is made of the node's numbers.
TEST(WholenessTest, SightIsThatOfTheNumbers) {
  NodeStats stats;
  stats.peers.push_back({NodeIdOf("b"), "b", "h:1"});
  stats.owed = {Debt("b", 2, 10, {})};
  stats.hints_replayed_per_second = 3;
  stats.engine.writable = false;
  stats.engine.problem = "p";
  const ClusterSight sight = SightOf(stats);
  ASSERT_EQ(sight.peers.size(), 1u);
  EXPECT_EQ(sight.peers[0].name, "b");
  EXPECT_FALSE(sight.peers[0].up);
  EXPECT_EQ(sight.owed.size(), 1u);
  EXPECT_EQ(sight.hints_replayed_per_second, 3);
  EXPECT_FALSE(sight.writable);
  EXPECT_EQ(sight.storage_problem, "p");
}

// Goal: numbers are written as people read them, at the edges too.
TEST(WholenessTest, Numbers) {
  EXPECT_EQ(GroupedText(0), "0");
  EXPECT_EQ(GroupedText(999), "999");
  EXPECT_EQ(GroupedText(1'000), "1,000");
  EXPECT_EQ(GroupedText(12'345'678), "12,345,678");
  EXPECT_EQ(BytesText(999), "999 B");
  EXPECT_EQ(BytesText(1'000), "1.0 kB");
  EXPECT_EQ(BytesText(999'960), "1.0 MB");
  EXPECT_EQ(BytesText(UINT64_MAX), "18446744.1 TB");
  EXPECT_EQ(AgeText(Duration::Millis(999)), "less than 1 s");
  EXPECT_EQ(AgeText(Duration::Seconds(119)), "119 s");
  EXPECT_EQ(AgeText(Duration::Seconds(120)), "2 min");
  EXPECT_EQ(AgeText(Duration::Seconds(7'200)), "2 h");
  EXPECT_EQ(AgeText(Duration::Seconds(172'800)), "2 d");
}

}  // namespace
}  // namespace gyre
