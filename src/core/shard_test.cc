#include "core/shard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Record GetRecord(const ClientResult& result) { return std::get<GetOutcome>(result.value()).record; }
ErrorCode CodeOf(const ClientResult& result) { return result.error().code; }

KeyspaceConfig Keyspace(int n, QuorumSpec r, QuorumSpec w) {
  KeyspaceConfig keyspace;
  keyspace.replicas = n;
  keyspace.read_quorum = r;
  keyspace.write_quorum = w;
  return keyspace;
}

// Goal: what one node took, every other gives; all owners hold the same bytes.
TEST(ShardTest, WhatOneNodeTookEveryNodeGives) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("cart");
  ASSERT_TRUE(cluster.Run(0, Put(key, "apples")).has_value());
  for (int at = 0; at < 3; ++at) {
    EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(at, Get(key)))), ElementsAre("apples"));
    EXPECT_EQ(cluster.node(at).rows.at(key).record, cluster.node(0).rows.at(key).record);
  }
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(1, Get(cluster.Key("absent"))))), IsEmpty());
}

// Goal: who goes on with the context that a put gave back replaces his own write, and never what
// somebody else wrote beside it.
TEST(ShardTest, TheContextOfAPutCoversNothingItsWriterNeverSaw) {
  for (const int nodes : {1, 3}) {
    TestCluster cluster(nodes);
    const RowKey key = cluster.Key("k");
    ASSERT_TRUE(cluster.Run(0, Put(key, "alice")).has_value());
    const ClientResult bob = cluster.Run(0, Put(key, "bob"));
    const auto& context = std::get<PutOutcome>(bob.value()).context;
    ASSERT_TRUE(cluster.Run(0, Put(key, "bob again", context)).has_value());
    EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ::testing::Contains("alice"));
    // One that saw all replaces all, and may go on.
    const Record all = GetRecord(cluster.Run(0, Get(key)));
    const ClientResult merged = cluster.Run(0, Put(key, "merged", all.clock));
    const auto& after = std::get<PutOutcome>(merged.value()).context;
    ASSERT_TRUE(cluster.Run(0, Put(key, "last", after)).has_value());
    EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre("last"));
  }
}

// Goal: a put is acknowledged by W durable copies, not by fewer. Paper 4.5.
TEST(ShardTest, PutWaitsForWDurableCopies) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  for (int i = 0; i < 3; ++i) cluster.node(i).hold_writes = true;
  const auto put = cluster.Start(0, Put(key, "v"));
  cluster.DeliverAll();
  EXPECT_EQ(cluster.answers.count(put), 0u);
  cluster.ReleaseWrites(2);
  cluster.DeliverAll();
  EXPECT_EQ(cluster.answers.count(put), 0u);
  cluster.ReleaseWrites(0);
  ASSERT_EQ(cluster.answers.count(put), 1u);
  EXPECT_TRUE(cluster.answers.at(put).has_value());
}

// Goal: an outcome says what is known: surely not when nothing was sent, unknown when it was.
TEST(ShardTest, TellsSurelyNotFromUnknown) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.SetLink(0, 1, false);
  cluster.SetLink(0, 2, false);
  EXPECT_EQ(CodeOf(cluster.Run(0, Put(key, "v"))), ErrorCode::kUnavailable);
  EXPECT_THAT(cluster.node(0).rows, IsEmpty());  // no trace

  cluster.SetLink(0, 1, true);
  cluster.SetLink(0, 2, true);
  cluster.cuts = {{0, 1}, {0, 2}};
  const auto put = cluster.Start(0, Put(key, "w"));
  cluster.DeliverAll();
  cluster.Advance(Duration::Seconds(3));
  EXPECT_EQ(CodeOf(cluster.answers.at(put)), ErrorCode::kOutcomeUnknown);

  const auto cut_off = cluster.Start(0, Put(key, "x"));
  cluster.SetLink(0, 1, false);
  cluster.SetLink(0, 2, false);
  EXPECT_EQ(CodeOf(cluster.answers.at(cut_off)), ErrorCode::kOutcomeUnknown);
}

