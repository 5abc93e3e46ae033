#include "core/membership/gossip.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string>
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

// Two nodes, 1 and 2, whose tables are merged as their owner would do it.
class GossipTest : public testing::Test {
 protected:
  struct Node {
    Node(const MembershipConfig& config, NodeId id, std::vector<std::string> seeds)
        : table(config), gossip(config, table, id, std::move(seeds)) {}
    MemberTable table;
    Gossip gossip;
  };
  struct Parcel {
    NodeId from;
    MembershipSend send;
  };

  void Begin(MembershipConfig config = {}, std::vector<std::string> seeds = {}) {
    config_ = config;
    for (std::uint32_t i = 1; i <= 2; ++i) {
      nodes_.push_back(std::make_unique<Node>(config_, NodeId(i), seeds));
    }
  }
  Node& At(std::uint32_t id) { return *nodes_[id - 1]; }
  void Tell(std::uint32_t to, std::uint32_t id, std::uint64_t incarnation, Life life,
            int description = 0) {
    const DescriptionPtr told = DescriptionNumber(description);
    At(to).table.Merge({NodeId(id), incarnation, life, told->digest(), told, NodeId()}, now_);
  }
  template <typename Fn>
  void Do(std::uint32_t node, Fn fn) {
    MembershipTurn turn{now_, prng_, out_};
    fn(At(node).gossip, turn);
    for (auto& send : std::exchange(out_.sends, {}))
      way_.push_back({NodeId(node), std::move(send)});
  }
  // `node` begins with the other; all messages are carried until there are none. Their bytes.
  std::size_t Sync(std::uint32_t node) {
    const NodeId other(3 - node);
    way_.push_back({NodeId(node), {other, {}, SyncBegin{{}, At(node).table.sum(), {}}}});
    std::size_t bytes = 0;
    messages_ = 0;
    while (!way_.empty()) {
      const Parcel parcel = std::move(way_.front());
      way_.pop_front();
      bytes += MembershipBytes(parcel.send.message);
      ++messages_;
      Take(parcel);
    }
    return bytes;
  }
  void Take(const Parcel& parcel) {
    const std::uint32_t to = parcel.send.to.value;
    const auto merge = [&](const std::vector<MemberNews>& all) {
      bool changed = false;
      for (const MemberNews& news : all) {
        const auto merged = At(to).table.Merge(news, now_).merged;
        changed = changed || merged == MemberTable::Merged::kLife ||
                  merged == MemberTable::Merged::kDescription;
      }
      return changed;
    };
    const MembershipMessage& message = parcel.send.message;
    Do(to, [&](Gossip& gossip, MembershipTurn& turn) {
      if (const auto* begin = std::get_if<SyncBegin>(&message)) {
        gossip.OnSyncBegin(parcel.from, *begin, turn);
      } else if (const auto* sums = std::get_if<SyncSums>(&message)) {
        gossip.OnSyncSums(parcel.from, *sums, turn);
      } else if (const auto* entries = std::get_if<SyncEntries>(&message)) {
        merge(entries->entries);
        gossip.OnSyncEntries(parcel.from, *entries, turn);
      } else if (const auto* records = std::get_if<SyncRecords>(&message)) {
        gossip.OnSyncRecords(parcel.from, *records, merge(records->records), turn);
      }
    });
  }
  void ExpectSame() {
    EXPECT_EQ(At(1).table.sum(), At(2).table.sum());
    EXPECT_EQ(At(1).table.size(), At(2).table.size());
  }

  MembershipConfig config_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::deque<Parcel> way_;
  std::size_t messages_ = 0;
  Instant now_{0};
  Prng prng_{1};
  MembershipOutput out_;
};

