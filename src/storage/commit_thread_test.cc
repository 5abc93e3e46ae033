#include "storage/commit_thread.h"

#include <gtest/gtest.h>

#include <semaphore>

#include "storage/storage_test_util.h"

namespace gyre {
namespace {

// Goal: a batch that was asked for before its shard heard of a failure fails, though the disk takes
// writes again: it may rest on what failed. The shard's next one is taken, and other shards' are.
TEST(CommitThreadTest, ABatchFromBeforeAKnownFailureFails) {
  TempFolder folder;
  const EngineOptions options = SmallOptions(folder.path());
  const auto database = *RocksDatabase::Open(options);
  CommitThread commit(options, *database, Ballast(folder.path() + "/ballast", 0));
  std::counting_semaphore<> rung(0);
  const auto link = std::make_shared<SessionLink>([&] { rung.release(); });
  const auto other_link = std::make_shared<SessionLink>([&] { rung.release(); });
  const auto run = [&](const std::shared_ptr<SessionLink>& owner, std::uint64_t failures_seen,
                       const std::string& key) {
    auto job = std::make_unique<WriteJob>();
    job->link = owner;
    job->failures_seen = failures_seen;
    job->writes.push_back({RequestId(1), MakeKey(key), MakeRow("r")});
    commit.Submit(std::move(job));
    rung.acquire();
    std::vector<Job> done;
    owner->TakeDone(done);
    return std::get<std::unique_ptr<WriteJob>>(done.at(0))->status;
  };
  link->failures = 1;  // as after a failed write that the disk has recovered from
  const Status stale = run(link, 0, "stale");
  ASSERT_FALSE(stale.has_value());
  EXPECT_EQ(stale.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(database->Get(MakeKey("stale")).value(), std::nullopt);
  EXPECT_EQ(link->failures, 1u);
  EXPECT_TRUE(run(link, 1, "fresh").has_value());
  EXPECT_TRUE(run(other_link, 0, "other").has_value());
  EXPECT_EQ(database->Get(MakeKey("fresh")).value(), MakeRow("r"));
  EXPECT_TRUE(commit.Stop().has_value());
}

// Goal: a node that stops does not wait for writes of its peers: a session may go before the last
// of its writes is over, and what that one would have woken is gone too.
TEST(SessionLinkTest, NobodyIsWokenOnceTheSessionHasGone) {
  int woken = 0;
  SessionLink link([&] { ++woken; });
  link.WakeWhenOver(7);
  link.SetOver(6, 0);
  EXPECT_EQ(woken, 0);
  link.SetOver(7, 0);
  link.Complete(std::make_unique<WriteJob>());
  EXPECT_EQ(woken, 2);
  link.Close();
  std::vector<Job> done;
  link.TakeDone(done);
  link.Complete(std::make_unique<WriteJob>());
  link.SetOver(8, 0);
  link.Wake();
  EXPECT_EQ(woken, 2);
}

}  // namespace
}  // namespace gyre
