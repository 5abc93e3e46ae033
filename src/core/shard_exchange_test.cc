// Anti-entropy through whole shards (paper 4.7): owners that differ become equal without any read,
// at the cost of the difference.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <numeric>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Nothing but the exchange, in its turn, repairs anything: a copy that was lost is not missed by
// the put (whose patience is long), and nobody reads.
CoreConfig Config() {
  CoreConfig config;
  config.request_timeout = Duration::Seconds(60);
  config.hint_after = Duration::Seconds(60);
  config.repair_cycle = Duration::Seconds(2);
  config.exchange_settle = Duration::Millis(20);
  return config;
}
CoreConfig ScrubConfig() {
  CoreConfig config = Config();
  config.repair_cycle = Duration::Seconds(10'000);
  config.scrub_cycle = Duration::Seconds(1);
  return config;
}
KeyspaceConfig Keyspace(int n) {
  KeyspaceConfig keyspace;
  keyspace.replicas = n;
  keyspace.write_quorum = QuorumSpec::One();
  return keyspace;
}

// A key in a leaf of one's choice.
RowKey KeyIn(std::uint32_t leaf, std::uint64_t low) {
  return {KeyspaceId(0),
          {SpanOf(leaf, LeafBitsOf(4)).first.high, low},
          Bytes("k" + std::to_string(leaf) + "." + std::to_string(low))};
}

// `nodes` owners of every key.
class ShardExchangeTest : public ::testing::Test {
 protected:
  void Begin(int nodes, const CoreConfig& config = Config()) {
    cluster_ = std::make_unique<TestCluster>(nodes, Keyspace(nodes), config);
    nodes_ = nodes;
  }
  TestNode& node(int at) { return cluster_->node(at); }
  const ShardCounters& counters(int at) { return node(at).shard().counters(); }
  // A write that reaches the node `at` and none of `missing`.
  void WriteAt(int at, const RowKey& key, std::string_view value, std::vector<int> missing) {
    for (const int other : missing) cluster_->cuts.emplace_back(at, other);
    ASSERT_TRUE(cluster_->Run(at, Put(key, value)).has_value());
    for (std::size_t i = 0; i < missing.size(); ++i) cluster_->cuts.pop_back();
  }
  void Everywhere(int keys) {
    for (int i = 0; i < keys; ++i) WriteAt(0, cluster_->Key("key" + std::to_string(i)), "v", {});
  }
  // Do all hold the same rows, and are all sums, in memory and stored, those of the rows?
  void ExpectAllEqual() {
    const int bits = node(0).shard().ledger().tree().leaf_bits();
    for (int at = 0; at < nodes_; ++at) {
      std::map<RowKey, Bytes> here, first;
      std::map<LeafName, std::uint64_t> sums;
      for (const auto& [key, row] : node(0).rows) first[key] = row.record;
      for (const auto& [key, row] : node(at).rows) {
        here[key] = row.record;
        sums[node(at).LeafOfKey(key)] += RowDigest(key, row.record.view());
      }
      EXPECT_EQ(here, first) << at;
      std::map<LeafName, std::uint64_t> stored = node(at).leaf_sums;
      std::erase_if(stored, [](const auto& leaf) { return leaf.second == 0; });
      EXPECT_EQ(stored, sums) << at;
      for (const auto& [leaf, sum] : sums) {
        EXPECT_EQ(node(at).shard().ledger().tree().SumOf(leaf.first, {bits, leaf.second}), sum);
      }
    }
  }
  std::uint64_t Sum(std::uint64_t ShardCounters::*counter) {
    std::uint64_t sum = 0;
    for (int at = 0; at < nodes_; ++at) sum += counters(at).*counter;
    return sum;
  }
  std::uint64_t RecordsMoved() {
    return Sum(&ShardCounters::exchange_records_sent) +
           Sum(&ShardCounters::exchange_records_received);
  }
  // From now on: how many messages of each type went.
  void CountMessages() {
    messages_.clear();
    cluster_->on_flight = [this](const TestCluster::Flight& flight) {
      ++messages_[TypeOf(flight.message)];
    };
  }
  std::size_t TasksInFlight() {
    std::size_t tasks = 0;
    for (int at = 0; at < nodes_; ++at) tasks += node(at).shard().tasks_in_flight();
    return tasks;
  }
  bool RunUntil(Duration most, const std::function<bool()>& done) {
    for (std::int64_t us = 0; us < most.us && !done(); us += 10'000) {
      cluster_->RunFor(Duration::Millis(10));
    }
    return done();
  }

  std::unique_ptr<TestCluster> cluster_;
  int nodes_ = 0;
  std::map<MessageType, int> messages_;
};

// ---- what differs moves ----------------------------------------------------------------------

// Goal: a copy that was lost comes without anybody reading it, and it alone moves. Paper 4.7.
TEST_F(ShardExchangeTest, OwnersThatDifferInOneRecordBecomeEqual) {
  Begin(2);
  Everywhere(50);
  const RowKey lost = cluster_->Key("lost");
  WriteAt(0, lost, "v", {1});
  ASSERT_EQ(node(1).rows.count(lost), 0u);
  cluster_->RunFor(Duration::Seconds(5));
  EXPECT_EQ(node(1).rows.count(lost), 1u);
  EXPECT_EQ(RecordsMoved(), 1u);
  EXPECT_EQ(Sum(&ShardCounters::leaves_exchanged), 1u);
  EXPECT_EQ(Sum(&ShardCounters::gets), 0u);
  ExpectAllEqual();
}

// Goal: an answer that comes twice is not taken for that to the next question, which it would
// answer with "equal": a new owner would count as one that has all.
TEST_F(ShardExchangeTest, AnAnswerThatComesTwiceAnswersOneQuestion) {
  Begin(2);
  Everywhere(50);
  const RowKey lost = cluster_->Key("lost");
  WriteAt(0, lost, "v", {1});
  bool repeats = false;
  cluster_->on_flight = [&](const TestCluster::Flight& flight) {
    const bool answers = std::holds_alternative<TreeCompareReply>(flight.message) ||
                         std::holds_alternative<LeafKeysReply>(flight.message);
    if (!answers) return;
    repeats = !repeats;
    if (repeats) cluster_->flights.push_front(flight);
  };
  cluster_->RunFor(Duration::Seconds(5));
  EXPECT_EQ(node(1).rows.count(lost), 1u);
  ExpectAllEqual();
}

// Goal: the same in a leaf that takes several steps: the rest of it stays where it is.
TEST_F(ShardExchangeTest, OneRecordOfALargeLeafMovesAlone) {
  CoreConfig config = Config();
  config.exchange_rows_max = 3;
  Begin(2, config);
  for (std::uint64_t i = 0; i < 20; ++i)
    WriteAt(0, KeyIn(5, i), "v", i == 7 ? std::vector{1} : std::vector<int>{});
  cluster_->RunFor(Duration::Seconds(5));
  EXPECT_EQ(RecordsMoved(), 1u);
  ExpectAllEqual();
}

// Goal: the same for an older version, and for siblings: both sides end with the join. Paper 4.4.
TEST_F(ShardExchangeTest, VersionsAreJoined) {
  Begin(2);
  const RowKey key = cluster_->Key("k");
  WriteAt(0, key, "apples", {1});
  WriteAt(1, key, "pears", {0});
  cluster_->RunFor(Duration::Seconds(5));
  ExpectAllEqual();
  EXPECT_THAT(ValuesOf(Record::Decode(node(0).rows.at(key).record).value()),
              ElementsAre("apples", "pears"));
}

// Goal: three owners end equal too, whoever missed what.
TEST_F(ShardExchangeTest, ThreeOwnersBecomeEqual) {
  Begin(3);
  Everywhere(10);
  for (int i = 0; i < 20; ++i) {
    const int at = i % 3;
    const int other = (at + 1) % 3, third = (at + 2) % 3;
    const auto missing = i % 2 == 0 ? std::vector<int>{other} : std::vector<int>{other, third};
    WriteAt(at, cluster_->Key("lost" + std::to_string(i)), "v", missing);
  }
  cluster_->RunFor(Duration::Seconds(10));
  EXPECT_EQ(node(0).rows.size(), 30u);
  ExpectAllEqual();
}

// Goal: equal owners send each other one message of one sum for each pair, and its answer.
// Paper 4.7.
TEST_F(ShardExchangeTest, EqualOwnersCompareOneSumForEachPair) {
  Begin(3);
  Everywhere(50);
  cluster_->RunFor(Duration::Seconds(1));
  std::map<std::tuple<PartitionId, int, int>, int> pairs;
  int others = 0, replies = 0;
  cluster_->on_flight = [&](const TestCluster::Flight& flight) {
    if (const auto* compare = std::get_if<TreeCompare>(&flight.message)) {
      EXPECT_EQ(compare->nodes.size(), 1u);
      EXPECT_EQ(compare->bits, 4);
      ++pairs[{PartitionId(compare->nodes[0].index), std::min(flight.from, flight.to),
               std::max(flight.from, flight.to)}];
    } else if (const auto* reply = std::get_if<TreeCompareReply>(&flight.message)) {
      EXPECT_THAT(reply->differing, IsEmpty());
      ++replies;
    } else {
      ++others;
    }
  };
  // A turn is over a tick or two late.
  cluster_->RunFor(Duration::Millis(4'800));
  EXPECT_EQ(pairs.size(), 16u * 3);
  for (const auto& [pair, times] : pairs) {
    EXPECT_GE(times, 1);
    EXPECT_LE(times, 3);
  }
  EXPECT_EQ(replies, std::accumulate(pairs.begin(), pairs.end(), 0,
                                     [](int sum, const auto& pair) { return sum + pair.second; }));
  EXPECT_EQ(others, 0);
  EXPECT_EQ(RecordsMoved(), 0u);
}

// Goal: all pairs are compared in the end also where each comparison lasts some turns, as between
// far regions, and there is room for one only.
TEST_F(ShardExchangeTest, NoPairIsPassedOverForEver) {
  CoreConfig config = Config();
  config.exchange_sessions_max = 1;
  config.repair_cycle = Duration::Millis(80);
  Begin(2, config);
  std::set<std::uint32_t> compared;
  cluster_->on_flight = [&](const TestCluster::Flight& flight) {
    const auto* compare = std::get_if<TreeCompare>(&flight.message);
    if (compare != nullptr) compared.insert(compare->nodes[0].index);
  };
  for (int turns = 2; turns < 10; ++turns) {
    compared.clear();
    for (int i = 0; i < 50; ++i) {
      for (int turn = 0; turn < turns; ++turn) cluster_->Advance(Duration::Millis(12));
      cluster_->DeliverAll();
    }
    EXPECT_EQ(compared.size(), 16u) << turns;
  }
}

// Goal: one session repairs both ways: what either of the two has alone.
TEST_F(ShardExchangeTest, OneSessionRepairsBothWays) {
  Begin(2);
  WriteAt(0, KeyIn(5, 1), "only at A", {1});
  WriteAt(1, KeyIn(5, 2), "only at B", {0});
  WriteAt(0, KeyIn(9, 1), "only at A", {1});
  cluster_->RunFor(Duration::Seconds(5));
  ExpectAllEqual();
  for (const int at : {0, 1}) {
    if (counters(at).leaves_exchanged == 0) continue;
    EXPECT_EQ(counters(at).exchange_records_sent + counters(at).exchange_records_received, 3u);
    EXPECT_GE(counters(at).exchange_records_sent, 1u);
    EXPECT_GE(counters(at).exchange_records_received, 1u);
    EXPECT_EQ(counters(at).leaves_exchanged, 2u);
  }
  EXPECT_EQ(RecordsMoved(), 3u);
}

// Goal: a deletion is a version like any other: a tombstone replaces what it covers.
TEST_F(ShardExchangeTest, TombstonesTakePart) {
  Begin(2);
  const RowKey key = cluster_->Key("k");
  WriteAt(0, key, "v", {});
  const VersionVector seen = Record::Decode(node(0).rows.at(key).record)->clock;
  cluster_->cuts = {{0, 1}};
  ASSERT_TRUE(cluster_->Run(0, PutRequest{key, DeleteValue{seen}, false, {}}).has_value());
  cluster_->cuts.clear();
  ASSERT_NE(node(1).rows.at(key).record, node(0).rows.at(key).record);
  cluster_->RunFor(Duration::Seconds(5));
  ExpectAllEqual();
  EXPECT_THAT(ValuesOf(Record::Decode(node(1).rows.at(key).record).value()), IsEmpty());
}

// Goal: leaves of any size are repaired, in steps that keep their limits, whatever either side has.
TEST_F(ShardExchangeTest, LargeLeavesAreRepairedInSteps) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CoreConfig config = Config();
    Prng prng(seed);
    config.exchange_rows_max = 2 + prng.Below(3);
    config.exchange_bytes_max = 200 + prng.Below(400);
    Begin(2, config);
    for (std::uint64_t i = 0; i < 40; ++i) {
      const RowKey key = KeyIn(7 + static_cast<std::uint32_t>(prng.Below(2)), i);
      const std::string value(prng.Below(100), 'v');
      const int at = static_cast<int>(prng.Below(2));
      const std::uint64_t who = prng.Below(3);
      WriteAt(at, key, value, who == 0 ? std::vector<int>{} : std::vector<int>{1 - at});
      if (who == 2) WriteAt(1 - at, key, value + "!", {at});
    }
    std::size_t rows_most = 0;
    cluster_->on_flight = [&](const TestCluster::Flight& flight) {
      const auto* keys = std::get_if<LeafKeys>(&flight.message);
      if (keys != nullptr) rows_most = std::max(rows_most, keys->rows.size());
    };
    cluster_->RunFor(Duration::Seconds(20));
    EXPECT_LE(rows_most, config.exchange_rows_max);
    ExpectAllEqual();
    if (HasFailure()) FAIL() << "seed " << seed;
  }
}

// Goal: writes under way are not taken for differences: they arrive while the exchange waits.
TEST_F(ShardExchangeTest, WritesUnderWayAreLeftAlone) {
  CoreConfig config = Config();
  config.exchange_settle = Duration::Millis(500);
  Begin(2, config);
  cluster_->Start(0, Put(cluster_->Key("k"), "v"));
  ASSERT_EQ(cluster_->flights.size(), 1u);
  const TestCluster::Flight slow = cluster_->flights.front();
  cluster_->flights.clear();
  bool leaf_differed = false;
  cluster_->on_flight = [&](const TestCluster::Flight& flight) {
    const auto* reply = std::get_if<TreeCompareReply>(&flight.message);
    if (reply == nullptr || reply->differing.empty()) return;
    leaf_differed = leaf_differed || reply->differing[0] >> 12 != 0;
  };
  ASSERT_TRUE(RunUntil(Duration::Seconds(4), [&] { return leaf_differed; }));
  cluster_->RunFor(Duration::Millis(100));
  cluster_->flights.push_back(slow);
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_EQ(RecordsMoved(), 0u);
  EXPECT_EQ(Sum(&ShardCounters::leaves_exchanged), 0u);
  ExpectAllEqual();
}

// ---- sessions that end badly -----------------------------------------------------------------

// Goal: a session whose link goes down ends, and the pair is compared again when it is back.
TEST_F(ShardExchangeTest, ASessionEndsWithItsLinkAndComesAgain) {
  CoreConfig config = Config();
  config.repair_cycle = Duration::Seconds(10'000);
  config.exchange_settle = Duration::Seconds(100);
  Begin(2, config);
  WriteAt(0, cluster_->Key("lost"), "v", {1});
  // All pairs are compared when a link comes up; the one that differs settles.
  cluster_->Isolate(1);
  cluster_->Rejoin(1);
  cluster_->DeliverAll();
  EXPECT_EQ(TasksInFlight(), 2u);  // each has noticed
  cluster_->Isolate(1);
  EXPECT_EQ(TasksInFlight(), 0u);
  cluster_->RunFor(Duration::Seconds(1));
  EXPECT_EQ(TasksInFlight(), 0u);
  cluster_->Rejoin(1);
  cluster_->RunFor(Duration::Seconds(101));
  ExpectAllEqual();
  EXPECT_EQ(TasksInFlight(), 0u);
}

// Goal: a peer that is silent holds nothing up for longer than a time-out, at any point of a
// session; the pair is compared again after a while, also where the other node begins with it in
// its turn.
TEST_F(ShardExchangeTest, ASilentPeerEndsASessionAtAnyPoint) {
  // How many messages of the exchange are let through before the silence.
  for (int let_through = 0; let_through < 12; ++let_through) {
    CoreConfig config = Config();
    config.request_timeout = Duration::Seconds(2);
    config.repair_cycle = Duration::Seconds(100);
    Begin(2, config);
    WriteAt(0, KeyIn(5, 1), "only at A", {1});
    WriteAt(1, KeyIn(5, 2), "only at B", {0});
    cluster_->Isolate(1);
    cluster_->RunFor(Duration::Seconds(3));  // the puts are over
    cluster_->Rejoin(1);
    for (int i = 0; i < let_through * 8; ++i) {
      if (cluster_->flights.empty()) cluster_->Advance(Duration::Millis(10));
      if (!cluster_->flights.empty()) cluster_->Deliver();
    }
    cluster_->cuts = {{0, 1}, {1, 0}};
    EXPECT_TRUE(RunUntil(Duration::Seconds(60), [&] { return TasksInFlight() == 0; }))
        << let_through;
    cluster_->cuts.clear();
    cluster_->RunFor(Duration::Seconds(130));
    ExpectAllEqual();
    EXPECT_TRUE(RunUntil(Duration::Seconds(5), [&] { return TasksInFlight() == 0; }))
        << let_through;
    EXPECT_EQ(node(0).shard().requests_in_flight() + node(1).shard().requests_in_flight(), 0u);
    EXPECT_EQ(node(0).shard().repair_state().unequal, 0u);
    EXPECT_EQ(node(1).shard().repair_state().unequal, 0u);
    if (HasFailure()) FAIL() << let_through;
  }
}

// ---- damage ----------------------------------------------------------------------------------

// Goal: a value that rots is found by the scrubber before anybody needs it, and replaced by a
// peer's.
TEST_F(ShardExchangeTest, AValueThatRotsIsFoundAndReplaced) {
  Begin(3, ScrubConfig());
  Everywhere(30);
  const RowKey key = cluster_->Key("key7");
  std::string rotten = node(1).rows.at(key).record.ToString();
  rotten.back() ^= 1;
  node(1).rows.at(key).record = Bytes(rotten);
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_GE(counters(1).corrupt_rows, 1u);
  EXPECT_EQ(Sum(&ShardCounters::leaves_corrected), 0u);
  ExpectAllEqual();
}

// Goal: so is a row that cannot be read at all, which hides the others of its page. Paper 4.7.
TEST_F(ShardExchangeTest, ARowThatCannotBeReadIsFoundAndReplaced) {
  Begin(3, ScrubConfig());
  Everywhere(30);
  const RowKey key = cluster_->Key("key7");
  node(1).damaged.insert(key);
  const auto healed = [&] { return node(1).damaged.empty(); };
  EXPECT_TRUE(RunUntil(Duration::Seconds(120), healed));
  EXPECT_GE(counters(1).damaged_pages, 1u);
  cluster_->RunFor(Duration::Seconds(60));
  ExpectAllEqual();
}

// Goal: an exchange that meets such rows, on either side, fetches or gives the whole leaf.
TEST_F(ShardExchangeTest, AnExchangeRepairsRowsThatCannotBeRead) {
  for (const int damaged : {0, 1}) {
    Begin(2);
    WriteAt(0, KeyIn(5, 1), "1", {});
    WriteAt(0, KeyIn(5, 3), "3", {});
    node(damaged).damaged.insert(KeyIn(5, 1));
    WriteAt(0, KeyIn(5, 2), "2", {1});
    cluster_->RunFor(Duration::Seconds(20));
    EXPECT_THAT(node(damaged).damaged, IsEmpty()) << damaged;
    ExpectAllEqual();
  }
}

// Goal: damage that is found while no peer answers is repaired once one does: soon, not when the
// scrubber comes round again.
TEST_F(ShardExchangeTest, DamageIsRepairedOnceAPeerAnswers) {
  CoreConfig config = ScrubConfig();
  config.scrub_cycle = Duration::Seconds(1'000);
  config.repair_cycle = Duration::Seconds(5);
  config.request_timeout = Duration::Seconds(2);
  Begin(2, config);
  Everywhere(30);
  const RowKey key = cluster_->Key("key7");
  std::string rotten = node(1).rows.at(key).record.ToString();
  rotten.back() ^= 1;
  node(1).rows.at(key).record = Bytes(rotten);
  cluster_->cuts = {{0, 1}, {1, 0}};
  ASSERT_TRUE(RunUntil(Duration::Seconds(1'200), [&] { return counters(1).corrupt_rows > 0; }));
  cluster_->RunFor(Duration::Seconds(10));
  cluster_->cuts.clear();
  cluster_->RunFor(Duration::Seconds(30));
  EXPECT_EQ(node(1).rows.at(key).record, node(0).rows.at(key).record);
}

// Goal: a row that vanished behind the protocol's back is missed by the scrubber's count, and comes
// back from a peer.
TEST_F(ShardExchangeTest, ARowThatVanishedComesBack) {
  Begin(2, ScrubConfig());
  Everywhere(30);
  node(1).rows.erase(cluster_->Key("key7"));
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_EQ(counters(1).leaves_corrected, 1u);
  EXPECT_EQ(counters(0).leaves_corrected, 0u);
  EXPECT_EQ(node(1).rows.size(), 30u);
  ExpectAllEqual();
}

// Goal: when storage says that it has lost rows, they come back from a peer at once: no scrub has
// to find them, and the sums need no other correction.
TEST_F(ShardExchangeTest, RowsThatStorageLostComeBackAtOnce) {
  CoreConfig config = Config();
  config.repair_cycle = Duration::Seconds(10'000);
  config.scrub_cycle = Duration::Seconds(10'000);
  Begin(2, config);
  Everywhere(30);
  cluster_->LoseRow(1, cluster_->Key("key7"));
  cluster_->RunFor(Duration::Seconds(1));
  EXPECT_EQ(node(1).rows.size(), 30u);
  EXPECT_EQ(counters(1).exchange_records_received, 1u);
  EXPECT_EQ(RecordsMoved(), 1u);
  EXPECT_EQ(Sum(&ShardCounters::leaves_corrected), 0u);
  ExpectAllEqual();
}

// Goal: a stored sum that is wrong is found by the exchange (sums differ and rows do not), and
// corrected at once, in memory and in storage; no record moves for it.
TEST_F(ShardExchangeTest, ASumThatIsWrongIsCorrected) {
  for (const int wrong : {0, 1}) {
    Begin(2);
    Everywhere(30);
    node(wrong).leaf_sums[node(wrong).LeafOfKey(cluster_->Key("key7"))] += 12'345;
    cluster_->Restart(wrong);
    cluster_->Rejoin(wrong);
    cluster_->RunFor(Duration::Seconds(5));
    EXPECT_EQ(counters(wrong).leaves_corrected, 1u);
    EXPECT_EQ(counters(1 - wrong).leaves_corrected, 0u);
    EXPECT_EQ(RecordsMoved(), 0u);
    ExpectAllEqual();
  }
}

// Goal: the scrubber does not "correct" what clients write while it counts.
TEST_F(ShardExchangeTest, TheScrubberIsNotMisledByWrites) {
  CoreConfig config = ScrubConfig();
  config.exchange_rows_max = 2;
  Begin(2, config);
  Prng prng(1);
  for (int round = 0; round < 300; ++round) {
    // Also rows that it has just read, before the rest of their leaf.
    const RowKey key = KeyIn(static_cast<std::uint32_t>(prng.Below(2)), prng.Below(30));
    for (int at = 0; at < 2; ++at) node(at).hold_writes = round % 3 == 0;
    cluster_->Start(0, Put(key, "v", std::nullopt));
    cluster_->RunFor(Duration::Millis(10));
    for (int at = 0; at < 2; ++at) cluster_->ReleaseWrites(at);
    cluster_->DeliverAll();
  }
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_GT(counters(0).rows_scrubbed, 100u);
  EXPECT_EQ(Sum(&ShardCounters::leaves_corrected), 0u);
  ExpectAllEqual();
}

// Goal: the sums are right for rows with one owner, too, however they were written: nobody compares
// them, but a scrubber that corrected them all the time would be taken for damage.
TEST_F(ShardExchangeTest, SumsOfRowsWithOneOwnerAreRight) {
  cluster_ = std::make_unique<TestCluster>(2, Keyspace(1), ScrubConfig());
  nodes_ = 2;
  node(0).rows_at_hand = true;
  for (int i = 0; i < 20; ++i) {
    for (const int at : {0, 1}) WriteAt(at, cluster_->Key("key" + std::to_string(i)), "v", {});
  }
  cluster_->RunFor(Duration::Seconds(3));
  EXPECT_GE(Sum(&ShardCounters::rows_scrubbed), 20u);
  EXPECT_EQ(Sum(&ShardCounters::leaves_corrected), 0u);
}

// Goal: a restart goes on with the sums that storage kept: nothing has to be counted again.
TEST_F(ShardExchangeTest, ARestartGoesOnWithTheStoredSums) {
  Begin(2);
  Everywhere(50);
  cluster_->Restart(1);
  CountMessages();
  cluster_->Rejoin(1);
  cluster_->RunFor(Duration::Seconds(5));
  EXPECT_EQ(messages_[MessageType::kLeafKeys], 0);
  EXPECT_GT(messages_[MessageType::kTreeCompare], 16);
  ExpectAllEqual();
}

}  // namespace
}  // namespace gyre::testing