std::uint32_t Spread(std::uint32_t number) { return number * 8'001; }  // over the buckets

TEST_F(GossipTest, EqualTablesSayLittle) {
  Begin();
  for (std::uint32_t i = 1; i <= 1'000; ++i) {
    for (const std::uint32_t node : {1u, 2u}) Tell(node, Spread(i), 1, Life::kAlive);
  }
  EXPECT_LE(Sync(1), 50u);
  EXPECT_EQ(messages_, 2u);
}

// Goal: both ways, whoever begins, whatever differs.
TEST_F(GossipTest, TablesEndTheSame) {
  for (const std::uint32_t beginner : {1u, 2u}) {
    nodes_.clear();
    Begin();
    Tell(1, Spread(1), 1, Life::kAlive);  // only one has it
    Tell(2, Spread(2), 1, Life::kAlive);  // only the other
    Tell(1, Spread(3), 1, Life::kAlive);  // another incarnation and description
    Tell(2, Spread(3), 2, Life::kAlive, 1);
    Tell(1, Spread(4), 5, Life::kAlive, 1);
    Tell(2, Spread(4), 2, Life::kAlive);
    Tell(1, Spread(5), 1, Life::kDown);  // another life
    Tell(2, Spread(5), 1, Life::kAlive);
    Tell(1, Spread(6), 1, Life::kAlive);
    Tell(2, Spread(6), 1, Life::kLeft);
    Tell(1, Spread(7), 1, Life::kAlive, 1);  // a double identity
    Tell(2, Spread(7), 1, Life::kAlive, 2);
    Sync(beginner);
    ExpectSame();
    EXPECT_EQ(At(1).table.size(), 7u);
  }
}

// Goal: the cost of few differences is that of few records, in a table of a thousand.
TEST_F(GossipTest, OnlyDifferencesTravel) {
  Begin();
  for (std::uint32_t i = 1; i <= 1'000; ++i) {
    for (const std::uint32_t node : {1u, 2u}) Tell(node, Spread(i), 1, Life::kAlive);
  }
  Tell(1, Spread(500), 2, Life::kAlive, 1);
  // Two sums, 64 of buckets, one bucket's entries, one record.
  EXPECT_LE(Sync(2), 1'100u);
  ExpectSame();
}

TEST_F(GossipTest, WhatDoesNotFitOneMessageComesInTheNext) {
  MembershipConfig config;
  config.sync_bytes_max = 2'000;
  Begin(config);
  for (std::uint32_t i = 1; i <= 1'000; ++i) Tell(1, Spread(i), 1, Life::kAlive);
  Sync(2);
  ExpectSame();
  EXPECT_GE(messages_, 10u);
  nodes_.clear();
  Begin(config);
  for (std::uint32_t i = 1; i <= 1'000; ++i) Tell(1, Spread(i), 1, Life::kAlive);
  Sync(1);
  ExpectSame();
}

TEST_F(GossipTest, AQuietTombstoneIsToldOnlyToWhoHoldsTheMemberForOne) {
  MembershipConfig config;
  config.tombstone_life = Duration::Seconds(10);
  Begin(config);
  Tell(1, Spread(1), 1, Life::kLeft);
  Tell(1, Spread(2), 1, Life::kLeft);
  now_ = Instant{Duration::Seconds(6).us};
  At(1).table.Age(now_);
  Tell(2, Spread(2), 1, Life::kAlive);
  Sync(2);
  EXPECT_EQ(At(2).table.Find(NodeId(Spread(1))), nullptr);
  EXPECT_EQ(At(2).table.Find(NodeId(Spread(2)))->life, Life::kLeft);
}

// ---- who is asked ------------------------------------------------------------------------------

TEST_F(GossipTest, EachSecondALiveMemberIsAsked) {
  Begin();
  Tell(1, 1, 1, Life::kAlive);
  Tell(1, 2, 1, Life::kSuspect);
  Tell(1, 3, 1, Life::kDown);
  Do(1, [](Gossip& gossip, MembershipTurn& turn) { gossip.Start(turn); });
  way_.clear();
  int asked = 0;
  const Instant end = now_ + Duration::Seconds(7);
  while (At(1).gossip.NextWake() <= end) {
    now_ = At(1).gossip.NextWake();
    Do(1, [](Gossip& gossip, MembershipTurn& turn) { gossip.OnTick(turn); });
    for (; !way_.empty(); way_.pop_front()) {
      EXPECT_EQ(way_.front().send.to, NodeId(2));
      ++asked;
    }
  }
  EXPECT_EQ(asked, 7);
}

// Goal: paper 4.8.2: halves that do not know of each other find together.
TEST_F(GossipTest, SeedsAndPastMembersTakeTurns) {
  Begin({}, {"10.0.0.0:7381", "10.0.0.8:7381", "10.0.0.9:7381"});
  Tell(1, 1, 1, Life::kAlive);
  Tell(1, 2, 1, Life::kAlive);  // is the first of the seeds
  Tell(1, 3, 1, Life::kDown, 3);
  Do(1, [](Gossip& gossip, MembershipTurn& turn) { gossip.Start(turn); });
  std::vector<std::string> asked;
  const Instant end = now_ + Duration::Seconds(60);
  while (At(1).gossip.NextWake() <= end) {
    for (; !way_.empty(); way_.pop_front()) {
      const MembershipSend& send = way_.front().send;
      if (send.to == NodeId(2)) continue;
      asked.push_back(send.to == NodeId() ? send.address : std::to_string(send.to.value));
    }
    now_ = At(1).gossip.NextWake();
    Do(1, [](Gossip& gossip, MembershipTurn& turn) { gossip.OnTick(turn); });
  }
  ASSERT_GE(asked.size(), 5u);
  asked.resize(5);
  EXPECT_THAT(asked, ElementsAre("10.0.0.8:7381", "3", "10.0.0.9:7381", "3", "10.0.0.8:7381"));
}

// ---- layouts -----------------------------------------------------------------------------------

TEST_F(GossipTest, SaysWhoHasALaterOrAnEarlierLayout) {
  Begin();
  At(1).gossip.SetLayout({5, 50});
  const auto compare = [this](LayoutVersion theirs) {
    Do(1, [&](Gossip& gossip, MembershipTurn& turn) {
      gossip.OnSyncBegin(NodeId(2), SyncBegin{theirs, 0, {}}, turn);
    });
    way_.clear();
    return std::exchange(out_.events, {});
  };
  EXPECT_THAT(compare({5, 50}), IsEmpty());
  ASSERT_THAT(compare({6, 60}), SizeIs(1));
  EXPECT_EQ(compare({6, 60})[0].kind, Kind::kLayoutBehind);
  EXPECT_EQ(compare({6, 60})[0].layout, (LayoutVersion{6, 60}));
  EXPECT_EQ(compare({6, 60})[0].node, NodeId(2));
  EXPECT_EQ(compare({4, 40})[0].kind, Kind::kLayoutAhead);
}

TEST_F(GossipTest, TwoLayoutsOfOneNumberAreReportedWhenTheyStay) {
  Begin();
  At(1).gossip.SetLayout({5, 50});
  const auto compare = [this] {
    Do(1, [](Gossip& gossip, MembershipTurn& turn) {
      gossip.OnSyncSums(NodeId(2), SyncSums{{5, 51}, 0, false, {}}, turn);
    });
    return std::exchange(out_.events, {});
  };
  const auto wait = [this](std::int64_t seconds) { now_ = now_ + Duration::Seconds(seconds); };
  EXPECT_THAT(compare(), IsEmpty());
  wait(29);
  EXPECT_THAT(compare(), IsEmpty());
  wait(1);
  const auto events = compare();
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].kind, Kind::kLayoutSplit);
  EXPECT_THAT(compare(), IsEmpty());
  // One that passed and another much later are not one that stays.
  wait(3'600);
  EXPECT_THAT(compare(), IsEmpty());
  wait(3'600);
  EXPECT_THAT(compare(), IsEmpty());
  // A layout of one's own that is new begins anew.
  wait(25);
  At(1).gossip.SetLayout({5, 52});
  wait(6);
  EXPECT_THAT(compare(), IsEmpty());
}

}  // namespace
}  // namespace gyre
