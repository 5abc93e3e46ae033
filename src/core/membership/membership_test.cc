#include "core/membership/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core/membership/arbitrary_member.h"
#include "core/membership/membership_codec.h"

namespace gyre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using Kind = MembershipEvent::Kind;

constexpr NodeId kSelf(1);

MemberNews News(std::uint32_t id, std::uint64_t incarnation, Life life, int description = 0) {
  const DescriptionPtr told = DescriptionNumber(description);
  return {NodeId(id), incarnation, life, told->digest(), told, NodeId()};
}

// One node, 1, that knows `members` in all; what it sends goes nowhere.
class MembershipTest : public testing::Test {
 protected:
  void Begin(std::uint32_t members, MembershipConfig config = {},
             std::vector<std::string> seeds = {}) {
    node_ = std::make_unique<Membership>(
        config, Membership::Identity{kSelf, 10, DescriptionNumber(0)}, std::move(seeds));
    for (std::uint32_t i = 2; i <= members; ++i) node_->Restore(News(i, 1, Life::kAlive), now_);
  }
  template <typename Fn>
  void Do(Fn fn) {
    MembershipTurn turn{now_, prng_, out_};
    fn(*node_, turn);
  }
  void Receive(std::uint32_t from, MembershipMessage message) {
    Do([&](Membership& node, MembershipTurn& turn) {
      node.OnMessage(NodeId(from), message, turn);
    });
  }
  void RunFor(Duration duration) {
    const Instant end = now_ + duration;
    while (node_->NextWake() <= end) {
      now_ = std::max(now_, node_->NextWake());
      Do([](Membership& node, MembershipTurn& turn) { node.OnTick(turn); });
    }
    now_ = end;
  }
  std::vector<MembershipEvent> Events() { return std::exchange(out_.events, {}); }
  std::vector<MembershipSend> Sends() { return std::exchange(out_.sends, {}); }
  // All that was told of `id` since the last Sends, by message.
  std::vector<MemberNews> ToldOf(std::uint32_t id) {
    std::vector<MemberNews> told;
    for (MembershipSend& send : Sends()) {
      const auto* news = NewsIn(send.message);
      if (news == nullptr) continue;
      for (const MemberNews& each : *news) {
        if (each.id == NodeId(id)) told.push_back(each);
      }
    }
    return told;
  }

  std::unique_ptr<Membership> node_;
  Instant now_{1'000'000};
  Prng prng_{3};
  MembershipOutput out_;
};

TEST_F(MembershipTest, NewsAreEventsAndAreToldOn) {
  Begin(3);
  Receive(2, Rumours{{News(4, 1, Life::kAlive)}});
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kMember);
  EXPECT_EQ(events[0].node, NodeId(4));
  EXPECT_EQ(events[0].before, std::nullopt);
  EXPECT_TRUE(events[0].described);
  const auto told = ToldOf(4);
  ASSERT_FALSE(told.empty());
  EXPECT_NE(told[0].description, nullptr);
  // The same again is no news.
  RunFor(Duration::Seconds(3));
  Sends();
  Receive(2, Rumours{{News(4, 1, Life::kAlive)}});
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_THAT(ToldOf(4), IsEmpty());
}

TEST_F(MembershipTest, AChangeOfLifeIsToldWithoutTheDescription) {
  Begin(5);
  Receive(2, Rumours{{News(3, 1, Life::kDown)}});
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].before, Life::kAlive);
  EXPECT_EQ(events[0].after, Life::kDown);
  const auto told = ToldOf(3);
  ASSERT_FALSE(told.empty());
  EXPECT_EQ(told[0].description, nullptr);
  EXPECT_LE(NewsBytes(told[0]), 16u);
}

// Goal: SWIM 4.2: who is accused contradicts, with a higher incarnation, at once.
TEST_F(MembershipTest, AccusedItContradicts) {
  for (const Life life : {Life::kSuspect, Life::kDown}) {
    Begin(5);
    MemberNews accusation = News(1, 10, life);
    Receive(2, Ping{7, {accusation}});
    EXPECT_EQ(node_->incarnation(), 11u);
    EXPECT_EQ(node_->table().Find(kSelf)->life, Life::kAlive);
    EXPECT_EQ(node_->counters().contradictions, 1u);
    const auto sends = Sends();
    // The ack itself carries it.
    ASSERT_FALSE(sends.empty());
    const auto& ack = std::get<PingAck>(sends[0].message);
    ASSERT_FALSE(ack.news.empty());
    EXPECT_EQ(ack.news[0].incarnation, 11u);
    EXPECT_EQ(ack.news[0].life, Life::kAlive);
    // Old news do not matter.
    Receive(2, Rumours{{News(1, 10, Life::kDown)}});
    EXPECT_EQ(node_->incarnation(), 11u);
  }
}

