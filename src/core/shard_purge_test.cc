// Deleted rows are purged by ballots (docs/adr/0006-safe-deletes.md), and nothing that a tombstone
// covered comes back afterwards: by a late message, a hint, an absent owner, a restored disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

KeyspaceConfig Keyspace(int replicas) {
  KeyspaceConfig keyspace;
  keyspace.replicas = replicas;
  return keyspace;
}

class ShardPurgeTest : public ::testing::Test {
 protected:
  static CoreConfig Config() {
    CoreConfig config;
    config.purge_after = Duration::Millis(500);
    config.purge_pause = Duration::Millis(100);
    config.expiry_step = Duration::Millis(200);
    config.repair_cycle = Duration::Seconds(1);
    return config;
  }
  explicit ShardPurgeTest(int nodes = 3) : cluster(nodes, Keyspace(3), Config()) {}

  static PutRequest Delete(const RowKey& key) { return {key, DeleteValue{}, true, {}}; }
  // What the node holds of the key, as its own row.
  Record RowAt(int at, const RowKey& key) {
    const auto it = cluster.node(at).rows.find(key);
    return it == cluster.node(at).rows.end() ? Record() : *Record::Decode(it->second.record);
  }
  bool Gone(const RowKey& key) {
    for (int i = 0; i < nodes(); ++i) {
      if (cluster.node(i).rows.contains(key)) return false;
    }
    return true;
  }
  std::vector<std::string> Read(int at, const RowKey& key) {
    return ValuesOf(std::get<GetOutcome>(cluster.Run(at, Get(key)).value()).record);
  }
  void PutAndDelete(const RowKey& key) {
    ASSERT_TRUE(cluster.Run(0, Put(key, "old")).has_value());
    ASSERT_TRUE(cluster.Run(0, Delete(key)).has_value());
  }
  int nodes() const { return cluster.size(); }
  std::uint64_t Sum(std::uint64_t ShardCounters::*counter) {
    std::uint64_t sum = 0;
    for (int i = 0; i < nodes(); ++i) sum += cluster.node(i).shard().counters().*counter;
    return sum;
  }
  const Duration kLong = Duration::Seconds(4);

  TestCluster cluster;
};

class ShardPurgeOfFourTest : public ShardPurgeTest {
 protected:
  ShardPurgeOfFourTest() : ShardPurgeTest(4) {}
  // Indexes of the key's owners, in order, and of the node that owns nothing of it.
  std::vector<int> OwnersOf(const RowKey& key) {
    std::vector<int> owners;
    for (const NodeId id : cluster.ring().OwnersOf(cluster.ring().PartitionOf(key.token), 3)) {
      owners.push_back(static_cast<int>(id.value) - 1);
    }
    return owners;
  }
  int FallbackOf(const RowKey& key) {
    const std::vector<int> owners = OwnersOf(key);
    for (int i = 0; i < nodes(); ++i) {
      if (std::find(owners.begin(), owners.end(), i) == owners.end()) return i;
    }
    return -1;
  }
};

// Goal: a tombstone that all owners hold is purged from all of them, and the trees know.
TEST_F(ShardPurgeTest, WhatIsDeletedGoesFromEveryOwner) {
  const RowKey key = cluster.Key("k"), kept = cluster.Key("kept");
  ASSERT_TRUE(cluster.Run(0, Put(kept, "v")).has_value());
  PutAndDelete(key);
  cluster.RunFor(Duration::Millis(400));
  EXPECT_FALSE(Gone(key)) << "younger than purge_after";
  cluster.RunFor(kLong);
  EXPECT_TRUE(Gone(key));
  EXPECT_EQ(Sum(&ShardCounters::rows_dropped), 3u);
  EXPECT_THAT(Read(1, key), IsEmpty());
  EXPECT_THAT(Read(1, kept), ElementsAre("v"));
  const auto [keyspace, leaf] = cluster.node(0).LeafOfKey(key);
  EXPECT_EQ(cluster.node(0).leaf_sums[std::pair(keyspace, leaf)], 0u);
  // A new life of the key is like any other.
  ASSERT_TRUE(cluster.Run(2, Put(key, "new")).has_value());
  EXPECT_THAT(Read(0, key), ElementsAre("new"));
}

