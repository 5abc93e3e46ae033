// What a ballot makes too old on its way (docs/adr/0006-safe-deletes.md, rules 4 and 5): copies of
// a put are read once more and sent with a new stamp, reads begin anew; neither without end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/coordinator/read_set.h"
#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kRenewalsMax = 3;

class ShardStaleCopyTest : public ::testing::Test {
 protected:
  explicit ShardStaleCopyTest(int nodes = 3) : cluster(nodes, Keyspace(), Config()) {
    cluster.on_flight = [this](const TestCluster::Flight& flight) {
      if (const auto* put = std::get_if<ReplicaPut>(&flight.message)) {
        stamps_sent[flight.to].push_back(put->stamp);
      } else if (const auto* get = std::get_if<ReplicaGet>(&flight.message)) {
        if (flight.from == 0) floors_asked[flight.to].push_back(get->floor);
      } else if (const auto* reply = std::get_if<ForwardPutReply>(&flight.message)) {
        forward_reply = *reply;
      }
      forwards += std::holds_alternative<ForwardPut>(flight.message);
    };
  }
  static KeyspaceConfig Keyspace() {
    KeyspaceConfig keyspace;
    keyspace.replicas = 3;
    return keyspace;
  }
  static CoreConfig Config() {
    CoreConfig config;
    config.purge_after = Duration::Millis(500);
    config.purge_pause = Duration::Millis(100);
    config.repair_cycle = Duration::Seconds(1);
    return config;
  }

  // Acknowledged once all have it.
  PutRequest PutToAll(std::string_view value) const {
    PutRequest put = Put(key, value);
    put.options.write_quorum = QuorumSpec::All();
    return put;
  }
  // Reads first, and changes only what is there.
  PutRequest Expire() const {
    PutRequest put{key, SetExpiry{WallTime{2'000'000'000'000}}, true, {}};
    put.options.timeout = Duration::Seconds(30);
    return put;
  }

  PutRequest Delete() const { return {key, DeleteValue{}, true, {}}; }

  BallotNumbers NumbersAt(int at) {
    return cluster.node(at).shard().ledger().ballots().Durable(section);
  }
  // The node's part in a step of a ballot without rows, with a number of the test's own.
  void Vote(int at, Ballot::Step step, std::uint64_t number) {
    Ballot ballot{RequestId(1), cluster.ring().epoch(), step, section, number, {}, {}};
    for (int i = 0; i < cluster.size(); ++i) {
      ballot.runs.push_back({cluster.node(i).id(), cluster.node(i).shard().run()});
    }
    cluster.flights.push_front({(at + 1) % cluster.size(), at, std::move(ballot)});
    cluster.Deliver();
    ASSERT_EQ(NumbersAt(at).promised, number);
    ASSERT_EQ(NumbersAt(at).purged == number, step == Ballot::Step::kCommit);
  }
  // The whole ballot: all promise, then all commit.
  void VoteEverywhere(std::uint64_t number) {
    for (const Ballot::Step step : {Ballot::Step::kPromise, Ballot::Step::kCommit}) {
      for (int i = 0; i < cluster.size(); ++i) Vote(i, step, number);
    }
  }
  // Delivers everything; `before` is run ahead of each message of this type to the node.
  template <typename T, typename Before>
  void DeliverAllWith(int to, Before before) {
    while (!cluster.flights.empty()) {
      if (cluster.flights.front().to == to &&
          std::holds_alternative<T>(cluster.flights.front().message)) {
        TestCluster::Flight held = std::move(cluster.flights.front());
        cluster.flights.pop_front();
        before();
        cluster.flights.push_front(std::move(held));
      }
      cluster.Deliver();
    }
  }
  // Node 0 hears of the end of one more ballot ahead of each reply that it gets.
  void DeliverWithABallotAtEachReply() {
    std::uint64_t number = 0;
    DeliverAllWith<ReplicaGetReply>(0, [&] {
      ++number;
      for (const int i : {1, 2}) Vote(i, Ballot::Step::kPromise, number);
      Vote(0, Ballot::Step::kCommit, number);
    });
  }
  // What is on the way stays there.
  std::deque<TestCluster::Flight> HoldFlights() { return std::exchange(cluster.flights, {}); }
  void Release(std::deque<TestCluster::Flight> held) {
    for (TestCluster::Flight& flight : held) cluster.flights.push_back(std::move(flight));
    cluster.DeliverAll();
  }