// Goal: Lifeguard's buddy system: what is said of the receiver comes first in what it is sent.
TEST_F(MembershipTest, WhoIsAccusedIsToldFirst) {
  for (const bool buddy : {true, false}) {
    MembershipConfig config;
    config.buddy = buddy;
    Begin(5, config);
    Receive(2, Rumours{{News(3, 1, Life::kDown)}});
    RunFor(Duration::Seconds(3));  // the rumour is over
    Sends();
    Receive(3, Ping{1, {}});
    const auto sends = Sends();
    ASSERT_THAT(sends, SizeIs(1));
    const auto& ack = std::get<PingAck>(sends[0].message);
    EXPECT_EQ(ack.news.size(), buddy ? 1u : 0u);
  }
}

TEST_F(MembershipTest, AccusersAreToldOn) {
  MembershipConfig config;
  config.volunteers = 0;
  Begin(20, config);
  MemberNews accusation = News(3, 1, Life::kSuspect);
  accusation.accuser = NodeId(4);
  Receive(2, Rumours{{accusation}});
  const auto first = ToldOf(3);
  ASSERT_FALSE(first.empty());
  EXPECT_EQ(first[0].accuser, NodeId(4));
  accusation.accuser = NodeId(5);
  Receive(2, Ping{1, {accusation}});
  const auto both = ToldOf(3);
  EXPECT_TRUE(std::any_of(both.begin(), both.end(),
                          [](const MemberNews& news) { return news.accuser == NodeId(5); }));
  EXPECT_THAT(Events(), SizeIs(1));
}

TEST_F(MembershipTest, MessagesKeepToTheirBytes) {
  MembershipConfig config;
  Begin(50, config);
  std::vector<MemberNews> many;
  for (std::uint32_t i = 100; i < 200; ++i) many.push_back(News(i, 1, Life::kAlive));
  Receive(2, Rumours{many});
  RunFor(Duration::Seconds(1));
  std::size_t most = 0;
  for (const MembershipSend& send : Sends()) {
    if (std::holds_alternative<Rumours>(send.message)) {
      most = std::max(most, MembershipBytes(send.message));
    }
  }
  EXPECT_GT(most, config.rumour_bytes_max / 2);
  EXPECT_LE(most, config.rumour_bytes_max + 3);
}

TEST_F(MembershipTest, AStrangerIsToldWhoSpeaks) {
  Begin(1, {}, {"10.0.0.9:7381"});
  Do([](Membership& node, MembershipTurn& turn) { node.Start(turn); });
  const auto sends = Sends();
  ASSERT_FALSE(sends.empty());
  EXPECT_EQ(sends[0].address, "10.0.0.9:7381");
  const auto& begin = std::get<SyncBegin>(sends[0].message);
  ASSERT_FALSE(begin.news.empty());
  EXPECT_EQ(begin.news[0].id, kSelf);
  EXPECT_NE(begin.news[0].description, nullptr);
}

// ---- who it is ---------------------------------------------------------------------------------

TEST_F(MembershipTest, AFormerLifeWithALostCountIsOvertaken) {
  Begin(3);
  Receive(2, Rumours{{News(1, 500, Life::kDown, /*description=*/1)}});
  EXPECT_EQ(node_->incarnation(), 501u);
  EXPECT_EQ(node_->table().Find(kSelf)->description->digest(), DescriptionNumber(0)->digest());
  EXPECT_THAT(Events(), IsEmpty());
  const auto told = ToldOf(1);
  ASSERT_FALSE(told.empty());
  EXPECT_NE(told[0].description, nullptr);
}

// Goal: two nodes under one name are told of, and do not storm.
TEST_F(MembershipTest, AnotherUnderItsNameIsADoubleIdentity) {
  Begin(3);
  Receive(2, Rumours{{News(1, 20, Life::kAlive, 1)}});
  EXPECT_EQ(node_->incarnation(), 21u);
  Receive(2, Rumours{{News(1, 22, Life::kAlive, 1)}});
  EXPECT_EQ(node_->incarnation(), 21u);
  now_ = now_ + Duration::Seconds(10);
  Receive(2, Rumours{{News(1, 22, Life::kAlive, 1)}});
  EXPECT_EQ(node_->incarnation(), 23u);
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kDoubleIdentity);
  EXPECT_EQ(node_->counters().double_identities, 1u);
}

