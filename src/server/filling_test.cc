#include "server/filling.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "storage/layout_file.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

// Goal: a new database has yet to fill up until it is said that it has, whatever came meanwhile;
// one that is lost has to again, one that is only empty has not. Memory always has.
TEST(FillingTest, RemembersUntilToldOtherwise) {
  TempFolder folder;
  EXPECT_TRUE(*TakeFilling(folder.path(), /*is_new=*/true));
  EXPECT_TRUE(*TakeFilling(folder.path(), /*is_new=*/false)) << "restarted in the middle";
  ASSERT_TRUE(NoteFilled(folder.path()).has_value());
  EXPECT_FALSE(*TakeFilling(folder.path(), /*is_new=*/false));
  EXPECT_TRUE(*TakeFilling(folder.path(), /*is_new=*/true)) << "set aside, or wiped";
  EXPECT_TRUE(*TakeFilling(folder.path(), /*is_new=*/false));
  EXPECT_TRUE(*TakeFilling("", /*is_new=*/false));
}

// Goal: a folder with a database from before there was such a file is filled; a damaged file is not
// believed to say so.
TEST(FillingTest, AFolderFromBeforeIsFilled) {
  TempFolder folder;
  EXPECT_FALSE(*TakeFilling(folder.path(), /*is_new=*/false));
  ASSERT_TRUE(LayoutFile(folder.path(), kFillingFile).Store(kFilled).has_value());
  FlipByte(std::filesystem::path(folder.path()) / kFillingFile, 1);
  EXPECT_TRUE(*TakeFilling(folder.path(), /*is_new=*/false));
}

}  // namespace
}  // namespace gyre
