// What engine.h promises of rows that go, and of hints, held on every engine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/prng.h"
#include "storage/engine_contract.h"

namespace gyre {
namespace {

constexpr NodeId kTarget(0x010203);
constexpr NodeId kOther(0x010204);

class EngineRemovalTest : public EngineContractTest {};
class EngineHintsTest : public EngineContractTest {};

INSTANTIATE_TEST_SUITE_P(Engines, EngineRemovalTest, ::testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });
INSTANTIATE_TEST_SUITE_P(Engines, EngineHintsTest, ::testing::ValuesIn(kEngineKinds),
                         [](const auto& kind) { return kind.param.name; });

// Goal: what was removed is absent, to reads and to scans, and stays so when it is settled.
TEST_P(EngineRemovalTest, ARemovedRowIsAbsent) {
  const auto engine = Open();
  TestSession session(*engine);
  ASSERT_TRUE(session.Put(MakeKey("gone"), MakeRow("r")).has_value());
  ASSERT_TRUE(session.Put(MakeKey("kept"), MakeRow("r")).has_value());
  ASSERT_TRUE(session.Remove(MakeKey("gone")).has_value());
  EXPECT_EQ(session.Read(MakeKey("gone")), std::nullopt);
  EXPECT_EQ(session.Read(MakeKey("kept")), MakeRow("r"));
  const auto rows = session.ScanAll(0, 10).value();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key, MakeKey("kept"));
  EXPECT_EQ(engine->Stats().rows, 1u);
}

// Goal: a shard sees its own removal before it is durable, though the row is on disk.
TEST_P(EngineRemovalTest, AReadInTheSameTurnSeesTheRemoval) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey key = MakeKey("k");
  ASSERT_TRUE(session.Put(key, MakeRow("old")).has_value());
  const RequestId removal = session.Write(key, std::nullopt);
  EXPECT_EQ(session.Read(key), std::nullopt);
  session.Flush();
  EXPECT_EQ(session.Read(key), std::nullopt);
  EXPECT_THAT(*session.ScanAll(0, 10), ::testing::IsEmpty());
  EXPECT_TRUE(session.AwaitWrite(removal).has_value());
  EXPECT_EQ(session.Read(key), std::nullopt);
}

// Goal: the last write counts, whichever it is, also within one turn.
TEST_P(EngineRemovalTest, PutsAndRemovalsOfATurnEndAsTheLast) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey back = MakeKey("back");
  const RowKey gone = MakeKey("gone");
  ASSERT_TRUE(session.Put(back, MakeRow("old")).has_value());
  session.Write(back, std::nullopt);
  session.Write(back, MakeRow("new"));
  session.Write(gone, MakeRow("shortly"));
  const RequestId last = session.Write(gone, std::nullopt);
  EXPECT_EQ(session.Read(back), MakeRow("new"));
  EXPECT_EQ(session.Read(gone), std::nullopt);
  session.Flush();
  ASSERT_TRUE(session.AwaitWrite(last).has_value());
  EXPECT_EQ(session.Read(back), MakeRow("new"));
  EXPECT_EQ(session.Read(gone), std::nullopt);
  EXPECT_THAT(*session.ScanAll(0, 10), ::testing::SizeIs(1));
}

// Goal: to remove what is not there is no error, in a keyspace that has rows or has none.
TEST_P(EngineRemovalTest, RemovingNothingIsFine) {
  const auto engine = Open();
  TestSession session(*engine);
  EXPECT_TRUE(session.Remove(MakeKey("k", 7)).has_value());
  ASSERT_TRUE(session.Put(MakeKey("k"), MakeRow("r")).has_value());
  EXPECT_TRUE(session.Remove(MakeKey("l")).has_value());
  EXPECT_TRUE(session.Remove(MakeKey("k").OwedTo(kTarget)).has_value());
  EXPECT_EQ(session.Read(MakeKey("k")), MakeRow("r"));
}

