// Leaf sums and hints in RocksDB: over stops, power cuts, torn logs, failed syncs and damage, the
// sums are those of the rows.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

#include "base/prng.h"
#include "storage/leaf_sums_test_util.h"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr NodeId kTarget(0x010203);

class RocksLeavesTest : public LeafSumsTest {};

// Goal: over random writes, removals and restarts, clean or by a power cut, the sums are those of
// the rows. Hints add nothing.
TEST_F(RocksLeavesTest, SumsAreThoseOfTheRowsOverRestarts) {
  Prng prng(11);
  for (int life = 0; life < 8; ++life) {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_EQ(Loaded(*engine), SumsOf(session, {0, 1})) << life;
    RequestId last;
    for (int group = 0; group < 60; ++group) {
      const std::uint64_t count = 1 + prng.Below(60);
      for (std::uint64_t i = 0; i < count; ++i) {
        const RowKey key =
            MakeKey(std::to_string(prng.Below(3000)), static_cast<std::uint32_t>(prng.Below(2)));
        last = prng.Below(4) == 0 ? Write(session, key, std::nullopt)
                                  : Write(session, key, MakeRow(Noise(20, prng.Next())));
        session.Write(key.OwedTo(kTarget), MakeRow("hint"), 12345);
      }
      session.Flush();
    }
    ASSERT_TRUE(session.AwaitWrite(last).has_value());
    TempFolder after;
    disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
    const Sums expected = SumsOf(session, {0, 1});
    ASSERT_GT(expected.size(), 500u);
    const auto revived = OpenAt(after.path());
    TestSession reader(*revived);
    ASSERT_EQ(SumsOf(reader, {0, 1}), expected);
    ASSERT_EQ(Loaded(*revived), expected);
    EXPECT_EQ(revived->Stats().corruptions, 0u);
  }
  WithFamilies([](rocksdb::DB& db, const auto& families) {
    const std::unique_ptr<rocksdb::Iterator> first(db.NewIterator({}, families[3]));
    first->SeekToFirst();
    ASSERT_TRUE(first->Valid());
    EXPECT_EQ(first->key()[0], 'B')
        << "no block was ever written: the test shows less than it says";
  });
}

// Goal: wherever the log is torn, rows and sums end with the same group.
TEST_F(RocksLeavesTest, ATornLogTearsRowsAndSumsAlike) {
  const auto engine = Open();
  TestSession session(*engine);
  for (int group = 0; group < 40; ++group) {
    RequestId last;
    for (int i = 0; i < 20; ++i) {
      last = Write(session, MakeKey(std::to_string(group * 13 + i)),
                   MakeRow(Noise(20, static_cast<std::uint64_t>(group))));
    }
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(last).has_value());
  }
  std::set<std::size_t> rows_left;
  for (int tenths = 0; tenths <= 10; ++tenths) {
    TempFolder torn;
    fs::copy(folder_.path() + "/db", torn.path() + "/db", fs::copy_options::recursive);
    for (const auto& entry : fs::directory_iterator(torn.path() + "/db")) {
      if (entry.path().extension() != ".log") continue;
      fs::resize_file(entry.path(), HeldBytes(entry.path()) * static_cast<unsigned>(tenths) / 10);
    }
    const auto revived = OpenAt(torn.path());
    EXPECT_EQ(revived->Stats().quarantines, 0u);
    TestSession reader(*revived);
    EXPECT_EQ(Loaded(*revived), SumsOf(reader)) << tenths;
    rows_left.insert(reader.ScanAll(0, 1000)->size());
  }
  EXPECT_GT(rows_left.size(), 5u);
}

// Goal: a group whose sync fails is in the rows and in the sums, or in neither.
TEST_F(RocksLeavesTest, AFailedWriteDoesNotPartSumsFromRows) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < 50; ++i) Write(session, MakeKey(std::to_string(i)), MakeRow("kept"));
    session.Flush();
    ASSERT_THAT(*session.ScanAll(0, 100), ::testing::SizeIs(50));
    disk_.FailLogSyncs(true);
    RequestId last;
    for (int i = 0; i < 60; ++i) {
      last = Write(session, MakeKey(std::to_string(i)), MakeRow("fails"));
    }
    session.Flush();
    ASSERT_FALSE(session.AwaitWrite(last).has_value());
    disk_.FailLogSyncs(false);
    ASSERT_FALSE(session.Put(MakeKey("untried"), MakeRow("r"), 77).has_value());
    EXPECT_FALSE(engine->Close().has_value());
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_EQ(Loaded(*engine), SumsOf(session));
}

