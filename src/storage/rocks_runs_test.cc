// Runs: rows that go straight into table files are as good as any, whatever comes before, between
// and behind them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "base/prng.h"
#include "storage/leaf_sums_test_util.h"

namespace gyre {
namespace {

constexpr RequestId kRun(77), kOther(78);
constexpr std::size_t kRowBytes = 4096;

class RocksRunsTest : public LeafSumsTest, public ::testing::WithParamInterface<Durability> {
 protected:
  RocksRunsTest() {
    options_.durability = GetParam();
    options_.merge_interval = Duration::Millis(1);
  }

  // Keys of a keyspace in the order of the ring.
  static std::vector<RowKey> Keys(int count, std::uint32_t keyspace = 0) {
    std::vector<RowKey> keys;
    for (int i = 0; i < count; ++i) keys.push_back(MakeKey("key " + std::to_string(i), keyspace));
    std::sort(keys.begin(), keys.end());
    return keys;
  }
  // Writes all of `keys` as one run, and waits.
  void WriteRun(TestSession& session, std::span<const RowKey> keys, std::uint64_t seed) {
    RequestId last;
    for (const RowKey& key : keys) {
      last = Write(session, key, MakeRow(Noise(kRowBytes, seed++)), kRun);
    }
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(last).has_value());
  }
};

INSTANTIATE_TEST_SUITE_P(Durabilities, RocksRunsTest,
                         ::testing::Values(Durability::kSync, Durability::kInterval),
                         [](const auto& kind) {
                           return kind.param == Durability::kSync ? "Sync" : "Interval";
                         });

using Rows = std::map<RowKey, Row>;

Rows RowsOf(TestSession& session) {
  Rows rows;
  for (const std::uint32_t keyspace : {0u, 1u}) {
    const auto scanned = session.ScanAll(keyspace, 100).value();
    for (const ScannedRow& each : scanned) rows[each.key] = each.row;
  }
  return rows;
}

// Goal: whatever of runs and single writes follow each other, in one group or in many, over power
// cuts: what was written last is there, to be read and in scans, and the sums are those of the
// rows.
TEST_P(RocksRunsTest, RunsAndWritesKeepTheirOrder) {
  Prng prng(5);
  const std::vector<RowKey> keyspaces[] = {Keys(600, 0), Keys(600, 1)};
  Rows model;
  std::uint64_t files = 0, rows_in_files = 0, rows_in_runs = 0;
  for (int life = 0; life < 20; ++life) {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_EQ(Loaded(*engine), SumsOf(session, {0, 1})) << life;
    ASSERT_EQ(RowsOf(session), model) << life;
    for (int group = 0; group < 4; ++group) {
      RequestId last;
      const RequestId single = prng.Below(4) == 0 ? RequestId{} : kOther;  // of a run of its own
      const auto put = [&](const RowKey& key, RequestId run) {
        std::optional<Row> row;
        if (prng.Below(8) != 0) row = MakeRow(Noise(kRowBytes, prng.Next()));
        last = Write(session, key, row, run);
        model.erase(key);
        if (row) model[key] = *row;
        rows_in_runs += run == kRun;
      };
      // Mostly one: two lie between each other on the ring, and part each other's runs.
      const std::size_t keyspace = prng.Below(2);
      for (std::uint64_t part = prng.Between(1, 3); part > 0; --part) {
        const bool other = prng.Below(6) == 0;
        const std::vector<RowKey>& keys = keyspaces[other ? 1 - keyspace : keyspace];
        // Single ones, often beside what the runs bring.
        for (std::uint64_t i = prng.Below(4) == 0 ? prng.Below(6) : 0; i > 0; --i) {
          put(keys[prng.Below(keys.size())], single);
        }
        const std::size_t first = prng.Below(400);
        const std::size_t end = first + prng.Between(1, 200);
        for (std::size_t i = first; i < end; ++i) put(keys[i], kRun);
        if (prng.Below(6) == 0) put(keys[prng.Between(first, end)], single);
        if (prng.Below(2) == 0) session.Flush();
      }
      session.Flush();
      ASSERT_TRUE(session.AwaitWrite(last).has_value());
    }
    ASSERT_EQ(RowsOf(session), model);
    for (const auto& [key, row] : model) ASSERT_EQ(session.Read(key), row);
    // With kInterval only what is in files is sure to be there.
    TempFolder after;
    disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
    const auto revived = OpenAt(after.path());
    TestSession reader(*revived);
    EXPECT_EQ(revived->Stats().quarantines, 0u);
    EXPECT_EQ(Loaded(*revived), SumsOf(reader, {0, 1})) << life;
    if (GetParam() == Durability::kSync) {
      EXPECT_EQ(RowsOf(reader), model) << life;
    }
    files += engine->Stats().run_files;
    rows_in_files += engine->Stats().run_rows;
    EXPECT_EQ(engine->Stats().corruptions, 0u);
  }
  EXPECT_GT(files, 20u);
  EXPECT_GT(rows_in_files, rows_in_runs / 4) << "of " << rows_in_runs;
  EXPECT_LT(rows_in_files, rows_in_runs) << "none had to go through the log";
}

// Goal: a run is durable when it is answered, with the sums, and so is all that was answered before
// it: also with kInterval, as the file is behind it.
TEST_P(RocksRunsTest, ARunSurvivesAPowerCut) {
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r"), 1).has_value());
  const std::vector<RowKey> keys = Keys(400);
  WriteRun(session, std::span(keys).first(200), 1);
  ASSERT_TRUE(session.Put(MakeKey("second", 1), MakeRow("r"), 2).has_value());
  WriteRun(session, std::span(keys).subspan(200), 500);
  ASSERT_EQ(engine->Stats().run_rows, 400u);
  TempFolder after;
  disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
  const auto revived = OpenAt(after.path());
  TestSession reader(*revived);
  EXPECT_EQ(RowsOf(reader), RowsOf(session));
  Sums expected = SumsOf(reader);
  for (const auto& [name, sum] : {std::pair("first", 1u), std::pair("second", 2u)}) {
    expected[{1, static_cast<std::uint32_t>(MakeKey(name, 1).token.high >> 50)}] = sum;
  }
  EXPECT_EQ(Loaded(*revived), expected);
}

// Goal: rows that are written straight into files are written once, and no file of it is left over.
TEST_P(RocksRunsTest, ARunLeavesNothingBehind) {
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r")).has_value());
  const std::vector<RowKey> keys = Keys(300);
  WriteRun(session, keys, 1);
  EXPECT_EQ(engine->Stats().run_files, 1u);
  EXPECT_EQ(engine->Stats().commit_rows, 301u);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() + "/runs"));
}

