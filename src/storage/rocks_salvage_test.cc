// A damaged table file is made whole while the node runs: scans and compactions pass over the block
// that is lost, nothing that can be read goes, and no stale count of own writes comes back;
// whatever the moment of a crash.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "storage/faulty_disk.h"
#include "storage/rocks_options.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr int kRows = 2000;
constexpr NodeId kTarget(0x010203);

using Sums = std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t>;

RowKey KeyOf(int i) { return MakeKey("key" + std::to_string(i), i % 2 == 0 ? 0 : 1); }
Row RowOf(int i, std::uint64_t version) {
  return MakeRow(Noise(100, static_cast<std::uint64_t>(i) + version * 1'000'000), version);
}
Row WithoutOwn(Row row) {
  row.own = {};
  return row;
}

class RocksSalvageTest : public ::testing::Test {
 protected:
  RocksSalvageTest() : options_(SmallOptions(folder_.path())) {
    options_.env = disk_.env();
    options_.log = &log_;
    options_.leaf_bits = 14;
  }
  std::unique_ptr<Engine> Open() { return OpenAt(folder_.path()); }
  std::unique_ptr<Engine> OpenAt(const std::string& path) {
    options_.path = path;
    auto engine = OpenRocksEngine(options_);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    EXPECT_EQ((*engine)->Stats().quarantines, 0u);
    return *std::move(engine);
  }
  // All rows, in groups, with what they do to the sums.
  void Write(std::uint64_t version, bool hints = false) {
    const auto engine = Open();
    TestSession session(*engine);
    RequestId last;
    for (int i = 0; i < kRows; ++i) {
      const RowKey key = hints ? KeyOf(i).OwedTo(kTarget) : KeyOf(i);
      const std::uint64_t before =
          version == 1 ? 0 : RowDigest(key, RowOf(i, version - 1).record.view());
      const Row row = RowOf(i, version);
      last = session.Write(key, row, RowDigest(key, row.record.view()) - before);
      if (i % 100 == 99) session.Flush();
    }
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(last).has_value());
    ASSERT_TRUE(engine->Close().has_value());
  }
  // What the log holds becomes a table file.
  void WriteLogOut() { ASSERT_TRUE(Open()->Close().has_value()); }
  std::vector<rocksdb::ColumnFamilyDescriptor> Families() const {
    const auto cache = rocksdb::NewLRUCache(1 << 20);
    return {{"default", MakeRowOptions(options_, cache)},
            {"meta", MakeMetaOptions()},
            {"hints", MakeHintOptions(options_, cache)},
            {"leaves", MakeLeafOptions(options_)}};
  }
  // All rows come into compressed files. No engine may have the database open.
  void Compact() {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    const auto status = rocksdb::DB::Open(MakeDbOptions(options_, rocksdb::Env::Default()),
                                          folder_.path() + "/db", Families(), &handles, &raw);
    ASSERT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<rocksdb::DB> db(raw);
    rocksdb::CompactRangeOptions all;
    all.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
    for (rocksdb::ColumnFamilyHandle* handle : {handles[0], handles[2]}) {
      EXPECT_TRUE(db->CompactRange(all, handle, nullptr, nullptr).ok());
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  }
  // The newest of the family. No engine may have the database open.
  fs::path TableOf(const std::string& family) {
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    const auto status =
        rocksdb::DB::OpenForReadOnly(MakeDbOptions(options_, rocksdb::Env::Default()),
                                     folder_.path() + "/db", Families(), &handles, &raw);
    GYRE_CHECK(status.ok());
    const std::unique_ptr<rocksdb::DB> db(raw);
    std::vector<rocksdb::LiveFileMetaData> files;
    db->GetLiveFilesMetaData(&files);
    std::string newest;
    for (const auto& file : files) {
      if (file.column_family_name == family) newest = std::max(newest, file.name);
    }
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
    GYRE_CHECK(!newest.empty());
    return folder_.path() + "/db" + newest;
  }
  static Sums Loaded(Engine& engine) {
    Sums sums;
    const auto leaves = engine.LoadLeaves();
    EXPECT_TRUE(leaves.has_value()) << leaves.error().message;
    for (const LeafSum& each : *leaves) sums[{each.keyspace.value, each.leaf}] = each.sum;
    return sums;
  }
  static std::vector<ScannedRow> All(TestSession& session) {
    std::vector<ScannedRow> rows;
    for (const std::uint32_t keyspace : {0u, 1u}) {
      auto some = session.ScanAll(keyspace, 100);
      EXPECT_TRUE(some.has_value()) << some.error().message;
      if (some) rows.insert(rows.end(), some->begin(), some->end());
    }
    return rows;
  }
  Sums SumsOf(TestSession& session) {
    Sums sums;
    for (const ScannedRow& each : All(session)) {
      sums[{each.key.keyspace.value, LeafOf(each.key.token, options_.leaf_bits)}] +=
          RowDigest(each.key, each.row.record.view());
    }
    return sums;
  }

  // Of rows of several versions, of which the last were damaged: each is there, as it should be, or
  // not at all, whatever it was before.
  struct Found {
    int whole = 0, lost = 0;
  };
  static Found Judge(TestSession& session, std::uint64_t version = 2) {
    Found found;
    std::set<std::string> keys;
    for (const ScannedRow& each : All(session)) {
      const int i = std::stoi(each.key.key.ToString().substr(3));
      EXPECT_TRUE(keys.insert(each.key.key.ToString()).second);
      EXPECT_EQ(WithoutOwn(each.row), WithoutOwn(RowOf(i, version))) << i;
      ++found.whole;
    }
    found.lost = kRows - found.whole;
    return found;
  }
  // Somebody reads each row, and does not wait for it: who meets the damage may have to.
  static void AskForAll(TestSession& session) {
    RequestId read;
    for (int i = 0; i < kRows; ++i) (void)session.TryGet(KeyOf(i), &read);
    session.Flush();
  }
  // Two versions of all rows, each in a table file; that of the second is damaged in its middle.
  void MakeDamaged() {
    Write(1);
    Write(2);
    WriteLogOut();
    const fs::path table = TableOf("default");
    ASSERT_GT(fs::file_size(table), 200'000u);
    FlipByte(table, fs::file_size(table) / 2);
  }
  // What a damaged database must come to, by itself, wherever it is.
  void ExpectItHeals(const std::string& path) {
    Sums rows;
    {
      const auto engine = OpenAt(path);
      TestSession session(*engine);
      for (int i = 0; i < kRows; ++i) (void)session.Get(KeyOf(i));  // somebody meets the damage
      const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
      while (!session.ScanAll(0, 100) || !session.ScanAll(1, 100)) {
        ASSERT_LT(std::chrono::steady_clock::now(), deadline);
        std::this_thread::yield();
      }
      const Found found = Judge(session);
      EXPECT_GT(found.lost, 0);
      EXPECT_LT(found.lost, kRows / 10);
      rows = SumsOf(session);
      ASSERT_TRUE(session.Put(MakeKey("more", 7), MakeRow("r")).has_value());
      ASSERT_TRUE(engine->Close().has_value());
    }
    const auto engine = OpenAt(path);
    EXPECT_EQ(Loaded(*engine), rows);
    EXPECT_EQ(engine->GetMeta("doubt").value(), std::nullopt);
  }

  TempFolder folder_;
  CapturedLog log_;
  FaultyDisk disk_;
  EngineOptions options_;
};

// Goal: a scan that meets a damaged block is told; a moment later the same scan passes over it, and
// finds every row beside it. Each session hears of the leaves whose sums changed, and the sums are
// those of the rows, at once and after a restart. New rows are in the log all the while.
TEST_F(RocksSalvageTest, ScansPassOverABlockThatWasLost) {
  Write(1);
  WriteLogOut();
  const fs::path table = TableOf("default");
  FlipByte(table, fs::file_size(table) / 2);
  const auto size = fs::file_size(table);
  options_.session_count = 2;
  TempFolder after;
  Sums expected;
  std::size_t found = 0;
  {
    const auto engine = Open();
    Sums sums = Loaded(*engine);
    TestSession session(*engine);
    TestSession other(*engine);
    ASSERT_TRUE(session.Put(MakeKey("new", 7), MakeRow("r")).has_value());
    const auto damaged =
        session.ScanAll(0, 100).has_value() ? session.ScanAll(1, 100) : session.ScanAll(0, 100);
    if (!damaged) {
      EXPECT_EQ(damaged.error().code, ErrorCode::kCorruption);
    }
    const RowsLost lost = session.AwaitLoss();
    EXPECT_EQ(other.AwaitLoss().leaves, lost.leaves);
    EXPECT_FALSE(lost.leaves.empty());
    const auto rows = All(session);
    found = rows.size();
    EXPECT_LT(found, static_cast<std::size_t>(kRows));
    EXPECT_GT(found, static_cast<std::size_t>(kRows * 9 / 10));
    for (const ScannedRow& each : rows) {
      const int i = std::stoi(each.key.key.ToString().substr(3));
      EXPECT_TRUE(each.row == RowOf(i, 1) || each.row == WithoutOwn(RowOf(i, 1))) << i;
    }
    EXPECT_EQ(log_.Count("storage_table_salvaged"), 1u);
    EXPECT_EQ(engine->Stats().tables_salvaged, 1u);
    EXPECT_EQ(engine->Stats().blocks_lost, 1u);
    EXPECT_TRUE(engine->Stats().writable);
    EXPECT_EQ(fs::file_size(table), size);
    for (const LeafSum& leaf : lost.leaves) {
      sums[{leaf.keyspace.value, leaf.leaf}] += leaf.sum;
    }
    std::erase_if(sums, [](const auto& each) { return each.second == 0; });
    expected = SumsOf(session);
    EXPECT_EQ(sums, expected);
    disk_.CopyAfterPowerCut(folder_.path(), after.path() + "/copy");
  }
  options_.session_count = 1;
  for (const std::string& path : {folder_.path(), after.path() + "/copy"}) {
    const auto engine = OpenAt(path);
    EXPECT_EQ(Loaded(*engine), expected);
    TestSession session(*engine);
    EXPECT_EQ(All(session).size(), found);
    EXPECT_EQ(session.Read(MakeKey("new", 7)), MakeRow("r"));
  }
}

// Goal: damage at both ends of the rows, of neighbours, and here and there is found at one go.
TEST_F(RocksSalvageTest, ManyLostBlocksOfAFile) {
  Write(1);
  Write(2);
  WriteLogOut();
  const fs::path table = TableOf("default");
  const auto size = fs::file_size(table);
  FlipByte(table, 10);
  for (const std::uintmax_t at : {size / 4, size / 2, size / 2 + 4096, size / 2 + 8192}) {
    FlipByte(table, at);
  }
  const auto engine = Open();
  TestSession session(*engine);
  (void)session.ScanAll(0, 100);  // meets the damage, or already passes over it
  (void)session.AwaitLoss();
  const Found found = Judge(session);
  EXPECT_GT(found.lost, 4 * 20);
  EXPECT_LT(found.lost, kRows / 4);
  EXPECT_EQ(engine->Stats().blocks_lost, 5u);
  EXPECT_EQ(engine->Stats().tables_salvaged, 1u);
}

// Goal: rows of a lost block can be asked for one by one, and more than once, from disk and from
// the block cache; where there is no older version they are absent.
TEST_F(RocksSalvageTest, RowsOfALostBlockAreAbsentOneByOne) {
  Write(1);
  WriteLogOut();
  const fs::path table = TableOf("default");
  const auto size = fs::file_size(table);
  for (unsigned part = 1; part < 10; ++part) FlipByte(table, size * part / 10);
  options_.row_cache_bytes = 0;
  const auto engine = Open();
  TestSession session(*engine);
  (void)session.ScanAll(0, 100);  // meets the damage, or already passes over it
  (void)session.ScanAll(1, 100);
  (void)session.AwaitLoss();
  for (int round = 0; round < 3; ++round) {
    int absent = 0;
    for (int i = 0; i < kRows; ++i) {
      if (!session.Read(KeyOf(i))) ++absent;
    }
    EXPECT_GT(absent, 9 * 20);
    EXPECT_LT(absent, kRows / 2);
  }
  EXPECT_EQ(engine->Stats().blocks_lost, 9u);
}

// Goal: blocks of large rows are emptied as well, whatever their size, where files are compressed.
TEST_F(RocksSalvageTest, LargeBlocksAreEmptied) {
  constexpr int kLarge = 60;
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < kLarge; ++i) {
      const auto n = static_cast<std::uint64_t>(i);
      ASSERT_TRUE(session.Put(KeyOf(i), MakeRow(Noise(70'000 + n, n))).has_value());
    }
  }
  Compact();
  const fs::path table = TableOf("default");
  const auto size = fs::file_size(table);
  for (unsigned part = 1; part < 10; ++part) FlipByte(table, size * part / 10);
  options_.row_cache_bytes = 0;
  const auto engine = Open();
  TestSession session(*engine);
  (void)session.ScanAll(0, 100);  // meets the damage, or already passes over it
  (void)session.ScanAll(1, 100);
  (void)session.AwaitLoss();
  EXPECT_EQ(log_.Count("storage_table_damaged"), 0u);
  EXPECT_EQ(All(session).size(), kLarge - 9u);
  int absent = 0;
  for (int i = 0; i < kLarge; ++i) absent += !session.Read(KeyOf(i)).has_value();
  EXPECT_EQ(absent, 9);
  EXPECT_EQ(engine->Stats().blocks_lost, 9u);
}

// Goal: an older version that a lost block had hidden never shows, while it is emptied neither: the
// next write would count on from its own writes, and give a number twice
// (docs/adr/0004-dots-and-epochs.md). Who reads in the middle waits.
TEST_F(RocksSalvageTest, NothingOlderIsReadInTheMiddle) {
  MakeDamaged();
  options_.row_cache_bytes = 0;
  const auto engine = Open();
  TestSession session(*engine);
  std::vector<int> lost;
  disk_.HoldTableWrites();  // so that all of it stays as it is
  for (int i = 0; i < kRows; ++i) {
    const auto row = session.Get(KeyOf(i));
    if (row) continue;
    lost.push_back(i);
    if (lost.size() == 1) break;  // whoever reads more may have to wait now
  }
  ASSERT_EQ(lost.size(), 1u);
  disk_.AwaitHeldTableWrite();
  disk_.HoldLogSyncs();
  disk_.ReleaseTableWrites();
  disk_.AwaitHeldSync();  // the block is empty, and what shows is not settled
  RequestId read;
  ASSERT_FALSE(session.TryGet(KeyOf(lost[0]), &read).has_value());
  disk_.ReleaseLogSyncs();
  const auto row = std::get<ReadDone>(session.Await(read)).row;
  EXPECT_EQ(row.value(), std::nullopt);
  EXPECT_GT(Judge(session).lost, 0);
}

// Goal: (ADR 6) what a lost block had hidden stays hidden: a row is not what it was before it was
// replaced or deleted, whether the block held a newer row or a deletion. What the loss has nothing
// to do with stays: what is newer than the damaged file, and all but a few of the rows that it
// never had.
TEST_F(RocksSalvageTest, NothingOlderShowsWhereABlockWasLost) {
  enum { kReplaced, kDeleted, kNewerInAFile, kNewerInMemory, kUntouched, kKinds };
  for (const bool hints : {false, true}) {
    SCOPED_TRACE(hints);
    const auto key_of = [&](int i) { return hints ? KeyOf(i).OwedTo(kTarget) : KeyOf(i); };
    const auto put = [&](TestSession& session, std::uint64_t version, std::set<int> kinds) {
      RequestId last;
      for (int i = 0; i < kRows; ++i) {
        if (!kinds.contains(i % kKinds)) continue;
        std::optional<Row> row = RowOf(i, version);
        if (i % kKinds == kDeleted && version == 2) row.reset();
        last = session.Write(key_of(i), row);
      }
      session.Flush();
      ASSERT_TRUE(session.AwaitWrite(last).has_value());
    };
    const auto put_file = [&](std::uint64_t version, std::set<int> kinds) {
      {
        const auto engine = Open();
        TestSession session(*engine);
        put(session, version, std::move(kinds));
      }
      WriteLogOut();
    };
    put_file(1, {kReplaced, kDeleted, kNewerInAFile, kNewerInMemory, kUntouched});
    Compact();
    put_file(2, {kReplaced, kDeleted, kNewerInAFile, kNewerInMemory});
    const fs::path table = TableOf(hints ? "hints" : "default");
    put_file(3, {kNewerInAFile});
    ASSERT_NE(table, TableOf(hints ? "hints" : "default"));
    for (const unsigned part : {1u, 3u}) FlipByte(table, fs::file_size(table) * part / 4);

    TempFolder after;
    const NodeId target = hints ? kTarget : NodeId{};
    const auto judge = [&](TestSession& session) {
      int found[kKinds] = {};
      for (const std::uint32_t keyspace : {0u, 1u}) {
        const auto rows = session.ScanAll(keyspace, 100, target);
        ASSERT_TRUE(rows.has_value()) << rows.error().message;
        for (const ScannedRow& each : *rows) {
          const int i = std::stoi(each.key.key.ToString().substr(3));
          const int kind = i % kKinds;
          const std::uint64_t version = kind == kReplaced ? 2 : kind == kUntouched ? 1 : 3;
          EXPECT_EQ(WithoutOwn(each.row), WithoutOwn(RowOf(i, version))) << i;
          ++found[kind];
        }
      }
      EXPECT_LT(found[kReplaced], kRows / kKinds);
      EXPECT_GT(found[kReplaced], kRows / kKinds * 8 / 10);
      EXPECT_EQ(found[kDeleted], 0);
      EXPECT_EQ(found[kNewerInAFile], kRows / kKinds);
      EXPECT_EQ(found[kNewerInMemory], kRows / kKinds);
      EXPECT_GT(found[kUntouched], kRows / kKinds * 98 / 100);
    };
    {
      const auto engine = Open();
      TestSession session(*engine);
      put(session, 3, {kNewerInMemory});
      for (const std::uint32_t keyspace : {0u, 1u}) (void)session.ScanAll(keyspace, 100, target);
      (void)session.AwaitLoss();
      EXPECT_EQ(engine->Stats().blocks_lost, 2u);
      judge(session);
      disk_.CopyAfterPowerCut(folder_.path(), after.path() + "/copy");
    }
    // Nor later: in whatever files it comes to lie.
    Compact();
    for (const std::string& path : {folder_.path(), after.path() + "/copy"}) {
      const auto engine = OpenAt(path);
      TestSession session(*engine);
      judge(session);
    }
  }
}

// Goal: a block that was lost on disk and is still in the block cache gives its rows back, and
// nothing older shows once the cache has forgotten it.
TEST_F(RocksSalvageTest, WhatTheBlockCacheStillHasIsKept) {
  Write(1);
  WriteLogOut();
  Write(2);
  WriteLogOut();
  const fs::path table = TableOf("default");
  options_.row_cache_bytes = 0;
  options_.block_cache_bytes = 8 << 20;
  Sums sums;
  for (const bool again : {false, true}) {
    SCOPED_TRACE(again);
    const auto engine = Open();
    TestSession session(*engine);
    if (again) {
      EXPECT_EQ(Loaded(*engine), sums);
    } else {
      for (int i = 0; i < kRows; i += 2) EXPECT_EQ(session.Read(KeyOf(i)), RowOf(i, 2));
      // The rows of keyspace 0 come first.
      for (const unsigned part : {1u, 3u}) FlipByte(table, fs::file_size(table) * part / 4);
      (void)session.ScanAll(1, 100);  // meets the damage, or already passes over it
      (void)session.AwaitLoss();
      EXPECT_EQ(engine->Stats().blocks_lost, 2u);
      sums = SumsOf(session);
    }
    EXPECT_EQ(session.ScanAll(0, 100).value().size(), kRows / 2u);
    EXPECT_LT(session.ScanAll(1, 100).value().size(), kRows / 2u);
    (void)Judge(session);
  }
}

// Goal: the same where there is no older version, and for rows without own writes.
TEST_F(RocksSalvageTest, RowsOfTheBlockCacheAreWrittenAgain) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    RequestId last;
    for (int i = 0; i < kRows; ++i) last = session.Write(KeyOf(i), WithoutOwn(RowOf(i, 1)));
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(last).has_value());
  }
  WriteLogOut();
  const fs::path table = TableOf("default");
  options_.row_cache_bytes = 0;
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < kRows; i += 2) EXPECT_TRUE(session.Read(KeyOf(i)).has_value());
    for (const unsigned part : {1u, 3u}) FlipByte(table, fs::file_size(table) * part / 4);
    (void)session.ScanAll(1, 100);
    (void)session.AwaitLoss();
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_EQ(session.ScanAll(0, 100).value().size(), kRows / 2u);
  EXPECT_LT(session.ScanAll(1, 100).value().size(), kRows / 2u);
}

