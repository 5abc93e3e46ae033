#include "core/membership/steward.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "core/membership/ballot_codec.h"

namespace gyre {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int kReplicas = 3;

Member Node(std::uint32_t id) {
  return {NodeId(id), "node" + std::to_string(id), 1, "", "", "host:" + std::to_string(id)};
}

Layout Founded(const std::vector<std::uint32_t>& ids) {
  std::vector<Member> members;
  for (const std::uint32_t id : ids) members.push_back(Node(id));
  return Layout::Found(
      {1, 7}, *FoundRing(RingEpoch(1), members, {.partition_bits = 4, .replicas = 3}), kReplicas);
}

ClusterChange Joins(std::uint32_t id) {
  ClusterChange change;
  change.members.joins = {Node(id)};
  return change;
}

ClusterChange Leaves(std::uint32_t id) {
  ClusterChange change;
  change.members.leaves = {NodeId(id)};
  return change;
}

// Stewards of a few nodes, on links that lose some of what they carry, and disks that take a while.
// Whatever moves to a node arrives there at once, and a node that leaves holds nothing.
class Scene {
 public:
  explicit Scene(const std::vector<std::uint32_t>& founders, std::uint64_t seed = 1)
      : prng_(seed), founded_(Founded(founders)) {
    for (const std::uint32_t id : founders) Add(id, founded_);
  }

  void Add(std::uint32_t id, const Layout& layout) {
    Host& host = hosts_[NodeId(id)];
    host.steward = std::make_unique<Steward>(StewardConfig{}, NodeId(id), layout, std::nullopt);
    host.layout = layout.Encode();
  }
  // Kept is what was stored.
  void Restart(std::uint32_t id) {
    Host& host = hosts_[NodeId(id)];
    std::optional<AcceptorState> vote;
    if (!host.vote.empty()) vote = *DecodeAcceptorState(host.vote);
    host.storing.clear();
    host.steward = std::make_unique<Steward>(StewardConfig{}, NodeId(id),
                                             *Layout::Decode(host.layout), std::move(vote));
    linked_ = {};
  }
  void Down(std::uint32_t id) { down_.insert(NodeId(id)); }
  void Up(std::uint32_t id) { down_.erase(NodeId(id)); }
  void LoseOneIn(std::uint64_t n) { lose_one_in_ = n; }

  Steward& At(std::uint32_t id) { return *hosts_.at(NodeId(id)).steward; }
  std::vector<NodeId> MembersAt(std::uint32_t id) { return At(id).layout().MemberIds(); }

  void Order(std::uint32_t at, ClusterChange change) {
    Steward::Output out;
    ASSERT_TRUE(At(at).Order(++orders_, std::move(change), now_, prng_, out));
    Take(NodeId(at), std::move(out));
  }
  // The end of the n-th order; nullopt: it goes on.
  std::optional<Status> EndOf(std::uint64_t order) const {
    const auto it = ends_.find(order);
    return it == ends_.end() ? std::nullopt : std::optional<Status>(it->second);
  }

  void RunFor(Duration time) {
    const Instant end = now_ + time;
    while (now_ < end) Step();
  }
  bool RunUntil(const std::function<bool()>& done, Duration most = Duration::Seconds(60)) {
    const Instant end = now_ + most;
    while (!done() && now_ < end) Step();
    return done();
  }
  // All that are up have the same layout, and nothing moves or leaves there.
  bool Quiet() {
    std::set<std::string> layouts;
    for (auto& [id, host] : hosts_) {
      const Layout& layout = host.steward->layout();
      if (down_.contains(id) || layout.FindMember(id) == nullptr) continue;
      if (layout.moves().any() || !layout.leaving().empty()) return false;
      layouts.insert(layout.Encode());
    }
    return layouts.size() == 1;
  }

 private:
  struct Host {
    std::unique_ptr<Steward> steward;
    std::string layout, vote;  // on the disk
    std::vector<Steward::Output::Store> storing;
  };
  struct Flight {
    NodeId from, to;
    std::string body;
  };

