// The judge on histories made by hand: what it must report, and what it must let pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/ring/claim.h"
#include "sim/judge.h"
#include "sim/world_spec.h"

namespace gyre::sim {
namespace {

using ::testing::IsEmpty;

struct JudgeTest : ::testing::Test {
  JudgeTest() : spec(QuietSpec(3, 3, QuorumSpec::Number(2), QuorumSpec::Number(2))) {
    view = MakeView(spec, MakeLayout(spec));
    spec.config.clock_entries_max = 4;
    key = {KeyspaceId(0), view->ring.TokenOf("k"), Bytes("k")};
    std::vector<NodeId> nodes;
    for (const Member& member : spec.members) nodes.push_back(member.id);
    judge = std::make_unique<Judge>(view, spec.config, std::vector<RowKey>{key}, nodes);
    judge->all_storages = [this] { return Storages(); };
    va = {ActorOf(0), 1, 1};
    deleted = {ActorOf(0), 1, 2};
    for (int i = 0; i < 3; ++i) {
      storages.push_back(std::make_unique<SimStorage>(events, 1, StorageProfile{}, 17));
    }
  }

  ActorId ActorOf(int node, std::uint64_t low = 1) {
    return ActorId(
        std::uint64_t{view->ring.members()[static_cast<std::size_t>(node)].id.value} << 40 | low);
  }
  Sibling Value(Dot dot, const std::string& value) {
    return {dot, HybridTime{dot.n}, kNeverExpires, ValueType::kBytes, Xxh3_64(value), Bytes(value)};
  }
  Record RecordOf(std::vector<Dot> clock, std::vector<Sibling> siblings) {
    Record record;
    for (const Dot& dot : clock) record.clock.Add(dot, WallTime{1'000'000});
    std::sort(siblings.begin(), siblings.end(),
              [](const Sibling& a, const Sibling& b) { return a.dot < b.dot; });
    for (Sibling& sibling : siblings) record.siblings.push_back(std::move(sibling));
    return record;
  }
  Write& Client(const std::string& value, std::optional<VersionVector> context) {
    Write& write = judge->NewWrite(0, OpKind::kPut);
    write.value = value;
    write.context = std::move(context);
    judge->OnNewWrite(write);
    return write;
  }
  Witness WitnessOf(int node) {
    return {node,
            WallTime{2'000'000},
            ActorOf(node),
            ActorOf(node),
            storages[static_cast<std::size_t>(node)].get(),
            WallTime{2'000'000},
            /*sets_aside=*/false,
            /*went_back=*/false,
            view};
  }
  // The node stores the record, as its coordinator or as a replica.
  void Store(int node, const Record& record) {
    const Row row{{}, record.Encode()};
    judge->OnWriteAsked(WitnessOf(node), key, row);
    SimStorage& storage = *storages[static_cast<std::size_t>(node)];
    storage.Write(key, row, 0, [](Status) {});
    while (events.RunNext()) {
    }
    judge->OnDurable(node, key, row);
  }
  // The record reaches the node in a message, and is stored there.
  void Replicate(int node, const Record& record) {
    Deliver(node, record);
    Store(node, record);
  }
  void Deliver(int node, const Record& record) {
    judge->OnDelivered(node, ReplicaPut{RequestId(1), RingEpoch(1), key, record.Encode(), false});
  }
  Op NewOp(OpKind kind, std::optional<std::size_t> write, int read_needed = 2) {
    Op op;
    op.id = next_op++;
    op.kind = kind;
    op.write = write;
    op.reads = kind == OpKind::kGet;
    op.read_needed = read_needed;
    op.write_needed = 2;
    judge->OnOpStart(op);
    return op;
  }
  std::vector<const SimStorage*> Storages() const {
    std::vector<const SimStorage*> list;
    for (const auto& storage : storages) list.push_back(storage.get());
    return list;
  }
  // Nodes 0 and 1 store a write, and its client hears so.
  Record AcknowledgedByTwo(const Dot& dot) {
    const Record record = RecordOf({dot}, {Value(dot, "va")});
    Op put = NewOp(OpKind::kPut, Client("va", VersionVector()).id);
    Store(0, record);
    Replicate(1, record);
    judge->OnAnswer(WitnessOf(0), put, ClientResult(Told(record)));
    return record;
  }
  // Nodes 0 and 1 hold an acknowledged write and lose it, while node 2 has a hint of it.
  std::uint64_t ForgivenIfOnlyAHintIsLeft(int target) {
    const Row row{{}, AcknowledgedByTwo({ActorOf(0), 1, 1}).Encode()};
    const NodeId id = view->ring.members()[static_cast<std::size_t>(target)].id;
    storages[2]->Write(key.OwedTo(id), row, 0, [](Status) {});
    while (events.RunNext()) {
    }
    storages[1]->Wipe();
    storages[0]->Wipe();
    judge->OnLoss(0, key, row, Storages());
    return judge->counters().forgiven;
  }
  // Node 0 and node 1, or a hint for it at node 2, have an acknowledged write; then the disk of
  // node 0 is lost. Whether reads must see it still.
  bool PromisedWithoutTheDisk(bool hint) {
    const Record record = RecordOf({{ActorOf(0), 1, 1}}, {Value({ActorOf(0), 1, 1}, "va")});
    const Row row{{}, record.Encode()};
    Op put = NewOp(OpKind::kPut, Client("va", VersionVector()).id);
    put.sloppy = true;
    Store(0, record);
    PutOutcome told = Told(record);
    if (hint) {
      const RowKey owed = key.OwedTo(view->ring.members()[1].id);
      Deliver(2, record);
      storages[2]->Write(owed, row, 0, [](Status) {});
      while (events.RunNext()) {
      }
      judge->OnDurable(2, owed, row);
      told.hints = 1;
    } else {
      Replicate(1, record);
    }
    judge->OnAnswer(WitnessOf(0), put, ClientResult(told));
    storages[0]->Wipe();
    judge->OnLoss(0, key, row, Storages(), Judge::Loss::kDisk);
    EXPECT_EQ(judge->counters().forgiven, 0u);
    ExpectReports({});
    return NewOp(OpKind::kGet, std::nullopt, /*read_needed=*/3).must_see.any();
  }
  // By a coordinator that claims two copies.
  static PutOutcome Told(const Record& record) {
    PutOutcome outcome;
    outcome.context = record.clock;
    outcome.copies = 2;
    outcome.dot = record.siblings.front().dot;
    return outcome;
  }
  // A client deletes over what it has read, by way of this node.
  void ClientDelete(int node, const VersionVector& context) {
    Write& write = judge->NewWrite(0, OpKind::kDelete);
    write.context = context;
    judge->OnNewWrite(write);
    NewOp(OpKind::kDelete, write.id);
    judge->OnRequest(node, PutRequest{key, DeleteValue{context}, false, {}}, /*doubled=*/false);
  }
  // "va" is everywhere, and nodes 0 and 1 have its tombstone instead.
  Record DeletedAtTwo() {
    const Record old = RecordOf({va}, {Value(va, "va")});
    Client("va", VersionVector());
    Store(0, old);
    Replicate(1, old);
    Replicate(2, old);
    ClientDelete(0, old.clock);
    const Record gone = RecordOf(
        {deleted}, {{deleted, HybridTime{2}, kNeverExpires, ValueType::kTombstone, 0, Bytes()}});
    Store(0, gone);
    Replicate(1, gone);
    return gone;
  }
  // The end of a ballot on what the node holds reaches it.
  void TellToPurge(int node) {
    Ballot ballot;
    ballot.step = Ballot::Step::kDrop;
    const Row* row = storages[static_cast<std::size_t>(node)]->Latest(key);
    ballot.rows.push_back({key, RowDigest(key, row->record.view())});
    judge->OnDelivered(node, ballot);
  }
  void Drop(const Witness& witness) {
    judge->OnWriteAsked(witness, key, std::nullopt);
    SimStorage& storage = *storages[static_cast<std::size_t>(witness.node)];
    storage.Write(key, std::nullopt, 0, [](Status) {});
    while (events.RunNext()) {
    }
  }
  void Purge(int node) {
    TellToPurge(node);
    Drop(WitnessOf(node));
  }
  // Exactly these have spoken.
  void ExpectReports(std::vector<Checker> expected) {
    std::vector<Checker> found;
    for (int i = 0; i < kCheckerCount; ++i) {
      if (judge->count(static_cast<Checker>(i)) > 0) found.push_back(static_cast<Checker>(i));
    }
    EXPECT_EQ(found, expected) << (judge->violations().empty() ? ""
                                                               : judge->violations().front().text);
  }