// Goal: a removal at hand is a removal.
TEST_P(EngineRemovalTest, ARemovalAtHandIsARemoval) {
  const auto engine = Open();
  TestSession session(*engine);
  if (!session.raw().WritesAtHand()) GTEST_SKIP() << "writes nothing at hand";
  for (const NodeId owed_to : {NodeId(), kTarget}) {
    const RowKey key = MakeKey("k").OwedTo(owed_to);
    session.raw().WriteAtHand(key, MakeRow("r"));
    session.raw().RemoveAtHand(key);
    EXPECT_EQ(**session.raw().PeekAtHand(key), std::nullopt);
    session.raw().RemoveAtHand(key);
  }
  EXPECT_EQ(engine->Stats().rows, 0u);
  EXPECT_EQ(engine->Stats().hint_rows, 0u);
}

// Goal: rows that were read stay what they were when their key is removed.
TEST_P(EngineRemovalTest, RowsHandedOutOutliveTheirRemoval) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey key = MakeKey("k");
  ASSERT_TRUE(session.Put(key, MakeRow("held")).has_value());
  const auto held = session.Read(key);
  const auto scanned = session.ScanAll(0, 10).value();
  ASSERT_TRUE(session.Remove(key).has_value());
  ASSERT_TRUE(session.Put(MakeKey("l"), MakeRow("next")).has_value());
  EXPECT_EQ(held, MakeRow("held"));
  EXPECT_EQ(scanned.front().key, key);
  EXPECT_EQ(scanned.front().row, MakeRow("held"));
}

// Goal: under any mix of puts and removals, of rows and hints, reads and scans are those of maps.
TEST_P(EngineRemovalTest, RowsAndHintsAreWhatMapsHold) {
  const auto engine = Open();
  TestSession session(*engine);
  Prng prng(3);
  const NodeId owners[] = {NodeId(), kTarget, kOther};
  std::map<RowKey, Row> model;
  for (int round = 0; round < 60; ++round) {
    // Grows, then shrinks to nothing or little.
    const std::uint64_t removals = round < 30 ? 3 : 9;
    for (int i = 0; i < 100; ++i) {
      const RowKey key =
          MakeKey(std::to_string(prng.Below(400)), 1 + prng.Below(2)).OwedTo(owners[prng.Below(3)]);
      if (prng.Below(10) < removals) {
        model.erase(key);
        session.Write(key, std::nullopt);
      } else {
        model[key] = MakeRow(Noise(prng.Below(50), prng.Next()));
        session.Write(key, model[key]);
      }
      const RowKey other = MakeKey(std::to_string(prng.Below(400)), 1).OwedTo(kTarget);
      const auto it = model.find(other);
      ASSERT_EQ(session.Read(other), it == model.end() ? std::nullopt : std::optional(it->second));
    }
    session.Flush();
    std::vector<RowKey> scanned;
    for (const NodeId owner : owners) {
      for (const std::uint32_t keyspace : {1u, 2u}) {
        const auto rows = session.ScanAll(keyspace, 37, owner).value();
        for (const ScannedRow& row : rows) {
          ASSERT_TRUE(model.contains(row.key));
          ASSERT_EQ(row.row, model.at(row.key));
          scanned.push_back(row.key);
        }
      }
    }
    ASSERT_EQ(scanned.size(), model.size());
    ASSERT_TRUE(std::is_sorted(scanned.begin(), scanned.end()));
  }
}