  void Step() {
    now_ = now_ + Duration::Millis(10);
    Link();
    std::vector<Flight> flights;
    flights.swap(flights_);
    for (Flight& flight : flights) {
      if (down_.contains(flight.to) || !hosts_.contains(flight.to)) continue;
      if (lose_one_in_ > 0 && prng_.Below(lose_one_in_) == 0) continue;
      Steward::Output out;
      hosts_[flight.to].steward->OnMessage(flight.from, flight.body, now_, prng_, out);
      Take(flight.to, std::move(out));
    }
    for (auto& [id, host] : hosts_) {
      if (down_.contains(id)) continue;
      Store(id, host);
      TellOwn(id, host);
      Steward::Output out;
      if (now_ >= host.steward->NextWake()) host.steward->OnTick(now_, prng_, out);
      Take(id, std::move(out));
    }
  }
  void Link() {
    for (auto& [a, host] : hosts_) {
      for (const auto& [b, other] : hosts_) {
        if (a == b) continue;
        const bool both = !down_.contains(a) && !down_.contains(b) &&
                          host.steward->layout().FindMember(b) != nullptr;
        if (both == linked_.contains({a, b})) continue;
        Steward::Output out;
        both ? host.steward->OnPeerUp(b, out) : host.steward->OnPeerDown(b);
        both ? void(linked_.insert({a, b})) : void(linked_.erase({a, b}));
        Take(a, std::move(out));
      }
    }
  }
  void Store(NodeId id, Host& host) {
    for (Steward::Output::Store& store : std::exchange(host.storing, {})) {
      (store.what == Steward::Output::Store::What::kLayout ? host.layout : host.vote) =
          std::move(store.bytes);
      Steward::Output out;
      host.steward->OnStored(now_, prng_, out);
      Take(id, std::move(out));
    }
  }
  void TellOwn(NodeId id, Host& host) {
    const Layout& layout = host.steward->layout();
    std::vector<std::pair<PartitionId, RingEpoch>> arrivals;
    for (std::uint32_t p = 0; arrives_ && p < layout.ring().partition_count(); ++p) {
      if (layout.Awaited(PartitionId(p)).Contains(id)) {
        arrivals.emplace_back(PartitionId(p), layout.moves().EpochOf(PartitionId(p)));
      }
    }
    host.steward->SetOwn(std::move(arrivals), /*holds_nothing=*/true);
  }
  void Take(NodeId id, Steward::Output&& out) {
    for (Steward::Send& send : out.sends) flights_.push_back({id, send.to, std::move(send.body)});
    Host& host = hosts_[id];
    for (auto& store : out.stores) host.storing.push_back(std::move(store));
    for (const Steward::Answer& answer : out.answers) ends_.emplace(answer.order, answer.status);
    if (out.adopted == nullptr) return;
    // Nothing is gone by that a crash could take back.
    EXPECT_EQ(host.layout, out.adopted->Encode());
    const auto [decided, fresh] = decided_.emplace(out.adopted->number(), out.adopted->Encode());
    EXPECT_EQ(decided->second, out.adopted->Encode()) << "two layouts of one number";
  }

 public:
  bool arrives_ = true;

 private:
  Prng prng_;
  const Layout founded_;
  Instant now_{0};
  std::map<NodeId, Host> hosts_;
  std::vector<Flight> flights_;
  std::set<std::pair<NodeId, NodeId>> linked_;
  std::set<NodeId> down_;
  std::uint64_t lose_one_in_ = 0;
  std::uint64_t orders_ = 0;
  std::map<std::uint64_t, Status> ends_;
  std::map<RingEpoch, std::string> decided_;
};

// Goal: an order is decided, known to all, and what it moves is settled by itself.
TEST(StewardTest, AJoinIsDecidedAndSettled) {
  Scene scene({1, 2, 3});
  scene.Order(2, Joins(4));
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1).has_value(); }));
  EXPECT_TRUE(scene.EndOf(1)->has_value());
  EXPECT_EQ(scene.At(2).layout().number(), RingEpoch(2));
  scene.Add(4, scene.At(2).layout());
  ASSERT_TRUE(scene.RunUntil([&] { return scene.Quiet(); }));
  for (const std::uint32_t id : {1u, 2u, 3u, 4u}) {
    EXPECT_THAT(scene.MembersAt(id), ElementsAre(NodeId(1), NodeId(2), NodeId(3), NodeId(4)));
  }
}

// Goal: nothing settles before all who are awaited have told that it has arrived.
TEST(StewardTest, NothingSettlesBeforeItHasArrived) {
  Scene scene({1, 2, 3});
  scene.arrives_ = false;
  scene.Order(1, Joins(4));
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1).has_value(); }));
  scene.Add(4, scene.At(1).layout());
  scene.RunFor(Duration::Seconds(10));
  EXPECT_TRUE(scene.At(1).layout().moves().any());
  scene.arrives_ = true;
  EXPECT_TRUE(scene.RunUntil([&] { return scene.Quiet(); }));
}