// Goal: the shards hear of it also when nothing was lost that counts in a sum: notes.
TEST_F(RocksSalvageTest, NotesCountInNoSum) {
  const auto key_of = [](int i) {
    return MakeKey("key" + std::to_string(i), kNotesKeyspace.value);
  };
  {
    const auto engine = Open();
    TestSession session(*engine);
    RequestId last;
    for (int i = 0; i < kRows; ++i) last = session.Write(key_of(i), RowOf(i, 1));
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(last).has_value());
  }
  WriteLogOut();
  const fs::path table = TableOf("default");
  FlipByte(table, fs::file_size(table) / 2);
  {
    const auto engine = Open();
    TestSession session(*engine);
    (void)session.ScanAll(kNotesKeyspace.value, 100);
    EXPECT_THAT(session.AwaitLoss().leaves, ::testing::IsEmpty());
    EXPECT_LT(session.ScanAll(kNotesKeyspace.value, 100).value().size(), std::size_t{kRows});
  }
  EXPECT_THAT(Loaded(*Open()), ::testing::IsEmpty());
}

// Goal: two files that are damaged in the same place: which of their rows are the newest cannot be
// told, so that none of the stretch stays; after a crash in the middle neither.
TEST_F(RocksSalvageTest, NothingOlderShowsUnderTwoLostBlocks) {
  Write(1);
  WriteLogOut();
  std::vector<fs::path> tables;
  for (const std::uint64_t version : {2u, 3u}) {
    Write(version);
    WriteLogOut();
    tables.emplace_back(TableOf("default"));
  }
  for (const unsigned part : {1u, 3u}) {
    FlipByte(tables[1], fs::file_size(tables[1]) * part / 4);
    // The block before in the older file, which ends elsewhere.
    FlipByte(tables[0], fs::file_size(tables[0]) * part / 4 - 2500);
  }
  TempFolder copies;
  {
    const auto engine = Open();
    TestSession session(*engine);
    disk_.HoldTableWrites();
    AskForAll(session);
    disk_.AwaitHeldTableWrite();
    disk_.CopyAfterPowerCut(folder_.path(), copies.path() + "/noted");
    disk_.ReleaseTableWrites();
    (void)session.AwaitLoss();
    const Found found = Judge(session, 3);
    EXPECT_GT(found.lost, 2 * 20);
    EXPECT_LT(found.lost, kRows / 5);
    EXPECT_EQ(engine->Stats().blocks_lost, 4u);
    EXPECT_EQ(engine->Stats().tables_salvaged, 2u);
  }
  for (const std::string& path : {folder_.path(), copies.path() + "/noted"}) {
    const auto engine = OpenAt(path);
    TestSession session(*engine);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!session.ScanAll(0, 100) || !session.ScanAll(1, 100)) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
      std::this_thread::yield();
    }
    EXPECT_GT(Judge(session, 3).lost, 0);
    const Sums sums = SumsOf(session);
    ASSERT_TRUE(engine->Close().has_value());
    EXPECT_EQ(Loaded(*OpenAt(path)), sums);
  }
}