// Goal: damage of the sums drops them as a whole, is counted, logged and told, and costs no row.
// It is told until there are sums again.
TEST_F(RocksLeavesTest, DamagedSumsAreDroppedAndTold) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < 100; ++i) Write(session, MakeKey(std::to_string(i)), MakeRow("r"));
    session.Flush();
    ASSERT_THAT(*session.ScanAll(0, 1000), ::testing::SizeIs(100));
  }
  WithFamilies([](rocksdb::DB& db, const auto& families) {
    const std::unique_ptr<rocksdb::Iterator> first(db.NewIterator({}, families[3]));
    first->SeekToFirst();
    ASSERT_TRUE(first->Valid());
    std::string damaged = first->value().ToString();
    damaged[damaged.size() / 2] ^= 1;
    ASSERT_TRUE(db.Put({}, families[3], first->key(), damaged).ok());
  });
  for (std::size_t open = 1; open <= 2; ++open) {
    const auto engine = Open();
    const auto told = engine->LoadLeaves();
    ASSERT_FALSE(told.has_value());
    EXPECT_EQ(told.error().code, ErrorCode::kCorruption);
    EXPECT_EQ(engine->Stats().corruptions, open == 1 ? 1u : 0u);
    EXPECT_EQ(engine->Stats().quarantines, 0u);
    EXPECT_EQ(log_.Count("storage_leaves_dropped"), open);
    TestSession session(*engine);
    EXPECT_THAT(*session.ScanAll(0, 1000), ::testing::SizeIs(100));
    if (open == 2) {
      ASSERT_TRUE(session.Put(MakeKey("new"), MakeRow("r"), 5).has_value());
    }
  }
  const auto engine = Open();
  const auto leaf =
      static_cast<std::uint32_t>(MakeKey("new").token.high >> (64 - options_.leaf_bits));
  EXPECT_EQ(Loaded(*engine), (Sums{{{0, leaf}, 5}}));
  EXPECT_EQ(log_.Count("storage_leaves_dropped"), 2u);
}

// Goal: a damaged table file of the sums costs the sums, not the database, also later, when what
// is left of it would be compacted.
TEST_F(RocksLeavesTest, ADamagedTableOfSumsIsDropped) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < 3000; ++i) Write(session, MakeKey(std::to_string(i)), MakeRow("r"));
    session.Flush();
    ASSERT_THAT(*session.ScanAll(0, 1000), ::testing::SizeIs(3000));
  }
  std::string table;
  WithFamilies([&](rocksdb::DB& db, const auto& families) {
    ASSERT_TRUE(db.Flush({}, families[3]).ok());
    std::vector<rocksdb::LiveFileMetaData> files;
    db.GetLiveFilesMetaData(&files);
    for (const auto& file : files) {
      if (file.column_family_name == "leaves") table = file.db_path + file.name;
    }
  });
  ASSERT_FALSE(table.empty());
  {
    const int fd = ::open(table.c_str(), O_RDWR);
    ASSERT_GE(fd, 0);
    char byte = 0;
    ASSERT_EQ(::pread(fd, &byte, 1, 1000), 1);
    byte ^= 0x10;
    ASSERT_EQ(::pwrite(fd, &byte, 1, 1000), 1);
    ::close(fd);
  }
  {
    const auto engine = Open();
    EXPECT_EQ(engine->LoadLeaves().error().code, ErrorCode::kCorruption);
    EXPECT_EQ(engine->Stats().corruptions, 1u);
    TestSession session(*engine);
    EXPECT_THAT(*session.ScanAll(0, 1000), ::testing::SizeIs(3000));
    ASSERT_TRUE(session.Put(MakeKey("new"), MakeRow("r"), 5).has_value());
  }
  EXPECT_FALSE(fs::exists(table));
  WithFamilies([&](rocksdb::DB& db, const auto& families) {
    EXPECT_TRUE(db.CompactRange({}, families[3], nullptr, nullptr).ok());
  });
  EXPECT_EQ(Loaded(*Open()).size(), 1u);
}