// Goal: who leaves is let go once it owns nothing and says that it holds nothing.
TEST(StewardTest, ALeavingMemberIsLetGo) {
  Scene scene({1, 2, 3, 4});
  scene.Order(3, Leaves(4));
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1) && scene.Quiet(); }));
  EXPECT_THAT(scene.MembersAt(1), ElementsAre(NodeId(1), NodeId(2), NodeId(3)));
  EXPECT_THAT(scene.At(1).layout().former(), ElementsAre(NodeId(4)));
  EXPECT_THAT(scene.At(1).layout().leaving(), IsEmpty());
}

// Goal: what some member could not read is not decided; who lacks the version is named, one that
// was never heard of counts as old, and one that is down is not forgotten.
TEST(StewardTest, ASplitWaitsForEveryMembersVersion) {
  const std::uint16_t needed = FirstVersionOf(Feature::kSplit);
  const std::uint16_t old = static_cast<std::uint16_t>(needed - 1);
  ClusterChange split;
  split.partition_bits = 5;
  Scene scene({1, 2, 3});
  scene.At(1).SetVersions({{NodeId(2), old}});
  EXPECT_EQ(scene.At(1).ClusterVersion(), kProtocolVersionMin);
  scene.Order(1, split);
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1).has_value(); }));
  ASSERT_FALSE(scene.EndOf(1)->has_value());
  EXPECT_EQ(scene.EndOf(1)->error().code, ErrorCode::kUnsupported);
  EXPECT_THAT(scene.EndOf(1)->error().message, testing::HasSubstr("node2 (3), node3 (3)"));

  scene.At(1).SetVersions({{NodeId(2), needed}, {NodeId(3), old}});
  scene.Down(3);
  scene.Order(1, split);
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(2).has_value(); }));
  EXPECT_THAT(scene.EndOf(2)->error().message, testing::HasSubstr("known: node3 (3). "));
  EXPECT_EQ(scene.At(1).layout().number(), RingEpoch(1));

  scene.Up(3);
  scene.At(1).SetVersions({{NodeId(2), needed}, {NodeId(3), needed}});
  EXPECT_EQ(scene.At(1).ClusterVersion(), needed);
  scene.Order(1, split);
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(3) && scene.Quiet(); }));
  EXPECT_TRUE(scene.EndOf(3)->has_value());
  EXPECT_EQ(VersionNeededBy(scene.At(3).layout()), needed);
  // From here on the layout holds, whoever comes: an old node is refused at its handshake.
  scene.Order(2, Joins(4));
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(4).has_value(); }));
  EXPECT_TRUE(scene.EndOf(4)->has_value());
}

// Goal: two operators at once: both are carried out, one on top of the other, whoever comes first.
TEST(StewardTest, TwoOrdersAtOnceAreBothCarriedOut) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Scene scene({1, 2, 3, 4}, seed);
    scene.LoseOneIn(5);
    scene.RunFor(Duration::Millis(100));
    scene.Order(1, Leaves(4));
    scene.Order(2, Joins(5));
    ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1) && scene.EndOf(2); })) << seed;
    EXPECT_TRUE(scene.EndOf(1)->has_value() && scene.EndOf(2)->has_value()) << seed;
    scene.Add(5, scene.At(2).layout());
    ASSERT_TRUE(scene.RunUntil([&] { return scene.Quiet(); })) << seed;
    EXPECT_THAT(scene.MembersAt(1), ElementsAre(NodeId(1), NodeId(2), NodeId(3), NodeId(5)));
  }
}

// Goal: without a majority nothing changes and the operator is told so; with it again all goes on.
TEST(StewardTest, AMinorityDecidesNothing) {
  Scene scene({1, 2, 3});
  scene.Down(2);
  scene.Down(3);
  scene.Order(1, Leaves(3));
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1).has_value(); }));
  EXPECT_EQ(scene.EndOf(1)->error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(scene.At(1).layout().number(), RingEpoch(1));
  scene.Up(2);
  scene.Order(1, Leaves(3));
  ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(2).has_value(); }));
  EXPECT_TRUE(scene.EndOf(2)->has_value());
}

