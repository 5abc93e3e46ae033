// Hinted handoff through whole shards (paper 4.6): who keeps what for an owner out of reach, and
// how it comes back. Exchanges are held off, so that nothing but hints repairs anything.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

KeyspaceConfig Keyspace(bool sloppy = true) {
  KeyspaceConfig keyspace;
  keyspace.sloppy = sloppy;
  return keyspace;
}

CoreConfig WithoutExchange() {
  CoreConfig config;
  config.exchange_settle = Duration::Seconds(100'000);
  return config;
}

PutRequest PutW(const RowKey& key, std::string_view value, std::uint8_t w,
                std::optional<VersionVector> context = VersionVector{}) {
  PutRequest put = Put(key, value, std::move(context));
  put.options.write_quorum = QuorumSpec::Number(w);
  return put;
}
GetRequest GetR(const RowKey& key, std::uint8_t r) {
  GetRequest get = Get(key);
  get.options.read_quorum = QuorumSpec::Number(r);
  return get;
}
Record RecordOf(const ClientResult& result) { return std::get<GetOutcome>(result.value()).record; }
PutOutcome OutcomeOf(const ClientResult& result) { return std::get<PutOutcome>(result.value()); }

// A cluster and one of its keys. Places are of the key's preference list: 0 to 2 are the owners,
// from 3 on come the fallbacks.
class Scene {
 public:
  explicit Scene(int nodes, const CoreConfig& config = WithoutExchange(), bool sloppy = true,
                 const std::vector<std::string>& zones = {})
      : cluster(nodes, Keyspace(sloppy), config, zones), key(cluster.Key("cart")) {
    const Ring& ring = cluster.ring();
    const PartitionId partition = ring.PartitionOf(key.token);
    for (const NodeId node : ring.OwnersOf(partition, 3)) Add(node);
    for (const NodeId node : ring.FallbacksOf(partition, 3)) Add(node);
  }
  int Index(int place) const { return indexes_[static_cast<std::size_t>(place)]; }
  TestNode& At(int place) { return cluster.node(Index(place)); }
  const ShardCounters& CountersOf(int place) { return At(place).shard().counters(); }
  void Isolate(int place) { cluster.Isolate(Index(place)); }
  void Rejoin(int place) { cluster.Rejoin(Index(place)); }
  void SetLink(int from, int to, bool up) { cluster.SetLink(Index(from), Index(to), up); }
  void Cut(int from, int to) { cluster.cuts.emplace_back(Index(from), Index(to)); }
  ClientResult Run(int place, ClientRequest request) {
    return cluster.Run(Index(place), std::move(request));
  }
  // What `place` holds of the key: as its own, or for the owner at `target`.
  std::optional<Bytes> Own(int place) { return RowAt(place, key); }
  std::optional<Bytes> Hint(int place, int target) {
    return RowAt(place, key.OwedTo(At(target).id()));
  }
  HintLedger::Debt DebtOf(int place, int target) {
    return At(place).shard().ledger().hints().Of(At(target).id());
  }

  TestCluster cluster;
  RowKey key;

 private:
  void Add(NodeId node) { indexes_.push_back(static_cast<int>(node.value) - 1); }
  std::optional<Bytes> RowAt(int place, const RowKey& row) {
    const auto it = At(place).rows.find(row);
    if (it == At(place).rows.end()) return std::nullopt;
    return it->second.record;
  }
  std::vector<int> indexes_;
};

// ---- leaving hints ---------------------------------------------------------------------------

// Goal: with an owner down a put has its N copies all the same: the first healthy fallback keeps
// the missing one, apart from its own rows, and knows for whom. Paper 4.6.
TEST(ShardHandoffTest, TheFirstHealthyFallbackKeepsTheCopyOfAnOwnerThatIsDown) {
  Scene scene(5);
  scene.Isolate(2);
  const PutOutcome put = OutcomeOf(scene.Run(0, PutW(scene.key, "apples", 3)));
  EXPECT_EQ(put.copies, 3);
  EXPECT_EQ(put.hints, 1);
  ASSERT_TRUE(scene.Own(0).has_value());
  EXPECT_EQ(scene.Own(1), scene.Own(0));
  EXPECT_EQ(scene.Own(2), std::nullopt);
  EXPECT_EQ(scene.Hint(3, 2), scene.Own(0));
  EXPECT_EQ(scene.Own(3), std::nullopt);
  EXPECT_THAT(scene.At(4).rows, IsEmpty());
  EXPECT_EQ(scene.DebtOf(3, 2).hints, 1u);
  EXPECT_EQ(scene.CountersOf(0).hints_sent, 1u);
  EXPECT_EQ(scene.CountersOf(3).hints_stored, 1u);

  scene.Isolate(3);  // the first fallback too: then the next
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "pears", 3)).has_value());
  EXPECT_EQ(scene.Hint(4, 2), scene.Own(0));
}

