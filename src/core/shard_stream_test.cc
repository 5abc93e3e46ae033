// Partitions that come as whole ranges, through whole shards (antientropy/range_stream.h): to new
// owners and to such as lost their disk, past crashes of either side.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_moving_scene.h"

namespace gyre::testing {
namespace {

using ::testing::AllOf;
using ::testing::Ge;
using ::testing::Le;

constexpr std::size_t kRows = 200;
constexpr std::size_t kBatch = 16;

CoreConfig InSmallBatches() {
  CoreConfig config = Quick();
  config.stream_rows_max = kBatch;
  config.stream_batches_max = 2;
  config.stream_leaves_min = 4;
  return config;
}

std::size_t HeldOf(MovingScene& scene, int place, const std::vector<RowKey>& keys) {
  std::size_t held = 0;
  for (const RowKey& key : keys) {
    const auto here = scene.At(place).rows.find(key);
    held += here != scene.At(place).rows.end() &&
            here->second.record == scene.At(0).rows.at(key).record;
  }
  return held;
}

// Delivers until so many rows have come in streams.
void StreamUntil(MovingScene& scene, int place, std::size_t rows) {
  for (int i = 0; i < 1'000 && scene.CountersOf(place).stream_rows_received < rows; ++i) {
    if (scene.cluster.flights.empty()) {
      scene.cluster.Advance(Duration::Millis(1));
    } else {
      scene.cluster.Deliver();
    }
  }
  ASSERT_GE(scene.CountersOf(place).stream_rows_received, rows);
}

// Goal: a new owner is given the whole partition by one owner of before, in batches, once; the
// others compare, and give nothing.
TEST(ShardStreamTest, ANewOwnerGetsThePartitionFromOneOwner) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  const Layout joint = scene.To({1, 2, 3});
  std::size_t batches = 0;
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    const auto* batch = std::get_if<RangeGetReply>(&flight.message);
    if (batch == nullptr) return;
    ++batches;
    EXPECT_LE(batch->records.size(), kBatch);
  };
  scene.TakeAll(joint);
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_TRUE(scene.Arrived(3, joint));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_EQ(scene.CountersOf(3).streams, 1u);
  EXPECT_EQ(scene.CountersOf(3).streams_done, 1u);
  EXPECT_EQ(scene.CountersOf(3).streams_resumed, 0u);
  EXPECT_EQ(scene.CountersOf(3).stream_rows_received, kRows);
  EXPECT_THAT(batches, AllOf(Ge(kRows / kBatch), Le(kRows / kBatch + 2)));
  for (const int place : {0, 1, 2}) EXPECT_EQ(scene.CountersOf(place).exchange_records_sent, 0u);
}

// Goal: a stream is as fast as the budget allows, and no slower: no pause outlives what it waits
// for, whether a row becomes durable before its timer is seen or after.
TEST(ShardStreamTest, APacedStreamKeepsItsRate) {
  CoreConfig config = InSmallBatches();
  config.background_bytes_per_second_min = config.background_bytes_per_second_max = 4'000'000;
  config.request_timeout = Duration::Seconds(5);
  config.stream_batches_max = kRows / kBatch + 1;
  MovingScene scene(config);
  const std::vector<RowKey> keys = scene.Fill(kRows);
  scene.At(3).hold_writes = true;
  scene.TakeAll(scene.To({1, 2, 3}));
  // 200 rows for 1 KiB each are 51 ms. At finer steps than the timers have one becomes durable
  // after the other, and later all at once; answers take a while.
  for (int step = 0; step < 1'200; ++step) {
    scene.cluster.Advance(Duration::Micros(100));
    if (step % 10 == 0) scene.cluster.DeliverAll();
    if (step % 3 == 0 || step > 150) {
      scene.cluster.ReleaseWrites(scene.Index(3), step > 150 ? kRows : 1);
    }
  }
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_EQ(scene.CountersOf(3).streams_cut, 0u);
}

