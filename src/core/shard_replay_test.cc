// How hints come back to those they were kept for (paper 4.6), through whole shards. Exchanges are
// held off, so that nothing but hints repairs anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Duration kDroppedWithin = Duration::Millis(100);

CoreConfig WithoutExchange() {
  CoreConfig config;
  config.exchange_settle = Duration::Seconds(100'000);
  return config;
}

PutRequest PutW(const RowKey& key, std::string_view value, std::uint8_t w,
                std::optional<VersionVector> context = VersionVector{}) {
  PutRequest put = Put(key, value, std::move(context));
  put.options.write_quorum = QuorumSpec::Number(w);
  return put;
}

// Four nodes, so that each key has three owners and one fallback. The one at place 2 of the
// preference list is out of reach, and the fallback has a hint for it.
class ShardReplayTest : public ::testing::Test {
 protected:
  void Begin(const CoreConfig& config = WithoutExchange()) {
    cluster_ = std::make_unique<TestCluster>(4, KeyspaceConfig{}, config);
    key_ = cluster_->Key("cart");
    const Ring& ring = cluster_->ring();
    const PartitionId partition = ring.PartitionOf(key_.token);
    const Ring::Owners owners = ring.OwnersOf(partition, 3);
    coordinator_ = IndexOf(owners.data[0]);
    target_ = IndexOf(owners.data[2]);
    keeper_ = IndexOf(ring.FallbacksOf(partition, 3).data[0]);
    cluster_->Isolate(target_);
    context_ = Write("apples", VersionVector{});
    ASSERT_TRUE(Hint().has_value());
  }
  static int IndexOf(NodeId node) { return static_cast<int>(node.value) - 1; }
  VersionVector Write(std::string_view value, const VersionVector& context) {
    const ClientResult put = cluster_->Run(coordinator_, PutW(key_, value, 3, context));
    return std::get<PutOutcome>(put.value()).context;
  }
  RowKey HintKey() { return key_.OwedTo(cluster_->node(target_).id()); }
  std::optional<Bytes> RowAt(int node, const RowKey& row) {
    const auto it = cluster_->node(node).rows.find(row);
    if (it == cluster_->node(node).rows.end()) return std::nullopt;
    return it->second.record;
  }
  std::optional<Bytes> Hint() { return RowAt(keeper_, HintKey()); }
  std::optional<Bytes> Taken() { return RowAt(target_, key_); }
  std::optional<Bytes> Newest() { return RowAt(coordinator_, key_); }
  Shard& Keeper() { return cluster_->node(keeper_).shard(); }
  HintLedger::Debt Debt() { return Keeper().ledger().hints().Of(cluster_->node(target_).id()); }
  TestNode& Target() { return cluster_->node(target_); }

  std::unique_ptr<TestCluster> cluster_;
  RowKey key_;
  int coordinator_ = 0, target_ = 0, keeper_ = 0;
  VersionVector context_;
};

// Goal: an owner that comes back has what it missed at once, and its fallback is rid of it soon, as
// hints are dropped together.
TEST_F(ShardReplayTest, AHintIsHandedOverWhenItsOwnerIsBack) {
  Begin();
  cluster_->Rejoin(target_);
  cluster_->DeliverAll();
  EXPECT_EQ(Taken(), Newest());
  cluster_->RunFor(kDroppedWithin);
  EXPECT_EQ(Hint(), std::nullopt);
  EXPECT_EQ(Debt().hints, 0u);
  EXPECT_EQ(Keeper().ledger().hints().total_bytes(), 0u);
  EXPECT_EQ(Keeper().counters().hints_replayed, 1u);
}

// Goal: and a hint that comes while its owner can be reached (another node could not reach it) is
// handed over within hint_replay_retry.
TEST_F(ShardReplayTest, AHintForAnOwnerInReachIsHandedOverSoon) {
  Begin();
  cluster_->Rejoin(target_);
  cluster_->SetLink(coordinator_, target_, false);
  Write("pears", context_);
  EXPECT_EQ(Hint(), Newest());
  cluster_->RunFor(WithoutExchange().hint_replay_retry + kDroppedWithin);
  EXPECT_EQ(Hint(), std::nullopt);
  EXPECT_EQ(Taken(), Newest());
}

// Goal: all hints of a target go over, page by page: of many partitions, more than one window.
TEST_F(ShardReplayTest, AllHintsOfATargetAreHandedOver) {
  CoreConfig config = WithoutExchange();
  config.hint_replay_window = 3;
  Begin(config);
  for (int i = 0; i < 200; ++i) {
    const RowKey key = cluster_->Key("key" + std::to_string(i));
    ASSERT_TRUE(cluster_->Run(coordinator_, PutW(key, "v", 3)).has_value());
  }
  const std::uint64_t owed = Debt().hints;
  ASSERT_GT(owed, 20u);
  cluster_->Rejoin(target_);
  cluster_->RunFor(Duration::Seconds(1));
  EXPECT_EQ(Debt().hints, 0u);
  EXPECT_EQ(Keeper().counters().hints_replayed, owed);
  for (const auto& [key, row] : cluster_->node(keeper_).rows) EXPECT_FALSE(key.is_hint());
}

// Goal: hints that stay for sync_lag after they were taken hold up no page behind them: else a node
// with durability=interval would hand over one page in a second and a half.
TEST_F(ShardReplayTest, HintsThatLingerHoldUpNoOthers) {
  CoreConfig config = WithoutExchange();
  config.hint_replay_window = 3;
  config.sync_lag = Duration::Seconds(1);
  Begin(config);
  for (int i = 0; i < 200; ++i) {
    const RowKey key = cluster_->Key("key" + std::to_string(i));
    ASSERT_TRUE(cluster_->Run(coordinator_, PutW(key, "v", 3)).has_value());
  }
  ASSERT_GT(Debt().hints, 20u);
  std::uint64_t owed = 0;  // by all
  for (int node = 0; node < 4; ++node) {
    owed += cluster_->node(node).shard().ledger().hints().Of(Target().id()).hints;
  }
  cluster_->Rejoin(target_);
  const std::uint64_t taken_at_first = Target().shard().counters().replica_puts;
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_EQ(Debt().hints, 0u);
  EXPECT_EQ(Target().shard().counters().replica_puts - taken_at_first, owed);  // each once
}

// Goal: hints set out as the budget pays for each, not by whole pages, which would be a wall in
// front of the target's clients. Paper 6.5.
TEST_F(ShardReplayTest, HintsSetOutOneByOne) {
  CoreConfig config = WithoutExchange();
  config.background_bytes_per_second_min = config.background_bytes_per_second_max = 20 * 1'024;
  Begin(config);
  // All of one partition, which is one page.
  const Ring& ring = cluster_->ring();
  const PartitionId partition = ring.PartitionOf(key_.token);
  for (int i = 0, found = 0; found < 20; ++i) {
    const RowKey key = cluster_->Key("key" + std::to_string(i));
    if (ring.PartitionOf(key.token) != partition) continue;
    ASSERT_TRUE(cluster_->Run(coordinator_, PutW(key, "v", 3)).has_value());
    ++found;
  }
  const std::uint64_t owed = Debt().hints;
  ASSERT_GE(owed, 21u);
  cluster_->Rejoin(target_);
  const auto taken = [&] { return Target().rows.size(); };
  std::size_t before = taken();
  for (int i = 0; i < 8; ++i) {
    cluster_->RunFor(Duration::Millis(100));
    EXPECT_LE(taken() - before, 5u);
    EXPECT_GE(taken() - before, 1u);
    before = taken();
  }
  cluster_->RunFor(Duration::Seconds(2));
  EXPECT_EQ(Debt().hints, 0u);
}

// Goal: a hint that is replaced while the older one is being delivered is not dropped with it.
TEST_F(ShardReplayTest, AHintThatChangesWhileItIsDeliveredStays) {
  Begin();
  const Bytes first = Hint().value();
  Target().hold_writes = true;
  cluster_->Rejoin(target_);
  cluster_->DeliverAll();
  ASSERT_EQ(Target().held_writes.size(), 1u);
  cluster_->SetLink(coordinator_, target_, false);
  Write("pears", context_);
  const Bytes second = Hint().value();
  ASSERT_NE(second, first);
  Target().hold_writes = false;
  cluster_->ReleaseWrites(target_);
  cluster_->DeliverAll();
  EXPECT_EQ(Taken(), first);
  EXPECT_EQ(Hint(), second);
  EXPECT_EQ(Debt().hints, 1u);
  cluster_->RunFor(Duration::Seconds(1));
  EXPECT_EQ(Taken(), second);
  EXPECT_EQ(Hint(), std::nullopt);
  EXPECT_EQ(Debt().hints, 0u);
}

// Goal: what is counted as replayed is gone here, as it says.
TEST_F(ShardReplayTest, OnlyHintsThatAreGoneCountAsReplayed) {
  Begin();
  Target().hold_writes = true;
  cluster_->Rejoin(target_);
  cluster_->DeliverAll();
  cluster_->SetLink(coordinator_, target_, false);
  Write("pears", context_);
  Target().hold_writes = false;
  cluster_->ReleaseWrites(target_);
  cluster_->DeliverAll();
  ASSERT_TRUE(Hint().has_value());
  EXPECT_EQ(Keeper().counters().hints_replayed, 0u);
}

// Goal: an owner that cannot take its hint gets it later; until then it is kept.
TEST_F(ShardReplayTest, AHintThatIsRefusedIsKeptAndTriedAgain) {
  Begin();
  const auto hint = Hint();
  Target().write_error = Error{ErrorCode::kIoError, "EIO"};
  cluster_->Rejoin(target_);
  cluster_->RunFor(Duration::Millis(700));
  EXPECT_EQ(Hint(), hint);
  EXPECT_EQ(Taken(), std::nullopt);
  EXPECT_EQ(Debt().hints, 1u);
  // Not at every occasion: another link that comes and goes is none.
  const std::uint64_t tries = Target().shard().counters().replica_puts;
  for (int i = 0; i < 10; ++i) {
    cluster_->SetLink(keeper_, coordinator_, false);
    cluster_->SetLink(keeper_, coordinator_, true);
    cluster_->DeliverAll();
  }
  EXPECT_EQ(Target().shard().counters().replica_puts, tries);
  Target().write_error.reset();
  cluster_->RunFor(Duration::Seconds(2));
  EXPECT_EQ(Taken(), hint);
  EXPECT_EQ(Hint(), std::nullopt);
}

// Goal: the same for one that does not answer; nothing of the vain tries is left.
TEST_F(ShardReplayTest, AHintThatIsNotAnsweredIsKeptAndTriedAgain) {
  Begin();
  const auto hint = Hint();
  cluster_->Rejoin(target_);
  cluster_->flights.clear();
  cluster_->cuts = {{target_, keeper_}};
  cluster_->RunFor(Duration::Seconds(10));
  EXPECT_EQ(Hint(), hint);
  EXPECT_EQ(Keeper().counters().hints_replayed, 0u);
  // Tried every 2.5 s, not more: four times in ten seconds.
  EXPECT_LE(Target().shard().counters().replica_puts, 5u);
  cluster_->cuts.clear();
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_EQ(Taken(), hint);
  EXPECT_EQ(Hint(), std::nullopt);
}

// Goal: hints go where today's link goes: with the link down nothing is tried.
TEST_F(ShardReplayTest, NothingIsTriedWhileTheOwnerIsOutOfReach) {
  Begin();
  cluster_->on_flight = [&](const TestCluster::Flight& flight) {
    EXPECT_FALSE(flight.from == keeper_ && flight.to == target_);
  };
  cluster_->RunFor(Duration::Seconds(10));
  EXPECT_EQ(Debt().hints, 1u);
  EXPECT_EQ(Keeper().tasks_in_flight(), 0u);
}

// Goal: a hint survives its keeper's restart: it is counted again and handed over. Paper 4.6.
TEST_F(ShardReplayTest, ARestartCountsItsHintsAndHandsThemOver) {
  CoreConfig config = WithoutExchange();
  config.scan_rows_max = 2;
  Begin(config);
  for (int i = 0; i < 50; ++i) {
    const RowKey key = cluster_->Key("key" + std::to_string(i));
    ASSERT_TRUE(cluster_->Run(coordinator_, PutW(key, "v", 3)).has_value());
  }
  const HintLedger::Debt before = Debt();
  ASSERT_GT(before.hints, 5u);
  cluster_->Restart(keeper_);
  EXPECT_EQ(Debt(), before);
  EXPECT_EQ(Keeper().tasks_in_flight(), 0u);
  cluster_->Rejoin(keeper_);
  cluster_->Rejoin(target_);
  cluster_->RunFor(Duration::Seconds(1));
  EXPECT_EQ(Taken(), Newest());
  EXPECT_EQ(Debt().hints, 0u);
  for (const auto& [key, row] : cluster_->node(keeper_).rows) EXPECT_FALSE(key.is_hint());
}

// Goal: nor does one that cannot be read keep the others from being counted.
TEST_F(ShardReplayTest, ARestartCountsTheHintsBesideADamagedOne) {
  Begin();
  for (int i = 0; i < 50; ++i) {
    const RowKey key = cluster_->Key("key" + std::to_string(i));
    ASSERT_TRUE(cluster_->Run(coordinator_, PutW(key, "v", 3)).has_value());
  }
  const HintLedger::Debt before = Debt();
  ASSERT_GT(before.hints, 5u);
  cluster_->node(keeper_).damaged.insert(HintKey());
  cluster_->Restart(keeper_);
  EXPECT_EQ(Debt().hints, before.hints - 1);
}

// Goal: what its owner has acknowledged may still go with its power for sync_lag; so long, and half
// as much again for clocks that differ, the hint stays.
TEST_F(ShardReplayTest, AHintStaysWhileItsOwnerMayStillLoseIt) {
  CoreConfig config = WithoutExchange();
  config.sync_lag = Duration::Seconds(1);
  Begin(config);
  const auto hint = Hint();
  cluster_->Rejoin(target_);
  cluster_->RunFor(Duration::Millis(1'400));
  EXPECT_EQ(Taken(), hint);
  EXPECT_EQ(Hint(), hint);
  cluster_->RunFor(Duration::Millis(200));
  EXPECT_EQ(Hint(), std::nullopt);
}

// Goal: an owner that goes away in that time, perhaps with what it took, gets the hint again.
TEST_F(ShardReplayTest, AnOwnerThatGoesDownInThatTimeGetsItsHintAgain) {
  CoreConfig config = WithoutExchange();
  config.sync_lag = Duration::Seconds(1);
  Begin(config);
  const auto hint = Hint();
  cluster_->Rejoin(target_);
  cluster_->RunFor(Duration::Seconds(1));
  ASSERT_EQ(Taken(), hint);
  cluster_->Isolate(target_);
  Target().rows.clear();  // with the power
  Target().leaf_sums.clear();
  cluster_->Restart(target_);
  cluster_->RunFor(Duration::Seconds(5));
  EXPECT_EQ(Hint(), hint);
  EXPECT_EQ(Debt().hints, 1u);
  cluster_->Rejoin(target_);
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_EQ(Taken(), hint);
  EXPECT_EQ(Hint(), std::nullopt);
}

// Goal: one hint that is damaged keeps no other from being handed over.
TEST_F(ShardReplayTest, ADamagedHintDoesNotHoldUpTheOthers) {
  for (const bool readable : {true, false}) {
    Begin();
    for (int i = 0; i < 200; ++i) {
      const RowKey key = cluster_->Key("key" + std::to_string(i));
      ASSERT_TRUE(cluster_->Run(coordinator_, PutW(key, "v", 3)).has_value());
    }
    std::map<RowKey, Row>& rows = cluster_->node(keeper_).rows;
    const auto first = rows.lower_bound(RowKey().OwedTo(Target().id()));
    ASSERT_TRUE(first != rows.end() && first->first.is_hint());
    const RowKey damaged = first->first;
    if (readable) {
      std::string rotten = first->second.record.ToString();
      rotten.back() ^= 1;
      first->second.record = Bytes(rotten);
    } else {
      cluster_->node(keeper_).damaged.insert(damaged);
    }
    cluster_->Rejoin(target_);
    cluster_->RunFor(Duration::Seconds(5));
    int left = 0;
    for (const auto& [key, row] : rows) left += key.is_hint() && key != damaged;
    EXPECT_EQ(left, 0) << (readable ? "a value that is damaged" : "a row that cannot be read");
  }
}

}  // namespace
}  // namespace gyre::testing
