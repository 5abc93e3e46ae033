#include "server/stats_board.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

using testing::SizeIs;

HintDebt Debt(std::uint32_t target, std::uint64_t hints, std::uint64_t bytes, std::int64_t age_s) {
  return {NodeId(target), "n" + std::to_string(target), hints, bytes, Duration::Seconds(age_s)};
}

// Goal: what the shards owe one node is one debt, as old as the oldest of them.
TEST(StatsBoardTest, DebtsAreMergedByTarget) {
  StatsBoard board(2);
  NodeStats shard;
  shard.owed = {Debt(7, 1, 10, 5), Debt(8, 2, 20, 6)};
  shard.hints_replayed_per_second = 1.5;
  board.Publish(ShardId(0), shard);
  shard.owed = {Debt(9, 4, 40, 1), Debt(7, 8, 80, 9)};
  board.Publish(ShardId(1), shard);
  const NodeStats total = board.Total();
  ASSERT_THAT(total.owed, SizeIs(3));
  EXPECT_EQ(total.owed[0].name, "n7");
  EXPECT_EQ(total.owed[0].hints, 9u);
  EXPECT_EQ(total.owed[0].bytes, 90u);
  EXPECT_EQ(total.owed[0].oldest_age, Duration::Seconds(9));
  EXPECT_EQ(total.owed[1].hints, 2u);
  EXPECT_EQ(total.owed[2].name, "n9");
  EXPECT_EQ(total.hints_replayed_per_second, 3);
}

// Goal: numbers are the node's, a peer is up only if it is for every shard, and what a shard
// publishes takes the place of what it had said before.
TEST(StatsBoardTest, NumbersAreAddedUp) {
  StatsBoard board(2);
  NodeStats shard;
  shard.core.gets = 100;
  board.Publish(ShardId(0), shard);
  shard.core.gets = 1;
  shard.core.standin_puts = 2;
  shard.background = {1'000, 10};
  shard.leaf_bytes = 32'768;
  shard.purge_waiting = 3;
  shard.shards_starting = 1;
  shard.transfers = {{PartitionId(12), "n7", 0.5, 1, 10, Duration::Seconds(1)}};
  shard.transfers_waiting = 2;
  shard.peers.push_back({NodeId(7), "n7", "h:7", /*up=*/true});
  board.Publish(ShardId(0), shard);
  shard.peers[0].up = false;
  board.Publish(ShardId(1), shard);
  const NodeStats total = board.Total();
  EXPECT_EQ(total.core.gets, 2u);
  EXPECT_EQ(total.core.standin_puts, 4u);
  EXPECT_EQ(total.background.bytes_per_second, 2'000u);
  EXPECT_EQ(total.background.bytes_spent, 20u);
  EXPECT_EQ(total.leaf_bytes, 65'536u);
  EXPECT_EQ(total.purge_waiting, 6u);
  EXPECT_EQ(total.shards_starting, 2u);
  EXPECT_THAT(total.transfers, SizeIs(2));
  EXPECT_EQ(total.transfers_waiting, 4u);
  ASSERT_THAT(total.peers, SizeIs(1));
  EXPECT_FALSE(total.peers[0].up);
  EXPECT_EQ(total.shard_count, 2);
}

// Goal: the first shard alone knows who is away; who is up for all is not, whatever it knows.
TEST(StatsBoardTest, AbsencesAreOfWhoIsDown) {
  StatsBoard board(2);
  NodeStats first;
  first.peers = {{NodeId(7), "n7", "h:7", /*up=*/true}, {NodeId(8), "n8", "h:8", /*up=*/true}};
  for (PeerStats& peer : first.peers) {
    peer.away = Duration::Seconds(9);
    peer.dead = true;
  }
  first.dead_notices = 2;
  first.members[2] = 3;
  first.alarms[1] = 4;
  first.alarm_notices = 5;
  first.webhook = {1, 2, 3};
  board.Publish(ShardId(0), first);
  NodeStats second;
  second.peers = {{NodeId(7), "n7", "h:7", /*up=*/true}, {NodeId(8), "n8", "h:8", /*up=*/false}};
  board.Publish(ShardId(1), second);
  const NodeStats total = board.Total();
  for (const std::vector<PeerStats>& peers : {total.peers, board.Peers()}) {
    ASSERT_THAT(peers, SizeIs(2));
    EXPECT_TRUE(peers[0].up);
    EXPECT_EQ(peers[0].away, Duration{});
    EXPECT_FALSE(peers[0].dead);
    EXPECT_FALSE(peers[1].up);
    EXPECT_EQ(peers[1].away, Duration::Seconds(9));
    EXPECT_TRUE(peers[1].dead);
  }
  EXPECT_EQ(total.dead_notices, 2u);
  EXPECT_EQ(total.members[2], 3u);
  EXPECT_EQ(total.alarms[1], 4u);
  EXPECT_EQ(total.alarm_notices, 5u);
  EXPECT_EQ(total.webhook.ok, 1u);
  EXPECT_EQ(total.webhook.failed, 2u);
  EXPECT_EQ(total.webhook.dropped, 3u);
}

}  // namespace
}  // namespace gyre