// Goal: a node that has just started keeps what it cannot serve yet until it has met its peers, and
// refuses it once they should have come.
TEST(ShardTest, WhatComesBeforeThePeersWaitsForThem) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
  cluster.Restart(0);
  const auto get = cluster.Start(0, Get(key));
  const auto put = cluster.Start(0, Put(cluster.Key("other"), "w"));
  cluster.RunFor(Duration::Millis(500));
  EXPECT_EQ(cluster.answers.count(get) + cluster.answers.count(put), 0u);
  cluster.Rejoin(0);
  cluster.DeliverAll();
  EXPECT_THAT(ValuesOf(GetRecord(cluster.answers.at(get))), ElementsAre("v"));
  EXPECT_TRUE(cluster.answers.at(put).has_value());

  cluster.Restart(0);
  const auto in_vain = cluster.Start(0, Get(key));
  cluster.RunFor(CoreConfig().start_grace + Duration::Millis(20));
  EXPECT_EQ(CodeOf(cluster.answers.at(in_vain)), ErrorCode::kUnavailable);
  EXPECT_EQ(CodeOf(cluster.Run(0, Get(key))), ErrorCode::kUnavailable);
}

// Goal: the rows of a partition are counted page by page: each answer is of what one page of
// storage gives, so that none waits for a partition of gigabytes.
TEST(ShardTest, APartitionIsCountedInPages) {
  TestCluster cluster(4, Keyspace(2, QuorumSpec::Quorum(), QuorumSpec::All()));
  const Ring& ring = cluster.ring();
  const PartitionId partition(3);
  std::uint64_t written = 0;
  for (int i = 0; written < 23; ++i) {
    const RowKey key = cluster.Key("k" + std::to_string(i));
    if (ring.PartitionOf(key.token) != partition) continue;
    ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
    ++written;
  }
  for (int at = 0; at < 4; ++at) {  // two of them own it
    ScanRequest page{KeyspaceId(0), partition, ring.partition_bits()};
    page.limit = 5;
    page.count_only = true;
    std::uint64_t counted = 0;
    int pages = 0;
    do {
      const ClientResult result = cluster.Run(at, page);
      const auto& outcome = std::get<ScanOutcome>(result.value());
      EXPECT_THAT(outcome.keys, IsEmpty());
      EXPECT_LE(outcome.live_count, page.limit);
      counted += outcome.live_count;
      page.after = outcome.next;
    } while (page.after && ++pages < 20);
    EXPECT_EQ(counted, written) << at;
  }
}

// Goal: of a large value one copy travels at the most, unless the copies differ.
TEST(ShardTest, LargeCopiesAreComparedByTheirDigests) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  const std::string first(20'000, 'a'), second(20'000, 'b');
  ASSERT_TRUE(cluster.Run(0, Put(key, first)).has_value());
  std::size_t in_full = 0;
  cluster.on_flight = [&](const TestCluster::Flight& flight) {
    const auto* reply = std::get_if<ReplicaGetReply>(&flight.message);
    in_full += reply != nullptr && !reply->record.empty();
  };
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre(first));
  EXPECT_EQ(in_full, 0u);
  EXPECT_EQ(cluster.node(0).shard().counters().digests_equal, 2u);

  // One that differs is fetched, and repaired.
  cluster.cuts = {{0, 2}};
  ASSERT_TRUE(
      cluster.Run(0, Put(key, second, GetRecord(cluster.Run(0, Get(key))).clock)).has_value());
  cluster.cuts.clear();
  in_full = 0;
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(1, Get(key)))), ElementsAre(second));
  EXPECT_EQ(in_full, 1u);
  EXPECT_EQ(cluster.node(1).shard().counters().digests_unequal, 1u);
  EXPECT_EQ(cluster.node(2).rows.at(key).record, cluster.node(0).rows.at(key).record);

  // A coordinator that cannot read its own copy gets one of the others'.
  cluster.node(0).read_error = Error{ErrorCode::kCorruption, "rot"};
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre(second));
}

