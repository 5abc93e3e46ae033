#include "storage/log_ahead.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "storage/faulty_disk.h"
#include "storage/log_watch.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kSector = 512;
constexpr std::size_t kPage = 4096;
constexpr std::size_t kBlock = 32 << 10;

// A database of two families, as a crash finds it: each write is synced before the next.
class LogAheadTest : public ::testing::Test {
 protected:
  LogAheadTest() : db_(Open(folder_.path() + "/db")) { GYRE_CHECK(db_.status.ok()); }

  // In the order in which they are made; taken apart the other way round.
  struct Database {
    std::unique_ptr<LogWatch> watch;
    std::unique_ptr<rocksdb::DB> db;
    std::vector<std::unique_ptr<rocksdb::ColumnFamilyHandle>> families;
    rocksdb::Status status;
  };
  static Database Open(const std::string& path) {
    Database opened;
    opened.watch = std::make_unique<LogWatch>(nullptr, /*filled_ahead=*/true);
    rocksdb::DBOptions options;
    options.env = opened.watch->env();
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    opened.status = rocksdb::DB::Open(
        options, path, {{rocksdb::kDefaultColumnFamilyName, {}}, {"other", {}}}, &handles, &db);
    opened.db.reset(db);
    for (auto* handle : handles) opened.families.emplace_back(handle);
    return opened;
  }
  void Put(const std::string& key, const std::string& value) {
    rocksdb::WriteOptions synced;
    synced.sync = true;
    ASSERT_TRUE(db_.db->Put(synced, key, value).ok());
  }
  fs::path Log() const { return NewestLogOf(folder_.path() + "/db"); }
  static fs::path NewestLogOf(const fs::path& folder) {
    fs::path newest;
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() == ".log" && entry.path() > newest) newest = entry.path();
    }
    return newest;
  }
  // A crash now; what is done to the log is done to the copy.
  fs::path Crash() {
    const std::string copy = folder_.path() + "/crashed-" + std::to_string(++crashes_);
    fs::copy(folder_.path() + "/db", copy);
    return copy;
  }
  // The keys that are there, in their order, joined; or what RocksDB says.
  static std::string Keys(const fs::path& folder) {
    const Database opened = Open(folder);
    if (!opened.status.ok()) return opened.status.ToString();
    std::string keys;
    const std::unique_ptr<rocksdb::Iterator> at(opened.db->NewIterator({}));
    for (at->SeekToFirst(); at->Valid(); at->Next()) keys += at->key().ToString();
    return keys;
  }
  static std::string KeysOnceCut(const fs::path& folder) {
    EXPECT_TRUE(CutTornTail(*rocksdb::Env::Default(), folder).has_value());
    return Keys(folder);
  }
  static void Overwrite(const fs::path& file, std::size_t at, const std::string& bytes) {
    std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(static_cast<std::streamoff>(at));
    stream << bytes;
    ASSERT_TRUE(stream.good());
  }

  TempFolder folder_;
  int crashes_ = 0;
  Database db_;
};

