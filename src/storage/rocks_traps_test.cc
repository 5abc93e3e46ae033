// What RocksDB 7.8 does when the disk is full or rots, each held by a test.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "storage/background_priority.h"
#include "storage/disk_space.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

namespace fs = std::filesystem;

std::string Text(int i) { return "key" + std::to_string(i); }

// The largest file in `folder` with this extension.
fs::path LargestFile(const fs::path& folder, const std::string& extension) {
  fs::path largest;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() != extension) continue;
    if (largest.empty() || entry.file_size() > fs::file_size(largest)) largest = entry.path();
  }
  return largest;
}

// Fills a folder with `rows` rows in batches of ten; what stays behind is what a kill -9 would
// leave if `crash`.
void FillFolder(const std::string& path, int rows, bool crash = false) {
  TempFolder scratch;
  auto engine = *OpenRocksEngine(SmallOptions(scratch.path()));
  TestSession session(*engine);
  for (int i = 0; i < rows; ++i) {
    const RequestId id =
        session.Write(MakeKey(Text(i)), MakeRow(Noise(100, static_cast<std::uint64_t>(i))));
    if (i % 10 != 9) continue;
    session.Flush();
    ASSERT_TRUE(session.AwaitWrite(id).has_value());
  }
  if (crash) fs::copy(scratch.path(), path, fs::copy_options::recursive);
  ASSERT_TRUE(engine->Close().has_value());
  if (!crash) fs::copy(scratch.path(), path, fs::copy_options::recursive);
}

class RocksTrapsTest : public ::testing::Test {
 protected:
  RocksTrapsTest() : options_(SmallOptions(folder_.path())) { options_.log = &log_; }
  std::unique_ptr<Engine> Open() {
    auto engine = OpenRocksEngine(options_);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return *std::move(engine);
  }

  TempFolder folder_;
  CapturedLog log_;
  EngineOptions options_;
};

// Goal: trap 1. RocksDB keeps no LOG file of its own, which would abort the process on a full disk.
TEST_F(RocksTrapsTest, RocksDbKeepsNoLogFile) {
  const auto engine = Open();
  EXPECT_TRUE(fs::exists(folder_.path() + "/db/CURRENT"));
  EXPECT_FALSE(fs::exists(folder_.path() + "/db/LOG"));
  EXPECT_EQ(log_.Count("rocksdb"), 0u);  // an empty folder is no error
}

// Goal: asked for what it has in memory, RocksDB answers "found, and empty" where a table file is
// not open (so of all but 16 after a restart, and of what is beyond its limit of open files). That
// is no answer: the rows are there, and are read from the disk.
TEST_F(RocksTrapsTest, RowsOfATableThatIsNotOpenAreRead) {
  constexpr std::size_t kTables = 40, kRows = 70;
  std::vector<RowKey> keys;  // in the order of the ring, so that files lie beside each other
  for (std::size_t i = 0; i < kTables * kRows; ++i) keys.push_back(MakeKey(std::to_string(i)));
  std::sort(keys.begin(), keys.end());
  options_.merge_interval = Duration::Seconds(1000);
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(session.Put(MakeKey("first", 1), MakeRow("r")).has_value());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      const RequestId id =
          session.Write(keys[i], MakeRow(Noise(4096, i)), 0, RequestId(1 + i / kRows));
      if (i % kRows != kRows - 1) continue;
      session.Flush();
      ASSERT_TRUE(session.AwaitWrite(id).has_value());
    }
    ASSERT_GE(engine->Stats().tables, kTables);
  }
  const auto engine = Open();
  TestSession session(*engine);
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto row = session.Get(keys[i]);
    ASSERT_TRUE(row.has_value()) << i << ": " << row.error().message;
    ASSERT_EQ(*row, MakeRow(Noise(4096, i))) << i;
  }
  EXPECT_EQ(engine->Stats().corruptions, 0u);
}

// Goal: trap 3. A log that ends in half a write is what a power cut leaves: it opens by itself.
TEST_F(RocksTrapsTest, ATornTailOfTheLogIsAccepted) {
  FillFolder(folder_.path(), 1000, /*crash=*/true);
  const fs::path log = LargestFile(folder_.path() + "/db", ".log");
  fs::resize_file(log, HeldBytes(log) - 3);
  const auto engine = Open();
  EXPECT_EQ(engine->Stats().quarantines, 0u);
  TestSession session(*engine);
  EXPECT_THAT(*session.ScanAll(0, 100), ::testing::SizeIs(990));  // the last batch held ten rows
}

