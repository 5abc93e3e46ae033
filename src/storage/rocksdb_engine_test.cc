// What is RocksDB's alone: group commit, durability, failed writes, reads from disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "base/prng.h"
#include "storage/faulty_disk.h"
#include "storage/rocks_options.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

class RocksEngineTest : public ::testing::Test {
 protected:
  RocksEngineTest() : options_(SmallOptions(folder_.path())) {
    options_.env = disk_.env();
    options_.log = &log_;
  }
  std::unique_ptr<Engine> Open() {
    auto engine = OpenRocksEngine(options_);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return *std::move(engine);
  }

  TempFolder folder_;
  CapturedLog log_;
  FaultyDisk disk_;
  EngineOptions options_;
};

// Goal: many writes, one fsync. All that comes while one runs shares the next, over all sessions.
TEST_F(RocksEngineTest, WritesThatWaitShareOneSync) {
  options_.session_count = 2;
  const auto engine = Open();
  TestSession a(*engine);
  TestSession b(*engine);
  const std::uint64_t syncs_before = disk_.log_syncs();
  disk_.HoldLogSyncs();
  const RequestId first = a.Write(MakeKey("first"), MakeRow("r"));
  a.Flush();
  disk_.AwaitHeldSync();
  RequestId last_a;
  RequestId last_b;
  for (int i = 0; i < 50; ++i) {
    last_a = a.Write(MakeKey("a" + std::to_string(i)), MakeRow("r"));
    last_b = b.Write(MakeKey("b" + std::to_string(i)), MakeRow("r"));
    a.Flush();
    b.Flush();
  }
  EXPECT_EQ(b.rings(), 0u);  // nothing is acknowledged before its sync
  disk_.ReleaseLogSyncs();
  EXPECT_TRUE(a.AwaitWrite(first).has_value());
  EXPECT_TRUE(a.AwaitWrite(last_a).has_value());
  EXPECT_TRUE(b.AwaitWrite(last_b).has_value());
  EXPECT_EQ(disk_.log_syncs() - syncs_before, 2u);
  EXPECT_EQ(engine->Stats().commits, 2u);
  EXPECT_EQ(engine->Stats().commit_rows, 101u);
}

// Goal: a group is written in the order of the ring; the writes of one key stay in theirs, over all
// the batches that share the group.
TEST_F(RocksEngineTest, TheLastWriteOfAKeyInAGroupStays) {
  constexpr int kKeys = 20;
  constexpr int kVersions = 30;
  {
    const auto engine = Open();
    TestSession session(*engine);
    disk_.HoldLogSyncs();
    session.Write(MakeKey("first"), MakeRow("r"));
    session.Flush();
    disk_.AwaitHeldSync();
    RequestId last;
    for (int version = 0; version < kVersions; ++version) {
      for (int key = 0; key < kKeys; ++key) {
        last = session.Write(MakeKey(std::to_string(key)), MakeRow(std::to_string(version)));
      }
      session.Flush();
    }
    disk_.ReleaseLogSyncs();
    EXPECT_TRUE(session.AwaitWrite(last).has_value());
    EXPECT_EQ(engine->Stats().commits, 2u);
  }
  const auto engine = Open();
  TestSession session(*engine);
  for (int key = 0; key < kKeys; ++key) {
    EXPECT_EQ(session.Read(MakeKey(std::to_string(key))), MakeRow(std::to_string(kVersions - 1)));
  }
}

// Goal: one wake-up a batch, however many writes it holds.
TEST_F(RocksEngineTest, ABatchWakesItsSessionOnce) {
  const auto engine = Open();
  TestSession session(*engine);
  RequestId last;
  for (int i = 0; i < 100; ++i) last = session.Write(MakeKey(std::to_string(i)), MakeRow("r"));
  session.Flush();
  ASSERT_TRUE(session.AwaitWrite(last).has_value());
  EXPECT_EQ(session.rings(), 1u);
}