// Goal: a key's row and its hints are rows of their own.
TEST_P(EngineHintsTest, HintsLieApartFromRows) {
  const auto engine = Open();
  TestSession session(*engine);
  const RowKey key = MakeKey("k");
  ASSERT_TRUE(session.Put(key.OwedTo(kTarget), MakeRow("for target")).has_value());
  EXPECT_EQ(session.Read(key), std::nullopt);
  ASSERT_TRUE(session.Put(key, MakeRow("own")).has_value());
  ASSERT_TRUE(session.Put(key.OwedTo(kOther), MakeRow("for other")).has_value());
  EXPECT_EQ(session.Read(key), MakeRow("own"));
  EXPECT_EQ(session.Read(key.OwedTo(kTarget)), MakeRow("for target"));
  EXPECT_EQ(session.Read(key.OwedTo(kOther)), MakeRow("for other"));
  ASSERT_TRUE(session.Remove(key.OwedTo(kTarget)).has_value());
  EXPECT_EQ(session.Read(key.OwedTo(kTarget)), std::nullopt);
  EXPECT_EQ(session.Read(key.OwedTo(kOther)), MakeRow("for other"));
  ASSERT_TRUE(session.Remove(key).has_value());
  EXPECT_EQ(session.Read(key), std::nullopt);
  EXPECT_EQ(session.Read(key.OwedTo(kOther)), MakeRow("for other"));
}

// Goal: a scan gives the hints of one target and keyspace, in order, and no rows; pages join.
TEST_P(EngineHintsTest, AScanGivesTheHintsOfItsTarget) {
  const auto engine = Open();
  TestSession session(*engine);
  std::set<RowKey> expected;
  for (int i = 0; i < 100; ++i) {
    const RowKey key = MakeKey(std::to_string(i), 3);
    if (i % 2 == 0) session.Write(key, MakeRow("own"));
    if (i % 3 == 0) session.Write(key.OwedTo(kOther), MakeRow("other"));
    session.Write(MakeKey(std::to_string(i), 4).OwedTo(kTarget), MakeRow("other keyspace"));
    if (i % 5 != 0) continue;
    session.Write(key.OwedTo(kTarget), MakeRow("target"));
    expected.insert(key.OwedTo(kTarget));
  }
  for (const std::size_t rows_max : {1u, 7u, 100u}) {
    std::vector<RowKey> scanned;
    const auto rows = session.ScanAll(3, rows_max, kTarget).value();
    for (const ScannedRow& each : rows) {
      EXPECT_EQ(each.row, MakeRow("target"));
      scanned.push_back(each.key);
    }
    EXPECT_THAT(scanned, ::testing::ElementsAreArray(expected));
  }
  EXPECT_THAT(*session.ScanAll(3, 100), ::testing::SizeIs(50));
  EXPECT_THAT(*session.ScanAll(3, 100, NodeId(0x010205)), ::testing::IsEmpty());
  // The first and the last token are in the range.
  const NodeId last(kNodeIdMax);
  for (const Token token : {Token{0, 0}, Token{UINT64_MAX, UINT64_MAX}}) {
    session.Write(RowKey(KeyspaceId(UINT32_MAX), token, Bytes("k")).OwedTo(last), MakeRow("r"));
  }
  EXPECT_THAT(*session.ScanAll(UINT32_MAX, 100, last), ::testing::SizeIs(2));
}

// Goal: rows and bytes count what this node owns; hints have a figure of their own.
TEST_P(EngineHintsTest, StatsCountHintsApart) {
  const auto engine = Open();
  TestSession session(*engine);
  for (int i = 0; i < 20; ++i) {
    const RowKey key = MakeKey(std::to_string(i));
    if (i < 5) session.Write(key, MakeRow("r"));
    session.Write(key.OwedTo(kTarget), MakeRow(Noise(1000, 1)));
  }
  EXPECT_THAT(*session.ScanAll(0, 100), ::testing::SizeIs(5));
  EXPECT_EQ(engine->Stats().rows, 5u);
  EXPECT_EQ(engine->Stats().hint_rows, 20u);
  if (!GetParam().on_disk) {
    EXPECT_LT(engine->Stats().bytes, 5'000u);
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(session.Remove(MakeKey(std::to_string(i)).OwedTo(kTarget)).has_value());
    }
    EXPECT_EQ(engine->Stats().hint_rows, 0u);
    EXPECT_EQ(engine->Stats().rows, 5u);
  }
}

// Goal: leaf sums begin with none, on every engine.
TEST_P(EngineHintsTest, AnEmptyEngineHasNoLeafSums) {
  EXPECT_THAT(*Open()->LoadLeaves(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace gyre