// Goal: two owners down have two fallbacks, one each: copies are on distinct nodes.
TEST(ShardHandoffTest, TwoOwnersDownHaveTwoFallbacks) {
  Scene scene(5);
  scene.Isolate(1);
  scene.Isolate(2);
  EXPECT_EQ(OutcomeOf(scene.Run(0, PutW(scene.key, "v", 3))).hints, 2);
  EXPECT_EQ(scene.Hint(3, 1), scene.Own(0));
  EXPECT_EQ(scene.Hint(4, 2), scene.Own(0));
  EXPECT_EQ(scene.At(3).rows.size() + scene.At(4).rows.size(), 2u);
}

// Goal: an owner that takes no notice for hint_after is given up for this put: one fallback, the
// next, has its copy too, and that counts. Paper 4.6.
TEST(ShardHandoffTest, ASilentOwnerHasItsCopyKeptElsewhere) {
  Scene scene(6);
  scene.Cut(0, 2);
  const auto put = scene.cluster.Start(scene.Index(0), PutW(scene.key, "v", 3));
  scene.cluster.DeliverAll();
  scene.cluster.RunFor(Duration::Millis(450));
  EXPECT_FALSE(scene.cluster.answers.contains(put));
  EXPECT_EQ(scene.CountersOf(0).hints_sent, 0u);
  scene.cluster.RunFor(Duration::Millis(100));
  ASSERT_TRUE(scene.cluster.answers.contains(put));
  EXPECT_EQ(OutcomeOf(scene.cluster.answers.at(put)).copies, 3);
  EXPECT_EQ(OutcomeOf(scene.cluster.answers.at(put)).hints, 1);
  EXPECT_EQ(scene.Hint(3, 2), scene.Own(0));
  EXPECT_EQ(scene.At(0).shard().requests_in_flight(), 0u);
}

// Goal: one hint is enough while its keeper has not been silent itself: not every fallback keeps
// what one owner misses.
TEST(ShardHandoffTest, ASilentOwnerHasItsCopyKeptOnceOnly) {
  Scene scene(6);
  scene.Cut(0, 2);
  scene.cluster.Start(scene.Index(0), PutW(scene.key, "v", 3));
  scene.cluster.RunFor(Duration::Millis(550));
  EXPECT_EQ(scene.CountersOf(0).hints_sent, 1u);
  EXPECT_EQ(scene.Hint(4, 2), std::nullopt);
  EXPECT_EQ(scene.Hint(5, 2), std::nullopt);
}

// Goal: a fallback that is silent too has its time, and then the next is asked.
TEST(ShardHandoffTest, ASilentFallbackIsFollowedByTheNext) {
  Scene scene(6);
  scene.Cut(0, 2);
  scene.Cut(0, 3);
  const auto put = scene.cluster.Start(scene.Index(0), PutW(scene.key, "v", 3));
  scene.cluster.RunFor(Duration::Millis(900));
  EXPECT_FALSE(scene.cluster.answers.contains(put));
  scene.cluster.RunFor(Duration::Millis(200));
  ASSERT_TRUE(scene.cluster.answers.contains(put));
  EXPECT_EQ(scene.Hint(4, 2), scene.Own(0));
  EXPECT_EQ(scene.Hint(5, 2), std::nullopt);
}