// Goal: with kSync what was acknowledged is there after a power cut.
TEST_F(RocksEngineTest, SyncedWritesSurviveAPowerCut) {
  const auto engine = Open();
  TestSession session(*engine);
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(session.Put(MakeKey(std::to_string(i)), MakeRow(Noise(300, 1))).has_value());
  }
  TempFolder after;
  disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
  EngineOptions options = SmallOptions(after.path());
  const auto revived = *OpenRocksEngine(options);
  EXPECT_EQ(revived->Stats().quarantines, 0u);
  TestSession reader(*revived);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(reader.Read(MakeKey(std::to_string(i))), MakeRow(Noise(300, 1))) << i;
  }
}

// Goal: a write is answered when the log holds it, though the database cannot be asked for it yet.
// Until it can, the row stays in the cache however full that is, and a scan waits.
TEST_F(RocksEngineTest, WhatIsAnsweredCanBeReadBeforeItIsInserted) {
  options_.row_cache_bytes = 2000;
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("first of its log"), MakeRow("r")).has_value());
  std::vector<RequestId> ids;
  for (int i = 0; i < 50; ++i) {
    ids.push_back(session.Write(MakeKey(std::to_string(i)), MakeRow(Noise(100, 1))));
  }
  session.HoldRingers(true);
  session.Flush();
  for (const RequestId id : ids) EXPECT_TRUE(session.AwaitWrite(id).has_value());
  TempFolder after;
  disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
  for (int i = 0; i < 50; ++i) {
    RequestId read;
    const auto row = session.TryGet(MakeKey(std::to_string(i)), &read);
    ASSERT_TRUE(row.has_value()) << i;
    EXPECT_EQ(row->value(), MakeRow(Noise(100, 1))) << i;
  }
  const RequestId scan(1000);
  session.raw().Scan(scan, {NodeId(), KeyspaceId(0), Token{0, 0}, Token{UINT64_MAX, UINT64_MAX}});
  std::vector<Completion> early;
  session.raw().Poll(early);
  EXPECT_TRUE(early.empty());
  session.HoldRingers(false);
  EXPECT_THAT(std::get<ScanDone>(session.Await(scan)).page->rows, ::testing::SizeIs(51));
  EXPECT_LE(engine->Stats().cache_bytes, 2000u);
  const auto revived = *OpenRocksEngine(SmallOptions(after.path()));
  TestSession reader(*revived);
  EXPECT_THAT(*reader.ScanAll(0, 100), ::testing::SizeIs(51));
}

