#include "core/cluster_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/ring/claim.h"
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

KeyspaceConfig Copies(int replicas) {
  KeyspaceConfig keyspace;
  keyspace.replicas = replicas;
  return keyspace;
}

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
  const OwnerSets sets = view.SetsOf(kFirst, Copies(3));
  EXPECT_FALSE(sets.moving());
  EXPECT_THAT(Listed(sets.All()), ElementsAre(A, B, C));
  EXPECT_TRUE(sets.Contains(C));
  EXPECT_FALSE(sets.Contains(D));
}

// Goal: one that moves has two, each of the size and in the order of its ring; nobody comes twice.
TEST_F(MovingViewTest, WhatMovesHasTwoSets) {
  const ClusterView view = ViewOf(joint);
  const OwnerSets sets = view.SetsOf(kFirst, Copies(3));
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
  EXPECT_FALSE(view.SetsOf(kFirst, Copies(1)).moving());
  EXPECT_THAT(Listed(view.SetsOf(kFirst, Copies(2)).from), ElementsAre(A, B));
  EXPECT_THAT(Listed(view.SetsOf(kFirst, Copies(2)).now), ElementsAre(A, D));
  const OwnerSets four = view.SetsOf(kFirst, Copies(4));
  EXPECT_FALSE(four.moving());
  EXPECT_THAT(Listed(four.All()), ElementsAre(A, D, B, C));
}