// Goal: an owner that was only slow still counts when it acknowledges at last.
TEST(ShardHandoffTest, ALateOwnerStillCounts) {
  Scene scene(4);
  scene.At(2).hold_writes = true;
  scene.At(3).hold_writes = true;
  const auto put = scene.cluster.Start(scene.Index(0), PutW(scene.key, "v", 3));
  scene.cluster.RunFor(Duration::Millis(600));
  EXPECT_FALSE(scene.cluster.answers.contains(put));
  ASSERT_EQ(scene.At(3).held_writes.size(), 1u);
  scene.cluster.ReleaseWrites(scene.Index(2));
  scene.cluster.DeliverAll();
  ASSERT_TRUE(scene.cluster.answers.contains(put));
  EXPECT_EQ(OutcomeOf(scene.cluster.answers.at(put)).copies, 3);
  EXPECT_EQ(OutcomeOf(scene.cluster.answers.at(put)).hints, 0);
  // And the hint, once it is durable, is handed over like any other.
  scene.At(2).hold_writes = scene.At(3).hold_writes = false;
  scene.cluster.ReleaseWrites(scene.Index(3));
  scene.cluster.RunFor(Duration::Seconds(1));
  EXPECT_EQ(scene.Hint(3, 2), std::nullopt);
  EXPECT_EQ(scene.At(0).shard().requests_in_flight(), 0u);
}

// Goal: an owner whose storage fails the write has its copy kept elsewhere at once.
TEST(ShardHandoffTest, AnOwnerThatCannotWriteHasItsCopyKeptElsewhere) {
  Scene scene(5);
  scene.At(2).write_error = Error{ErrorCode::kIoError, "EIO"};
  EXPECT_EQ(OutcomeOf(scene.Run(0, PutW(scene.key, "v", 3))).hints, 1);
  EXPECT_EQ(scene.Hint(3, 2), scene.Own(0));
}

// Goal: sloppy=no is a strict quorum: owners only. Of a keyspace, or of one request.
TEST(ShardHandoffTest, WithoutSloppyOnlyOwnersCount) {
  for (const bool by_request : {false, true}) {
    Scene scene(5, WithoutExchange(), /*sloppy=*/by_request);
    const auto strict = [&](PutRequest put) {
      if (by_request) put.options.sloppy = false;
      return put;
    };
    scene.Isolate(2);
    const ClientResult refused = scene.Run(0, strict(PutW(scene.key, "v", 3)));
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(scene.Own(0), std::nullopt);
    const PutOutcome put = OutcomeOf(scene.Run(0, strict(PutW(scene.key, "v", 2))));
    EXPECT_EQ(put.copies, 2);
    EXPECT_EQ(put.hints, 0);
    for (int place = 3; place < 5; ++place) EXPECT_THAT(scene.At(place).rows, IsEmpty());
    EXPECT_EQ(scene.CountersOf(0).copies_left_to_exchange, 1u);
  }
}

// Goal: an outage of any length cannot fill the disks of others: past a limit hints are refused,
// and puts go on with the copies that there are.
TEST(ShardHandoffTest, HintsPastALimitAreRefusedAndPutsGoOn) {
  for (const bool per_target : {false, true}) {
    CoreConfig config = WithoutExchange();
    (per_target ? config.hint_bytes_per_target_max : config.hint_bytes_max) = 800;
    Scene scene(4, config);
    scene.Isolate(2);
    const std::string value(500, 'v');
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, value, 3)).has_value());
    const Bytes kept = scene.Hint(3, 2).value();
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, value, 2)).has_value());
    EXPECT_EQ(scene.Hint(3, 2), kept);
    EXPECT_EQ(scene.CountersOf(3).hints_refused, 1u);
    EXPECT_EQ(scene.CountersOf(0).copies_left_to_exchange, 1u);
    const ClientResult all = scene.Run(0, PutW(scene.key, value, 3));
    EXPECT_EQ(all.error().code, ErrorCode::kOutcomeUnknown);
    EXPECT_EQ(scene.At(0).shard().requests_in_flight(), 0u);
  }
}

