#include "storage/data_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "storage/storage_test_util.h"

namespace gyre {
namespace {

namespace fs = std::filesystem;

// Goal: two processes never share a data folder; a process that is gone lets go of it.
TEST(DataFolderTest, OneProcessHoldsTheFolder) {
  TempFolder temp;
  const std::string path = temp.path() + "/a/b";  // made with its parents
  {
    const auto folder = DataFolder::Open(path);
    ASSERT_TRUE(folder.has_value()) << folder.error().message;
    const auto second = DataFolder::Open(path);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(DataFolder::Open(path).has_value() ? 1 : 0);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "another process opened it too";
  }
  EXPECT_TRUE(DataFolder::Open(path).has_value());
}

// Goal: the folder keeps its name while it stays where it is; no copy, restore or new folder has
// it. G4: a clone must not go on with its original's actors.
TEST(DataFolderTest, OnlyTheVeryFolderHasItsFingerprint) {
  TempFolder temp;
  const std::string path = temp.path() + "/a";
  std::string fingerprint;
  {
    const auto folder = DataFolder::Open(path);
    fingerprint = folder->fingerprint();
  }
  EXPECT_EQ(DataFolder::Open(path)->fingerprint(), fingerprint);
  EXPECT_NE(fingerprint.find("boot="), std::string::npos);
  // A copy.
  fs::copy(path, temp.path() + "/copy", fs::copy_options::recursive);
  EXPECT_NE(DataFolder::Open(temp.path() + "/copy")->fingerprint(), fingerprint);
  // A backup restored over it: the marker is another file, whatever its times were set to.
  fs::copy_file(path + "/marker", path + "/marker.restored");
  fs::last_write_time(path + "/marker.restored", fs::last_write_time(path + "/marker"));
  fs::rename(path + "/marker.restored", path + "/marker");
  EXPECT_NE(DataFolder::Open(path)->fingerprint(), fingerprint);
  // A wiped disk.
  fs::remove_all(path);
  EXPECT_NE(DataFolder::Open(path)->fingerprint(), fingerprint);
}

// Goal: a clean stop is believed once: the start that takes it leaves nothing for the next.
TEST(DataFolderTest, ACleanStopIsTakenOnce) {
  TempFolder temp;
  {
    auto folder = DataFolder::Open(temp.path());
    EXPECT_EQ(folder->TakeCleanStop().value(), std::nullopt);
    ASSERT_TRUE(folder->WriteCleanStop("first").has_value());
    ASSERT_TRUE(folder->WriteCleanStop(std::string("second\0", 7)).has_value());
  }
  auto folder = DataFolder::Open(temp.path());
  EXPECT_EQ(folder->TakeCleanStop().value(), std::string("second\0", 7));
  EXPECT_EQ(folder->TakeCleanStop().value(), std::nullopt);
  EXPECT_FALSE(fs::exists(temp.path() + "/clean-stop"));
}

// Goal: an older database put in place of the one that was stopped is noticed, whether its folder
// is replaced or its files are. G4: its rows' counters went back.
TEST(DataFolderTest, ACleanStopIsNotBelievedForAnotherDatabase) {
  for (const std::string how : {"untouched", "folder replaced", "file added", "head replaced"}) {
    SCOPED_TRACE(how);
    TempFolder temp;
    const std::string database = temp.path() + "/db";
    fs::create_directories(database);
    std::ofstream(database + "/CURRENT") << "MANIFEST-000001";
    fs::copy(database, temp.path() + "/backup", fs::copy_options::recursive);
    ASSERT_TRUE(DataFolder::Open(temp.path())->WriteCleanStop("note").has_value());
    if (how == "folder replaced") {
      fs::remove_all(database);
      fs::rename(temp.path() + "/backup", database);
    } else if (how == "file added") {
      std::ofstream(database + "/000007.sst") << "old";
    } else if (how == "head replaced") {
      fs::rename(temp.path() + "/backup/CURRENT", database + "/CURRENT");
    }
    const auto note = DataFolder::Open(temp.path())->TakeCleanStop();
    EXPECT_EQ(note.value(), how == "untouched" ? std::optional<std::string>("note") : std::nullopt);
  }
}

// Goal: with the engine between, a clean stop is believed by the next start.
TEST(DataFolderTest, ACleanStopIsBelievedAfterTheEngineClosed) {
  TempFolder temp;
  for (const bool first : {true, false}) {
    auto folder = DataFolder::Open(temp.path());
    const auto engine = *OpenRocksEngine(SmallOptions(temp.path()));
    EXPECT_EQ(folder->TakeCleanStop().value(), first ? std::nullopt : std::optional("note"));
    {
      TestSession session(*engine);
      ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
    }
    ASSERT_TRUE(engine->Close().has_value());
    ASSERT_TRUE(folder->WriteCleanStop("note").has_value());
  }
}

// Goal: what stands in the way of a data folder is said, not worked around.
TEST(DataFolderTest, AFileInItsPlaceIsAnError) {
  TempFolder temp;
  std::ofstream(temp.path() + "/file") << "x";
  const auto folder = DataFolder::Open(temp.path() + "/file");
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().code, ErrorCode::kIoError);
}

}  // namespace
}  // namespace gyre