// Goal: sums of other leaves are of no use; nobody is told of damage that is none.
TEST_F(RocksLeavesTest, AnotherNumberOfLeavesBeginsAnew) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r"), 5).has_value());
  }
  options_.leaf_bits = 15;
  {
    const auto engine = Open();
    EXPECT_EQ(engine->LoadLeaves().error().code, ErrorCode::kCorruption);
    EXPECT_EQ(engine->Stats().corruptions, 0u);
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r"), 6).has_value());
  }
  EXPECT_EQ(Loaded(*Open()).begin()->second, 6u);
  options_.leaf_bits = 0;
  EXPECT_EQ(OpenRocksEngine(options_).error().code, ErrorCode::kInvalidArgument);
  options_.leaf_bits = 25;
  EXPECT_EQ(OpenRocksEngine(options_).error().code, ErrorCode::kInvalidArgument);
}

// Goal: a database from before there were hints and sums opens; its rows have no sums, and it says
// so. An empty one has nothing to say.
TEST_F(RocksLeavesTest, ADatabaseWithoutTheFamiliesOpens) {
  for (const bool has_rows : {true, false}) {
    SCOPED_TRACE(has_rows);
    fs::remove_all(folder_.path() + "/db");
    {
      const auto engine = Open();
      TestSession session(*engine);
      if (has_rows) {
        ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r"), 5).has_value());
      }
    }
    WithFamilies([](rocksdb::DB& db, const auto& families) {
      ASSERT_TRUE(db.Delete({}, families[1], "leaf_bits").ok());
      ASSERT_TRUE(db.DropColumnFamily(families[2]).ok());
      ASSERT_TRUE(db.DropColumnFamily(families[3]).ok());
    });
    const auto engine = Open();
    EXPECT_EQ(engine->LoadLeaves().has_value(), !has_rows);
    EXPECT_EQ(engine->Stats().corruptions, 0u);
    TestSession session(*engine);
    EXPECT_EQ(session.Read(MakeKey("k")).has_value(), has_rows);
    ASSERT_TRUE(session.Put(MakeKey("k").OwedTo(kTarget), MakeRow("hint")).has_value());
    EXPECT_EQ(session.Read(MakeKey("k").OwedTo(kTarget)), MakeRow("hint"));
  }
}

// Goal: a database that was set aside takes its sums along.
TEST_F(RocksLeavesTest, AnEmptiedDatabaseHasEmptySums) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r"), 5).has_value());
  }
  fs::remove(folder_.path() + "/db/CURRENT");
  const auto engine = Open();
  EXPECT_EQ(engine->Stats().quarantines, 1u);
  EXPECT_THAT(*engine->LoadLeaves(), ::testing::IsEmpty());
}

// Goal: hints survive a stop, and a removal of one does.
TEST_F(RocksLeavesTest, HintsAreThereAfterARestart) {
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < 10; ++i) {
      session.Write(MakeKey(std::to_string(i)).OwedTo(kTarget), MakeRow("hint"));
    }
    session.Flush();
    ASSERT_TRUE(session.Remove(MakeKey("3").OwedTo(kTarget)).has_value());
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_THAT(*session.ScanAll(0, 4, kTarget), ::testing::SizeIs(9));
  EXPECT_EQ(session.Read(MakeKey("3").OwedTo(kTarget)), std::nullopt);
  EXPECT_EQ(session.Read(MakeKey("4").OwedTo(kTarget)), MakeRow("hint"));
  EXPECT_EQ(session.Read(MakeKey("4")), std::nullopt);
}

// Goal: one hint, never written again, does not keep the logs of all rows that follow.
TEST_F(RocksLeavesTest, ARareHintDoesNotKeepOldLogs) {
  options_.memtables_bytes = 4 << 20;
  options_.durability = Durability::kInterval;
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("k").OwedTo(kTarget), MakeRow("hint")).has_value());
  constexpr std::uintmax_t kWritten = 24 << 20;
  for (std::uint64_t i = 0; i * 10'000 < kWritten; ++i) {
    ASSERT_TRUE(session.Put(MakeKey(std::to_string(i)), MakeRow(Noise(10'000, i)), i).has_value());
  }
  // Flushes come a little later, with the writes that follow.
  const auto log_bytes = [&] {
    std::uintmax_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/db")) {
      std::error_code gone;  // meanwhile
      const std::uintmax_t size = entry.file_size(gone);
      if (entry.path().extension() == ".log" && !gone) bytes += size;
    }
    return bytes;
  };
  for (int i = 0; i < 2'000 && log_bytes() >= kWritten / 2; ++i) {
    ASSERT_TRUE(session.Put(MakeKey("more"), MakeRow(Noise(10'000, 1)), 1).has_value());
  }
  EXPECT_LT(log_bytes(), kWritten / 2);
}

}  // namespace
}  // namespace gyre