// Goal: the limits hold for what a stand-in makes itself, too.
TEST(ShardHandoffTest, AStandInKeepsToTheLimits) {
  CoreConfig config = WithoutExchange();
  config.hint_bytes_max = 800;
  Scene scene(4, config);
  for (int owner = 0; owner < 3; ++owner) scene.Isolate(owner);
  const std::string value(500, 'v');
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, value, 1)).has_value());
  EXPECT_EQ(scene.CountersOf(3).hints_stored, 1u);
  EXPECT_FALSE(scene.Run(3, PutW(scene.key, value, 1)).has_value());
  EXPECT_LE(scene.At(3).shard().ledger().hints().total_bytes(), 900u);
}

// Goal: the answer says where the write is: copies, with whom, in how many zones, and whether every
// read is bound to see it.
TEST(ShardHandoffTest, TheAnswerSaysWhereTheWriteIs) {
  Scene scene(5, WithoutExchange(), true, {"z1", "z2", "z3", "z1", "z2"});
  const PutOutcome all = OutcomeOf(scene.Run(0, PutW(scene.key, "v", 3)));
  EXPECT_EQ(all.copies, 3);
  EXPECT_EQ(all.hints, 0);
  EXPECT_EQ(all.zones, 3);
  EXPECT_TRUE(all.strict);
  const PutOutcome one = OutcomeOf(scene.Run(0, PutW(scene.key, "v", 1)));
  EXPECT_EQ(one.copies, 1);
  EXPECT_EQ(one.zones, 1);
  EXPECT_FALSE(one.strict);
  PutRequest read_all = PutW(scene.key, "v", 1);
  read_all.options.read_quorum = QuorumSpec::All();
  EXPECT_TRUE(OutcomeOf(scene.Run(0, read_all)).strict);
  // With one owner left the copies are as many, but a quorum of owners may miss them. A fallback's
  // zone is one of the owners' or of its neighbour: two at most.
  scene.Isolate(1);
  scene.Isolate(2);
  const PutOutcome hinted = OutcomeOf(scene.Run(0, PutW(scene.key, "v", 3)));
  EXPECT_EQ(hinted.copies, 3);
  EXPECT_EQ(hinted.hints, 2);
  std::set<std::uint32_t> zones;
  for (const int place : {0, 3, 4}) {
    zones.insert(scene.cluster.ring().domains()[static_cast<std::size_t>(scene.Index(place))].zone);
  }
  EXPECT_EQ(hinted.zones, zones.size());
  EXPECT_FALSE(hinted.strict);
}

// ---- reads -----------------------------------------------------------------------------------

