// What engine.h promises, held on every engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <thread>

#include "base/prng.h"
#include "storage/engine_contract.h"

namespace gyre {
namespace {

INSTANTIATE_TEST_SUITE_P(Engines, EngineContractTest, ::testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

// Goal: absent is an answer, not an error.
TEST_P(EngineContractTest, ReadOfAnAbsentKeyGivesNothing) {
  const auto engine = Open();
  TestSession session(*engine);
  const auto row = session.Get(MakeKey("k"));
  ASSERT_TRUE(row.has_value());
  EXPECT_FALSE(row->has_value());
}

// Goal: what was put comes back whole: own writes and record, also empty and large ones.
TEST_P(EngineContractTest, PutRowsComeBackEqual) {
  const auto engine = Open();
  TestSession session(*engine);
  const std::vector<std::pair<std::string, Row>> rows = {
      {"plain", MakeRow("record", 3)},
      {std::string("\0\xFF\n key", 7), MakeRow(Noise(1000, 1))},
      {"foreign", {OwnWrites{}, Bytes("record of a replica")}},
      {"empty record", {OwnWrites{}, Bytes()}},
      {std::string(64 * 1024, 'k'), MakeRow(Noise(3 << 20, 2))}};
  for (const auto& [key, row] : rows) ASSERT_TRUE(session.Put(MakeKey(key), row).has_value());
  for (const auto& [key, row] : rows) {
    const auto got = session.Get(MakeKey(key));
    ASSERT_TRUE(got.has_value());
    ASSERT_TRUE(got->has_value());
    EXPECT_EQ((*got)->own, row.own);
    EXPECT_TRUE((*got)->record == row.record);
  }
}

// Goal: a shard reads its own writes before they are durable, and the last of them.
TEST_P(EngineContractTest, ReadSeesWritesThatAreNotFlushedYet) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey key = MakeKey("k");
  ASSERT_TRUE(session.Put(key, MakeRow("old", 1)).has_value());
  const RequestId first = session.Write(key, MakeRow("newer", 2));
  const RequestId second = session.Write(key, MakeRow("newest", 3));
  EXPECT_EQ(session.Read(key), std::optional<Row>(MakeRow("newest", 3)));
  session.Flush();
  EXPECT_EQ(session.Read(key), std::optional<Row>(MakeRow("newest", 3)));
  EXPECT_TRUE(session.AwaitWrite(first).has_value());
  EXPECT_TRUE(session.AwaitWrite(second).has_value());
  EXPECT_EQ(session.Read(key), std::optional<Row>(MakeRow("newest", 3)));
}

// Goal: what is at hand is what a read gives; a write at hand is a write.
TEST_P(EngineContractTest, WhatIsAtHandIsWhatIsThere) {
  const auto engine = Open();
  TestSession session(*engine);
  const bool writes_at_hand = session.raw().WritesAtHand();
  EXPECT_EQ(writes_at_hand, !GetParam().on_disk);
  std::vector<RowKey> keys;
  for (int i = 0; i < 300; ++i) keys.push_back(MakeKey(std::to_string(i)));
  for (std::size_t i = 0; i < 200; ++i) {
    const Row row = MakeRow(Noise(10, i));
    if (i % 2 == 0 || !writes_at_hand) {
      ASSERT_TRUE(session.Put(keys[i], row).has_value());
    } else {
      session.raw().WriteAtHand(keys[i], row);
    }
  }
  std::vector<const RowKey*> wanted;
  for (const RowKey& key : keys) wanted.push_back(&key);
  session.raw().Prefetch(wanted);  // a hint, whatever it is given
  int at_hand = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto row = session.raw().ReadAtHand(keys[i]);
    if (row) {
      ++at_hand;
      ASSERT_EQ(**row, session.Read(keys[i])) << i;
    }
    ASSERT_EQ(session.Read(keys[i]).has_value(), i < 200) << i;
  }
  EXPECT_GE(at_hand, writes_at_hand ? 300 : 1);
  EXPECT_EQ(session.ScanAll(0, 50)->size(), 200u);
}

// Goal: a look at a row shows what a read does, and a record that the engine encodes is the row
// that its bytes would be, also where it borrows from the row that it replaces.
TEST_P(EngineContractTest, ARecordAtHandIsTheRowOfItsBytes) {
  const auto engine = Open();
  TestSession session(*engine);
  if (!session.raw().WritesAtHand()) GTEST_SKIP() << "writes nothing at hand";
  const RowKey key = MakeKey("k");
  Record record;
  for (std::uint64_t n = 1; n <= 20; ++n) {
    Sibling sibling;
    sibling.dot = {ActorId(7), n, 1};
    sibling.value = Bytes(Noise(100, n));
    sibling.checksum = Xxh3_64(sibling.value.view());
    record.clock.Add(sibling.dot, WallTime{5});
    record.siblings.push_back(sibling);
    const Row row{{ActorId(7), n, 1}, record.Encode()};
    session.raw().WriteAtHand(key, row.own, record);
    const auto peeked = session.raw().PeekAtHand(key);
    ASSERT_TRUE(peeked.has_value());
    ASSERT_EQ(**peeked, std::optional<Row>(row));
    ASSERT_EQ(session.Read(key), row);
    // From now on every value is a slice of the engine's own row.
    record = Record();
    ASSERT_TRUE(record.DecodeFrom((**peeked)->record).has_value());
  }
  EXPECT_EQ(engine->Stats().rows, 1u);
}

// Goal: any number of keys may share the beginning of their tokens, as keys made to do so, and
// those beside them are found.
TEST_P(EngineContractTest, ManyKeysOfOneTokenAreFound) {
  if (GetParam().on_disk) GTEST_SKIP() << "a matter of the memory engine's table";
  constexpr std::uint64_t kRows = 70'000;  // more than a tag's 16 bits can count
  const auto engine = Open();
  TestSession session(*engine);
  const auto key_of = [](std::uint64_t high, std::uint64_t low) {
    return RowKey{KeyspaceId(0), Token{high, low}, Bytes("k")};
  };
  for (std::uint64_t i = 0; i < kRows; ++i) {
    session.raw().WriteAtHand(key_of(0, i), MakeRow("r", i));
  }
  const RowKey beside = key_of(std::uint64_t{1} << 44, 0);
  session.raw().WriteAtHand(beside, MakeRow("b", 1));
  session.raw().WriteAtHand(beside, MakeRow("b", 2));
  EXPECT_EQ(session.Read(beside), MakeRow("b", 2));
  EXPECT_EQ(session.Read(key_of(0, kRows - 1)), MakeRow("r", kRows - 1));
  EXPECT_EQ(engine->Stats().rows, kRows + 1);
  const auto scanned = session.ScanAll(0, 1000).value();
  EXPECT_EQ(scanned.size(), kRows + 1);
  EXPECT_TRUE(
      std::is_sorted(scanned.begin(), scanned.end(),
                     [](const ScannedRow& a, const ScannedRow& b) { return a.key < b.key; }));
  EXPECT_EQ(scanned.back().key, beside);
}

// Goal: what was read stays what it was, whatever is written then, and of whatever size; so does
// the key of a scan.
TEST_P(EngineContractTest, WhatWasReadDoesNotChange) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey key = MakeKey("k");
  std::vector<Row> held;
  std::vector<ScannedRow> scanned;
  const auto row_of = [](int i) { return MakeRow(Noise(i % 3 == 0 ? 50 : 51, i), i); };
  for (int i = 0; i < 30; ++i) {
    ASSERT_TRUE(session.Put(key, row_of(i)).has_value());
    held.push_back(*session.Read(key));
    scanned.push_back(session.ScanAll(0, 10)->front());
    // And where nobody holds it.
    for (int j = 0; j < 3; ++j) ASSERT_TRUE(session.Put(key, row_of(i + j)).has_value());
    ASSERT_EQ(session.Read(key), row_of(i + 2));
  }
  for (int i = 0; i < 30; ++i) {
    EXPECT_EQ(held[static_cast<std::size_t>(i)], row_of(i));
    EXPECT_EQ(scanned[static_cast<std::size_t>(i)].key, key);
    EXPECT_EQ(scanned[static_cast<std::size_t>(i)].row, row_of(i));
  }
}