// Goal: Owns says the same as the sets, for each node and N, and for those that move and rest.
TEST_F(MovingViewTest, OwnsIsMembershipInASet) {
  for (const Layout& layout : {settled, joint, joint.Settle(std::vector{kFirst})}) {
    const ClusterView view = ViewOf(layout);
    for (std::uint32_t p = 0; p < view.ring.partition_count(); ++p) {
      for (int n = 1; n <= kReplicas; ++n) {
        const OwnerSets sets = view.SetsOf(PartitionId(p), Copies(n));
        for (const NodeId node : {A, B, C, D, E}) {
          EXPECT_EQ(view.Owns(node, PartitionId(p), Copies(n)), sets.Contains(node))
              << "node " << node.value << ", partition " << p << ", N = " << n;
        }
      }
    }
  }
  // And of N = 3 in particular:
  EXPECT_FALSE(ViewOf(settled).Owns(D, kFirst, Copies(3)));
  EXPECT_TRUE(ViewOf(joint).Owns(D, kFirst, Copies(3)));
  EXPECT_TRUE(ViewOf(joint).Owns(C, kFirst, Copies(3)));
  EXPECT_FALSE(ViewOf(joint).Owns(C, kFirst, Copies(2)));
  EXPECT_FALSE(ViewOf(joint.Settle(std::vector{kFirst})).Owns(C, kFirst, Copies(3)));
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
  EXPECT_FALSE(ViewOf(back).SetsOf(kFirst, Copies(3)).moving());
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

// ---- copies per region -------------------------------------------------------------------------

KeyspaceConfig CopiesIn(std::vector<RegionCopies> regions) {
  KeyspaceConfig keyspace;
  keyspace.regions = std::move(regions);
  keyspace.replicas = 0;
  for (const RegionCopies& region : keyspace.regions) keyspace.replicas += region.copies;
  return keyspace;
}

// `sizes`: how many nodes each of the regions r0, r1, ... has; each `zones` zones, 0: one.
ClusterView ViewOfRegions(const std::vector<int>& sizes, int zones) {
  std::vector<Member> members;
  for (std::size_t region = 0; region < sizes.size(); ++region) {
    for (int i = 0; i < sizes[region]; ++i) {
      const std::string name = "r" + std::to_string(region) + "-" + std::to_string(i);
      members.push_back({NodeIdOf(name), name, 1, zones == 0 ? "" : std::to_string(i % zones),
                         "r" + std::to_string(region)});
    }
  }
  const int length = static_cast<int>(kReplicasMax);
  Ring ring = *FoundRing(RingEpoch(1), members, {6, length, PartitionerKind::kMd5});
  const Layout layout = Layout::Found({1, 7}, std::move(ring), length);
  return {layout.ring(), {}, layout.moves(), layout.leaving(), layout.former(), layout.replicas()};
}

int CountIn(const ClusterView& view, const NodeList& nodes, std::string_view region) {
  return static_cast<int>(std::count_if(
      nodes.begin(), nodes.end(), [&](NodeId node) { return view.RegionOf(node) == region; }));
}

// Goal: each region has the copies asked for, however unequal the regions are, as far as the list
// holds for certain: 12 nodes, or 12 zones with enough of each region (ADR 12).
TEST(RegionsTest, EachRegionHasItsCopies) {
  struct Case {
    std::vector<int> sizes;
    int zones;
    std::vector<int> copies;
  };
  for (const Case& each :
       {Case{{3, 3}, 0, {3, 2}}, Case{{3, 9}, 0, {3, 3}}, Case{{9, 3}, 0, {5, 3}},
        Case{{4, 4, 4}, 0, {3, 2, 1}}, Case{{2, 1, 3}, 2, {2, 1, 3}}, Case{{3, 30}, 3, {3, 3}},
        Case{{20, 20, 20}, 4, {4, 4, 4}}}) {
    std::vector<RegionCopies> wanted;
    for (std::size_t i = 0; i < each.copies.size(); ++i) {
      wanted.push_back({"r" + std::to_string(i), each.copies[i]});
    }
    const ClusterView view = ViewOfRegions(each.sizes, each.zones);
    const KeyspaceConfig keyspace = CopiesIn(wanted);
    EXPECT_EQ(view.CopiesOf(keyspace), keyspace.replicas);
    for (std::uint32_t p = 0; p < view.ring.partition_count(); ++p) {
      const NodeList owners = view.OwnersOf(PartitionId(p), keyspace);
      for (const RegionCopies& region : wanted) {
        EXPECT_EQ(CountIn(view, owners, region.region), region.copies) << p;
      }
      const NodeList fallbacks = view.FallbacksOf(PartitionId(p), keyspace);
      for (const NodeId node : fallbacks) EXPECT_FALSE(owners.Contains(node));
      for (const Member& member : view.ring.members()) {
        EXPECT_EQ(view.Owns(member.id, PartitionId(p), keyspace), owners.Contains(member.id));
      }
    }
  }
}

// Goal: a region with fewer nodes keeps fewer copies, and there is an owner where there is no such
// region at all.
TEST(RegionsTest, FewerNodesFewerCopies) {
  const ClusterView view = ViewOfRegions({2, 4}, 0);
  const KeyspaceConfig keyspace = CopiesIn({{"r0", 3}, {"r1", 2}});
  EXPECT_EQ(view.CopiesOf(keyspace), 4);
  const NodeList owners = view.OwnersOf(kFirst, keyspace);
  EXPECT_EQ(CountIn(view, owners, "r0"), 2);
  EXPECT_EQ(CountIn(view, owners, "r1"), 2);
  EXPECT_EQ(view.OwnersOf(kFirst, CopiesIn({{"elsewhere", 3}})).size(), 3u);
}

// Goal: what a quorum of a region promises at least is that of the region with the fewest copies,
// of those that have any.
TEST(RegionsTest, TheLeastThatAQuorumPromises) {
  const ClusterView view = ViewOfRegions({2, 5}, 0);
  const auto least = [&](QuorumSpec spec, std::vector<RegionCopies> copies) {
    return *view.LeastCopies(spec, CopiesIn(std::move(copies)));
  };
  const QuorumSpec local = QuorumSpec::LocalQuorum();
  EXPECT_EQ(least(local, {{"r0", 3}, {"r1", 3}}), 2);  // of two copies both
  EXPECT_EQ(least(local, {{"r0", 1}, {"r1", 5}}), 1);
  EXPECT_EQ(least(local, {{"r1", 5}, {"r2", 1}}), 3);
  EXPECT_EQ(least(local, {{"r2", 3}}), 1);
  EXPECT_EQ(least(QuorumSpec::Quorum(), {{"r0", 3}, {"r1", 5}}), 4);
  EXPECT_EQ(*ViewOfRegions({3}, 0).LeastCopies(local, KeyspaceConfig{}), 2);
  EXPECT_EQ(*view.LeastCopies(local, KeyspaceConfig{}), 1);
  EXPECT_FALSE(view.LeastCopies(QuorumSpec::Number(4), KeyspaceConfig{}));
}

// Goal: whoever stands in is of the owner's region, if one can be had.
TEST(RegionsTest, FallbacksOfTheRegionStandInFirst) {
  const ClusterView view = ViewOfRegions({4, 4}, 0);
  const KeyspaceConfig keyspace = CopiesIn({{"r0", 3}, {"r1", 3}});
  for (const NodeId owner : view.OwnersOf(kFirst, keyspace)) {
    const NodeList fallbacks = view.FallbacksOf(kFirst, keyspace);
    const auto near = FallbackFor(owner, fallbacks, view, [](NodeId) { return true; });
    ASSERT_TRUE(near);
    EXPECT_EQ(view.RegionOf(*near), view.RegionOf(owner));
    const auto far =
        FallbackFor(owner, fallbacks, view, [&](NodeId node) { return node != *near; });
    ASSERT_TRUE(far);
    EXPECT_NE(view.RegionOf(*far), view.RegionOf(owner));
  }
}

// Goal: whoever owns a copy only since the partition moves is awaited, whatever the keyspace's
// copies per region are; else the move would end before it has anything.
TEST(RegionsTest, WhoOwnsANewCopyIsAwaited) {
  std::vector<Member> members;
  for (std::uint32_t id = 1; id <= 7; ++id) {
    members.push_back({NodeId(id), "n" + std::to_string(id), 1, "", id % 2 == 0 ? "r0" : "r1"});
  }
  const auto ring_of = [&](std::vector<std::uint32_t> owners) {
    std::vector<NodeId> ids;
    for (const std::uint32_t id : owners) ids.push_back(NodeId(id));
    return *Ring::Create(RingEpoch(1), PartitionerKind::kMd5, members, std::move(ids));
  };
  const Layout before = Layout::Found({1, 7}, ring_of({1, 3, 5, 2, 7, 4, 6, 1}), 7);
  std::vector<std::uint32_t> owners = {1, 2, 3, 4, 5, 6, 7, 1};
  int moved = 0;
  for (int i = 0; i < 200; ++i) {
    std::next_permutation(owners.begin(), owners.end() - 1);
    for (int skip = 0; skip < 23; ++skip) std::next_permutation(owners.begin(), owners.end() - 1);
    const Layout layout = *before.ChangeTo(ring_of(owners), {});
    const ClusterView view{layout.ring(),    {}, layout.moves(), layout.leaving(), layout.former(),
                           layout.replicas()};
    for (std::uint32_t p = 0; p < view.ring.partition_count(); ++p) {
      const NodeList awaited = layout.Awaited(PartitionId(p));
      for (int n0 = 1; n0 <= 3; ++n0) {
        for (int n1 = 1; n1 <= 4; ++n1) {
          const OwnerSets sets = view.SetsOf(PartitionId(p), CopiesIn({{"r0", n0}, {"r1", n1}}));
          if (!sets.moving()) continue;
          for (const NodeId owner : sets.now) {
            if (sets.from.Contains(owner)) continue;
            ++moved;
            EXPECT_TRUE(awaited.Contains(owner));
          }
        }
      }
    }
  }
  EXPECT_GT(moved, 1'000);
}

}  // namespace
}  // namespace gyre