// Goal: where compactions of rows take all the time there is, writes go on until many of those are
// due; small files of the other families never hold them up. (At RocksDB's 36 files of leaf sums,
// which are flushed with each log, three nodes under a load of 64 KiB values stopped for seconds.)
TEST_F(RocksEngineTest, FilesThatWaitForCompactionsHoldUpWritesLate) {
  for (const rocksdb::ColumnFamilyOptions& family :
       {MakeHintOptions(options_, nullptr), MakeLeafOptions(options_), MakeMetaOptions()}) {
    EXPECT_GT(family.level0_slowdown_writes_trigger, 10'000);
    EXPECT_GT(family.level0_stop_writes_trigger, 10'000);
  }
  const rocksdb::ColumnFamilyOptions rows = MakeRowOptions(options_, nullptr);
  EXPECT_GE(rows.level0_slowdown_writes_trigger, 128);
  EXPECT_GE(rows.level0_stop_writes_trigger, 2 * rows.level0_slowdown_writes_trigger);
}

// Goal: with kInterval a write is acknowledged at once and synced by the interval; a power cut
// costs what came after the last sync, and the database opens.
TEST_F(RocksEngineTest, IntervalLosesOnlyWhatWasNotSynced) {
  options_.durability = Durability::kInterval;
  options_.sync_interval = Duration::Millis(10);
  const auto engine = Open();
  TestSession session(*engine);
  const std::uint64_t syncs_before = disk_.log_syncs();
  ASSERT_TRUE(session.Put(MakeKey("early"), MakeRow("r")).has_value());
  disk_.AwaitLogSyncs(syncs_before + 1);
  disk_.HoldLogSyncs();
  // Acknowledged, written, and its sync held. Also behind the return of the first sync.
  ASSERT_TRUE(session.Put(MakeKey("late"), MakeRow("r")).has_value());
  disk_.AwaitHeldSync();
  TempFolder after;
  disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
  disk_.ReleaseLogSyncs();
  const auto revived = *OpenRocksEngine(SmallOptions(after.path()));
  EXPECT_EQ(revived->Stats().quarantines, 0u);
  TestSession reader(*revived);
  EXPECT_EQ(reader.Read(MakeKey("early")), MakeRow("r"));
  EXPECT_EQ(reader.Read(MakeKey("late")), std::nullopt);
}

// Goal: trap 5. After a failed fsync nothing is acknowledged and no fsync is tried again, though
// the disk seems well, until the database is opened anew. Reads go on.
TEST_F(RocksEngineTest, AFailedSyncStopsWritingUntilReopened) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("kept"), MakeRow("old")).has_value());
    disk_.FailLogSyncs(true);
    const Status failed = session.Put(MakeKey("kept"), MakeRow("new"));
    ASSERT_FALSE(failed.has_value());
    EXPECT_EQ(failed.error().code, ErrorCode::kIoError);
    disk_.FailLogSyncs(false);
    const std::uint64_t syncs = disk_.log_syncs();
    for (int i = 0; i < 3; ++i) {
      const Status later = session.Put(MakeKey("later"), MakeRow("r"));
      ASSERT_FALSE(later.has_value());
      EXPECT_EQ(later.error().code, ErrorCode::kUnavailable);
    }
    EXPECT_EQ(disk_.log_syncs(), syncs);
    EXPECT_FALSE(engine->Stats().writable);
    EXPECT_THAT(engine->Stats().problem, ::testing::HasSubstr("as the test wants"));
    EXPECT_EQ(engine->Stats().write_errors, 1u);
    EXPECT_EQ(log_.Count("storage_not_writable"), 1u);
    // The failed write is no longer what a read gives.
    EXPECT_EQ(session.Read(MakeKey("kept")), MakeRow("old"));
    EXPECT_EQ(session.Read(MakeKey("later")), std::nullopt);
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_TRUE(engine->Stats().writable);
  EXPECT_TRUE(session.Read(MakeKey("kept")).has_value());
  EXPECT_TRUE(session.Put(MakeKey("later"), MakeRow("r")).has_value());
}

// Goal: a failed sync of the interval stops writing too: what was acknowledged before it may be
// lost.
TEST_F(RocksEngineTest, AFailedIntervalSyncStopsWriting) {
  options_.durability = Durability::kInterval;
  options_.sync_interval = Duration::Millis(1);
  const auto engine = Open();
  TestSession session(*engine);
  disk_.FailLogSyncs(true);
  ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
  ASSERT_TRUE(log_.WaitForCount("storage_not_writable", 1));
  EXPECT_FALSE(session.Put(MakeKey("k"), MakeRow("s")).has_value());
}

// Goal: what was asked for before the session heard of a failure may rest on the failed write, so
// it fails too, and reads fall back to what the disk holds.
TEST_F(RocksEngineTest, WritesBehindAFailedOneFail) {
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("on disk")).has_value());
  disk_.HoldLogSyncs();
  const RequestId first = session.Write(MakeKey("k"), MakeRow("fails"));
  session.Flush();
  disk_.AwaitHeldSync();
  const RequestId second = session.Write(MakeKey("k"), MakeRow("rests on it"));
  session.Flush();
  const RequestId third = session.Write(MakeKey("k"), MakeRow("and on that"));
  disk_.FailLogSyncs(true);
  disk_.ReleaseLogSyncs();
  EXPECT_FALSE(session.AwaitWrite(first).has_value());
  session.Flush();
  EXPECT_FALSE(session.AwaitWrite(second).has_value());
  EXPECT_FALSE(session.AwaitWrite(third).has_value());
  EXPECT_EQ(session.Read(MakeKey("k")), MakeRow("on disk"));
}