// Goal: wherever a crash hits, the next start ends with the same: before anything, before the block
// is emptied, after it, and when all is settled.
TEST_F(RocksSalvageTest, ACrashInTheMiddleHealsAtTheNextStart) {
  MakeDamaged();
  TempFolder copies;
  const auto copy = [&](const char* name) {
    disk_.CopyAfterPowerCut(folder_.path(), copies.path() + name);
  };
  {
    const auto engine = Open();
    TestSession session(*engine);
    copy("/untouched");
    disk_.HoldTableWrites();
    AskForAll(session);
    disk_.AwaitHeldTableWrite();
    copy("/buried");
    disk_.HoldLogSyncs();
    disk_.ReleaseTableWrites();
    disk_.AwaitHeldSync();
    copy("/emptied");
    disk_.ReleaseLogSyncs();
    (void)session.AwaitLoss();
    copy("/settled");
  }
  for (const char* name : {"/untouched", "/buried", "/emptied", "/settled"}) {
    SCOPED_TRACE(name);
    ExpectItHeals(copies.path() + name);
  }
}

// Goal: a block half emptied is damage as before, and heals at the next start. Until then the
// engine takes no writes: its disk does not.
TEST_F(RocksSalvageTest, ATornWriteIntoTheTableHealsAtTheNextStart) {
  MakeDamaged();
  TempFolder copies;
  {
    const auto engine = Open();
    TestSession session(*engine);
    disk_.TearTableWrites();
    for (int i = 0; i < kRows && session.Get(KeyOf(i)); ++i) continue;
    ASSERT_TRUE(log_.WaitForCount("storage_not_writable", 1));
    EXPECT_FALSE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
    EXPECT_FALSE(engine->Close().has_value());  // so no actor goes on
    fs::copy(folder_.path(), copies.path() + "/torn", fs::copy_options::recursive);
  }
  FaultyDisk whole;
  options_.env = whole.env();
  ExpectItHeals(copies.path() + "/torn");
}