// Goal: with all owners gone the fallbacks still give what they keep. Paper 4.6.
TEST(ShardHandoffTest, FallbacksAnswerReadsWithWhatTheyKeep) {
  Scene scene(5);
  scene.Isolate(1);
  scene.Isolate(2);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.Isolate(0);
  for (const int place : {3, 4}) {
    EXPECT_THAT(ValuesOf(RecordOf(scene.Run(place, GetR(scene.key, 2)))), ElementsAre("v"));
  }
  GetRequest strict = GetR(scene.key, 1);
  strict.options.sloppy = false;
  EXPECT_EQ(scene.Run(3, strict).error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(scene.Run(3, GetR(scene.key, 3)).error().code, ErrorCode::kUnavailable);
}

// Goal: to a node that was without any peer these come back one by one. While the owners may be
// next, the "absent" of fallbacks that came before them is no answer.
TEST(ShardHandoffTest, WhoWasAloneWaitsForTheOwners) {
  Scene scene(5);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  const auto link = [&](int place, bool up) {
    scene.SetLink(3, place, up);
    scene.SetLink(place, 3, up);
  };
  for (const bool owners_come : {true, false}) {
    for (const int place : {0, 1, 2, 4}) link(place, false);
    scene.cluster.RunFor(CoreConfig().start_grace * 2);
    link(4, true);
    const auto get = scene.cluster.Start(scene.Index(3), GetR(scene.key, 2));
    scene.cluster.RunFor(Duration::Millis(500));
    EXPECT_EQ(scene.cluster.answers.count(get), 0u);
    for (int place = 0; place < 3 && owners_come; ++place) link(place, true);
    scene.cluster.RunFor(CoreConfig().start_grace);
    const ClientResult& answer = scene.cluster.answers.at(get);
    if (owners_come) {
      EXPECT_THAT(ValuesOf(RecordOf(answer)), ElementsAre("v"));
    } else {
      EXPECT_EQ(answer.error().code, ErrorCode::kUnavailable);
    }
  }
}

// Goal: fallbacks know of nothing that the owners had before they were away. Their "absent" is no
// answer while an owner may have the key, however many they are and however long it takes.
TEST(ShardHandoffTest, TheLastOwnerIsHeardBeforeItsKeyIsAbsent) {
  for (const std::uint8_t r : {1, 2}) {
    Scene scene(5);
    ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
    scene.Isolate(1);
    scene.Isolate(2);
    scene.At(0).hold_reads = true;
    const auto get = scene.cluster.Start(scene.Index(0), GetR(scene.key, r));
    scene.cluster.RunFor(CoreConfig().hint_after * 2);
    EXPECT_EQ(scene.cluster.answers.count(get), 0u);
    scene.cluster.ReleaseRead(scene.Index(0));
    scene.cluster.DeliverAll();
    EXPECT_THAT(ValuesOf(RecordOf(scene.cluster.answers.at(get))), ElementsAre("v")) << int{r};
  }
}

// Goal: where the owners that are left suffice, they are the quorum: one that is behind and a
// fallback would miss what was acknowledged before.
TEST(ShardHandoffTest, OwnersAreTheQuorumIfTheySuffice) {
  Scene scene(5);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.At(1).rows.erase(scene.key);
  scene.Isolate(0);
  scene.At(2).hold_reads = true;
  const auto get = scene.cluster.Start(scene.Index(1), GetR(scene.key, 2));
  scene.cluster.DeliverAll();
  EXPECT_EQ(scene.cluster.answers.count(get), 0u);
  scene.cluster.ReleaseRead(scene.Index(2));
  scene.cluster.DeliverAll();
  EXPECT_THAT(ValuesOf(RecordOf(scene.cluster.answers.at(get))), ElementsAre("v"));
}

// Goal: an owner that is silent does not hold up a read for longer than hint_after, if another has
// replied; nor a write that reads first.
TEST(ShardHandoffTest, FallbacksCountAfterAWhile) {
  Scene scene(5);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.Isolate(1);
  scene.At(2).hold_reads = true;
  PutRequest put = PutW(scene.key, "w", 2, std::nullopt);
  put.options.read_quorum = QuorumSpec::Number(2);
  put.read_first = true;
  const auto get = scene.cluster.Start(scene.Index(0), GetR(scene.key, 2));
  const auto reading_put = scene.cluster.Start(scene.Index(0), put);
  const Duration almost = CoreConfig().hint_after - Duration::Millis(20);
  scene.cluster.RunFor(almost);
  EXPECT_EQ(scene.cluster.answers.size(), 1u);  // of the first put
  scene.cluster.RunFor(Duration::Millis(40));
  EXPECT_THAT(ValuesOf(RecordOf(scene.cluster.answers.at(get))), ElementsAre("v"));
  EXPECT_TRUE(scene.cluster.answers.at(reading_put).has_value());
}

// Goal: a row that the last owner cannot read is not absent, whatever fallbacks know of it.
TEST(ShardHandoffTest, AReadErrorOfTheLastOwnerIsNotAbsent) {
  Scene scene(5);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.Isolate(1);
  scene.Isolate(2);
  scene.At(0).damaged.insert(scene.key);
  PutRequest remove{scene.key, DeleteValue(), /*read_first=*/true, {}};
  for (const std::uint8_t r : {1, 2}) {
    EXPECT_EQ(scene.Run(0, GetR(scene.key, r)).error().code, ErrorCode::kUnavailable);
    remove.options.read_quorum = QuorumSpec::Number(r);
    EXPECT_EQ(scene.Run(0, remove).error().code, ErrorCode::kUnavailable);
  }
}

// Goal: nor is it deleted, as if it were not there, where nobody knows of it.
TEST(ShardHandoffTest, ADeleteOfWhatNobodyKnowsIsRefused) {
  Scene scene(5);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  for (const int place : {0, 1, 2}) scene.Isolate(place);
  const PutRequest remove{scene.key, DeleteValue(), /*read_first=*/true, {}};
  EXPECT_EQ(scene.Run(3, remove).error().code, ErrorCode::kUnavailable);
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, "w", 2)).has_value());  // this needs no answer
  EXPECT_TRUE(scene.Run(3, remove).has_value());                   // of that
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(4, GetR(scene.key, 2)))), IsEmpty());
}

