#include "server/folder_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "net/net_test_util.h"
#include "storage/layout_file.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

using testing::ElementsAre;

// Goal: files are written in the order asked, and each is told once it is durable, on the loop; a
// disk that takes nothing is told as such, and stops nobody.
TEST(FolderWriterTest, WritesInOrderAndTells) {
  const std::unique_ptr<Reactor> reactor = NewReactor();
  const TempFolder folder;
  std::vector<std::string> told;
  const auto tell = [&](const std::string& name) {
    return
        [&told, name](const Status& status) { told.push_back(name + (status ? "" : " failed")); };
  };
  {
    FolderWriter writer(folder.path(), *reactor);
    writer.Store("first", "one", tell("first"));
    writer.Store("no/such/folder", "x", tell("second"));
    writer.Store("first", "two", tell("third"));
    EXPECT_TRUE(told.empty());
    ASSERT_TRUE(TurnUntil({reactor.get()}, [&] { return told.size() == 3; }));
  }
  EXPECT_THAT(told, ElementsAre("first", "second failed", "third"));
  EXPECT_EQ(LayoutFile(folder.path(), "first").Load().value(), "two");
}

TEST(FolderWriterTest, WithoutAFolderNothingIsAwaited) {
  const std::unique_ptr<Reactor> reactor = NewReactor();
  FolderWriter writer("", *reactor);
  bool told = false;
  writer.Store("layout", "x", [&](const Status& status) { told = status.has_value(); });
  EXPECT_FALSE(told);
  ASSERT_TRUE(TurnUntil({reactor.get()}, [&] { return told; }));
}

}  // namespace
}  // namespace gyre