// Goal: a read that finds owners stale repairs them. Paper 5 (read repair).
TEST(ShardTest, ReadRepairsStaleOwners) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.cuts = {{0, 2}};
  ASSERT_TRUE(cluster.Run(0, Put(key, "v")).has_value());
  EXPECT_EQ(cluster.node(2).rows.count(key), 0u);
  cluster.cuts.clear();
  ASSERT_TRUE(cluster.Run(1, Get(key)).has_value());
  EXPECT_EQ(cluster.node(2).rows.at(key).record, cluster.node(0).rows.at(key).record);
}

// Goal: reads are monotonic where 2R > N: a write that is on one owner only is at its quorum before
// a read shows it.
TEST(ShardTest, ReadShowsNothingThatTheNextReadCouldMiss) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.cuts = {{0, 1}, {0, 2}};
  const auto put = cluster.Start(0, Put(key, "v"));  // reaches A alone
  cluster.DeliverAll();
  cluster.cuts.clear();
  // A reads; only B answers it, and B has nothing. What A then shows must be on B as well.
  cluster.cuts = {{2, 0}};
  const auto get = cluster.Start(0, Get(key));
  while (!cluster.flights.empty() && cluster.answers.count(get) == 0) cluster.Deliver();
  EXPECT_THAT(ValuesOf(GetRecord(cluster.answers.at(get))), ElementsAre("v"));
  EXPECT_EQ(cluster.node(1).rows.count(key), 1u);
  EXPECT_EQ(cluster.answers.count(put), 0u);
}

// Goal: a read never shows what a crash could take back: it waits for the write in flight.
TEST(ShardTest, ReadWaitsForTheWriteInFlight) {
  TestCluster cluster(1);
  const RowKey key = cluster.Key("k");
  cluster.node(0).hold_writes = true;
  cluster.Start(0, Put(key, "v"));
  const auto get = cluster.Start(0, Get(key));
  EXPECT_EQ(cluster.answers.count(get), 0u);
  cluster.ReleaseWrites(0);
  EXPECT_THAT(ValuesOf(GetRecord(cluster.answers.at(get))), ElementsAre("v"));
}

// Goal: nor does it show a write that began, or began and failed, while storage was reading.
TEST(ShardTest, ReadThatOverlapsAWriteShowsOnlyWhatStays) {
  TestCluster cluster(1);
  const RowKey key = cluster.Key("k");
  ASSERT_TRUE(cluster.Run(0, Put(key, "old")).has_value());
  cluster.node(0).hold_reads = true;
  cluster.node(0).hold_writes = true;
  const auto get = cluster.Start(0, Get(key));
  const auto put = cluster.Start(0, Put(key, "new", std::nullopt));
  std::swap(cluster.node(0).held_reads[0], cluster.node(0).held_reads[1]);
  cluster.ReleaseRead(0);  // the put's: its write is in flight now
  cluster.ReleaseRead(0);  // the get's: storage gives "new"
  EXPECT_EQ(cluster.answers.count(get), 0u);
  cluster.FailWrite(0);
  EXPECT_EQ(CodeOf(cluster.answers.at(put)), ErrorCode::kOutcomeUnknown);
  EXPECT_EQ(CodeOf(cluster.answers.at(get)), ErrorCode::kUnavailable);

  // The read began before the write and ends after it failed: it is carried out again.
  cluster.Advance(Duration::Seconds(2));
  const auto get2 = cluster.Start(0, Get(key));
  cluster.Start(0, Put(key, "newer", std::nullopt));
  std::swap(cluster.node(0).held_reads[0], cluster.node(0).held_reads[1]);
  cluster.ReleaseRead(0);
  cluster.FailWrite(0);
  cluster.ReleaseRead(0);
  EXPECT_EQ(cluster.answers.count(get2), 0u);
  cluster.ReleaseRead(0);
  EXPECT_THAT(ValuesOf(GetRecord(cluster.answers.at(get2))), ElementsAre("old"));
}

