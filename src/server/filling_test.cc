#include "server/filling.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "storage/layout_file.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

// Goal: an empty folder has yet to fill up until it is said that it has, whatever came meanwhile;
// one that loses its rows has to again. Memory always has.
TEST(FillingTest, RemembersUntilToldOtherwise) {
  TempFolder folder;
  EXPECT_TRUE(*TakeFilling(folder.path(), /*empty=*/true));
  EXPECT_TRUE(*TakeFilling(folder.path(), /*empty=*/false)) << "restarted in the middle";
  ASSERT_TRUE(NoteFilled(folder.path()).has_value());
  EXPECT_FALSE(*TakeFilling(folder.path(), /*empty=*/false));
  EXPECT_TRUE(*TakeFilling(folder.path(), /*empty=*/true)) << "set aside, or wiped";
  EXPECT_TRUE(*TakeFilling(folder.path(), /*empty=*/false));
  EXPECT_TRUE(*TakeFilling("", /*empty=*/false));
}

// Goal: a folder with rows from before there was such a file is filled; a damaged file is not
// believed to say so.
TEST(FillingTest, AFolderFromBeforeIsFilled) {
  TempFolder folder;
  EXPECT_FALSE(*TakeFilling(folder.path(), /*empty=*/false));
  ASSERT_TRUE(LayoutFile(folder.path(), kFillingFile).Store(kFilled).has_value());
  FlipByte(std::filesystem::path(folder.path()) / kFillingFile, 1);
  EXPECT_TRUE(*TakeFilling(folder.path(), /*empty=*/false));
}

}  // namespace
}  // namespace gyre