  std::vector<std::string> ValuesAt(int at, const RowKey& row) {
    const auto it = cluster.node(at).rows.find(row);
    if (it == cluster.node(at).rows.end()) return {};
    return ValuesOf(*Record::Decode(it->second.record));
  }
  const ShardCounters& CountersAt(int at) { return cluster.node(at).shard().counters(); }

  // Node 2 missed the delete of "old". Node 0 begins a request that reads, and gets the reply of
  // node 2 only once a ballot has purged the key everywhere; its own row it reads then, node 1 is
  // not heard at all. Returns the request's number.
  std::uint64_t StartAndPurgeMeanwhile(ClientRequest request) {
    EXPECT_TRUE(cluster.Run(0, Put(key, "old")).has_value());
    cluster.Isolate(2);
    EXPECT_TRUE(cluster.Run(0, Delete()).has_value());
    cluster.Rejoin(2);
    HoldFlights();
    EXPECT_THAT(ValuesAt(2, key), ElementsAre("old"));
    cluster.node(0).hold_reads = true;
    const std::uint64_t number = cluster.Start(0, std::move(request));
    cluster.node(0).hold_reads = false;
    std::erase_if(cluster.flights,
                  [](const TestCluster::Flight& flight) { return flight.to == 1; });
    cluster.Deliver();
    std::deque<TestCluster::Flight> reply = HoldFlights();
    EXPECT_EQ(reply.size(), 1u);
    cluster.RunFor(Duration::Seconds(8));
    EXPECT_GT(NumbersAt(0).purged, 0u);
    EXPECT_TRUE(Gone());
    EXPECT_FALSE(cluster.answers.contains(number));
    floors_asked.clear();
    cluster.ReleaseRead(0);
    Release(std::move(reply));
    return number;
  }
  // The request has asked both others, and their replies come only after a ballot: they answer a
  // question that was given up.
  std::uint64_t StartAndVoteMeanwhile(ClientRequest request) {
    EXPECT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
    floors_asked.clear();
    const std::uint64_t number = cluster.Start(0, std::move(request));
    cluster.Deliver();
    cluster.Deliver();
    auto replies = HoldFlights();
    EXPECT_EQ(replies.size(), 2u);
    VoteEverywhere(7);
    HoldFlights();
    Release(std::move(replies));
    EXPECT_EQ(CountersAt(0).reads_begun_anew, 1u);
    EXPECT_THAT(floors_asked[1], ElementsAre(0, 7));
    EXPECT_THAT(floors_asked[2], ElementsAre(0, 7));
    return number;
  }
  bool Gone() {
    for (int i = 0; i < cluster.size(); ++i) {
      if (cluster.node(i).rows.contains(key)) return false;
    }
    return true;
  }

  TestCluster cluster;
  const RowKey key = cluster.Key("k");
  const SectionId section = cluster.ring().SectionOf(key.token);
  // Of the puts' copies, and of node 0's questions, by receiver.
  std::map<int, std::vector<std::uint64_t>> stamps_sent, floors_asked;
  int forwards = 0;
  std::optional<ForwardPutReply> forward_reply;
};

// ---- copies of puts ----------------------------------------------------------------------------

// Goal: owners refuse the copies that were read before a ballot; they are sent with a stamp of
// after it, and the put is acknowledged by all.
TEST_F(ShardStaleCopyTest, AnOwnersCopyIsRenewed) {
  const auto put = cluster.Start(0, PutToAll("v"));
  auto copies = HoldFlights();
  VoteEverywhere(7);
  Release(std::move(copies));
  EXPECT_THAT(stamps_sent[1], ElementsAre(0, 7));
  EXPECT_THAT(stamps_sent[2], ElementsAre(0, 7));
  EXPECT_EQ(CountersAt(0).copies_renewed, 2u);
  ASSERT_TRUE(cluster.answers.at(put).has_value());
  EXPECT_EQ(std::get<PutOutcome>(*cluster.answers.at(put)).copies, 3);
  EXPECT_THAT(ValuesAt(1, key), ElementsAre("v"));
  EXPECT_THAT(ValuesAt(2, key), ElementsAre("v"));
}