// Goal: trap 3. Damage in mid-log is never read as the end of the log: the database is set aside,
// an empty one begun, and all are told.
TEST_F(RocksTrapsTest, AFlipInMidLogSetsTheDatabaseAside) {
  for (std::uint64_t n = 1; n <= 2; ++n) {
    fs::remove_all(folder_.path() + "/db");
    FillFolder(folder_.path(), 1000, /*crash=*/true);
    const fs::path log = LargestFile(folder_.path() + "/db", ".log");
    FlipByte(log, HeldBytes(log) / 2);
    const auto engine = Open();
    EXPECT_EQ(engine->Stats().quarantines, 1u);
    EXPECT_EQ(engine->Stats().corruptions, 1u);
    EXPECT_TRUE(engine->Stats().writable);
    const std::string aside = folder_.path() + "/quarantine-" + std::to_string(n);
    EXPECT_THAT(engine->Stats().problem, ::testing::HasSubstr(aside));
    EXPECT_TRUE(fs::exists(aside + "/CURRENT"));
    EXPECT_EQ(log_.Count("storage_quarantined"), n);
    TestSession session(*engine);
    EXPECT_THAT(*session.ScanAll(0, 100), ::testing::IsEmpty());
    EXPECT_TRUE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
  }
}

// Goal: a damaged table file that a compaction meets, and that cannot be mended in place because
// its index is gone too, keeps RocksDB from writing for good. The database is set aside at the next
// start, so that a restart mends it, as its problem says.
TEST_F(RocksTrapsTest, ADamagedTableFileThatStopsWritesIsSetAsideAtTheNextStart) {
  options_.memtables_bytes = 4 << 20;  // so that much is flushed, and compacted
  FillFolder(folder_.path(), 1000);
  { const auto flushed = Open(); }  // recovery writes the log out as a table file
  const fs::path table = LargestFile(folder_.path() + "/db", ".sst");
  {
    const auto engine = Open();
    TestSession session(*engine);
    // Behind its back: an open would meet the index. From now on it is in memory, the rows are not.
    FlipByte(table, fs::file_size(table) / 2);
    for (std::uintmax_t at = 1000; at < 4000; at += 100) FlipByte(table, fs::file_size(table) - at);
    for (int i = 0; i < 20'000 && engine->Stats().writable; ++i) {
      (void)session.Put(MakeKey("more" + std::to_string(i)), MakeRow(Noise(10'000, 1)));
    }
    ASSERT_FALSE(engine->Stats().writable);
    EXPECT_THAT(engine->Stats().problem, ::testing::HasSubstr("restarted"));
    EXPECT_EQ(log_.Count("storage_table_damaged"), 1u);
    EXPECT_EQ(engine->Stats().tables_salvaged, 0u);
  }
  const auto engine = Open();
  EXPECT_EQ(engine->Stats().quarantines, 1u);
  EXPECT_TRUE(engine->Stats().writable);
  TestSession session(*engine);
  EXPECT_TRUE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
}

// Goal: a database that lost its head is damaged, not new; nor may it keep the node from starting.
TEST_F(RocksTrapsTest, LostHeadFilesSetTheDatabaseAside) {
  for (const std::string lost : {"CURRENT", "MANIFEST", "damaged MANIFEST"}) {
    SCOPED_TRACE(lost);
    fs::remove_all(folder_.path() + "/db");
    FillFolder(folder_.path(), 100);
    for (const auto& entry : fs::directory_iterator(folder_.path() + "/db")) {
      const std::string name = entry.path().filename();
      if (lost == "damaged MANIFEST") {
        if (name.starts_with("MANIFEST")) FlipByte(entry.path(), entry.file_size() / 2);
      } else if (name.starts_with(lost)) {
        fs::remove(entry.path());
      }
    }
    EXPECT_EQ(Open()->Stats().quarantines, 1u);
  }
}

// Goal: trap 4. A flipped byte of a table file is reported by the read or scan that meets it; no
// row is wrong, and no scan is short. (What follows is in rocks_salvage_test.cc. Here it is kept
// from happening: a second session is never opened.)
TEST_F(RocksTrapsTest, AFlippedTableByteIsCorruptionNotAbsence) {
  constexpr int kRows = 2000;
  FillFolder(folder_.path(), kRows);
  ASSERT_TRUE(Open()->Close().has_value());  // writes the log out as a table
  const fs::path table = LargestFile(folder_.path() + "/db", ".sst");
  ASSERT_GT(fs::file_size(table), 100'000u);
  FlipByte(table, fs::file_size(table) / 2);
  options_.session_count = 2;
  const auto engine = Open();
  EXPECT_EQ(engine->Stats().quarantines, 0u);
  TestSession session(*engine);
  int corrupt = 0;
  for (int i = 0; i < kRows; ++i) {
    const auto row = session.Get(MakeKey(Text(i)));
    if (!row) {
      EXPECT_EQ(row.error().code, ErrorCode::kCorruption);
      ++corrupt;
    } else {
      EXPECT_EQ(*row, MakeRow(Noise(100, static_cast<std::uint64_t>(i))));
    }
  }
  EXPECT_GT(corrupt, 0);
  EXPECT_LT(corrupt, kRows / 10);
  const std::uint64_t before_scan = engine->Stats().corruptions;
  EXPECT_GE(before_scan, static_cast<std::uint64_t>(corrupt));
  const auto scanned = session.ScanAll(0, 100);
  ASSERT_FALSE(scanned.has_value());
  EXPECT_EQ(scanned.error().code, ErrorCode::kCorruption);
  EXPECT_GT(engine->Stats().corruptions, before_scan);
}

// ---- A full disk, on a small file system of our own --------------------------------------------

class FullDiskTest : public RocksTrapsTest {
 protected:
  void SetUp() override {
    if (::mount("gyre-test", folder_.path().c_str(), "tmpfs", 0, "size=48m") != 0) {
      GTEST_SKIP() << "mounting a small disk is not permitted here (needs root)";
    }
    mounted_ = true;
    options_.memtables_bytes = 4 << 20;
    options_.ballast_bytes = 8 << 20;
  }
  void TearDown() override {
    if (mounted_) ::umount2(folder_.path().c_str(), MNT_DETACH);
  }
  // Another tenant takes all but `left` bytes of the disk. The engine flushes meanwhile, so that
  // what was free a moment ago may be taken: then it takes what is free now.
  void Occupy(std::uint64_t left) {
    const int fd = ::open(filler().c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ASSERT_GE(fd, 0);
    int error = ENOSPC;
    for (int tries = 0; error == ENOSPC && tries < 1000; ++tries) {
      const std::uint64_t free = FreeSpaceBytes(folder_.path()).value();
      if (free <= left) {
        error = 0;
        break;
      }
      const off_t size = ::lseek(fd, 0, SEEK_END);
      error = ::posix_fallocate(fd, size, static_cast<off_t>(free - left));
    }
    EXPECT_EQ(error, 0);
    ::close(fd);
  }
  void Vacate() { fs::remove(filler()); }
  std::string filler() const { return folder_.path() + "/filler"; }
  bool BallastThere() const { return Ballast(folder_.path() + "/ballast", 8 << 20).present(); }

 private:
  bool mounted_ = false;
};

// Goal: traps 1 and 2. When the disk fills under its hands the process lives, puts fail with an
// error, reads go on; the ballast lets it write again, and once that is used up, freed space does,
// by itself. Nothing acknowledged is lost, then or after a restart.
TEST_F(FullDiskTest, AFullDiskFailsPutsAndIsLeftBehindBySpace) {
  std::vector<int> acknowledged;
  int next = 0;
  const auto put = [&](TestSession& session) {
    const int i = next++;
    const Status status =
        session.Put(MakeKey(Text(i)), MakeRow(Noise(10'000, static_cast<std::uint64_t>(i))));
    if (status) acknowledged.push_back(i);
    return status;
  };
  const auto expect_all = [&](TestSession& session) {
    for (const int i : acknowledged) {
      ASSERT_EQ(session.Read(MakeKey(Text(i))),
                MakeRow(Noise(10'000, static_cast<std::uint64_t>(i))))
          << i;
    }
  };
  {
    const auto engine = Open();
    TestSession session(*engine);
    ASSERT_TRUE(BallastThere());
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(put(session).has_value());
    Occupy(/*left=*/512 << 10);

    // First time: the ballast pays.
    Status failed;
    for (int i = 0; i < 10'000 && failed; ++i) failed = put(session);
    ASSERT_FALSE(failed.has_value()) << "the disk never filled";
    EXPECT_EQ(failed.error().code, ErrorCode::kIoError);
    EXPECT_THAT(failed.error().message, ::testing::HasSubstr("No space left"));
    EXPECT_FALSE(BallastThere());
    expect_all(session);
    ASSERT_TRUE(log_.WaitForCount("storage_writable", 1));
    EXPECT_TRUE(engine->Stats().writable);
    ASSERT_TRUE(put(session).has_value());

    // Second time: nothing left to give.
    failed = {};
    for (int i = 0; i < 10'000 && failed; ++i) failed = put(session);
    ASSERT_FALSE(failed.has_value());
    Occupy(/*left=*/0);
    expect_all(session);
    Vacate();
    ASSERT_TRUE(log_.WaitForCount("storage_writable", 2));
    ASSERT_TRUE(put(session).has_value());
    expect_all(session);
    EXPECT_TRUE(engine->Close().has_value());
  }
  const auto engine = Open();
  EXPECT_EQ(engine->Stats().quarantines, 0u);
  EXPECT_TRUE(BallastThere());
  TestSession session(*engine);
  expect_all(session);
}

// Goal: the same where the first write into a log is the one that fails, so that nothing is in
// memory: RocksDB then goes on with the log that failed, which ends the process. Also if the disk
// stays full for a while. With a log that is filled ahead, and with one that is not.
TEST_F(FullDiskTest, TheFirstWriteIntoALogMayFail) {
  options_.recovery_interval = Duration::Millis(100);
  for (const Durability durability : {Durability::kSync, Durability::kInterval}) {
    options_.durability = durability;
    const std::string name = durability == Durability::kSync ? "sync" : "interval";
    {
      const auto engine = Open();
      TestSession session(*engine);
      Occupy(/*left=*/0);
      const Status failed = session.Put(MakeKey("lost " + name), MakeRow(Noise(100'000, 1)));
      ASSERT_FALSE(failed.has_value());
      EXPECT_THAT(failed.error().message, ::testing::HasSubstr("No space left"));
      Occupy(/*left=*/0);  // what the ballast gave
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
      EXPECT_FALSE(engine->Stats().writable);
      Vacate();
      const std::size_t recovered = durability == Durability::kSync ? 1 : 2;
      ASSERT_TRUE(log_.WaitForCount("storage_writable", recovered));
      ASSERT_TRUE(session.Put(MakeKey(name), MakeRow(Noise(10'000, 2))).has_value());
      EXPECT_TRUE(engine->Close().has_value());
    }
    const auto engine = Open();
    TestSession session(*engine);
    EXPECT_EQ(engine->Stats().quarantines, 0u);
    EXPECT_EQ(session.Read(MakeKey("lost " + name)), std::nullopt);
    EXPECT_EQ(session.Read(MakeKey(name)), MakeRow(Noise(10'000, 2)));
  }
}

// How much less urgent those of RocksDB's threads are that are less urgent than this one.
std::vector<int> LoweredThreads() {
  std::vector<int> lowered;
  const int own = ::getpriority(PRIO_PROCESS, 0);
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    if (!name.starts_with("rocksdb:")) continue;
    const int nice =
        ::getpriority(PRIO_PROCESS, static_cast<id_t>(std::stoi(task.path().filename())));
    if (nice > own) lowered.push_back(nice - own);
  }
  return lowered;
}

// Goal: a flush does not hold up what clients wait for (background_priority.h says what it cost).
TEST_F(RocksTrapsTest, FlushesGiveWay) {
  const auto engine = Open();
  TestSession session(*engine);
  const std::string value = Noise(100'000, 1);
  for (int i = 0; LoweredThreads().empty(); ++i) {
    ASSERT_LT(i, 10'000) << "1 GB, and no flush has begun";
    ASSERT_TRUE(session.Put(MakeKey(Text(i % 100)), MakeRow(value)).has_value());
  }
  EXPECT_THAT(LoweredThreads(), ::testing::Each(kBackgroundNice));
}

// Goal: trap 2. Opening on a full disk works, by the ballast.
TEST_F(FullDiskTest, OpensOnAFullDisk) {
  constexpr int kRows = 60;
  {
    const auto engine = Open();
    TestSession session(*engine);
    for (int i = 0; i < kRows; ++i) {
      ASSERT_TRUE(session.Put(MakeKey(Text(i)), MakeRow(Noise(10'000, 1))).has_value());
    }
    ASSERT_TRUE(BallastThere());
    Occupy(0);
    ASSERT_TRUE(engine->Close().has_value());
    const std::uint64_t freed = FreeSpaceBytes(folder_.path()).value();
    if (freed > 0) Occupy(0);
  }
  const auto engine = Open();
  TestSession session(*engine);
  for (int i = 0; i < kRows; ++i) {
    ASSERT_EQ(session.Read(MakeKey(Text(i))), MakeRow(Noise(10'000, 1)));
  }
}

// Goal: below the floor writes are turned away untried, so that RocksDB keeps room for itself;
// above it again they are taken, without a restart. Reads go on.
TEST_F(FullDiskTest, TheFloorTurnsWritesAwayEarly) {
  options_.free_space_floor_bytes = 12 << 20;
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
  Occupy(/*left=*/10 << 20);
  const std::uint64_t commits = engine->Stats().commits;
  const Status refused = session.Put(MakeKey("k"), MakeRow("s"));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kOverloaded);
  EXPECT_EQ(engine->Stats().commits, commits);
  EXPECT_FALSE(engine->Stats().writable);
  EXPECT_THAT(engine->Stats().problem, ::testing::HasSubstr("floor"));
  EXPECT_EQ(session.Read(MakeKey("k")), MakeRow("r"));
  EXPECT_TRUE(BallastThere());
  Vacate();
  ASSERT_TRUE(log_.WaitForCount("storage_writable", 1));
  EXPECT_TRUE(session.Put(MakeKey("k"), MakeRow("s")).has_value());
  EXPECT_EQ(session.Read(MakeKey("k")), MakeRow("s"));
}

}  // namespace
}  // namespace gyre