// Goal: where the disk fails between emptying and settling, the rows there stay refused until the
// next start settles them, and the others are read.
TEST_F(RocksSalvageTest, WhatCannotBeSettledStaysRefused) {
  MakeDamaged();
  {
    const auto engine = Open();
    TestSession session(*engine);
    disk_.HoldTableWrites();
    int first = 0;
    while (session.Get(KeyOf(first))) ++first;
    disk_.AwaitHeldTableWrite();
    disk_.FailLogSyncs(true);
    disk_.ReleaseTableWrites();
    ASSERT_TRUE(log_.WaitForCount("storage_not_writable", 1));
    int refused = 0;
    for (int i = 0; i < kRows; ++i) {
      const auto row = session.Get(KeyOf(i));
      if (row) {
        EXPECT_EQ(*row, RowOf(i, 2));
      } else {
        EXPECT_EQ(row.error().code, ErrorCode::kCorruption);
        ++refused;
      }
    }
    EXPECT_FALSE(session.Get(KeyOf(first)).has_value());
    EXPECT_GT(refused, 0);
    EXPECT_LT(refused, kRows / 10);
    disk_.FailLogSyncs(false);
    EXPECT_FALSE(engine->Close().has_value());
  }
  ExpectItHeals(folder_.path());
}

// Goal: a compaction that meets the damage stops nothing: the file is made whole, and compacted.
TEST_F(RocksSalvageTest, ACompactionThatMeetsDamageGoesOn) {
  MakeDamaged();
  const std::string damaged = TableOf("default");
  for (int start = 0; start < 20 && fs::exists(damaged); ++start) {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < 200; ++i) {
      ASSERT_TRUE(session.Put(MakeKey("more" + std::to_string(i), 7), MakeRow("r")).has_value());
    }
    if (start < 4) continue;  // each adds a file; four are compacted
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (fs::exists(damaged) && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(engine->Stats().writable) << engine->Stats().problem;
  }
  EXPECT_FALSE(fs::exists(damaged));
  EXPECT_GE(log_.Count("storage_table_salvaged"), 1u);
  EXPECT_EQ(log_.Count("storage_not_writable"), 0u);
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_GT(Judge(session).lost, 0);
}

