#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "server/resp/resp_test_util.h"
#include "server/resp/scan_cursor.h"

namespace gyre {
namespace {

// The bulks of a reply, in order.
std::vector<std::string> Bulks(const std::string& reply) {
  std::vector<std::string> bulks;
  for (std::size_t at = reply.find('$'); at != std::string::npos; at = reply.find('$', at)) {
    const std::size_t size = std::stoul(reply.substr(at + 1));
    const std::size_t start = reply.find("\r\n", at) + 2;
    bulks.push_back(reply.substr(start, size));
    at = start + size;
  }
  return bulks;
}

// Every key that SCAN gives from 0 to 0, with how often.
std::map<std::string, int> ScanAll(RespWorld& world, const std::string& options, int* calls) {
  std::map<std::string, int> seen;
  std::string cursor = "0";
  *calls = 0;
  do {
    const std::vector<std::string> bulks = Bulks(world.Ask("SCAN " + cursor + options));
    if (bulks.empty()) {
      ADD_FAILURE() << "no cursor after " << cursor;
      break;
    }
    cursor = bulks[0];
    EXPECT_LE(std::stoull(cursor), UINT64_MAX >> 1);
    for (std::size_t i = 1; i < bulks.size(); ++i) ++seen[bulks[i]];
  } while (++*calls < 100'000 && cursor != "0");
  EXPECT_EQ(cursor, "0");
  return seen;
}

// Goal: SCAN gives every key exactly once while nothing changes, for any COUNT, ring and page size,
// and deleted keys never.
TEST(ScanTest, EveryKeyOnce) {
  for (const int partition_bits : {0, 3, 8}) {
    for (const std::size_t rows : {std::size_t{0}, std::size_t{1}, std::size_t{200}}) {
      for (const char* options : {"", " COUNT 1", " COUNT 7", " COUNT 1000"}) {
        for (const std::size_t page_rows_max : {std::size_t{1}, std::size_t{3}, SIZE_MAX}) {
          RespWorld world({}, TestView(partition_bits));
          world.backend.page_rows_max = page_rows_max;
          for (std::size_t i = 0; i < rows; ++i) world.Ask("SET k" + std::to_string(i) + " v");
          world.Ask("SET gone v");
          world.Ask("DEL gone");
          int calls = 0;
          const auto seen = ScanAll(world, options, &calls);
          ASSERT_EQ(seen.size(), rows) << partition_bits << options << " " << page_rows_max;
          for (const auto& [key, times] : seen) ASSERT_EQ(times, 1) << key;
        }
      }
    }
  }
}

// Goal: COUNT is about how many come at once.
TEST(ScanTest, CountSetsThePace) {
  RespWorld world;
  for (int i = 0; i < 400; ++i) world.Ask("SET k" + std::to_string(i) + " v");
  int calls = 0;
  ScanAll(world, " COUNT 10", &calls);
  EXPECT_GE(calls, 40);
  EXPECT_LE(calls, 60);
  ScanAll(world, " COUNT 1000", &calls);
  EXPECT_EQ(calls, 1);
}

// Goal: keys whose tokens agree in all the bits that a cursor holds are never skipped, and do not
// hold a scan up.
TEST(ScanTest, TiesAreNeverSkipped) {
  for (const std::size_t page_rows_max : {std::size_t{1}, std::size_t{2}, std::size_t{5}}) {
    RespWorld world({}, TestView(1));
    world.backend.page_rows_max = page_rows_max;
    std::set<std::string> keys;
    // In the order of storage: under tokens that are not the keys' hashes, with ties of 7.
    for (std::uint64_t group = 0; group < 4; ++group) {
      for (std::uint64_t i = 0; i < 7; ++i) {
        const std::string key = "t" + std::to_string(group) + "." + std::to_string(i);
        world.backend.PutRow({KeyspaceId(0), Token{group << 62, i}, Bytes(key)});
        keys.insert(key);
      }
    }
    int calls = 0;
    const auto seen = ScanAll(world, " COUNT 2", &calls);
    for (const std::string& key : keys) EXPECT_TRUE(seen.contains(key)) << key;
  }
}

// Goal: any number is a cursor; none makes it fail or never end.
TEST(ScanTest, AnyCursorIsAPosition) {
  RespWorld world;
  for (int i = 0; i < 50; ++i) world.Ask("SET k" + std::to_string(i) + " v");
  for (const char* cursor : {"1", "4611686018427387904", "9223372036854775807",
                             "18446744073709551615", "9223372036854775808"}) {
    EXPECT_EQ(world.Ask("SCAN " + std::string(cursor)).substr(0, 4), "*2\r\n") << cursor;
  }
  for (const char* cursor : {"x", "-1", "18446744073709551616", "1.5", "01"}) {
    EXPECT_EQ(world.Ask("SCAN " + std::string(cursor)), "-ERR invalid cursor\r\n") << cursor;
  }
}

TEST(ScanTest, CursorsOfPartitions) {
  const ClusterViewPtr view = TestView(3);
  for (std::uint32_t p = 0; p < 8; ++p) {
    const ScanPosition position =
        PositionOfCursor(CursorOfPartition(PartitionId(p), 3), view->ring, KeyspaceId(0));
    EXPECT_EQ(position.partition, PartitionId(p));
    EXPECT_FALSE(position.after.has_value());
  }
  const Token token{0xABCDEF0123456789u, 5};
  const ScanPosition position = PositionOfCursor(ScanPrefixOf(token), view->ring, KeyspaceId(4));
  EXPECT_EQ(position.partition, view->ring.PartitionOf(token));
  EXPECT_LT(*position.after, (RowKey{KeyspaceId(4), token, Bytes("k")}));
  EXPECT_EQ(position.after->token.high, token.high & ~std::uint64_t{1});
}

TEST(ScanTest, OptionsAndErrors) {
  RespWorld world;
  world.Ask("MSET user:1 a user:2 b item:1 c");
  int calls = 0;
  EXPECT_EQ(ScanAll(world, " MATCH user:*", &calls).size(), 2u);
  EXPECT_EQ(ScanAll(world, " TYPE string COUNT 5", &calls).size(), 3u);
  EXPECT_EQ(ScanAll(world, " TYPE hash", &calls).size(), 0u);
  EXPECT_EQ(world.Ask("SCAN 0 COUNT 0"), "-ERR syntax error\r\n");
  EXPECT_EQ(world.Ask("SCAN 0 COUNT x"), "-ERR value is not an integer or out of range\r\n");
  EXPECT_EQ(world.Ask("SCAN 0 MATCH"), "-ERR syntax error\r\n");
  EXPECT_EQ(world.Ask("SCAN 0 FOO 1"), "-ERR syntax error\r\n");
  EXPECT_EQ(world.Ask("SCAN 0 MATCH " + std::string(1'025, 'a')),
            "-ERR the pattern is longer than 1024 bytes\r\n");
}

TEST(ScanTest, KeysDbsizeRandomkeyFlush) {
  RespWorld world;
  EXPECT_EQ(world.Ask("RANDOMKEY"), "$-1\r\n");
  EXPECT_EQ(world.Ask("KEYS *"), "*0\r\n");
  std::set<std::string> all;
  for (int i = 0; i < 3'000; ++i) {
    world.Ask("SET k" + std::to_string(i) + " v");
    all.insert("k" + std::to_string(i));
  }
  EXPECT_EQ(world.Ask("DBSIZE"), ":3000\r\n");
  const std::vector<std::string> keys = Bulks(world.Ask("KEYS *"));
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()), all);
  EXPECT_EQ(keys.size(), all.size());
  EXPECT_EQ(Bulks(world.Ask("KEYS k1?")).size(), 10u);
  std::set<std::string> drawn;
  for (int i = 0; i < 100; ++i) drawn.insert(Bulks(world.Ask("RANDOMKEY")).at(0));
  EXPECT_GT(drawn.size(), 50u);
  // One key alone is found from every start.
  world.Ask("KV.USE brief");
  world.Ask("SET only 1");
  for (int i = 0; i < 100; ++i) ASSERT_EQ(world.Ask("RANDOMKEY"), "$4\r\nonly\r\n");
  EXPECT_EQ(world.Ask("DBSIZE"), ":1\r\n");
  world.Ask("RESET");
  EXPECT_EQ(world.Ask("FLUSHDB"), "+OK\r\n");
  EXPECT_EQ(world.Ask("DBSIZE"), ":0\r\n");
  world.Ask("KV.USE brief");
  EXPECT_EQ(world.Ask("DBSIZE"), ":1\r\n");
  EXPECT_EQ(world.Ask("FLUSHALL ASYNC"), "+OK\r\n");
  EXPECT_EQ(world.Ask("DBSIZE"), ":0\r\n");
}

// Goal: KEYS cannot make a reply without bound.
TEST(ScanTest, KeysIsBounded) {
  RespWorld world({.keys_bytes_max = 1'000});
  for (int i = 0; i < 20; ++i) world.Ask("SET k" + std::to_string(i) + " v");
  EXPECT_EQ(Bulks(world.Ask("KEYS *")).size(), 20u);
  for (int i = 0; i < 20; ++i) world.Ask("SET l" + std::to_string(i) + " v");
  EXPECT_EQ(world.Ask("KEYS *"), "-ERR too many keys for one reply: use SCAN\r\n");
  EXPECT_EQ(Bulks(world.Ask("KEYS k*")).size(), 20u);
}

// Goal: FLUSHALL keeps a bounded number of deletes in flight.
TEST(ScanTest, FlushIsPaced) {
  RespWorld world;
  for (int i = 0; i < 2'000; ++i) world.Ask("SET k" + std::to_string(i) + " v");
  world.backend.deferred = true;
  world.client.Send(Command("FLUSHALL") + Command("PING"));
  world.backend.ReleaseAll();
  EXPECT_EQ(world.client.Take(), "+OK\r\n+PONG\r\n");
  EXPECT_LE(world.backend.waiting_max, 130u);
  EXPECT_GT(world.backend.waiting_max, 10u);
}

}  // namespace
}  // namespace gyre
