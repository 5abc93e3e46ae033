#include "core/cluster_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/ring/layout.h"

namespace gyre {
namespace {

// Goal: ids are part of the disk and wire formats, so the same name must give the same id forever.
TEST(ClusterViewTest, IdsOfNamesNeverChange) {
  EXPECT_EQ(KeyspaceIdOf("default"), KeyspaceId(0));
  // XXH3_64("") = 2d06800538d394c2
  EXPECT_EQ(KeyspaceIdOf(""), KeyspaceId(0x38d394c2));
  EXPECT_EQ(NodeIdOf(""), NodeId(0xd394c2));
}

// Goal: 0 means `default` and "no node"; no other name may claim it, and node ids fit 24 bits.
TEST(ClusterViewTest, IdsStayInRange) {
  for (int i = 0; i < 100'000; ++i) {
    const std::string name = "n" + std::to_string(i);
    ASSERT_NE(KeyspaceIdOf(name), KeyspaceId(0)) << name;
    ASSERT_GE(NodeIdOf(name).value, 1u) << name;
    ASSERT_LE(NodeIdOf(name).value, kNodeIdMax) << name;
  }
}

// ---- partitions that move ----------------------------------------------------------------------

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

const NodeId A(1), B(2), C(3), D(4), E(5);
constexpr PartitionId kFirst(0);

std::vector<NodeId> Listed(const NodeList& list) { return {list.begin(), list.end()}; }

Ring RingOf(std::vector<NodeId> owners) {
  std::vector<Member> members;
  for (std::uint32_t id = 1; id <= 5; ++id) {
    members.push_back({NodeId(id), "n" + std::to_string(id), 1, "", ""});
  }
  return *Ring::Create(RingEpoch(1), PartitionerKind::kMd5, std::move(members), std::move(owners));
}

// Of partition 0 {A, B, C, D, ...} to {A, D, B, C, ...}: for N = 3 it has one owner more and one
// less, for N = 2 so too, for N = 4 the same in another order.
struct MovingViewTest : ::testing::Test {
  static constexpr int kReplicas = 4;
  static ClusterView ViewOf(const Layout& layout) {
    ClusterView view{layout.ring(), {}, layout.moves(), layout.leaving(), layout.former()};
    for (int n = 1; n <= kReplicas; ++n) view.ring.PrepareOwners(n);
    return view;
  }
  const Layout settled = Layout::Found({1, 7}, RingOf({A, B, C, D, E, A, B, C}), kReplicas);
  const Layout joint = *settled.ChangeTo(RingOf({A, D, B, C, E, A, B, C}), {});
};

// Goal: a partition that rests has the ring's owners, and nothing else.
TEST_F(MovingViewTest, WhatRestsHasOneSet) {
  const ClusterView view = ViewOf(settled);
  const OwnerSets sets = view.SetsOf(kFirst, 3);
  EXPECT_FALSE(sets.moving());
  EXPECT_THAT(Listed(sets.All()), ElementsAre(A, B, C));
  EXPECT_TRUE(sets.Contains(C));
  EXPECT_FALSE(sets.Contains(D));
}

// Goal: one that moves has two, each of the size and in the order of its ring; nobody comes twice.
TEST_F(MovingViewTest, WhatMovesHasTwoSets) {
  const ClusterView view = ViewOf(joint);
  const OwnerSets sets = view.SetsOf(kFirst, 3);
  EXPECT_TRUE(sets.moving());
  EXPECT_THAT(Listed(sets.now), ElementsAre(A, D, B));
  EXPECT_THAT(Listed(sets.from), ElementsAre(A, B, C));
  EXPECT_THAT(Listed(sets.All()), ElementsAre(A, D, B, C));
  EXPECT_TRUE(sets.Contains(C));
  EXPECT_TRUE(sets.Contains(D));
  EXPECT_FALSE(sets.Contains(E));
}

// Goal: whether it moves depends on N: the same nodes in another order are one set.
TEST_F(MovingViewTest, WhetherItMovesDependsOnN) {
  const ClusterView view = ViewOf(joint);
  EXPECT_FALSE(view.SetsOf(kFirst, 1).moving());
  EXPECT_THAT(Listed(view.SetsOf(kFirst, 2).from), ElementsAre(A, B));
  EXPECT_THAT(Listed(view.SetsOf(kFirst, 2).now), ElementsAre(A, D));
  const OwnerSets four = view.SetsOf(kFirst, 4);
  EXPECT_FALSE(four.moving());
  EXPECT_THAT(Listed(four.All()), ElementsAre(A, D, B, C));
}

// Goal: Owns says the same as the sets, for each node and N, and for those that move and rest.
TEST_F(MovingViewTest, OwnsIsMembershipInASet) {
  for (const Layout& layout : {settled, joint, joint.Settle(std::vector{kFirst})}) {
    const ClusterView view = ViewOf(layout);
    for (std::uint32_t p = 0; p < view.ring.partition_count(); ++p) {
      for (int n = 1; n <= kReplicas; ++n) {
        const OwnerSets sets = view.SetsOf(PartitionId(p), n);
        for (const NodeId node : {A, B, C, D, E}) {
          EXPECT_EQ(view.Owns(node, PartitionId(p), n), sets.Contains(node))
              << "node " << node.value << ", partition " << p << ", N = " << n;
        }
      }
    }
  }
  // And of N = 3 in particular:
  EXPECT_FALSE(ViewOf(settled).Owns(D, kFirst, 3));
  EXPECT_TRUE(ViewOf(joint).Owns(D, kFirst, 3));
  EXPECT_TRUE(ViewOf(joint).Owns(C, kFirst, 3));
  EXPECT_FALSE(ViewOf(joint).Owns(C, kFirst, 2));
  EXPECT_FALSE(ViewOf(joint.Settle(std::vector{kFirst})).Owns(C, kFirst, 3));
}

// Goal: the epoch of a partition is another one whenever its owners are, and stays the same when
// only those of others change. The first is 1, as every message named before anything ever moved.
TEST_F(MovingViewTest, EachPartitionHasItsEpoch) {
  const PartitionId last(4);  // E, A, B, C: nothing changes there
  EXPECT_EQ(ViewOf(settled).EpochOf(kFirst), RingEpoch(1));
  EXPECT_EQ(ViewOf(joint).EpochOf(kFirst), joint.number());
  EXPECT_EQ(ViewOf(joint).EpochOf(last), RingEpoch(1));
  const Layout after = joint.Settle(std::vector{kFirst});
  EXPECT_EQ(ViewOf(after).EpochOf(kFirst), after.number());
  EXPECT_EQ(ViewOf(after).EpochOf(PartitionId(1)), joint.number());
  EXPECT_EQ(ViewOf(after).EpochOf(last), RingEpoch(1));
  const Layout back = *joint.ChangeTo(settled.ring(), {});
  EXPECT_FALSE(ViewOf(back).SetsOf(kFirst, 3).moving());
  EXPECT_EQ(ViewOf(back).EpochOf(kFirst), back.number()) << "not that of before it moved";
}

// Goal: who leaves is a member until it is released, and is found as a target of hints ever after.
TEST_F(MovingViewTest, WhoLeavesIsAMemberAndLaterATarget) {
  const Ring ring = RingOf({A, B, C, D, E, A, B, C});
  std::vector<Member> members = ring.members();
  members.pop_back();
  const Ring without = *Ring::Create(RingEpoch(1), PartitionerKind::kMd5, std::move(members),
                                     {A, B, C, D, A, B, C, D});
  const auto targets = [](const ClusterView& view) {
    std::vector<NodeId> all;
    view.ForEachTarget([&](NodeId target) { all.push_back(target); });
    return all;
  };
  const Layout leaving = *settled.ChangeTo(without, {});
  EXPECT_NE(ViewOf(leaving).FindMember(E), nullptr);
  EXPECT_EQ(ViewOf(leaving).member_count(), 5u);
  EXPECT_THAT(ViewOf(leaving).former, IsEmpty());
  std::vector<PartitionId> all;
  for (std::uint32_t p = 0; p < 8; ++p) all.emplace_back(p);
  const Layout gone = leaving.Settle(all).Release(std::vector{E});
  for (const Layout& layout : {gone, *settled.ChangeTo(without, std::vector{E})}) {
    const ClusterView view = ViewOf(layout);
    EXPECT_EQ(view.FindMember(E), nullptr);
    EXPECT_EQ(view.member_count(), 4u);
    EXPECT_THAT(targets(view), ElementsAreArray({A, B, C, D, E}));
  }
}

}  // namespace
}  // namespace gyre