// Goal: each write is answered once, in the order asked.
TEST_P(EngineContractTest, CompletionsComeOnceAndInOrder) {
  const auto engine = Open();
  TestSession session(*engine);
  std::vector<std::uint64_t> asked;
  for (int i = 0; i < 100; ++i) {
    asked.push_back(session.Write(MakeKey(std::to_string(i % 7)), MakeRow("r")).value);
    if (i % 10 == 9) session.Flush();
  }
  session.Flush();
  // The session that Await polls keeps the others' completions; so wait on the last through raw().
  std::vector<Completion> done;
  while (done.size() < asked.size()) session.raw().Poll(done);
  session.raw().Poll(done);
  std::vector<std::uint64_t> answered;
  for (const Completion& completion : done) {
    answered.push_back(std::get<WriteDone>(completion).id.value);
    EXPECT_TRUE(std::get<WriteDone>(completion).status.has_value());
  }
  EXPECT_EQ(answered, asked);
}

// Goal: the row handed out keeps its bytes when the key is overwritten.
TEST_P(EngineContractTest, RowsHandedOutStayAsTheyWere) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey key = MakeKey("k");
  ASSERT_TRUE(session.Put(key, MakeRow("first")).has_value());
  const auto held = session.Get(key);
  ASSERT_TRUE(session.Put(key, MakeRow("second")).has_value());
  EXPECT_EQ((*held)->record.view(), "first");
}

