#include "server/open_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

namespace gyre {
namespace {

// Goal: however many there are, clients, tables and the rest together need no more than that, and
// clients get all that they are to have once there is enough.
TEST(ShareOpenFilesTest, TheSharesFitWithinWhatIsGranted) {
  for (const std::uint64_t granted : {272u, 1'024u, 4'096u, 20'000u, 65'536u, 1u << 20}) {
    const Result<OpenFiles> share = ShareOpenFiles(granted, 20'000);
    ASSERT_TRUE(share.has_value()) << granted;
    EXPECT_GE(share->clients, 16u);
    EXPECT_LE(share->clients, 20'000u);
    EXPECT_GE(share->tables, 20) << "of RocksDB";
    const auto tables = static_cast<std::uint64_t>(share->tables);
    EXPECT_LE(share->clients + 2 * tables + 128, granted);
    if (share->clients < 20'000) {
      EXPECT_EQ(share->clients + 2 * tables + 128, granted);
    }
  }
  EXPECT_EQ(ShareOpenFiles(65'536, 20'000)->clients, 20'000u);
  EXPECT_EQ(ShareOpenFiles(1'024, 20'000)->clients, 640u);
  EXPECT_EQ(ShareOpenFiles(1'024, 100)->clients, 100u);
}

// Goal: a node that would soon be without any says so at the start, and what to do.
TEST(ShareOpenFilesTest, TooFewAreRefused) {
  const Result<OpenFiles> share = ShareOpenFiles(271, 20'000);
  ASSERT_FALSE(share.has_value());
  EXPECT_THAT(share.error().message, testing::HasSubstr("ulimit -n"));
  EXPECT_THAT(share.error().message, testing::HasSubstr("272"));
}

// Goal: what the system begins with is raised as far as it allows.
TEST(RaiseOpenFilesLimitTest, AsFarAsTheSystemAllows) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit low{256, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &low), 0);
  const std::uint64_t granted = RaiseOpenFilesLimit();
  rlimit after{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &after), 0);
  EXPECT_EQ(granted, after.rlim_cur);
  EXPECT_EQ(granted, std::min<std::uint64_t>(before.rlim_max, 1 << 20));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
}

}  // namespace
}  // namespace gyre