// Goal: what a fallback keeps for one owner is joined with what another owner has, and given to it.
TEST(ShardHandoffTest, AReadJoinsOwnersAndFallbacks) {
  Scene scene(5);
  scene.Isolate(1);
  scene.Isolate(2);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "v", 3)).has_value());
  scene.Isolate(0);
  // The owner at 1 is back, but has not got its hint yet.
  scene.At(1).hold_writes = true;
  scene.Rejoin(1);
  const auto get = scene.cluster.Start(scene.Index(1), GetR(scene.key, 2));
  scene.cluster.DeliverAll();
  scene.At(1).hold_writes = false;
  scene.cluster.ReleaseWrites(scene.Index(1));
  scene.cluster.DeliverAll();
  EXPECT_THAT(ValuesOf(RecordOf(scene.cluster.answers.at(get))), ElementsAre("v"));
  EXPECT_EQ(scene.Own(1), scene.Hint(4, 2));
}

// Goal: hints of one key for several owners are joined, not chosen from.
TEST(ShardHandoffTest, AFallbackJoinsAllThatItKeepsOfAKey) {
  Scene scene(4);
  for (int owner = 0; owner < 3; ++owner) scene.SetLink(3, owner, false);
  scene.SetLink(0, 1, false);
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "a", 3)).has_value());
  scene.SetLink(1, 2, false);
  scene.SetLink(1, 0, false);
  ASSERT_TRUE(scene.Run(1, PutW(scene.key, "b", 2)).has_value());
  ASSERT_TRUE(scene.Hint(3, 1).has_value());
  ASSERT_TRUE(scene.Hint(3, 0).has_value());
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(3, GetR(scene.key, 1)))), ElementsAre("a", "b"));
  // Of a key without hints it has nothing, which is an answer too.
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(3, GetR(scene.cluster.Key("other"), 1)))), IsEmpty());
}

// ---- stand-ins -------------------------------------------------------------------------------