// Goal: what is too short for a file, or lies among rows in memory, or comes with a write that
// somebody waits for, goes through the log.
TEST_P(RocksRunsTest, WhatIsNoRunOfItsOwnGoesThroughTheLog) {
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r")).has_value());
  const std::vector<RowKey> keys = Keys(400);
  WriteRun(session, std::span(keys).first(20), 1);  // 80 KiB
  EXPECT_EQ(engine->Stats().run_rows, 0u);
  WriteRun(session, keys, 100);  // the first 20 are in memory
  EXPECT_EQ(engine->Stats().run_rows, 0u);
  WriteRun(session, std::span(keys).subspan(100), 1000);
  EXPECT_EQ(engine->Stats().run_rows, 0u) << "all are in memory";

  const std::vector<RowKey> others = Keys(400, 2);
  Write(session, MakeKey("client's", 1), MakeRow("r"));
  WriteRun(session, others, 1);
  EXPECT_EQ(engine->Stats().run_rows, 0u) << "a client waits";
}

// Goal: the small files that runs leave become few, with all that is in them, and with what is
// written meanwhile; those that an earlier run of the node left as well.
TEST_P(RocksRunsTest, SmallFilesAreMerged) {
  constexpr std::size_t kRuns = 40, kRowsPerRun = 70;
  const std::vector<RowKey> keys = Keys(kRuns * kRowsPerRun);
  options_.merge_interval = Duration::Seconds(1000);
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r")).has_value());
    for (std::size_t run = 0; run < kRuns; ++run) {
      WriteRun(session, std::span(keys).subspan(run * kRowsPerRun, kRowsPerRun), run * kRowsPerRun);
    }
    ASSERT_EQ(engine->Stats().run_files, kRuns);
    EXPECT_GE(engine->Stats().tables, kRuns);
    EXPECT_EQ(engine->Stats().tables_merged, 0u);
  }
  options_.merge_interval = Duration::Millis(1);
  const auto engine = Open();
  TestSession session(*engine);
  Loaded(*engine);
  std::map<RowKey, Row> newer;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (engine->Stats().tables_merged == 0 && std::chrono::steady_clock::now() < deadline) {
    const RowKey& key = keys[newer.size() * 31 % keys.size()];
    newer[key] = MakeRow(Noise(kRowBytes, 9'000 + newer.size()));
    const RequestId id = Write(session, key, newer[key]);
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(id).has_value());
  }
  EXPECT_GE(engine->Stats().tables_merged, kRuns);
  EXPECT_LT(engine->Stats().tables, kRuns / 4);
  EXPECT_EQ(engine->Stats().corruptions, 0u);
  const auto rows = session.ScanAll(0, 100).value();
  ASSERT_EQ(rows.size(), keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ASSERT_EQ(rows[i].key, keys[i]);
    const auto it = newer.find(keys[i]);
    ASSERT_EQ(rows[i].row, it != newer.end() ? it->second : MakeRow(Noise(kRowBytes, i)));
  }
  TempFolder after;
  disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
  const auto revived = OpenAt(after.path());
  TestSession reader(*revived);
  EXPECT_EQ(revived->Stats().quarantines, 0u);
  EXPECT_EQ(reader.ScanAll(0, 100)->size(), keys.size());
  EXPECT_EQ(Loaded(*revived), SumsOf(reader));
}