// Goal: what waits for a slow disk is bounded; past it writes are refused, later taken again.
TEST_F(RocksEngineTest, PendingWritesAreBounded) {
  options_.pending_bytes_max = 100'000;
  const auto engine = Open();
  TestSession session(*engine);
  disk_.HoldLogSyncs();
  std::vector<RequestId> ids;
  for (int i = 0; i < 20; ++i) {
    ids.push_back(session.Write(MakeKey(std::to_string(i)), MakeRow(Noise(10'000, 1))));
    session.Flush();
  }
  disk_.ReleaseLogSyncs();
  std::size_t taken = 0;
  std::size_t refused = 0;
  for (const RequestId id : ids) {
    const Status status = session.AwaitWrite(id);
    if (status) {
      EXPECT_EQ(refused, 0u) << "a write behind a refused one was taken";
      ++taken;
    } else {
      EXPECT_EQ(status.error().code, ErrorCode::kOverloaded);
      ++refused;
    }
  }
  EXPECT_EQ(taken, 9u);
  EXPECT_EQ(refused, 11u);
  EXPECT_EQ(session.Read(MakeKey("19")), std::nullopt);
  EXPECT_TRUE(session.Put(MakeKey("19"), MakeRow("r")).has_value());
}

// Goal: a slow disk read keeps no one waiting but those who ask for that key; all of them are
// answered.
TEST_F(RocksEngineTest, ColdReadsCompleteThroughPoll) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("cold")).has_value());
  }
  const auto engine = Open();
  TestSession session(*engine);
  RequestId first;
  RequestId second;
  disk_.HoldTableReads();
  ASSERT_FALSE(session.TryGet(MakeKey("k"), &first).has_value());
  ASSERT_FALSE(session.TryGet(MakeKey("k"), &second).has_value());
  disk_.AwaitHeldRead();
  EXPECT_TRUE(session.Put(MakeKey("other"), MakeRow("r")).has_value());
  EXPECT_EQ(session.Read(MakeKey("other")), MakeRow("r"));
  disk_.ReleaseTableReads();
  EXPECT_EQ(std::get<ReadDone>(session.Await(first)).row.value(), MakeRow("cold"));
  EXPECT_EQ(std::get<ReadDone>(session.Await(second)).row.value(), MakeRow("cold"));
  RequestId third;
  const auto warm = session.TryGet(MakeKey("k"), &third);
  ASSERT_TRUE(warm.has_value());
  EXPECT_EQ(warm->value(), MakeRow("cold"));
  EXPECT_GE(engine->Stats().cache_hits, 1u);
  EXPECT_GT(engine->Stats().cache_bytes, 0u);
}

// Goal: a read that was under way when its key was written does not bring the old row back.
TEST_F(RocksEngineTest, ASlowReadDoesNotUndoANewerWrite) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("old")).has_value());
  }
  options_.row_cache_bytes = 2000;  // so that the new row is evicted before the read is polled
  const auto engine = Open();
  TestSession session(*engine);
  RequestId read;
  disk_.HoldTableReads();
  ASSERT_FALSE(session.TryGet(MakeKey("k"), &read).has_value());
  disk_.AwaitHeldRead();
  const RequestId write = session.Write(MakeKey("k"), MakeRow("new"));
  session.Flush();
  EXPECT_EQ(session.Read(MakeKey("k")), MakeRow("new"));
  ASSERT_TRUE(session.AwaitWrite(write).has_value());
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(session.Put(MakeKey(std::to_string(i)), MakeRow(Noise(100, 1))).has_value());
  }
  disk_.ReleaseTableReads();
  EXPECT_EQ(std::get<ReadDone>(session.Await(read)).row.value(), MakeRow("old"));
  EXPECT_EQ(session.Read(MakeKey("k")), MakeRow("new"));
}