// Goal: what came is paid for before the stream ends, and makes room for another: so many short
// ones, of a batch each, keep the rate as well.
TEST(ShardStreamTest, AStreamOfOneBatchIsPaidForBeforeItEnds) {
  CoreConfig config = InSmallBatches();
  config.background_bytes_per_second_min = config.background_bytes_per_second_max = 4'000'000;
  config.stream_rows_max = kRows;
  MovingScene scene(config);
  const std::vector<RowKey> keys = scene.Fill(kRows);
  scene.TakeAll(scene.To({1, 2, 3}));
  StreamUntil(scene, 3, kRows);
  // The 200 rows cost at least 768 bytes each: 38 ms, of which five may be owed.
  scene.cluster.RunFor(Duration::Millis(30));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_EQ(scene.CountersOf(3).streams_done, 0u);
  scene.cluster.RunFor(Duration::Millis(30));
  EXPECT_EQ(scene.CountersOf(3).streams_done, 1u);
}

// Goal: where rows have come by themselves, such as by reads, what lies between comes in few
// questions.
TEST(ShardStreamTest, HolesAreFilledTogether) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  scene.TakeAll(scene.To({1, 2, 3}));
  scene.cluster.flights.clear();  // the stream's first question with them
  for (std::size_t i = 0; i < keys.size(); i += 2) {
    ASSERT_TRUE(scene.Run(3, PutW(keys[i], "new", 3, std::nullopt)).has_value());
  }
  std::size_t questions = 0;
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    questions += std::holds_alternative<RangeGet>(flight.message);
  };
  scene.cluster.RunFor(Duration::Seconds(3));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_THAT(questions, AllOf(Ge(kRows / kBatch), Le(2 * kRows / kBatch)));
}