// Goal: keyspaces do not see each other's keys, by read or by scan.
TEST_P(EngineContractTest, KeyspacesAreApart) {
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("k", 1), MakeRow("one")).has_value());
  ASSERT_TRUE(session.Put(MakeKey("k", UINT32_MAX), MakeRow("last")).has_value());
  EXPECT_EQ(session.Read(MakeKey("k", 1)), std::optional<Row>(MakeRow("one")));
  EXPECT_EQ(session.Read(MakeKey("k", UINT32_MAX)), std::optional<Row>(MakeRow("last")));
  EXPECT_EQ(session.Read(MakeKey("k", 2)), std::optional<Row>());
  EXPECT_THAT(*session.ScanAll(1, 10), ::testing::SizeIs(1));
  EXPECT_THAT(*session.ScanAll(UINT32_MAX, 10), ::testing::SizeIs(1));
  EXPECT_THAT(*session.ScanAll(2, 10), ::testing::IsEmpty());
}

// Goal: pages of any size join to exactly the rows in RowKey order, whatever the tokens look like:
// random, counting up (one leaf), and equal for many keys.
TEST_P(EngineContractTest, ScanPagesJoinToTheOrderedRows) {
  for (const int shape : {0, 1, 2}) {
    SCOPED_TRACE(shape);
    const auto keyspace = static_cast<std::uint32_t>(9 + shape);
    const auto engine = Open();
    TestSession session(*engine);
    Prng prng(42);
    std::map<RowKey, Row> model;
    for (int i = 0; i < 3000; ++i) {
      const std::string text = "key" + std::to_string(prng.Below(1500));
      RowKey key = MakeKey(text, keyspace);
      const std::uint64_t number = Xxh3_64(text) % 1500;
      if (shape == 1) key.token = Token{number, 0};
      if (shape == 2) key.token = Token{number % 3, number % 2};
      const Row row = MakeRow(std::to_string(i));
      session.Write(key, row);
      model[key] = row;
    }
    session.Flush();
    for (const std::size_t rows_max : {1u, 7u, 1000u, 5000u}) {
      if (rows_max == 1 && GetParam().on_disk) continue;  // the same, and slow
      const auto rows = session.ScanAll(keyspace, rows_max);
      ASSERT_TRUE(rows.has_value()) << rows.error().message;
      ASSERT_EQ(rows->size(), model.size());
      std::size_t i = 0;
      for (const auto& [key, row] : model) {
        ASSERT_EQ((*rows)[i].key, key);
        ASSERT_EQ((*rows)[i].row, row);
        ++i;
      }
    }
    for (const auto& [key, row] : model) ASSERT_EQ(session.Read(key), std::optional<Row>(row));
    RowKey absent = model.begin()->first;
    absent.key = Bytes("no such key");
    EXPECT_EQ(session.Read(absent), std::optional<Row>());
  }
}

// Goal: a scan of a range gives the rows of that range, both ends included.
TEST_P(EngineContractTest, ScanStaysInItsRange) {
  const auto engine = Open();
  TestSession session(*engine);
  const auto key_at = [](Token token) { return RowKey{KeyspaceId(0), token, Bytes("k")}; };
  const std::vector<Token> tokens = {
      {0, 0}, {5, 9}, {6, 0}, {6, 1}, {7, 0}, {7, 1}, {UINT64_MAX, UINT64_MAX}};
  for (const Token token : tokens) session.Write(key_at(token), MakeRow("r"));
  const auto page = session.Scan({NodeId(), KeyspaceId(0), Token{6, 0}, Token{7, 0}});
  ASSERT_TRUE(page.has_value());
  EXPECT_TRUE(page->done);
  ASSERT_EQ(page->rows.size(), 3u);
  EXPECT_EQ(page->rows.front().key.token, (Token{6, 0}));
  EXPECT_EQ(page->rows.back().key.token, (Token{7, 0}));
  const auto last =
      session.Scan({NodeId(), KeyspaceId(0), Token{8, 0}, Token{UINT64_MAX, UINT64_MAX}});
  EXPECT_EQ(last->rows.size(), 1u);
}

// Goal: a page ends at bytes_max, but always moves on.
TEST_P(EngineContractTest, ScanPagesAreBoundedInBytes) {
  const auto engine = Open();
  TestSession session(*engine);
  for (int i = 0; i < 10; ++i) session.Write(MakeKey(std::to_string(i)), MakeRow(Noise(1000, 5)));
  ScanRange range{NodeId(), KeyspaceId(0), Token{0, 0}, Token{UINT64_MAX, UINT64_MAX}};
  range.bytes_max = 2500;
  const auto page = session.Scan(range);
  EXPECT_EQ(page->rows.size(), 3u);
  EXPECT_FALSE(page->done);
  range.bytes_max = 1;
  EXPECT_EQ(session.Scan(range)->rows.size(), 1u);
}