// Goal: a log grows once in many writes, and ends with what it holds when it is closed.
TEST_F(LogAheadTest, TheLogGrowsOnceInManyWrites) {
  Put("a", Noise(100, 1));
  const std::uintmax_t size = fs::file_size(Log());
  EXPECT_GE(size, kLogAheadBytes);
  for (int i = 0; i < 500; ++i) Put("b", Noise(100, 2));
  EXPECT_EQ(fs::file_size(Log()), size);
  const std::uintmax_t held = HeldBytes(Log());
  EXPECT_GT(held, 50'000u);
  for (int i = 0; i < 2000; ++i) Put("b", Noise(100, 3));
  EXPECT_GT(fs::file_size(Log()), size);
  EXPECT_LE(fs::file_size(Log()), HeldBytes(Log()) + kLogAheadBytes + 200);
  const fs::path log = Log();
  // Not deleted, so that it can be looked at: its rows of the other family are not flushed.
  rocksdb::WriteOptions synced;
  synced.sync = true;
  ASSERT_TRUE(db_.db->Put(synced, db_.families[1].get(), "k", "v").ok());
  ASSERT_TRUE(db_.db->Flush({}, db_.families[0].get()).ok());
  Put("c", "in a new log, so that the old one is closed");
  ASSERT_NE(Log(), log);
  EXPECT_EQ(fs::file_size(log), HeldBytes(log));
}

// Goal: what is not filled in ahead of is a write that would leave most of it behind at once.
TEST_F(LogAheadTest, LargeWritesAreNotPreparedFor) {
  Put("a", Noise(kLogAheadBytes, 1));
  EXPECT_EQ(fs::file_size(Log()), HeldBytes(Log()));
}

// Goal: after a crash between two writes all of them are there, whether the zeros are cut off or
// not; and also behind an older log that has zeros at its end.
TEST_F(LogAheadTest, ZerosAtTheEndAreNoWrites) {
  Put("a", Noise(100, 1));
  Put("b", Noise(70'000, 2));
  Put("c", Noise(100, 3));
  EXPECT_EQ(Keys(Crash()), "abc");
  const fs::path crashed = Crash();
  EXPECT_EQ(KeysOnceCut(crashed), "abc");
  const fs::path before = Crash();
  const std::string older = Log().filename();
  ASSERT_TRUE(db_.db->Put({}, db_.families[1].get(), "k", "v").ok());
  ASSERT_TRUE(db_.db->Flush({}, db_.families[1].get()).ok());
  Put("d", "in a new log");
  const fs::path after = Crash();
  ASSERT_NE(NewestLogOf(after).filename(), older);
  fs::copy_file(before / older, after / older, fs::copy_options::overwrite_existing);
  EXPECT_EQ(KeysOnceCut(after), "abcd");
}

// Goal: whichever pages of the last write a power cut left out, it is cut off, and the writes
// before it are there. RocksDB by itself would take most of that for damage.
TEST_F(LogAheadTest, ATornWriteIsCutOff) {
  for (const std::size_t bytes : {20u, 3'000u, 30'000u, 100'000u}) {
    SCOPED_TRACE(bytes);
    Put("a", Noise(5000, 1));
    const std::size_t begin = HeldBytes(Log());
    Put("torn", Noise(bytes, bytes));
    const std::size_t end = HeldBytes(Log());
    int refused = 0;
    for (std::size_t page = begin - begin % kPage; page < end; page += kPage) {
      const std::size_t from = std::max(page, begin);
      const std::string hole(std::min(page + kPage, end) - from, '\0');
      const fs::path crashed = Crash();
      Overwrite(NewestLogOf(crashed), from, hole);
      refused += Keys(crashed).starts_with("Corruption") ? 1 : 0;
      fs::remove_all(crashed);
      const fs::path mended = Crash();
      Overwrite(NewestLogOf(mended), from, hole);
      EXPECT_EQ(KeysOnceCut(mended), "a")
          << "the page at " << page << " of " << begin << " to " << end;
      fs::remove_all(mended);
    }
    if (bytes >= 30'000) {
      EXPECT_GT(refused, 2) << "nothing would have had to be cut";
    }
    ASSERT_TRUE(db_.db->Delete({}, "torn").ok());
    ASSERT_TRUE(db_.db->Flush({}, db_.families[0].get()).ok());
  }
}

// Goal: at whichever sector the writing of the last write stopped, it is cut off.
TEST_F(LogAheadTest, AWriteThatStoppedHalfwayIsCutOff) {
  Put("a", Noise(5000, 1));
  const std::size_t begin = HeldBytes(Log());
  Put("torn", Noise(70'000, 2));
  const std::size_t end = HeldBytes(Log());
  for (std::size_t stop = begin; stop < end; stop += kSector - stop % kSector) {
    const fs::path crashed = Crash();
    Overwrite(NewestLogOf(crashed), stop, std::string(end - stop, '\0'));
    EXPECT_EQ(KeysOnceCut(crashed), "a") << stop;
    fs::remove_all(crashed);
  }
}

// Goal: damage is not cut off: neither a flip nor a sector that was lost in a write that others
// follow, nor a flip in the last one.
TEST_F(LogAheadTest, DamageStays) {
  Put("a", Noise(50'000, 1));
  const std::size_t begin = HeldBytes(Log());
  Put("b", Noise(50'000, 2));
  const std::size_t end = HeldBytes(Log());
  const auto check = [&](std::size_t at, const std::string& bytes, const char* what) {
    SCOPED_TRACE(what);
    const fs::path crashed = Crash();
    const fs::path log = NewestLogOf(crashed);
    if (bytes.empty()) {
      FlipByte(log, at);
    } else {
      Overwrite(log, at, bytes);
    }
    const std::uintmax_t size = fs::file_size(log);
    EXPECT_THAT(KeysOnceCut(crashed), ::testing::HasSubstr("Corruption")) << at;
    EXPECT_EQ(fs::file_size(log), size);
    fs::remove_all(crashed);
  };
  const std::string sector(kSector, '\0');
  for (std::size_t at = 0; at < end; at += 3001) check(at, "", "a flip");
  for (std::size_t at = 0; at + 2 * kSector < begin; at += 4 * kSector)
    check(at, sector, "a lost sector");
  check(begin + 4, "", "a wrong length, of the last write");
  Put("c", "behind it");
  check(begin + 4, "", "a wrong length, with a write behind it");
  check(begin, std::string(7, '\0'), "a lost header");
}

// Goal: no bytes at all make the cutting fail or read beyond them.
TEST_F(LogAheadTest, AnyBytesWillDo) {
  EXPECT_TRUE(CutTornTail(*rocksdb::Env::Default(), folder_.path() + "/none").has_value());
  const fs::path crashed = Crash();
  const fs::path log = NewestLogOf(crashed);
  for (std::size_t size = 0; size < 40; ++size) {
    for (const std::string& bytes :
         {std::string(size, '\0'), std::string(size, '\1'), Noise(size, 7)}) {
      std::ofstream(log, std::ios::binary | std::ios::trunc) << bytes;
      EXPECT_TRUE(CutTornTail(*rocksdb::Env::Default(), crashed).has_value());
    }
  }
  std::ofstream(log, std::ios::binary | std::ios::trunc) << Noise(3 * kBlock, 8);
  EXPECT_TRUE(CutTornTail(*rocksdb::Env::Default(), crashed).has_value());
  EXPECT_EQ(fs::file_size(log), 3 * kBlock);
}

}  // namespace
}  // namespace gyre