  WorldSpec spec;
  ClusterViewPtr view;
  Dot va, deleted;
  RowKey key;
  EventQueue events;
  std::unique_ptr<Judge> judge;
  std::vector<std::unique_ptr<SimStorage>> storages;
  std::uint64_t next_op = 1;
};

// Two writes that had seen nothing are siblings; one that had seen both replaces both.
TEST_F(JudgeTest, AcceptsSiblingsAndTheirMerge) {
  const Dot a{ActorOf(0), 1, 1}, b{ActorOf(1), 1, 1}, c{ActorOf(0), 1, 2};
  Client("va", VersionVector());
  Client("vb", VersionVector());
  Store(0, RecordOf({a}, {Value(a, "va")}));
  Store(1, RecordOf({b}, {Value(b, "vb")}));
  const Record both = RecordOf({a, b}, {Value(a, "va"), Value(b, "vb")});
  Replicate(0, both);
  Client("vc", both.clock);
  const Record merged = RecordOf({b, c}, {Value(c, "vc")});
  Store(0, merged);
  Replicate(2, merged);
  ExpectReports({});
}

TEST_F(JudgeTest, ReportsARecordThatDroppedASibling) {
  const Dot a{ActorOf(0), 1, 1}, b{ActorOf(1), 1, 1};
  Client("va", VersionVector());
  Client("vb", VersionVector());
  Store(0, RecordOf({a}, {Value(a, "va")}));
  Store(1, RecordOf({b}, {Value(b, "vb")}));
  Deliver(0, RecordOf({b}, {Value(b, "vb")}));
  Store(0, RecordOf({a, b}, {Value(b, "vb")}));
  ExpectReports({Checker::kLost});
}

TEST_F(JudgeTest, ReportsASupersededWriteThatIsBack) {
  const Dot a1{ActorOf(0), 1, 1}, a2{ActorOf(0), 1, 2};
  Client("v1", VersionVector());
  const Record first = RecordOf({a1}, {Value(a1, "v1")});
  Store(0, first);
  Client("v2", first.clock);
  Store(0, RecordOf({a2}, {Value(a2, "v2")}));
  Deliver(1, RecordOf({a2}, {Value(a2, "v2")}));
  Store(1, RecordOf({a2}, {Value(a1, "v1"), Value(a2, "v2")}));
  ExpectReports({Checker::kSiblings});
}

TEST_F(JudgeTest, ReportsAValueThatNobodySent) {
  const Dot a{ActorOf(0), 1, 1};
  Store(0, RecordOf({a}, {Value(a, "from nowhere")}));
  ExpectReports({Checker::kInvented});
}

TEST_F(JudgeTest, ReportsKnowledgeThatNeverArrived) {
  const Dot a{ActorOf(0), 1, 1}, b{ActorOf(1), 1, 1};
  Client("va", VersionVector());
  Client("vb", VersionVector());
  Store(0, RecordOf({a}, {Value(a, "va")}));
  Store(1, RecordOf({b}, {Value(b, "vb")}));
  Store(0, RecordOf({a, b}, {Value(a, "va"), Value(b, "vb")}));  // but b never reached node 0
  ExpectReports({Checker::kInvented});
}

TEST_F(JudgeTest, ReportsADotOfTwoValues) {
  const Dot a{ActorOf(0), 1, 1};
  Client("one", VersionVector());
  Client("two", VersionVector());
  Store(0, RecordOf({a}, {Value(a, "one")}));
  Replicate(1, RecordOf({a}, {Value(a, "two")}));
  ExpectReports({Checker::kDots});
}

TEST_F(JudgeTest, ReportsAReplicaThatForgets) {
  const Dot a{ActorOf(0), 1, 1}, b{ActorOf(1), 1, 1};
  Client("va", VersionVector());
  const Record first = RecordOf({a}, {Value(a, "va")});
  Store(0, first);
  Replicate(1, first);
  Client("vb", first.clock);
  const Record second = RecordOf({a, b}, {Value(b, "vb")});
  Store(1, second);
  Replicate(0, second);
  Store(0, RecordOf({b}, {Value(b, "vb")}));  // two entries: no reason to truncate
  ExpectReports({Checker::kMonotone});
}

TEST_F(JudgeTest, ReportsAnAcknowledgementWithTooFewCopies) {
  const Dot a{ActorOf(0), 1, 1};
  const std::size_t write = Client("va", VersionVector()).id;
  const Record record = RecordOf({a}, {Value(a, "va")});
  Op op = NewOp(OpKind::kPut, write);
  Store(0, record);
  judge->OnAnswer(WitnessOf(0), op, ClientResult(Told(record)));
  ExpectReports({Checker::kOutcomes});
}

TEST_F(JudgeTest, AcceptsAnAcknowledgementWithEnoughCopies) {
  const Dot a{ActorOf(0), 1, 1};
  const std::size_t write = Client("va", VersionVector()).id;
  const Record record = RecordOf({a}, {Value(a, "va")});
  Op op = NewOp(OpKind::kPut, write);
  Store(0, record);
  Replicate(2, record);
  judge->OnAnswer(WitnessOf(0), op, ClientResult(Told(record)));
  ExpectReports({});
}

// A refused write must be nowhere, whether it shows up before its answer or after.
TEST_F(JudgeTest, ReportsARefusedWriteThatWasApplied) {
  const Dot a{ActorOf(0), 1, 1}, b{ActorOf(1), 1, 1};
  const std::size_t before = Client("va", VersionVector()).id;
  Op op = NewOp(OpKind::kPut, before);
  Store(0, RecordOf({a}, {Value(a, "va")}));
  judge->OnAnswer(WitnessOf(0), op, Fail(ErrorCode::kUnavailable, "too few"));
  EXPECT_EQ(judge->count(Checker::kOutcomes), 1u);
  const std::size_t after = Client("vb", VersionVector()).id;
  Op late = NewOp(OpKind::kPut, after);
  judge->OnAnswer(WitnessOf(1), late, Fail(ErrorCode::kOverloaded, "too many"));
  Store(1, RecordOf({b}, {Value(b, "vb")}));
  EXPECT_EQ(judge->count(Checker::kOutcomes), 2u);
}

TEST_F(JudgeTest, AcceptsAnUnknownWriteEitherWay) {
  const Dot a{ActorOf(0), 1, 1};
  Op op = NewOp(OpKind::kPut, Client("va", VersionVector()).id);
  Op other = NewOp(OpKind::kPut, Client("vb", VersionVector()).id);
  judge->OnAnswer(WitnessOf(0), op, Fail(ErrorCode::kOutcomeUnknown, "timeout"));
  judge->OnAnswer(WitnessOf(0), other, Fail(ErrorCode::kOutcomeUnknown, "timeout"));
  Store(0, RecordOf({a}, {Value(a, "va")}));
  ExpectReports({});
}

TEST_F(JudgeTest, ReportsASecondAnswer) {
  Op op = NewOp(OpKind::kGet, std::nullopt);
  judge->OnAnswer(WitnessOf(0), op, ClientResult(GetOutcome{}));
  judge->OnAnswer(WitnessOf(0), op, ClientResult(GetOutcome{}));
  ExpectReports({Checker::kOutcomes});
}

TEST_F(JudgeTest, ReportsAReadThatMissesAnAcknowledgedWrite) {
  const Dot a{ActorOf(0), 1, 1};
  const Record record = RecordOf({a}, {Value(a, "va")});
  Op early = NewOp(OpKind::kGet, std::nullopt);  // begun before the acknowledgement: may miss it
  Op put = NewOp(OpKind::kPut, Client("va", VersionVector()).id);
  Store(0, record);
  Replicate(1, record);
  judge->OnAnswer(WitnessOf(0), put, ClientResult(Told(record)));
  judge->OnAnswer(WitnessOf(2), early, ClientResult(GetOutcome{}));
  Op one = NewOp(OpKind::kGet, std::nullopt, /*read_needed=*/1);  // R + W = N: may miss it
  judge->OnAnswer(WitnessOf(2), one, ClientResult(GetOutcome{}));
  ExpectReports({});
  Op two = NewOp(OpKind::kGet, std::nullopt, /*read_needed=*/2);
  judge->OnAnswer(WitnessOf(2), two, ClientResult(GetOutcome{}));
  ExpectReports({Checker::kSessions});
}

// Where fallbacks count towards R, what all owners hold may be hidden by what those know, and is
// not absent by their word.
TEST_F(JudgeTest, ReportsASloppyReadThatTakesForAbsentWhatAllOwnersHold) {
  const Record record = RecordOf({va}, {Value(va, "va")});
  Op put = NewOp(OpKind::kPut, Client("va", VersionVector()).id);
  Store(0, record);
  Replicate(1, record);
  const auto sloppy_get = [&] {
    Op get;
    get.kind = OpKind::kGet;
    get.reads = get.sloppy = true;
    get.copies = 3;
    judge->OnOpStart(get);
    return get;
  };
  judge->OnAnswer(WitnessOf(0), put, ClientResult(Told(record)));  // of two of the three
  Op early = sloppy_get();
  judge->OnAnswer(WitnessOf(2), early, ClientResult(GetOutcome{}));
  Replicate(2, record);
  PutOutcome told = Told(record);
  told.copies = 3;
  Op again = NewOp(OpKind::kPut, put.write);
  judge->OnAnswer(WitnessOf(0), again, ClientResult(told));
  const Dot b{ActorOf(2), 1, 1};
  const Record other = RecordOf({b}, {Value(b, "vb")});
  Client("vb", VersionVector());
  Store(2, RecordOf({va, b}, {Value(va, "va"), Value(b, "vb")}));
  Op hidden = sloppy_get();
  judge->OnAnswer(WitnessOf(2), hidden, ClientResult(GetOutcome{other}));
  ExpectReports({});
  Op late = sloppy_get();
  judge->OnAnswer(WitnessOf(2), late, ClientResult(GetOutcome{}));
  ExpectReports({Checker::kSessions});
}

// What one quorum read has shown, the next must show, though its write was never acknowledged.
TEST_F(JudgeTest, ReportsReadsThatGoBack) {
  const Dot a{ActorOf(0), 1, 1};
  const Record record = RecordOf({a}, {Value(a, "va")});
  Client("va", VersionVector());
  Store(0, record);
  Op first = NewOp(OpKind::kGet, std::nullopt);
  judge->OnAnswer(WitnessOf(0), first, ClientResult(GetOutcome{record}));
  Op second = NewOp(OpKind::kGet, std::nullopt);
  judge->OnAnswer(WitnessOf(2), second, ClientResult(GetOutcome{}));
  ExpectReports({Checker::kSessions});
}

TEST_F(JudgeTest, ReportsAcknowledgedWritesThatAreGoneAtTheEnd) {
  const Dot a{ActorOf(0), 1, 1};
  AcknowledgedByTwo(a);
  EXPECT_FALSE(judge->OwnersEqual(0, Storages()));
  judge->CheckFinal(0, Storages());  // node 2 has nothing
  ExpectReports({Checker::kLost});
}

// A disk is lost, and who has not filled up answers no read: what another owner has stays promised
// to reads of all three, for what is left in a hint alone nobody is asked.
TEST_F(JudgeTest, ARowUpholdsThePromiseOfALostDisk) { EXPECT_TRUE(PromisedWithoutTheDisk(false)); }
TEST_F(JudgeTest, AHintUpholdsNoPromiseOfALostDisk) { EXPECT_FALSE(PromisedWithoutTheDisk(true)); }

// A write whose every copy was destroyed is not held against the system; one of which a copy is
// left is.
TEST_F(JudgeTest, ForgivesOnlyWhatFaultsDestroyed) {
  const Dot a{ActorOf(0), 1, 1};
  const Record record = AcknowledgedByTwo(a);
  const Row row{{}, record.Encode()};
  storages[0]->Wipe();
  judge->OnLoss(0, key, row, Storages());
  EXPECT_EQ(judge->counters().forgiven, 0u);
  storages[1]->Wipe();
  judge->OnLoss(1, key, row, Storages());
  EXPECT_EQ(judge->counters().forgiven, 1u);
  judge->CheckFinal(0, Storages());
  ExpectReports({});
}

// What a node's own row held it may have acknowledged to who kept it for this node; a hint for
// somebody else is a copy as any other.
TEST_F(JudgeTest, AHintForWhoLostItsRowIsOnItsWayOut) {
  EXPECT_EQ(ForgivenIfOnlyAHintIsLeft(/*target=*/0), 1u);
}
TEST_F(JudgeTest, AHintForAnotherIsACopy) {
  EXPECT_EQ(ForgivenIfOnlyAHintIsLeft(/*target=*/1), 0u);
}

// ---- purges ------------------------------------------------------------------------------------

TEST_F(JudgeTest, AcceptsAPurgeAndANewWriteAfterIt) {
  DeletedAtTwo();
  Purge(0);
  Purge(1);
  const Dot anew{ActorOf(0), 2, 1};
  Client("vb", VersionVector());
  const Record record = RecordOf({anew}, {Value(anew, "vb")});
  Store(0, record);
  Replicate(1, record);
  EXPECT_EQ(judge->counters().purges, 2u);
  ExpectReports({});
}

TEST_F(JudgeTest, ReportsALiveRowThatIsPurged) {
  DeletedAtTwo();
  Purge(2);  // still "va"
  ExpectReports({Checker::kLost});
}

TEST_F(JudgeTest, ReportsAPurgeThatNoBallotTold) {
  DeletedAtTwo();
  Drop(WitnessOf(0));
  ExpectReports({Checker::kLost});
}

// What was told in a former life is not known in this one.
TEST_F(JudgeTest, ReportsAPurgeThatWasToldBeforeACrash) {
  DeletedAtTwo();
  TellToPurge(0);
  judge->OnCrash(0);
  Drop(WitnessOf(0));
  ExpectReports({Checker::kLost});
}

TEST_F(JudgeTest, ReportsAPurgedWriteThatIsBackInARow) {
  DeletedAtTwo();
  Purge(0);
  Replicate(0, RecordOf({va}, {Value(va, "va")}));
  ExpectReports({Checker::kLost});
}

TEST_F(JudgeTest, ReportsAPurgedWriteThatIsBackInAnAnswer) {
  DeletedAtTwo();
  const Record old = RecordOf({va}, {Value(va, "va")});
  Op early = NewOp(OpKind::kGet, std::nullopt, /*read_needed=*/1);
  Purge(0);
  judge->OnAnswer(WitnessOf(2), early, ClientResult(GetOutcome{old}));  // begun before: may see it
  ExpectReports({});
  Op late = NewOp(OpKind::kGet, std::nullopt, /*read_needed=*/1);
  judge->OnAnswer(WitnessOf(2), late, ClientResult(GetOutcome{old}));
  ExpectReports({Checker::kLost});
}

// Another owner that has not heard of the end of the ballot gives it back; nothing is undead then.
TEST_F(JudgeTest, AcceptsTheTombstoneItselfBack) {
  const Record gone = DeletedAtTwo();
  Purge(0);
  Replicate(0, gone);
  ExpectReports({});
}

// Until it has met somebody a restored disk cannot know what has been purged.
TEST_F(JudgeTest, ForgivesADiskThatWentBackAndHasMetNobody) {
  DeletedAtTwo();
  Purge(0);
  const Row old{{}, RecordOf({va}, {Value(va, "va")}).Encode()};
  Witness back = WitnessOf(0);
  back.went_back = true;
  judge->OnDelivered(0, ReplicaPut{RequestId(1), RingEpoch(1), key, old.record, false});
  judge->OnWriteAsked(back, key, old);
  ExpectReports({});
}

// What is set aside was acknowledged, perhaps; then it is lost with the disk, unless others have
// it.
TEST_F(JudgeTest, ForgivesWhatADiskThatWentBackSetsAside) {
  AcknowledgedByTwo(va);
  Witness back = WitnessOf(0);
  back.sets_aside = true;
  Drop(back);
  EXPECT_EQ(judge->counters().forgiven, 0u);
  back = WitnessOf(1);
  back.sets_aside = true;
  Drop(back);
  EXPECT_EQ(judge->counters().forgiven, 1u);
  EXPECT_EQ(judge->counters().purges, 0u);
  ExpectReports({});
}

}  // namespace
}  // namespace gyre::sim