// Goal: hints are salvaged as rows are, and touch no sum.
TEST_F(RocksSalvageTest, HintsAreSalvagedToo) {
  Write(1, /*hints=*/true);
  WriteLogOut();
  const fs::path table = TableOf("hints");
  FlipByte(table, fs::file_size(table) / 2);
  const auto engine = Open();
  TestSession session(*engine);
  for (const std::uint32_t keyspace : {0u, 1u}) (void)session.ScanAll(keyspace, 100, kTarget);
  ASSERT_TRUE(log_.WaitForCount("storage_table_salvaged", 1));
  std::size_t found = 0;
  for (const std::uint32_t keyspace : {0u, 1u}) {
    const auto rows = session.ScanAll(keyspace, 100, kTarget);
    ASSERT_TRUE(rows.has_value()) << rows.error().message;
    found += rows->size();
  }
  EXPECT_LT(found, static_cast<std::size_t>(kRows));
  EXPECT_GT(found, static_cast<std::size_t>(kRows * 9 / 10));
}

// Goal: a compaction that meets a damaged file of leaf sums costs nothing: they are in memory, and
// written anew.
TEST_F(RocksSalvageTest, DamagedLeafSumsAreWrittenAnew) {
  options_.memtables_bytes = 4 << 20;  // so that sums are flushed, and compacted, soon
  Write(1);
  WriteLogOut();
  const fs::path table = TableOf("leaves");
  Sums expected;
  {
    const auto engine = Open();
    expected = Loaded(*engine);
    TestSession session(*engine);
    FlipByte(table, fs::file_size(table) / 3);  // behind its back: an open would drop the sums
    int n = 0;
    for (int group = 0; group < 500 && log_.Count("storage_leaves_rewritten") == 0; ++group) {
      RequestId last;
      for (int i = 0; i < 1000; ++i, ++n) {
        const RowKey key = MakeKey("more" + std::to_string(n), 7);
        const std::uint64_t delta = RowDigest(key, "r");
        last = session.Write(key, MakeRow("r"), delta);
        expected[{7, LeafOf(key.token, options_.leaf_bits)}] += delta;
      }
      session.Flush();
      ASSERT_TRUE(session.AwaitWrite(last).has_value());
    }
    ASSERT_TRUE(log_.WaitForCount("storage_leaves_rewritten", 1));
    EXPECT_TRUE(engine->Stats().writable);
    ASSERT_TRUE(session.Put(MakeKey("k", 7), std::nullopt).has_value());
    ASSERT_TRUE(engine->Close().has_value());
  }
  EXPECT_EQ(Loaded(*Open()), expected);
}

// Goal: a file that lost its index is not touched: nothing of it could be found any more. It is as
// it was: reads say so, and a compaction ends writing until the database is set aside.
TEST_F(RocksSalvageTest, ALostIndexIsLeftAlone) {
  MakeDamaged();
  const fs::path table = TableOf("default");
  FlipByte(table, fs::file_size(table) / 2);  // back to what it was
  const auto engine = Open();
  TestSession session(*engine);
  // The index of a file that is open is in memory; so this is seen by who opens it anew.
  FlipByte(table, fs::file_size(table) / 2);
  for (std::uintmax_t at = 1500; at < 6000; at += 500) FlipByte(table, fs::file_size(table) - at);
  while (session.ScanAll(0, 100) && session.ScanAll(1, 100)) continue;
  ASSERT_TRUE(log_.WaitForCount("storage_table_damaged", 1));
  EXPECT_EQ(log_.Count("storage_table_salvaged"), 0u);
  EXPECT_FALSE(session.ScanAll(0, 100) && session.ScanAll(1, 100));
  EXPECT_TRUE(engine->Stats().writable);
}

}  // namespace
}  // namespace gyre