// Goal: where no owner can be reached a fallback coordinates the put ("always writeable"), and what
// was written on the other side meanwhile survives beside it. Paper 4.6, 4.4.
TEST(ShardHandoffTest, APutWithoutAnyOwnerIsCoordinatedByAFallbackAndNothingIsLost) {
  CoreConfig config;
  config.exchange_settle = Duration::Millis(20);
  Scene scene(5, config);
  for (const int fallback : {3, 4}) {
    for (int owner = 0; owner < 3; ++owner) {
      scene.SetLink(fallback, owner, false);
      scene.SetLink(owner, fallback, false);
    }
  }
  // On the last of the preference list: it asks the one before it.
  const PutOutcome put = OutcomeOf(scene.Run(4, PutW(scene.key, "here", 2)));
  EXPECT_EQ(put.copies, 2);
  EXPECT_EQ(put.hints, 2);
  EXPECT_FALSE(put.strict);
  EXPECT_EQ(scene.CountersOf(3).standin_puts, 1u);
  EXPECT_EQ(scene.Hint(3, 0), scene.Hint(4, 1));
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(4, GetR(scene.key, 2)))), ElementsAre("here"));
  ASSERT_TRUE(scene.Run(0, PutW(scene.key, "there", 3)).has_value());

  for (const int fallback : {3, 4}) {
    for (int owner = 0; owner < 3; ++owner) {
      scene.SetLink(fallback, owner, true);
      scene.SetLink(owner, fallback, true);
    }
  }
  scene.cluster.RunFor(Duration::Millis(100));
  EXPECT_THAT(scene.At(3).rows, IsEmpty());
  EXPECT_THAT(scene.At(4).rows, IsEmpty());
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(2, GetR(scene.key, 3)))), ElementsAre("here", "there"));
  for (int owner = 1; owner < 3; ++owner) EXPECT_EQ(scene.Own(owner), scene.Own(0));
}

// Goal: owners that are there and cannot write are as good as gone: a fallback coordinates then.
TEST(ShardHandoffTest, APutGoesToTheFallbacksWhereNoOwnerCanWrite) {
  Scene scene(5);
  for (int owner = 0; owner < 3; ++owner) {
    scene.At(owner).write_error = Error{ErrorCode::kIoError, "EIO"};
  }
  // The first finds out while it coordinates, and its own copy goes elsewhere, too.
  EXPECT_EQ(OutcomeOf(scene.Run(0, PutW(scene.key, "1", 2))).hints, 2);
  // From then on they refuse. 3 asks each of them, and then does it itself.
  const PutOutcome put = OutcomeOf(scene.Run(3, PutW(scene.key, "2", 2)));
  EXPECT_EQ(put.copies, 2);
  EXPECT_EQ(put.hints, 2);
  EXPECT_EQ(scene.CountersOf(3).standin_puts, 1u);
  for (int owner = 0; owner < 3; ++owner) scene.At(owner).write_error.reset();
  scene.cluster.RunFor(Duration::Seconds(4));
  for (const int fallback : {3, 4}) EXPECT_THAT(scene.At(fallback).rows, IsEmpty());
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(0, GetR(scene.key, 3)))), ElementsAre("1", "2"));
}

// Goal: the dots of a stand-in are its own: writing again on top of what it wrote covers that.
TEST(ShardHandoffTest, AStandInGoesOnFromWhatItKeeps) {
  Scene scene(5);
  for (int owner = 0; owner < 3; ++owner) scene.Isolate(owner);
  const PutOutcome first = OutcomeOf(scene.Run(3, PutW(scene.key, "1", 2)));
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, "2", 2)).has_value());
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(4, GetR(scene.key, 2)))), ElementsAre("1", "2"));
  const PutOutcome third = OutcomeOf(scene.Run(3, PutW(scene.key, "3", 2, first.context)));
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(4, GetR(scene.key, 2)))), ElementsAre("2", "3"));
  // Who wrote "3" never saw "2": his context does not cover it.
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, "4", 2, third.context)).has_value());
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(4, GetR(scene.key, 2)))), ElementsAre("2", "3", "4"));
  const Record all = RecordOf(scene.Run(4, GetR(scene.key, 2)));
  ASSERT_TRUE(scene.Run(3, PutW(scene.key, "5", 2, all.clock)).has_value());
  EXPECT_THAT(ValuesOf(RecordOf(scene.Run(4, GetR(scene.key, 2)))), ElementsAre("5"));
}

}  // namespace
}  // namespace gyre::testing
