#include "storage/log_watch.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include "storage/faulty_disk.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

class LogWatchTest : public ::testing::Test {
 protected:
  LogWatchTest() {
    rocksdb::Options options;
    options.env = watch_.env();
    options.create_if_missing = true;
    options.create_missing_column_families = true;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    GYRE_CHECK(rocksdb::DB::Open(options, folder_.path() + "/db",
                                 {{rocksdb::kDefaultColumnFamilyName, {}}, {"other", {}}}, &handles,
                                 &db)
                   .ok());
    db_.reset(db);
    default_.reset(handles[0]);
    other_.reset(handles[1]);
  }

  enum class Logged { kNever, kBeforeInsert, kAfterInsert };
  // Writes `key` with a sync, watched: when was the watch told?
  Logged WriteSynced(const std::string& key) {
    Logged told = Logged::kNever;
    LogWatch::Write watched([&] {
      std::string value;
      EXPECT_EQ(told, Logged::kNever) << "told twice";
      told = db_->Get({}, key, &value).ok() ? Logged::kAfterInsert : Logged::kBeforeInsert;
      if (told == Logged::kBeforeInsert) {
        EXPECT_TRUE(SurvivesAPowerCut(key));
      }
    });
    rocksdb::WriteOptions options;
    options.sync = true;
    if (db_->Put(options, key, "v").ok()) watched.Succeeded();
    EXPECT_EQ(watched.logged(), told != Logged::kNever);
    return told;
  }
  bool SurvivesAPowerCut(const std::string& key) {
    const TempFolder after;
    disk_.CopyAfterPowerCut(folder_.path() + "/db", after.path() + "/db");
    rocksdb::Options options;
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* db = nullptr;
    GYRE_CHECK(rocksdb::DB::OpenForReadOnly(
                   options, after.path() + "/db",
                   {{rocksdb::kDefaultColumnFamilyName, {}}, {"other", {}}}, &handles, &db)
                   .ok());
    std::string value;
    const bool found = db->Get({}, key, &value).ok();
    for (auto* handle : handles) EXPECT_TRUE(db->DestroyColumnFamilyHandle(handle).ok());
    delete db;
    return found;
  }
  void BeginANewLog() {
    ASSERT_TRUE(db_->Put({}, other_.get(), "something to flush", "v").ok());
    ASSERT_TRUE(db_->Flush({}, other_.get()).ok());
  }

  TempFolder folder_;
  FaultyDisk disk_;
  LogWatch watch_{disk_.env()};
  std::unique_ptr<rocksdb::DB> db_;
  std::unique_ptr<rocksdb::ColumnFamilyHandle> default_, other_;
};

// Goal: a write is known to be durable before it is inserted, except the first into its log, whose
// name is synced last.
TEST_F(LogWatchTest, TellsBeforeTheInsertButForTheFirstOfALog) {
  EXPECT_EQ(WriteSynced("a"), Logged::kAfterInsert);
  EXPECT_EQ(WriteSynced("b"), Logged::kBeforeInsert);
  EXPECT_EQ(WriteSynced("c"), Logged::kBeforeInsert);
  BeginANewLog();
  EXPECT_EQ(WriteSynced("d"), Logged::kAfterInsert);
  EXPECT_EQ(WriteSynced("e"), Logged::kBeforeInsert);
}

// Goal: the sync of an older log, which RocksDB may do within the write, does not count for what
// the new one holds; nor does any sync that is not within a write.
TEST_F(LogWatchTest, OnlyTheLogThatTookTheWriteTells) {
  const rocksdb::IOOptions io;
  std::unique_ptr<rocksdb::FSWritableFile> logs[2];
  for (int i = 0; i < 2; ++i) {
    const std::string path = folder_.path() + "/" + std::to_string(i) + ".log";
    ASSERT_TRUE(watch_.env()->GetFileSystem()->NewWritableFile(path, {}, &logs[i], nullptr).ok());
    LogWatch::Write first([] {});
    ASSERT_TRUE(logs[i]->Append("first", io, nullptr).ok());
    ASSERT_TRUE(logs[i]->Sync(io, nullptr).ok());
    EXPECT_FALSE(first.logged());
    first.Succeeded();
    EXPECT_TRUE(first.logged());
  }
  {
    LogWatch::Write second([] {});
    ASSERT_TRUE(logs[1]->Sync(io, nullptr).ok());
    EXPECT_FALSE(second.logged());  // nothing was written yet
    ASSERT_TRUE(logs[1]->Append("second", io, nullptr).ok());
    ASSERT_TRUE(logs[0]->Sync(io, nullptr).ok());
    EXPECT_FALSE(second.logged());
    ASSERT_TRUE(logs[1]->Sync(io, nullptr).ok());
    EXPECT_TRUE(second.logged());
  }
  ASSERT_TRUE(logs[1]->Append("unwatched", io, nullptr).ok());
  ASSERT_TRUE(logs[1]->Sync(io, nullptr).ok());
}

// Goal: a sync that fails tells nothing.
TEST_F(LogWatchTest, AFailedSyncTellsNothing) {
  EXPECT_EQ(WriteSynced("a"), Logged::kAfterInsert);
  disk_.FailLogSyncs(true);
  EXPECT_EQ(WriteSynced("b"), Logged::kNever);
}

}  // namespace
}  // namespace gyre