// Goal: a copied folder begins with the same incarnation as the other: that is no life before.
TEST_F(MembershipTest, AnotherUnderItsIncarnationIsTold) {
  Begin(3);
  Receive(2, Rumours{{News(1, 10, Life::kAlive, 1)}});
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kDoubleIdentity);
  EXPECT_EQ(events[0].node, kSelf);
  EXPECT_EQ(node_->incarnation(), 11u);
}

// Goal: who can be reached again hears at once who this is, and what was said of it meanwhile.
TEST_F(MembershipTest, WhoIsReachedIsAskedAtOnce) {
  Begin(3);
  Receive(2, Rumours{{News(3, 1, Life::kDown)}});
  RunFor(Duration::Seconds(3));
  Sends();
  Do([](Membership& node, MembershipTurn& turn) { node.OnReached(NodeId(3), turn); });
  const auto sends = Sends();
  ASSERT_THAT(sends, SizeIs(1));
  EXPECT_EQ(sends[0].to, NodeId(3));
  const auto& begin = std::get<SyncBegin>(sends[0].message);
  ASSERT_THAT(begin.news, SizeIs(2));
  EXPECT_EQ(begin.news[0].id, kSelf);
  EXPECT_NE(begin.news[0].description, nullptr);
  EXPECT_EQ(begin.news[1].id, NodeId(3));
  EXPECT_EQ(begin.news[1].life, Life::kDown);
}

TEST_F(MembershipTest, TheHighestIncarnationOfAllDoesNotWrap) {
  Begin(3);
  Receive(2, Rumours{{News(1, UINT64_MAX, Life::kDown)}});
  EXPECT_EQ(node_->incarnation(), 10u);
}

TEST_F(MembershipTest, WhoIsRemovedHearsOfItAndDoesNotContradict) {
  Begin(3);
  Receive(2, Rumours{{News(1, 10, Life::kLeft)}});
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kSelfLeft);
  EXPECT_EQ(node_->incarnation(), 10u);
  Receive(2, Rumours{{News(1, 10, Life::kLeft)}});
  EXPECT_THAT(Events(), IsEmpty());
  // Only its own decision makes it a member again.
  Do([](Membership& node, MembershipTurn& turn) { node.UpdateSelf(DescriptionNumber(1), turn); });
  EXPECT_EQ(node_->table().Find(kSelf)->life, Life::kAlive);
  EXPECT_EQ(node_->incarnation(), 11u);
}

TEST_F(MembershipTest, RemovingTellsIt) {
  Begin(5);
  Do([](Membership& node, MembershipTurn& turn) { node.Remove(NodeId(3), turn); });
  EXPECT_EQ(node_->table().Find(NodeId(3))->life, Life::kLeft);
  ASSERT_THAT(Events(), SizeIs(1));
  EXPECT_FALSE(ToldOf(3).empty());
  Do([](Membership& node, MembershipTurn& turn) { node.Remove(NodeId(99), turn); });
  EXPECT_THAT(Events(), IsEmpty());
}

TEST_F(MembershipTest, ALargeSynchronisationIsNotToldOn) {
  for (const std::size_t records : {64u, 65u}) {
    Begin(5);
    SyncRecords sync;
    for (std::uint32_t i = 0; i < records; ++i) {
      sync.records.push_back(News(100 + i, 1, Life::kAlive));
    }
    Receive(2, sync);
    EXPECT_THAT(Events(), SizeIs(records));
    EXPECT_EQ(ToldOf(163).empty(), records == 65);
  }
}

// ---- death -------------------------------------------------------------------------------------

// Goal: without an answer from anybody the other is first suspect, then down; and up by its own
// word only.
TEST_F(MembershipTest, SilenceIsSuspectThenDownAndTheOwnWordIsUp) {
  Begin(2);
  Do([](Membership& node, MembershipTurn& turn) { node.Start(turn); });
  RunFor(Duration::Seconds(3));
  const auto events = Events();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].after, Life::kSuspect);
  EXPECT_EQ(events[1].after, Life::kDown);
  node_->OnHeard(NodeId(2));
  EXPECT_THAT(Events(), IsEmpty());
  EXPECT_EQ(node_->table().Find(NodeId(2))->life, Life::kDown);
  Receive(2, Ping{1, {News(2, 2, Life::kAlive)}});
  const auto back = Events();
  ASSERT_THAT(back, SizeIs(1));
  EXPECT_EQ(back[0].after, Life::kAlive);
}

TEST_F(MembershipTest, ItsOwnMessagesAreIgnored) {
  Begin(2);
  Receive(1, Ping{1, {}});
  EXPECT_THAT(Sends(), IsEmpty());
}

}  // namespace
}  // namespace gyre
