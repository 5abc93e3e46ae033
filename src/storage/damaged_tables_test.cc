#include "storage/damaged_tables.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

// Goal: what RocksDB says of a damaged block is understood, and nothing else is taken for it.
TEST(DamagedTablesTest, ReadsWhatRocksDbSays) {
  using rocksdb::Status;
  EXPECT_EQ(DamagedBlockOf(Status::Corruption(
                "block checksum mismatch: stored = 1, computed = 2, type = 4  in "
                "/a folder/db/000012.sst offset 4096 size 512")),
            (DamagedBlock{"000012.sst", 4096, 512}));
  for (const char* other :
       {"", "block checksum mismatch", "block checksum mismatch in x.sst offset 1 size 2",
        "block checksum mismatch in /x.sst offset 1", "block checksum mismatch in /x.sst offset ",
        "block checksum mismatch in /x.log offset 1 size 2", "/x.sst offset 1 size 2",
        "block checksum mismatch in /x.sst offset 99999999999999999999 size 2"}) {
    EXPECT_FALSE(DamagedBlockOf(Status::Corruption(other))) << other;
  }
  EXPECT_FALSE(DamagedBlockOf(
      Status::IOError("block checksum mismatch in /db/000012.sst offset 4096 size 512")));
}

// Goal: a compaction's damage is forgiven while somebody can mend it, and only then.
TEST(DamagedTablesTest, ForgivesACompactionWhileTheFileWaits) {
  using rocksdb::BackgroundErrorReason;
  const auto damage = rocksdb::Status::Corruption(
      "block checksum mismatch: stored = 1 in /db/000012.sst offset 4096 size 512");
  DamagedTables tables;
  const auto forgiven = [&](BackgroundErrorReason reason) {
    rocksdb::Status status = damage;
    tables.OnBackgroundError(reason, &status);
    return status.ok();
  };
  EXPECT_FALSE(forgiven(BackgroundErrorReason::kFlush));
  EXPECT_FALSE(tables.any());
  for (int i = 0; i < DamagedTables::kForgivenMax; ++i) {
    ASSERT_TRUE(forgiven(BackgroundErrorReason::kCompaction));
  }
  EXPECT_FALSE(forgiven(BackgroundErrorReason::kCompaction));
  tables.NoteTurn();
  EXPECT_TRUE(forgiven(BackgroundErrorReason::kCompaction));
  EXPECT_EQ(tables.Next(), "000012.sst");
  EXPECT_EQ(tables.Next(), std::nullopt);
  EXPECT_TRUE(tables.GiveUp("000012.sst"));
  EXPECT_FALSE(tables.GiveUp("000012.sst"));
  EXPECT_FALSE(forgiven(BackgroundErrorReason::kCompaction));
  EXPECT_FALSE(tables.any());
}

// Goal: a file is looked at once for all who met its damage, and not for ever for damage that a
// look does not find.
// Goal: where nobody else has the rows a damaged file stays one, and its rows errors.
TEST(DamagedTablesTest, LeavesFilesAsTheyAreIfToldSo) {
  DamagedTables tables;
  tables.LeaveAsTheyAre();
  EXPECT_FALSE(tables.Report(rocksdb::Status::Corruption(
      "block checksum mismatch: stored = 1, computed = 2, type = 4  in /d/000012.sst offset 3 size "
      "4")));
  EXPECT_FALSE(tables.any());
}

TEST(DamagedTablesTest, AFileIsNotLookedAtForEver) {
  const auto damage = [](const std::string& offset) {
    return rocksdb::Status::Corruption(
        "block checksum mismatch: stored = 1 in /db/000012.sst offset " + offset + " size 512");
  };
  DamagedTables tables;
  int woken = 0;
  tables.SetWake([&] { ++woken; });
  for (int look = 1; look <= DamagedTables::kLooksMax; ++look) {
    EXPECT_TRUE(tables.Report(damage("4096")));
    EXPECT_TRUE(tables.Report(damage("4096")));
    EXPECT_EQ(woken, look);
    EXPECT_EQ(tables.Next(), "000012.sst");
    EXPECT_EQ(tables.Next(), std::nullopt);
  }
  EXPECT_FALSE(tables.Report(damage("4096")));
  EXPECT_FALSE(tables.any());
  EXPECT_TRUE(tables.Report(damage("8192")));
  EXPECT_EQ(tables.Next(), "000012.sst");
}

}  // namespace
}  // namespace gyre