// Goal: a damaged file that a run was written into is made whole like any other: the rows of the
// block go, those of before do not come back, and the sums are those of the rows.
TEST_P(RocksRunsTest, ADamagedFileOfARunIsMadeWhole) {
  const std::vector<RowKey> keys = Keys(400);
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r")).has_value());
    WriteRun(session, keys, 1);
  }
  {
    const auto engine = Open();  // what was in memory is in files now
    TestSession session(*engine);
    WriteRun(session, keys, 1000);
    ASSERT_EQ(engine->Stats().run_rows, 400u);
  }
  std::filesystem::path newest;
  for (const auto& entry : std::filesystem::directory_iterator(folder_.path() + "/db")) {
    const bool table = entry.path().extension() == ".sst" && entry.file_size() > 400 * kRowBytes;
    if (table && (newest.empty() || newest < entry.path())) newest = entry.path();
  }
  ASSERT_FALSE(newest.empty());
  FlipByte(newest, 200 * kRowBytes);
  {
    const auto engine = Open();
    TestSession session(*engine);
    Loaded(*engine);
    (void)session.ScanAll(0, 100);  // meets it
    EXPECT_FALSE(session.AwaitLoss().leaves.empty());
    const auto left = session.ScanAll(0, 100).value();
    EXPECT_LT(left.size(), 400u);
    EXPECT_GT(left.size(), 380u);
    for (const ScannedRow& row : left) {
      const auto at = std::lower_bound(keys.begin(), keys.end(), row.key) - keys.begin();
      EXPECT_EQ(row.row.record, MakeRow(Noise(kRowBytes, 1000 + std::uint64_t(at))).record);
    }
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_EQ(Loaded(*engine), SumsOf(session));
}

// Goal: no answer where the disk fails, and rows and sums agree after it.
TEST_P(RocksRunsTest, AFailedRunDoesNotPartSumsFromRows) {
  const std::vector<RowKey> keys = Keys(300);
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r")).has_value());
    WriteRun(session, std::span(keys).first(100), 1);
    disk_.FailLogSyncs(true);  // the log comes first
    RequestId last;
    for (const RowKey& key : std::span(keys).subspan(100)) {
      last = Write(session, key, MakeRow(Noise(kRowBytes, 9)), kRun);
    }
    session.Flush();
    EXPECT_FALSE(session.AwaitWrite(last).has_value());
    EXPECT_FALSE(engine->Stats().writable);
    disk_.FailLogSyncs(false);
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_EQ(session.ScanAll(0, 100)->size(), 100u);
  EXPECT_EQ(Loaded(*engine), SumsOf(session));
}

}  // namespace
}  // namespace gyre