// Goal: two writers that saw nothing make two siblings; one that saw both replaces both. Paper 4.4.
TEST(ShardTest, SiblingsAriseAndAreMerged) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("cart");
  ASSERT_TRUE(cluster.Run(0, Put(key, "apples")).has_value());
  ASSERT_TRUE(cluster.Run(1, Put(key, "pears")).has_value());
  const Record both = GetRecord(cluster.Run(2, Get(key)));
  EXPECT_THAT(ValuesOf(both), ElementsAre("apples", "pears"));
  ASSERT_TRUE(cluster.Run(2, Put(key, "apples, pears", both.clock)).has_value());
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre("apples, pears"));
}

// Goal: writes of one key that run at once on one coordinator all survive, under dots of their own.
TEST(ShardTest, ConcurrentPutsOnOneCoordinatorAllSurvive) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.node(0).hold_writes = true;
  for (const char* value : {"1", "2", "3"}) cluster.Start(0, Put(key, value));
  cluster.ReleaseWrites(0);
  cluster.DeliverAll();
  const Record record = GetRecord(cluster.Run(1, Get(key)));
  EXPECT_THAT(ValuesOf(record), ElementsAre("1", "2", "3"));
  EXPECT_EQ(record.clock.size(), 1u);  // one epoch, n = 1..3
}

// Goal: a plain SET overwrites what its coordinator knows.
TEST(ShardTest, PlainSetOverwritesWhatTheCoordinatorKnows) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.Run(0, Put(key, "a", std::nullopt));
  cluster.Run(1, Put(key, "b", std::nullopt));
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(2, Get(key)))), ElementsAre("b"));
}

// Goal: a mutation that reads first covers what the quorum knows, also what its own node missed.
TEST(ShardTest, DeleteThatReadsFirstCoversWhatItsNodeMissed) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.cuts = {{0, 2}};
  cluster.Run(0, Put(key, "v"));
  cluster.cuts.clear();
  PutRequest erase{key, DeleteValue{std::nullopt}, true, {}};
  const ClientResult result = cluster.Run(2, erase);
  ASSERT_TRUE(result.has_value());
  const auto& outcome = std::get<PutOutcome>(*result);
  ASSERT_TRUE(outcome.before.has_value());
  EXPECT_EQ(outcome.before->value.view(), "v");
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), IsEmpty());
  // Deleting what is gone changes nothing.
  const ClientResult again = cluster.Run(1, erase);
  EXPECT_FALSE(std::get<PutOutcome>(again.value()).changed);
}

// Goal: any node serves any key: one that is no owner hands the request to an owner.
TEST(ShardTest, ANodeThatIsNoOwnerForwards) {
  TestCluster cluster(5, Keyspace(3, QuorumSpec::Quorum(), QuorumSpec::Quorum()));
  for (int i = 0; i < 20; ++i) {
    const RowKey key = cluster.Key("key" + std::to_string(i));
    for (int at = 0; at < 5; ++at) {
      const auto read = GetRecord(cluster.Run(at, Get(key)));
      ASSERT_TRUE(cluster.Run(at, Put(key, std::to_string(at), read.clock)).has_value());
    }
    EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre("4"));
    int copies = 0;
    for (int at = 0; at < 5; ++at) copies += static_cast<int>(cluster.node(at).rows.count(key));
    EXPECT_EQ(copies, 3);
  }
  EXPECT_GT(cluster.node(0).shard().counters().forwards, 0u);
}

// Goal: a coordinator that cannot read its own row does not coordinate: "error" is not "absent".
TEST(ShardTest, ACoordinatorThatCannotReadItsRowLeavesItToAnother) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  ASSERT_TRUE(cluster.Run(0, Put(key, "a")).has_value());
  cluster.node(0).read_error = Error{ErrorCode::kIoError, "bad sector"};
  const Record seen = GetRecord(cluster.Run(0, Get(key)));  // the other two answer
  ASSERT_TRUE(cluster.Run(0, Put(key, "b", seen.clock)).has_value());
  cluster.node(0).read_error.reset();
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(1, Get(key)))), ElementsAre("b"));
  EXPECT_EQ(GetRecord(cluster.Run(1, Get(key))).clock.size(), 2u);  // another actor wrote it
}