// Goal: members that stop and start in the midst of it end with all the others.
TEST(StewardTest, RestartsDoNotPartMembers) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Scene scene({1, 2, 3}, seed);
    scene.LoseOneIn(6);
    scene.RunFor(Duration::Millis(50));
    scene.Order(1, Joins(4));
    scene.RunFor(Duration::Millis(10 * static_cast<std::int64_t>(seed)));
    scene.Restart(2);
    scene.RunFor(Duration::Millis(5 * static_cast<std::int64_t>(seed)));
    scene.Restart(3);
    ASSERT_TRUE(scene.RunUntil([&] { return scene.EndOf(1).has_value(); })) << seed;
    ASSERT_TRUE(scene.EndOf(1)->has_value()) << seed;
    scene.Add(4, scene.At(1).layout());
    EXPECT_TRUE(scene.RunUntil([&] { return scene.Quiet(); })) << seed;
  }
}

// Goal: a guest (a member that this node does not know yet, or one that was removed unheard of) may
// ask for the layout and tell of a later one, and has no vote; that of a cluster founded apart is
// not taken, however much greater.
TEST(StewardTest, GuestsAskAndTellAndDoNotVote) {
  Scene scene({1, 2, 3});
  Steward& node = scene.At(1);
  const auto from_guest = [&](const std::string& body) {
    Steward::Output out;
    node.OnGuestMessage(NodeId(9), body, out);
    return out;
  };
  Steward::Output asking;
  scene.At(2).AskForLayout(NodeId(1), asking);
  const Steward::Output told = from_guest(asking.sends.at(0).body);
  ASSERT_EQ(told.sends.size(), 1u);
  EXPECT_EQ(told.sends[0].to, NodeId(9));
  EXPECT_EQ(told.sends[0].body, EncodeBallot(BallotDecided{node.layout().Encode()}));

  const auto told_of = [&](const Layout& layout) {
    return from_guest(EncodeBallot(BallotDecided{layout.Encode()})).stores.size();
  };
  const Layout later = **LayoutAfter(node.layout(), Joins(4));
  const Layout apart = Layout::Found({1, 8}, later.ring(), kReplicas);
  ASSERT_TRUE(apart.IsNewerThan(node.layout()));
  EXPECT_EQ(told_of(apart), 0u);
  EXPECT_EQ(told_of(node.layout()), 0u);
  EXPECT_EQ(told_of(later), 1u);
  BallotPrepare prepare;
  prepare.topic = {node.layout().lineage(), RingEpoch(2), {1, NodeId(9), 1}};
  const Steward::Output silent = from_guest(EncodeBallot(prepare));
  EXPECT_TRUE(silent.sends.empty() && silent.stores.empty());
}

// Goal: bytes of strangers do nothing.
TEST(StewardTest, GarbageIsIgnored) {
  Scene scene({1, 2, 3});
  Prng prng(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string body(prng.Below(40), '\0');
    for (char& byte : body) byte = static_cast<char>(prng.Below(256));
    if (!body.empty() && i % 3 == 0) body[0] = 33;  // news
    Steward::Output out;
    scene.At(1).OnMessage(NodeId(2), body, Instant{0}, prng, out);
    EXPECT_EQ(out.adopted, nullptr);
  }
  EXPECT_EQ(scene.At(1).layout().number(), RingEpoch(1));
}

// Goal: an operator's plan on what others have changed meanwhile: what is as wanted is left out.
TEST(LayoutAfterTest, WhatIsAsWantedIsLeftOut) {
  const Layout layout = Founded({1, 2, 3});
  EXPECT_FALSE(LayoutAfter(layout, Joins(3))->has_value());
  EXPECT_FALSE(LayoutAfter(layout, Leaves(9))->has_value());
  const Layout joined = **LayoutAfter(layout, Joins(4));
  EXPECT_NE(joined.ring().FindMember(NodeId(4)), nullptr);
  EXPECT_FALSE(LayoutAfter(joined, Joins(4))->has_value());
}

// Goal: a dead member that is removed is none at once, also one that was leaving.
TEST(LayoutAfterTest, RemovedIsGone) {
  const Layout layout = Founded({1, 2, 3, 4});
  ClusterChange change = Leaves(4);
  change.removed = {NodeId(4)};
  EXPECT_EQ((*LayoutAfter(layout, change))->FindMember(NodeId(4)), nullptr);
  const Layout leaving = **LayoutAfter(layout, Leaves(4));
  ASSERT_NE(leaving.FindMember(NodeId(4)), nullptr);
  EXPECT_EQ((*LayoutAfter(leaving, change))->FindMember(NodeId(4)), nullptr);
}

}  // namespace
}  // namespace gyre