// Goal: who does not know streams is not asked for one: the partition comes by its leaves.
TEST(ShardStreamTest, AnOlderOwnerIsComparedWith) {
  MovingScene scene(InSmallBatches());
  scene.cluster.link_terms.version = FirstVersionOf(Feature::kStreaming) - 1;
  for (const int place : {0, 1, 2, 3}) {
    scene.Isolate(place);
    scene.Rejoin(place);
  }
  const std::vector<RowKey> keys = scene.Fill(kRows);
  const Layout joint = scene.To({1, 2, 3});
  scene.cluster.on_flight = [&](const TestCluster::Flight& flight) {
    EXPECT_FALSE(std::holds_alternative<RangeGet>(flight.message));
  };
  scene.TakeAll(joint);
  scene.cluster.RunFor(Duration::Millis(4'000));
  EXPECT_TRUE(scene.Arrived(3, joint));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_EQ(scene.CountersOf(3).streams, 0u);
}

// Goal: when the owner that gives goes down, another one goes on where it was.
TEST(ShardStreamTest, AnotherOwnerGoesOnWhereOneWentDown) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  StreamUntil(scene, 3, kRows / 2);
  int giver = -1;
  for (const int place : {0, 1, 2}) {
    if (scene.CountersOf(place).stream_rows_sent > 0) giver = place;
  }
  ASSERT_NE(giver, -1);
  scene.Isolate(giver);
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_EQ(scene.CountersOf(3).streams, 2u);
  EXPECT_EQ(scene.CountersOf(3).streams_cut, 1u);
  EXPECT_EQ(scene.CountersOf(3).streams_resumed, 1u);
  // The leaves in which it stopped come again, no others.
  EXPECT_LE(scene.CountersOf(3).stream_rows_received, kRows + kBatch);
  EXPECT_FALSE(scene.Arrived(3, joint));  // each owner of before is waited for
  scene.Rejoin(giver);
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_TRUE(scene.Arrived(3, joint));
}

// Goal: a new owner that restarts half-way does not begin anew.
TEST(ShardStreamTest, ARestartedNewOwnerGoesOnWhereItWas) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  StreamUntil(scene, 3, kRows / 2);
  const std::size_t before = HeldOf(scene, 3, keys);
  scene.cluster.Restart(scene.Index(3));
  scene.Rejoin(3);
  scene.cluster.RunFor(Duration::Millis(1'000));
  EXPECT_TRUE(scene.Arrived(3, joint));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  EXPECT_EQ(scene.CountersOf(3).streams_resumed, 1u);
  EXPECT_LE(scene.CountersOf(3).stream_rows_received, kRows - before + kBatch);
}

// Goal: what clients write meanwhile stays, whether it came before its row of the stream or after.
TEST(ShardStreamTest, WritesDuringAStreamStay) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  StreamUntil(scene, 3, kRows / 2);
  for (std::size_t i = 0; i < keys.size(); i += 10) {
    PutRequest put = PutW(keys[i], "new", 3, std::nullopt);
    put.read_first = true;
    ASSERT_TRUE(scene.Run(1, std::move(put)).has_value());
  }
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_TRUE(scene.Arrived(3, joint));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
  for (std::size_t i = 0; i < keys.size(); i += 10) {
    EXPECT_THAT(ValuesOf(scene.Run(3, GetR(keys[i], 1))), ::testing::ElementsAre("new"));
  }
}

// Goal: an owner that has lost its disk is filled up the same way, and the others do not push it
// row by row.
TEST(ShardStreamTest, AnOwnerWithAnEmptyDiskIsFilledUp) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  scene.Isolate(2);
  scene.At(2).rows.clear();
  scene.At(2).leaf_sums.clear();
  scene.cluster.Restart(scene.Index(2));
  scene.Rejoin(2);
  scene.cluster.RunFor(Duration::Millis(1'500));
  EXPECT_EQ(HeldOf(scene, 2, keys), kRows);
  EXPECT_GE(scene.CountersOf(2).streams, 1u);
  EXPECT_GE(scene.CountersOf(2).stream_rows_received, kRows / 2);
}

// Goal: an owner that cannot read its range gives what it can leaf by leaf, and the others the
// rest.
TEST(ShardStreamTest, WhatCannotBeReadAsARangeComesByLeaves) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  for (const int place : {0, 1, 2}) {
    scene.At(place).damaged.insert(keys[static_cast<std::size_t>(place)]);
  }
  const Layout joint = scene.To({1, 2, 3});
  scene.TakeAll(joint);
  scene.cluster.RunFor(Duration::Millis(4'000));
  EXPECT_TRUE(scene.Arrived(3, joint));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
}

// Goal: streams are paid for, and wait; unthrottled ones do not.
TEST(ShardStreamTest, AStreamWaitsForTheBudgetUnlessTold) {
  for (const bool unthrottled : {false, true}) {
    CoreConfig config = InSmallBatches();
    config.background_bytes_per_second_min = config.background_bytes_per_second_max =
        2 * kRows * Budget::kMovedBytesMin;
    config.transfer_unthrottled = unthrottled;
    MovingScene scene(config);
    const std::vector<RowKey> keys = scene.Fill(kRows);
    const Layout joint = scene.To({1, 2, 3});
    scene.TakeAll(joint);
    scene.cluster.RunFor(Duration::Millis(250));
    if (unthrottled) {
      EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
    } else {
      EXPECT_THAT(HeldOf(scene, 3, keys), AllOf(Ge(kRows / 4), Le(kRows * 3 / 4)));
    }
    scene.cluster.RunFor(Duration::Millis(1'000));
    EXPECT_TRUE(scene.Arrived(3, joint)) << unthrottled;
  }
}

// Goal: an owner that has another view gives nothing.
TEST(ShardStreamTest, AnOwnerWithAnotherViewGivesNothing) {
  MovingScene scene(InSmallBatches());
  const std::vector<RowKey> keys = scene.Fill(kRows);
  const Layout joint = scene.To({1, 2, 3});
  scene.Take(3, joint);
  scene.cluster.RunFor(Duration::Millis(300));
  EXPECT_EQ(HeldOf(scene, 3, keys), 0u);
  for (const int place : {0, 1, 2}) scene.Take(place, joint);
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_TRUE(scene.Arrived(3, joint));
  EXPECT_EQ(HeldOf(scene, 3, keys), kRows);
}

// Goal: how far a stream is can be told while it runs.
TEST(ShardStreamTest, TellsHowFarItIs) {
  MovingScene scene(InSmallBatches());
  scene.Fill(kRows);
  scene.TakeAll(scene.To({1, 2, 3}));
  StreamUntil(scene, 3, kRows / 2);
  const Shard::Transfers transfers = scene.At(3).shard().transfers();
  ASSERT_EQ(transfers.streams.size(), 1u);
  EXPECT_EQ(transfers.waiting, 0u);
  const auto& [partition, progress] = *transfers.streams.begin();
  EXPECT_EQ(partition, scene.partition);
  EXPECT_EQ(progress.rows, scene.CountersOf(3).stream_rows_received);
  const double ratio = static_cast<double>(progress.leaves_done) / progress.leaves;
  EXPECT_THAT(ratio, AllOf(Ge(0.3), Le(0.8)));
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_TRUE(scene.At(3).shard().transfers().streams.empty());
}

}  // namespace
}  // namespace gyre::testing