// Goal: a damaged copy is never served, never spread, and replaced from the other owners.
TEST(ShardTest, ADamagedCopyIsReplacedFromTheOthers) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  cluster.Run(0, Put(key, "precious"));
  std::string rotten = cluster.node(1).rows.at(key).record.ToString();
  rotten.back() ^= 1;
  cluster.node(1).rows.at(key).record = Bytes(rotten);
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(2, Get(key)))), ElementsAre("precious"));
  EXPECT_EQ(cluster.node(1).rows.at(key).record, cluster.node(0).rows.at(key).record);
}

// Goal: a failed write may have left its dot anywhere, so that actor never writes again.
TEST(ShardTest, AFailedWriteRetiresTheActor) {
  CoreConfig config;
  config.storage_retry_after = Duration::Seconds(1);
  TestCluster cluster(3, {}, config);
  const RowKey key = cluster.Key("k");
  const ActorId before = cluster.node(0).shard().dots().actor();
  cluster.node(0).write_error = Error{ErrorCode::kIoError, "EIO"};
  ASSERT_TRUE(cluster.Run(0, Put(key, "a")).has_value());  // on the other two
  EXPECT_NE(cluster.node(0).shard().dots().actor(), before);
  // Meanwhile it takes no part in writes, and goes on serving.
  ASSERT_TRUE(cluster.Run(0, Put(key, "b")).has_value());
  EXPECT_EQ(cluster.node(0).rows.count(key), 0u);
  cluster.node(0).write_error.reset();
  cluster.Advance(Duration::Seconds(2));
  const Record seen = GetRecord(cluster.Run(0, Get(key)));
  EXPECT_THAT(ValuesOf(seen), ElementsAre("a", "b"));
  ASSERT_TRUE(cluster.Run(0, Put(key, "c", seen.clock)).has_value());
  EXPECT_EQ(cluster.node(0).rows.count(key), 1u);
}

// Goal: doubled, late and stray messages change nothing.
TEST(ShardTest, DoubledMessagesChangeNothing) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("k");
  const auto put = cluster.Start(0, Put(key, "v"));
  while (!cluster.flights.empty()) {
    cluster.flights.push_front(cluster.flights.front());
    cluster.Deliver();
    cluster.Deliver();
    if (cluster.flights.size() > 64) break;
  }
  EXPECT_TRUE(cluster.answers.at(put).has_value());
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(1, Get(key)))), ElementsAre("v"));
  EXPECT_EQ(cluster.node(0).shard().requests_in_flight(), 0u);
}

// Goal: limits refuse early, with an answer, and leave no trace.
TEST(ShardTest, LimitsRefuseEarly) {
  CoreConfig config;
  config.requests_in_flight_max = 2;
  config.value_bytes_max = 10;
  TestCluster cluster(3, {}, config);
  const RowKey key = cluster.Key("k");
  EXPECT_EQ(CodeOf(cluster.Run(0, Put(key, "12345678901"))), ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(cluster.Run(0, Get(RowKey{KeyspaceId(0), {}, Bytes()}))),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(CodeOf(cluster.Run(0, Get(RowKey{KeyspaceId(77), {}, Bytes("k")}))),
            ErrorCode::kInvalidArgument);
  GetRequest too_many = Get(key);
  too_many.options.read_quorum = QuorumSpec::Number(4);
  EXPECT_EQ(CodeOf(cluster.Run(0, too_many)), ErrorCode::kInvalidArgument);
  cluster.Start(0, Get(key));
  cluster.Start(0, Get(key));
  const auto third = cluster.Start(0, Get(key));
  EXPECT_EQ(CodeOf(cluster.answers.at(third)), ErrorCode::kOverloaded);
  cluster.DeliverAll();
  EXPECT_TRUE(cluster.Run(0, Get(key)).has_value());
}

// Goal: one node alone is a store that works at once: R and W count against the nodes there are.
TEST(ShardTest, OneNodeAloneWorks) {
  TestCluster cluster(1);
  const RowKey key = cluster.Key("k");
  PutRequest all = Put(key, "v");
  all.options.write_quorum = QuorumSpec::All();
  ASSERT_TRUE(cluster.Run(0, all).has_value());
  EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre("v"));
}