// Goal: an owner's promise that comes twice does not count as its commit: it might take an old copy
// again, which the tombstones that are dropped then would have covered.
TEST_F(ShardPurgeTest, APromiseThatComesTwiceIsNoCommit) {
  const RowKey key = cluster.Key("k");
  PutAndDelete(key);
  int cut = 0;
  bool doubled = false;
  cluster.on_flight = [&](const TestCluster::Flight& flight) {
    const bool lost = [&] {
      const auto* ballot = std::get_if<Ballot>(&flight.message);
      return ballot != nullptr && ballot->step == Ballot::Step::kCommit && flight.to == 2;
    }();
    cluster.cuts.clear();
    if (lost) cluster.cuts.emplace_back(flight.from, flight.to);
    cut += lost;
    if (std::holds_alternative<BallotReply>(flight.message) && flight.from == 2) {
      doubled = !doubled;
      if (doubled) cluster.flights.push_back(flight);
    }
  };
  cluster.RunFor(kLong);
  EXPECT_GT(cut, 0);
  for (int i = 0; i < nodes(); ++i) EXPECT_TRUE(cluster.node(i).rows.contains(key)) << i;
}

// Goal: what expires goes soon, and not when the scrubber comes by in a day; what is written again
// before then stays, and so does what has another value beside it.
TEST_F(ShardPurgeTest, WhatExpiresGoesFromEveryOwner) {
  const RowKey key = cluster.Key("k"), renewed = cluster.Key("renewed"), both = cluster.Key("both");
  const auto with_expiry = [&](const RowKey& row, Duration after) {
    PutRequest put = Put(row, "v", std::nullopt);
    std::get<WriteValue>(put.mutation).expiry = WallTime{cluster.now().wall.ms + after.ms()};
    return put;
  };
  ASSERT_TRUE(cluster.Run(0, with_expiry(key, Duration::Seconds(2))).has_value());
  ASSERT_TRUE(cluster.Run(0, with_expiry(renewed, Duration::Seconds(2))).has_value());
  ASSERT_TRUE(cluster.Run(1, with_expiry(both, Duration::Seconds(2))).has_value());
  ASSERT_TRUE(cluster.Run(1, Put(both, "kept")).has_value());
  cluster.RunFor(Duration::Millis(2'300));
  EXPECT_FALSE(Gone(key)) << "younger than purge_after";
  ASSERT_TRUE(cluster.Run(0, with_expiry(renewed, Duration::Seconds(60))).has_value());
  cluster.RunFor(Duration::Millis(1'700));
  EXPECT_TRUE(Gone(key));
  EXPECT_THAT(Read(1, renewed), ElementsAre("v"));
  EXPECT_THAT(Read(2, both), ::testing::Contains("kept"));
  cluster.RunFor(Duration::Seconds(61));
  EXPECT_TRUE(Gone(renewed));
  EXPECT_LT(Sum(&ShardCounters::rows_scrubbed), 30u) << "only leaves with such rows are read";
}

// Goal: nothing is purged while a member is away, and what it has kept from before does not come
// back with it.
TEST_F(ShardPurgeTest, AnAbsentOwnerDelaysThePurgeAndBringsNothingBack) {
  const RowKey key = cluster.Key("k");
  ASSERT_TRUE(cluster.Run(0, Put(key, "old")).has_value());
  cluster.Isolate(2);
  ASSERT_TRUE(cluster.Run(0, Delete(key)).has_value());
  cluster.RunFor(kLong + kLong);
  EXPECT_FALSE(RowAt(0, key).empty());
  EXPECT_THAT(ValuesOf(RowAt(2, key)), ElementsAre("old"));
  cluster.Rejoin(2);
  cluster.RunFor(kLong + kLong);
  EXPECT_TRUE(Gone(key));
  EXPECT_THAT(Read(2, key), IsEmpty());
}

// Goal: a copy that was read before the purge, and is late, is refused by its owner.
TEST_F(ShardPurgeTest, ALateCopyIsRefused) {
  const RowKey key = cluster.Key("k");
  std::optional<TestCluster::Flight> late;
  cluster.on_flight = [&](const TestCluster::Flight& flight) {
    if (!late && std::holds_alternative<ReplicaPut>(flight.message)) late = flight;
  };
  PutAndDelete(key);
  cluster.on_flight = nullptr;
  cluster.RunFor(kLong);
  ASSERT_TRUE(Gone(key));
  ASSERT_TRUE(late.has_value());
  cluster.flights.push_back(*late);
  cluster.DeliverAll();
  EXPECT_TRUE(Gone(key));
}

// Goal: a reply to a read that was read before a purge, and comes after it, brings nothing back.
TEST_F(ShardPurgeTest, ALateReplyBringsNothingBack) {
  const RowKey key = cluster.Key("k");
  ASSERT_TRUE(cluster.Run(0, Put(key, "old")).has_value());
  cluster.Isolate(2);
  cluster.Run(0, Delete(key));
  cluster.Rejoin(2);
  // Node 2 still has the old value when it is asked; its reply is late.
  const auto get = cluster.Start(0, Get(key));
  std::optional<TestCluster::Flight> reply;
  while (!reply && !cluster.flights.empty()) {
    const TestCluster::Flight next = cluster.flights.front();
    const auto* copy = std::get_if<ReplicaGetReply>(&next.message);
    if (copy != nullptr && next.from == 2) {
      reply = next;
      cluster.flights.pop_front();
    } else {
      cluster.Deliver();
    }
  }
  ASSERT_TRUE(reply.has_value());
  cluster.RunFor(kLong);
  EXPECT_EQ(cluster.answers.count(get), 1u);  // by the others; late repairs are what is left
  cluster.flights.push_back(*reply);
  cluster.DeliverAll();
  EXPECT_TRUE(Gone(key));
  EXPECT_THAT(Read(0, key), IsEmpty());
}

// Goal: promises outlive a restart: a node that has promised a ballot does not promise it again.
TEST_F(ShardPurgeTest, WhatWasPromisedIsKeptOnDisk) {
  const RowKey key = cluster.Key("k");
  PutAndDelete(key);
  cluster.RunFor(kLong);
  ASSERT_TRUE(Gone(key));
  const SectionId section = cluster.ring().SectionOf(key.token);
  const BallotNumbers before = cluster.node(1).shard().ledger().ballots().Durable(section);
  EXPECT_GT(before.purged, 0u);
  cluster.Restart(1);
  EXPECT_EQ(cluster.node(1).shard().ledger().ballots().Durable(section), before);
}

// Goal: a note that storage lost to a damaged disk is written again from memory, so that a restart
// later does not forget a promise.
TEST_F(ShardPurgeTest, ANoteThatStorageLostIsWrittenAgain) {
  const RowKey key = cluster.Key("k");
  PutAndDelete(key);
  cluster.RunFor(kLong);
  ASSERT_TRUE(Gone(key));
  const SectionId section = cluster.ring().SectionOf(key.token);
  const BallotNumbers before = cluster.node(1).shard().ledger().ballots().Durable(section);
  EXPECT_GT(before.purged, 0u);
  const std::map<RowKey, Row> rows = cluster.node(1).rows;
  cluster.LoseNote(1, section);
  cluster.RunFor(Duration::Millis(10));
  EXPECT_EQ(cluster.node(1).rows, rows);
  cluster.Isolate(1);  // so that nobody tells it
  cluster.Restart(1);
  EXPECT_EQ(cluster.node(1).shard().ledger().ballots().Durable(section), before);
}

// Goal: a disk that is restored from before a purge forgets what it held then, goes on as another
// actor, and fills up from the others.
TEST_F(ShardPurgeTest, ARestoredDiskIsSetAside) {
  const RowKey key = cluster.Key("k"), other = cluster.Key("other");
  ASSERT_TRUE(cluster.Run(0, Put(key, "old")).has_value());
  const std::map<RowKey, Row> backup = cluster.node(2).rows;
  const auto sums = cluster.node(2).leaf_sums;
  ASSERT_TRUE(cluster.Run(0, Delete(key)).has_value());
  ASSERT_TRUE(cluster.Run(0, Put(other, "v")).has_value());
  cluster.RunFor(kLong);
  ASSERT_TRUE(Gone(key));
  cluster.Isolate(2);
  cluster.node(2).rows = backup;
  cluster.node(2).leaf_sums = sums;
  cluster.Restart(2);
  ASSERT_THAT(ValuesOf(RowAt(2, key)), ElementsAre("old"));
  cluster.Rejoin(2);
  cluster.RunFor(kLong);
  EXPECT_EQ(cluster.node(2).shard().counters().partitions_set_aside, 1u);
  EXPECT_EQ(cluster.node(2).shard().counters().actors_retired, 1u);
  EXPECT_TRUE(Gone(key));
  EXPECT_THAT(Read(2, key), IsEmpty());
  EXPECT_THAT(ValuesOf(RowAt(2, other)), ElementsAre("v"));
}

// Goal: an empty disk under an old name has nothing to set aside, and hears of old promises.
TEST_F(ShardPurgeTest, AnEmptyDiskTakesOverTheNumbers) {
  const RowKey key = cluster.Key("k");
  PutAndDelete(key);
  cluster.RunFor(kLong);
  const SectionId section = cluster.ring().SectionOf(key.token);
  const BallotNumbers known = cluster.node(0).shard().ledger().ballots().Durable(section);
  cluster.Isolate(2);
  cluster.node(2).rows.clear();
  cluster.node(2).leaf_sums.clear();
  cluster.Restart(2);
  cluster.Rejoin(2);
  cluster.RunFor(Duration::Millis(100));
  EXPECT_EQ(cluster.node(2).shard().ledger().ballots().Durable(section), known);
  EXPECT_EQ(cluster.node(2).shard().counters().partitions_set_aside, 0u);
}

// Goal: after a crash a node takes no request before some member has told it whether its disk is up
// to date; alone, it waits no longer than start_grace.
TEST_F(ShardPurgeTest, ANodeServesOnceItHasMetAMember) {
  const RowKey key = cluster.Key("k");
  PutRequest put = Put(key, "v");
  put.options.write_quorum = QuorumSpec::One();
  put.options.timeout = Duration::Seconds(10);
  cluster.Restart(0);
  const auto early = cluster.Start(0, put);
  cluster.RunFor(Duration::Millis(300));
  EXPECT_EQ(cluster.answers.count(early), 0u);
  cluster.RunFor(Config().start_grace);
  ASSERT_EQ(cluster.answers.count(early), 1u);
  EXPECT_TRUE(cluster.answers.at(early).has_value());
}

// Goal: while a fallback keeps a hint nothing of its section is purged; when the hint has gone to
// its owner, it is.
TEST_F(ShardPurgeOfFourTest, AHintHoldsUpThePurge) {
  const RowKey key = cluster.Key("k");
  const std::vector<int> owners = OwnersOf(key);
  ASSERT_TRUE(cluster.Run(owners[0], Put(key, "old")).has_value());
  cluster.Isolate(owners[2]);
  cluster.RunFor(Duration::Millis(50));
  ASSERT_TRUE(cluster.Run(owners[0], Put(key, "hinted")).has_value());
  ASSERT_TRUE(cluster.Run(owners[0], Delete(key)).has_value());
  cluster.RunFor(kLong);
  EXPECT_FALSE(RowAt(owners[0], key).empty());
  cluster.Rejoin(owners[2]);
  cluster.RunFor(kLong + kLong);
  EXPECT_TRUE(Gone(key));
}

// Goal: a hint from before a ballot is refused by a fallback that has promised it, which says how
// far it has promised; and at a link all follow who has promised most.
TEST_F(ShardPurgeOfFourTest, AHintFromBeforeAPromiseIsRefused) {
  const RowKey key = cluster.Key("k");
  const std::vector<int> owners = OwnersOf(key);
  const int fallback = FallbackOf(key);
  const SectionId section = cluster.ring().SectionOf(key.token);
  // As after a ballot that came to nothing: only the fallback has promised it.
  cluster.node(fallback).rows[cluster.node(fallback).shard().ledger().ballots().KeyOf(section)] =
      Row{{}, EncodeNote({7, 0})};
  cluster.Restart(fallback);
  cluster.Isolate(owners[2]);
  cluster.cuts.clear();
  for (const int owner : {owners[0], owners[1]}) {
    cluster.SetLink(owner, fallback, true);
    cluster.SetLink(fallback, owner, true);
  }
  cluster.RunFor(Duration::Millis(200));
  // It has told the others, who follow it: so what they send is not too old.
  EXPECT_EQ(cluster.node(owners[0]).shard().ledger().ballots().Durable(section).promised, 7u);
  // A copy of before.
  ReplicaPut old{RequestId(1),
                 cluster.ring().epoch(),
                 key.OwedTo(NodeId(static_cast<std::uint32_t>(owners[2]) + 1)),
                 Bytes(),
                 false,
                 6};
  Record record;
  record.clock.Add({ActorId(1), 1, 1}, WallTime{1});
  old.record = record.Encode();
  cluster.flights.push_back({owners[0], fallback, old});
  std::optional<ReplicaPutReply> reply;
  cluster.on_flight = [&](const TestCluster::Flight& flight) {
    if (const auto* put = std::get_if<ReplicaPutReply>(&flight.message)) reply = *put;
  };
  cluster.DeliverAll();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->error, ErrorCode::kStaleCopy);
  EXPECT_EQ(reply->promised, 7u);
}

}  // namespace
}  // namespace gyre::testing