// Goal: that many reads are expected changes no answer, whatever is written before, between and
// after, and thrown out of the cache since; and where nothing was they spare the look for each.
TEST_F(RocksEngineTest, ExpectedReadsFindWhatIsThere) {
  options_.row_cache_bytes = 2000;
  const auto engine = Open();
  TestSession session(*engine);
  Prng prng(3);
  std::vector<RowKey> keys;
  for (int i = 0; i < 1000; ++i) keys.push_back(MakeKey(std::to_string(i)));
  std::sort(keys.begin(), keys.end());
  std::map<RowKey, Row> model;
  session.ExpectReads(keys.front(), keys.back());
  for (const RowKey& key : keys) ASSERT_EQ(session.Read(key), std::nullopt);
  EXPECT_EQ(engine->Stats().expected_misses, keys.size());
  RequestId last;
  const auto any = [&] { return prng.Below(keys.size()); };
  for (int round = 0; round < 3000; ++round) {
    // Of the last ones only few are ever written, so that there are stretches without any.
    const std::size_t written = prng.Below(20) == 0 ? any() : any() / 2;
    switch (prng.Below(6)) {
      case 0: {
        const Row row = MakeRow(Noise(prng.Below(300), prng.Next()));
        last = session.Write(keys[written], row);
        model[keys[written]] = row;
        break;
      }
      case 1:
        last = session.Write(keys[written], std::nullopt);
        model.erase(keys[written]);
        break;
      case 2:
        session.Flush();
        if (last.value != 0) {
          ASSERT_TRUE(session.AwaitWrite(std::exchange(last, {})).has_value());
        }
        break;
      default: {
        const std::size_t first = any();
        const std::size_t end = std::min(first + 1 + prng.Below(60), keys.size() - 1);
        // The peer that names them may be mad.
        prng.Below(20) == 0 ? session.ExpectReads(keys[end], keys[first])
                            : session.ExpectReads(keys[first], keys[end]);
        for (std::size_t i = first; i < end; ++i) {
          for (const RowKey& key : {keys[i], keys[any()]}) {
            const auto there = model.find(key);
            ASSERT_EQ(session.Read(key),
                      there == model.end() ? std::nullopt : std::optional(there->second));
          }
          if (prng.Below(4) != 0) continue;
          const Row row = MakeRow(Noise(50, prng.Next()));
          const std::size_t other = prng.Below(3) == 0 ? std::min(end, i + prng.Below(9)) : i;
          last = session.Write(keys[other], row);
          model[keys[other]] = row;
          if (prng.Below(3) == 0) session.Flush();
          if (prng.Below(9) == 0) {
            session.Flush();
            ASSERT_TRUE(session.AwaitWrite(std::exchange(last, {})).has_value());
          }
        }
        if (prng.Below(30) != 0) break;
        for (const RowKey& key : keys) {
          if (model.erase(key) > 0) last = session.Write(key, std::nullopt);
        }
      }
    }
  }
}

// Goal: what overflows the cache is still read right, and the cache keeps its bound.
TEST_F(RocksEngineTest, TheRowCacheIsBoundedAndNeverStale) {
  options_.row_cache_bytes = 20'000;
  const auto engine = Open();
  TestSession session(*engine);
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) {
      session.Write(MakeKey(std::to_string(i)), MakeRow(Noise(200, round), round));
    }
    session.Flush();
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(session.Read(MakeKey(std::to_string(i))), MakeRow(Noise(200, round), round));
    }
  }
  EXPECT_THAT(*session.ScanAll(0, 1000), ::testing::SizeIs(200));  // so all writes are over
  EXPECT_LE(engine->Stats().cache_bytes, 20'000u);
  EXPECT_GT(engine->Stats().cache_bytes, 10'000u);
}

// Goal: rows and meta survive a clean stop and start.
TEST_F(RocksEngineTest, EverythingIsThereAfterARestart) {
  for (const Durability durability : {Durability::kSync, Durability::kInterval}) {
    options_.durability = durability;
    {
      const auto engine = Open();
      TestSession session(*engine);
      for (int i = 0; i < 100; ++i) session.Write(MakeKey(std::to_string(i)), MakeRow("r"));
      ASSERT_TRUE(session.Put(MakeKey("large"), MakeRow(Noise(6 << 20, 3))).has_value());
      ASSERT_TRUE(engine->PutMeta("cluster", "c1").has_value());
    }
    const auto engine = Open();
    TestSession session(*engine);
    EXPECT_THAT(*session.ScanAll(0, 7), ::testing::SizeIs(101));
    EXPECT_EQ(session.Read(MakeKey("large")), MakeRow(Noise(6 << 20, 3)));
    EXPECT_EQ(engine->GetMeta("cluster").value(), "c1");
  }
}

}  // namespace
}  // namespace gyre