// Any request of a client, for one of a few keys.
ClientRequest RandomRequest(const TestCluster& cluster, Prng& prng, const VersionVector& context) {
  const RowKey key = cluster.Key("k" + std::to_string(prng.Below(5)));
  const std::string value = "v" + std::to_string(prng.Below(1000));
  const auto seen = prng.Chance(500'000) ? std::optional<VersionVector>(context) : std::nullopt;
  switch (prng.Below(6)) {
    case 0:
    case 1:
      return Get(key);
    case 2:
      return PutRequest{key, DeleteValue{seen}, prng.Chance(500'000), {}};
    case 3:
      return PutRequest{
          key, SetExpiry{WallTime{cluster.now().wall.ms + prng.Between(-5, 3000)}}, true, {}};
    default: {
      PutRequest put = Put(key, value, seen);
      put.read_first = prng.Chance(300'000);
      auto& write = std::get<WriteValue>(put.mutation);
      if (prng.Chance(200'000)) write.expiry = WallTime{cluster.now().wall.ms + 1000};
      if (prng.Chance(50'000)) write.value = Bytes(std::string(2000, 'x'));  // too large
      return put;
    }
  }
}

// Goal: a client is told that a write was surely not made, and not of epochs, if the owner's "I am
// none" comes when there is no time left to look for another.
TEST(ShardTest, ClientsAreNotToldOfEpochs) {
  KeyspaceConfig keyspace;
  keyspace.replicas = 1;
  keyspace.sloppy = false;
  TestCluster cluster(2, keyspace);
  const auto owner_of = [&](const RowKey& key) {
    return cluster.ring().OwnersOf(cluster.ring().PartitionOf(key.token), 1).begin()->value - 1;
  };
  int i = 0;
  while (owner_of(cluster.Key(std::to_string(i))) != 1) ++i;
  cluster.Start(0, Put(cluster.Key(std::to_string(i)), "v"));
  ASSERT_EQ(cluster.flights.size(), 1u);
  const RequestId id = std::get<ForwardPut>(cluster.flights.front().message).id;
  Now late = cluster.now();
  late.instant = late.instant + Duration::Seconds(60);
  Effects effects;
  cluster.node(0).shard().OnMessage(
      cluster.node(1).id(), ShardId(0),
      ForwardPutReply{id, Error{ErrorCode::kWrongEpoch, "not an owner of this key"}, {}}, late,
      effects);
  ASSERT_EQ(effects.size(), 1u);
  const ClientResult& answer = std::get<ReplyEffect>(effects.front()).result;
  ASSERT_FALSE(answer.has_value());
  EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
}

// Goal: a sole owner with its rows at hand answers what the machines would, and leaves the rows
// that they would; and at once.
TEST(ShardTest, TheShortWayGivesWhatTheLongOneGives) {
  CoreConfig config;
  config.siblings_max = 4;
  config.value_bytes_max = 1000;
  TestCluster machines(1, {}, config);
  TestCluster short_way(1, {}, config);
  short_way.node(0).rows_at_hand = true;
  Prng prng(7);
  VersionVector context;
  int errors = 0;
  for (int i = 0; i < 3000; ++i) {
    const ClientRequest request = RandomRequest(machines, prng, context);
    const ClientResult expected = machines.Run(0, request);
    const std::uint64_t number = short_way.Start(0, request);
    ASSERT_TRUE(short_way.answers.contains(number)) << i;
    const ClientResult& answer = short_way.answers.at(number);
    ASSERT_EQ(answer.has_value(), expected.has_value()) << i;
    if (!answer) {
      ++errors;
      ASSERT_EQ(answer.error().code, expected.error().code) << i;
    } else if (const auto* get = std::get_if<GetOutcome>(&*answer)) {
      ASSERT_EQ(get->record, std::get<GetOutcome>(*expected).record) << i;
      context = get->record.clock;
    } else {
      const auto& put = std::get<PutOutcome>(*answer);
      const auto& other = std::get<PutOutcome>(*expected);
      ASSERT_EQ(put.context, other.context) << i;
      ASSERT_EQ(put.changed, other.changed) << i;
      ASSERT_EQ(put.before, other.before) << i;
    }
    ASSERT_EQ(short_way.node(0).rows, machines.node(0).rows) << i;
    if (prng.Chance(100'000)) {
      machines.Advance(Duration::Millis(700));
      short_way.Advance(Duration::Millis(700));
    }
  }
  EXPECT_GT(errors, 10);
  EXPECT_EQ(short_way.node(0).shard().requests_in_flight(), 0u);
  EXPECT_EQ(short_way.node(0).shard().counters().overloaded,
            machines.node(0).shard().counters().overloaded);
}

// Goal: three owners with rows at hand behave as three without.
TEST(ShardTest, OwnersWithRowsAtHandAgree) {
  TestCluster cluster(3);
  for (int i = 0; i < 3; ++i) cluster.node(i).rows_at_hand = i != 1;
  const RowKey key = cluster.Key("k");
  ASSERT_TRUE(cluster.Run(0, Put(key, "a")).has_value());
  ASSERT_TRUE(cluster.Run(1, Put(key, "b")).has_value());
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(i, Get(key)))), ElementsAre("a", "b"));
    EXPECT_EQ(cluster.node(i).rows.at(key).record, cluster.node(0).rows.at(key).record);
  }
}

// Goal: a damaged value may be overwritten, since it is lost here anyway; as a sibling that stays
// it is never passed on, and another owner coordinates instead.
TEST(ShardTest, ADamagedValueIsOverwrittenButNeverPassedOn) {
  for (const bool at_hand : {false, true}) {
    TestCluster cluster(3);
    for (int i = 0; i < 3; ++i) cluster.node(i).rows_at_hand = at_hand;
    const RowKey key = cluster.Key("k");
    const auto damage = [&] {
      std::string rotten = cluster.node(0).rows.at(key).record.ToString();
      rotten.back() ^= 1;
      cluster.node(0).rows.at(key).record = Bytes(rotten);
    };
    cluster.Run(0, Put(key, "old"));
    damage();
    ASSERT_TRUE(cluster.Run(0, Put(key, "new", std::nullopt)).has_value());
    EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(0, Get(key)))), ElementsAre("new"));
    damage();
    ASSERT_TRUE(cluster.Run(0, Put(key, "beside")).has_value());
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(ValuesOf(GetRecord(cluster.Run(i, Get(key)))), ElementsAre("beside", "new")) << i;
    }
  }
}

// Goal: requests leave nothing behind, whatever became of them.
TEST(ShardTest, TimeoutsFreeEverything) {
  TestCluster cluster(3);
  cluster.cuts = {{0, 1}, {0, 2}};
  for (int i = 0; i < 10; ++i) {
    cluster.Start(0, Get(cluster.Key("g" + std::to_string(i))));
    cluster.Start(0, Put(cluster.Key("p" + std::to_string(i)), "v"));
  }
  cluster.DeliverAll();
  for (int i = 0; i < 10; ++i) cluster.Advance(Duration::Millis(500));
  EXPECT_EQ(cluster.answers.size(), 20u);
  EXPECT_EQ(cluster.node(0).shard().requests_in_flight(), 0u);
}

// Goal: an expiry ends a value at the same instant on every owner.
TEST(ShardTest, ExpiryIsPartOfTheVersion) {
  TestCluster cluster(3);
  const RowKey key = cluster.Key("session");
  PutRequest put = Put(key, "v");
  std::get<WriteValue>(put.mutation).expiry = WallTime{cluster.now().wall.ms + 1000};
  cluster.Run(0, put);
  EXPECT_TRUE(GetRecord(cluster.Run(1, Get(key))).AnyLiveAt(cluster.now().wall));
  cluster.Advance(Duration::Seconds(1));
  EXPECT_FALSE(GetRecord(cluster.Run(1, Get(key))).AnyLiveAt(cluster.now().wall));
}

}  // namespace
}  // namespace gyre::testing