// Goal: what is sent with the new stamp is what the row holds at the new reading, not the copy of
// before.
TEST_F(ShardStaleCopyTest, ARenewedCopyIsReadAnew) {
  const auto first = cluster.Start(0, PutToAll("v"));
  auto copies = HoldFlights();
  VoteEverywhere(7);
  HoldFlights();
  cluster.Start(0, Put(key, "later", std::nullopt));
  HoldFlights();  // its own copies are lost
  Release(std::move(copies));
  ASSERT_TRUE(cluster.answers.at(first).has_value());
  EXPECT_THAT(ValuesAt(1, key), ElementsAre("later"));
  EXPECT_THAT(ValuesAt(2, key), ElementsAre("later"));
}

// Goal: a copy that meets a new ballot each time is renewed three times, then it counts as failed.
TEST_F(ShardStaleCopyTest, AnOwnersCopyIsRenewedThreeTimes) {
  const auto put = cluster.Start(0, PutToAll("v"));
  std::uint64_t number = 0;
  DeliverAllWith<ReplicaPut>(1, [&] {
    ++number;
    for (const int i : {0, 1, 2}) Vote(i, Ballot::Step::kPromise, number);
    Vote(1, Ballot::Step::kCommit, number);
  });
  EXPECT_THAT(stamps_sent[1], ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(stamps_sent[2], ElementsAre(0));
  EXPECT_EQ(CountersAt(0).copies_renewed, kRenewalsMax);
  EXPECT_EQ(CountersAt(0).copies_left_to_exchange, 1u);
  ASSERT_FALSE(cluster.answers.at(put).has_value());
  EXPECT_EQ(cluster.answers.at(put).error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(ValuesAt(1, key), IsEmpty());
}

class ShardStaleHintTest : public ShardStaleCopyTest {
 protected:
  ShardStaleHintTest() : ShardStaleCopyTest(4) {
    std::set<int> others{0, 1, 2, 3};
    for (const NodeId id : cluster.ring().OwnersOf(cluster.ring().PartitionOf(key.token), 3)) {
      owners.push_back(static_cast<int>(id.value) - 1);
      others.erase(owners.back());
    }
    fallback = *others.begin();
    cluster.Isolate(owners[2]);
    cluster.RunFor(Duration::Seconds(3));  // past start_grace: it is known to be away
    stamps_sent.clear();
  }
  // As a read does that must not get what is older: it asks for what the fallback keeps.
  void RaiseFallback(std::uint64_t floor) {
    ReplicaGet get{RequestId(1), cluster.ring().epoch(), key, /*owed=*/true, floor, 0};
    cluster.flights.push_front({owners[1], fallback, std::move(get)});
    cluster.Deliver();
    ASSERT_EQ(NumbersAt(fallback).promised, floor);
  }

  std::vector<int> owners;
  int fallback = 0;
};

// Goal: a fallback refuses the hint of a node that has promised less; that one follows it, for
// good, and the hint it then sends is taken and counts towards W.
TEST_F(ShardStaleHintTest, AHintIsRenewedAboveThePromise) {
  RaiseFallback(7);
  const auto put = cluster.Start(owners[0], PutToAll("v"));
  cluster.DeliverAll();
  EXPECT_THAT(stamps_sent[fallback], ElementsAre(0, 7));
  EXPECT_THAT(stamps_sent[owners[1]], ElementsAre(0));
  EXPECT_EQ(CountersAt(owners[0]).copies_renewed, 1u);
  EXPECT_EQ(NumbersAt(owners[0]), (BallotNumbers{7, 0}));
  ASSERT_TRUE(cluster.answers.at(put).has_value());
  EXPECT_EQ(std::get<PutOutcome>(*cluster.answers.at(put)).hints, 1);
  EXPECT_THAT(ValuesAt(fallback, key.OwedTo(cluster.node(owners[2]).id())), ElementsAre("v"));
}

// Goal: where the coordinator's own write has failed, its row is no copy of the put: a hint for
// itself that was refused is not sent again as the row of before, and counts for nothing.
TEST_F(ShardStaleHintTest, ARowWithoutTheWriteIsNoCopy) {
  cluster.Rejoin(owners[2]);
  cluster.RunFor(Duration::Seconds(3));
  ASSERT_TRUE(cluster.Run(owners[0], PutToAll("before")).has_value());
  cluster.DeliverAll();
  cluster.node(owners[0]).hold_writes = true;
  const auto put = cluster.Start(owners[0], PutToAll("v"));
  cluster.node(owners[0]).hold_writes = false;
  cluster.DeliverAll();
  Vote(owners[0], Ballot::Step::kPromise, 7);
  RaiseFallback(7);
  cluster.FailWrite(owners[0]);
  cluster.DeliverAll();
  EXPECT_EQ(CountersAt(owners[0]).copies_renewed, 1u);
  EXPECT_THAT(ValuesAt(owners[0], key), ElementsAre("before"));
  EXPECT_THAT(ValuesAt(fallback, key.OwedTo(cluster.node(owners[0]).id())), IsEmpty());
  EXPECT_FALSE(cluster.answers.contains(put)) << "acknowledged by two of three";
  cluster.RunFor(Duration::Seconds(3));
  ASSERT_FALSE(cluster.answers.at(put).has_value());
  EXPECT_EQ(cluster.answers.at(put).error().code, ErrorCode::kOutcomeUnknown);
}

// Goal: a hint whose fallback promises more each time is renewed three times, then it counts as
// failed, and the copy is left to the exchange.
TEST_F(ShardStaleHintTest, AHintIsRenewedThreeTimes) {
  const auto put = cluster.Start(owners[0], PutToAll("v"));
  std::uint64_t number = 0;
  DeliverAllWith<ReplicaPut>(fallback, [&] { RaiseFallback(++number); });
  EXPECT_THAT(stamps_sent[fallback], ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(CountersAt(owners[0]).copies_renewed, kRenewalsMax);
  EXPECT_EQ(CountersAt(owners[0]).copies_left_to_exchange, 1u);
  ASSERT_FALSE(cluster.answers.at(put).has_value());
  EXPECT_EQ(cluster.answers.at(put).error().code, ErrorCode::kOutcomeUnknown);
  EXPECT_THAT(ValuesAt(fallback, key.OwedTo(cluster.node(owners[2]).id())), IsEmpty());
}

// ---- reads -------------------------------------------------------------------------------------

// Goal: a get that has one reply from before a purge and one from after it does not show what was
// deleted before it began: it asks again, for copies of after its own promise.
TEST_F(ShardStaleCopyTest, AGetBeginsAnew) {
  GetRequest get = Get(key);
  get.options.timeout = Duration::Seconds(30);
  const auto number = StartAndPurgeMeanwhile(get);
  EXPECT_EQ(CountersAt(0).reads_begun_anew, 1u);
  EXPECT_THAT(floors_asked[1], ElementsAre(NumbersAt(0).promised));
  EXPECT_THAT(floors_asked[2], ElementsAre(NumbersAt(0).promised));
  ASSERT_TRUE(cluster.answers.at(number).has_value());
  EXPECT_THAT(ValuesOf(std::get<GetOutcome>(*cluster.answers.at(number)).record), IsEmpty());
  EXPECT_TRUE(Gone());
}

// Goal: replies to a question that was given up do not count for the next.
TEST_F(ShardStaleCopyTest, RepliesToTheEarlierQuestionDoNotCount) {
  const auto number = StartAndVoteMeanwhile(Get(key));
  ASSERT_TRUE(cluster.answers.at(number).has_value());
  EXPECT_THAT(ValuesOf(std::get<GetOutcome>(*cluster.answers.at(number)).record), ElementsAre("v"));
}

// Goal: who asks for copies of after a ballot has them read after it: an owner that has not
// promised it does so first.
TEST_F(ShardStaleCopyTest, OwnersFollowTheFloorOfARead) {
  ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
  const auto number = cluster.Start(0, Get(key));
  cluster.Deliver();
  cluster.Deliver();
  auto replies = HoldFlights();
  Vote(0, Ballot::Step::kCommit, 7);
  HoldFlights();
  Release(std::move(replies));
  EXPECT_EQ(NumbersAt(1), (BallotNumbers{7, 0}));
  EXPECT_EQ(NumbersAt(2), (BallotNumbers{7, 0}));
  EXPECT_TRUE(cluster.answers.at(number).has_value());
}

// Goal: a get that meets a new ballot each time asks kReadRoundsMax times, then fails at once.
TEST_F(ShardStaleCopyTest, AGetEndsAfterSoManyRounds) {
  ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
  floors_asked.clear();
  const auto get = cluster.Start(0, Get(key));
  DeliverWithABallotAtEachReply();
  EXPECT_EQ(floors_asked[1].size(), std::size_t{kReadRoundsMax});
  EXPECT_EQ(floors_asked[2].size(), std::size_t{kReadRoundsMax});
  ASSERT_TRUE(cluster.answers.contains(get));
  ASSERT_FALSE(cluster.answers.at(get).has_value());
  EXPECT_EQ(cluster.answers.at(get).error().code, ErrorCode::kUnavailable);
}

// Goal: a put that has read "old" before a purge does not write it into its row after it: it reads
// again, and finds nothing to change.
TEST_F(ShardStaleCopyTest, APutThatReadsBeginsAnew) {
  const auto number = StartAndPurgeMeanwhile(Expire());
  EXPECT_EQ(CountersAt(0).reads_begun_anew, 1u);
  EXPECT_EQ(CountersAt(0).forwards, 0u);
  EXPECT_THAT(floors_asked[1], ElementsAre(NumbersAt(0).promised));
  EXPECT_THAT(floors_asked[2], ElementsAre(NumbersAt(0).promised));
  ASSERT_TRUE(cluster.answers.at(number).has_value());
  EXPECT_FALSE(std::get<PutOutcome>(*cluster.answers.at(number)).changed);
  EXPECT_TRUE(Gone());
}

// Goal: neither do replies to the put's earlier question count for the next.
TEST_F(ShardStaleCopyTest, RepliesToThePutsEarlierQuestionDoNotCount) {
  const auto number = StartAndVoteMeanwhile(Expire());
  ASSERT_TRUE(cluster.answers.at(number).has_value());
  EXPECT_TRUE(std::get<PutOutcome>(*cluster.answers.at(number)).changed);
}

// Goal: a put that meets a new ballot at each reading asks kReadRoundsMax times, then leaves it to
// another owner.
TEST_F(ShardStaleCopyTest, APutThatReadsGoesToAnotherOwnerAfterSoManyRounds) {
  ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
  floors_asked.clear();
  const auto number = cluster.Start(0, Delete());
  DeliverWithABallotAtEachReply();
  EXPECT_EQ(floors_asked[1].size(), std::size_t{kReadRoundsMax});
  EXPECT_EQ(floors_asked[2].size(), std::size_t{kReadRoundsMax});
  EXPECT_EQ(forwards, 1);
  ASSERT_TRUE(cluster.answers.at(number).has_value());
  EXPECT_TRUE(std::get<PutOutcome>(*cluster.answers.at(number)).changed);
}

// Goal: one that another node has sent here fails instead, with nothing changed: its sender asks
// the next owner.
TEST_F(ShardStaleCopyTest, AForwardedPutThatReadsFailsAfterSoManyRounds) {
  ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
  floors_asked.clear();
  cluster.flights.push_back({1, 0, ForwardPut{RequestId(1), cluster.ring().epoch(), Delete()}});
  DeliverWithABallotAtEachReply();
  EXPECT_EQ(floors_asked[1].size(), std::size_t{kReadRoundsMax});
  EXPECT_EQ(floors_asked[2].size(), std::size_t{kReadRoundsMax});
  EXPECT_EQ(forwards, 1);  // the one that the test sent
  ASSERT_TRUE(forward_reply && forward_reply->error);
  EXPECT_EQ(forward_reply->error->code, ErrorCode::kUnavailable);
  for (const int i : {0, 1, 2}) EXPECT_THAT(ValuesAt(i, key), ElementsAre("v"));
}

}  // namespace
}  // namespace gyre::testing