// Goal: a scan sees the session's writes, flushed or not.
TEST_P(EngineContractTest, ScanSeesWritesAskedBefore) {
  const auto engine = Open();
  TestSession session(*engine);
  session.Write(MakeKey("k"), MakeRow("v"));
  EXPECT_THAT(*session.ScanAll(0, 10), ::testing::SizeIs(1));
}

// Goal: a scan wakes its session, also when it is asked for while completions are handled.
TEST_P(EngineContractTest, AScanWakesItsSession) {
  const auto engine = Open();
  TestSession session(*engine);
  const std::uint64_t before = session.rings();
  ASSERT_TRUE(session.ScanAll(0, 10).has_value());
  EXPECT_GT(session.rings(), before);
}

TEST_P(EngineContractTest, MetaComesBack) {
  const auto engine = Open();
  EXPECT_EQ(engine->GetMeta("cluster").value(), std::optional<std::string>());
  ASSERT_TRUE(engine->PutMeta("cluster", std::string("a\0b", 3)).has_value());
  ASSERT_TRUE(engine->PutMeta("empty", "").has_value());
  EXPECT_EQ(engine->GetMeta("cluster").value(), std::optional<std::string>(std::string("a\0b", 3)));
  EXPECT_EQ(engine->GetMeta("empty").value(), std::optional<std::string>(""));
}

// Goal: shards on their own threads do not disturb each other, while someone asks for figures.
TEST_P(EngineContractTest, SessionsOfTwoThreadsWorkSideBySide) {
  constexpr int kThreads = 2;
  constexpr int kRounds = 200;
  const auto engine = Open(kThreads);
  std::vector<std::unique_ptr<TestSession>> sessions;
  for (int i = 0; i < kThreads; ++i) sessions.push_back(std::make_unique<TestSession>(*engine));
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      TestSession& session = *sessions[static_cast<std::size_t>(t)];
      Prng prng(static_cast<std::uint64_t>(t));
      std::map<std::string, Row> model;
      for (int round = 0; round < kRounds; ++round) {
        RequestId last;
        for (int i = 0; i < 5; ++i) {
          const std::string key = std::to_string(t) + "/" + std::to_string(prng.Below(50));
          model[key] = MakeRow(Noise(100, prng.Next()), static_cast<std::uint64_t>(round));
          last = session.Write(MakeKey(key), model[key]);
        }
        session.Flush();
        if (round % 3 == 0) {
          EXPECT_TRUE(session.AwaitWrite(last).has_value());
        }
        for (const auto& [key, row] : model) {
          ASSERT_EQ(session.Read(MakeKey(key)), std::optional<Row>(row));
        }
      }
      const auto all = session.ScanAll(0, 20);
      ASSERT_TRUE(all.has_value());
      for (const ScannedRow& scanned : *all) {
        const auto it = model.find(scanned.key.key.ToString());
        if (it != model.end()) {
          EXPECT_EQ(scanned.row, it->second);
        }
      }
      --running;
    });
  }
  while (running > 0) {
    const EngineStats stats = engine->Stats();
    EXPECT_TRUE(stats.writable) << stats.problem;
  }
  for (std::thread& thread : threads) thread.join();
  sessions.clear();
  EXPECT_TRUE(engine->Close().has_value());
}

// Goal: a session may go with work in flight; Close then has it all.
TEST_P(EngineContractTest, CloseCompletesWhatSessionsLeftBehind) {
  if (!GetParam().on_disk) GTEST_SKIP() << "keeps nothing past Close";
  {
    const auto engine = Open();
    {
      TestSession session(*engine);
      for (int i = 0; i < 50; ++i) session.Write(MakeKey(std::to_string(i)), MakeRow("v"));
      RequestId id;
      session.TryGet(MakeKey("x"), &id);
    }
    EXPECT_TRUE(engine->Close().has_value());
  }
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_THAT(*session.ScanAll(0, 100), ::testing::SizeIs(50));
}

// Goal: the figures that operators see move.
TEST_P(EngineContractTest, StatsCountRowsAndCommits) {
  const auto engine = Open();
  TestSession session(*engine);
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(session.Put(MakeKey(std::to_string(i)), MakeRow(Noise(500, 1))).has_value());
  }
  EXPECT_THAT(*session.ScanAll(7, 1), ::testing::IsEmpty());  // so the last write is over
  const EngineStats stats = engine->Stats();
  EXPECT_EQ(stats.rows, 20u);
  EXPECT_GT(stats.bytes, 20u * 500);
  if (GetParam().on_disk) {
    EXPECT_EQ(stats.commits, 20u);
    EXPECT_EQ(stats.commit_rows, 20u);
  }
}

}  // namespace
}  // namespace gyre
