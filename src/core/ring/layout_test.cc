#include "core/ring/layout.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/ring/claim.h"

namespace gyre {
namespace {

constexpr int kReplicas = 3;

Member Node(std::uint32_t id) {
  return {NodeId(id), "node" + std::to_string(id), 1, "zone" + std::to_string(id % 3),
          "",         "host:" + std::to_string(id)};
}

Ring RingOf(const std::vector<std::uint32_t>& ids, int bits = 4) {
  std::vector<Member> members;
  for (const std::uint32_t id : ids) members.push_back(Node(id));
  return *FoundRing(RingEpoch(1), members, {.partition_bits = bits, .replicas = kReplicas});
}

std::vector<NodeId> OwnersOf(const Layout& layout, std::uint32_t p) {
  const Ring::Owners owners = layout.ring().OwnersOf(PartitionId(p), kReplicas);
  return {owners.begin(), owners.end()};
}

std::vector<PartitionId> Moving(const Layout& layout) {
  std::vector<PartitionId> moving;
  for (std::uint32_t p = 0; p < layout.ring().partition_count(); ++p) {
    if (layout.moves().FromOwners(PartitionId(p)) != nullptr) moving.emplace_back(p);
  }
  return moving;
}

TEST(LayoutTest, AFoundingMovesNothing) {
  const Layout layout = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  EXPECT_EQ(layout.number(), RingEpoch(1));
  EXPECT_FALSE(layout.moves().any());
  EXPECT_EQ(layout.MemberIds(), (std::vector{NodeId(1), NodeId(2), NodeId(3)}));
  EXPECT_TRUE(layout.Awaited(PartitionId(0)).empty());
  EXPECT_EQ(layout.moves().EpochOf(PartitionId(3)), RingEpoch(0));
}

// A join: partitions whose owners change move from where they are, and wait for the joiner alone.
TEST(LayoutTest, AJoinMovesWhatChanges) {
  const Layout before = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  const Ring target = *ChangeRing(before.ring(), {.joins = {Node(4)}}, kReplicas);
  const Layout after = *before.ChangeTo(target, {});
  EXPECT_EQ(after.number(), RingEpoch(2));
  EXPECT_TRUE(after.moves().any());
  for (std::uint32_t p = 0; p < 16; ++p) {
    const PartitionId partition(p);
    const NodeList* from = after.moves().FromOwners(partition);
    if (OwnersOf(before, p) == OwnersOf(after, p)) {
      EXPECT_EQ(from, nullptr);
      EXPECT_EQ(after.moves().EpochOf(partition), RingEpoch(0));
      continue;
    }
    ASSERT_NE(from, nullptr);
    EXPECT_TRUE(std::ranges::equal(*from, OwnersOf(before, p)));
    EXPECT_EQ(after.moves().EpochOf(partition), RingEpoch(2));
    const std::vector<NodeId> owners = OwnersOf(after, p);
    const bool joins = std::find(owners.begin(), owners.end(), NodeId(4)) != owners.end();
    EXPECT_EQ(after.Awaited(partition).Contains(NodeId(4)), joins);
  }
}

// N = 1 has another owner though the three of N = 3 are the same.
TEST(LayoutTest, ANodeThatComesFirstIsAwaited) {
  const auto ring = [](std::vector<NodeId> owners) {
    return *Ring::Create(RingEpoch(1), PartitionerKind::kMd5, {Node(1), Node(2), Node(3)},
                         std::move(owners));
  };
  const Layout before =
      Layout::Found({1, 7}, ring({NodeId(1), NodeId(2), NodeId(3), NodeId(1)}), kReplicas);
  const Layout after = *before.ChangeTo(ring({NodeId(2), NodeId(1), NodeId(3), NodeId(1)}), {});
  ASSERT_EQ(OwnersOf(after, 0), (std::vector{NodeId(2), NodeId(1), NodeId(3)}));
  const NodeList awaited = after.Awaited(PartitionId(0));
  EXPECT_TRUE(std::ranges::equal(awaited, std::vector{NodeId(2)}));
}

TEST(LayoutTest, SettledPartitionsMoveNoMore) {
  const Layout before = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  const Layout moving =
      *before.ChangeTo(*ChangeRing(before.ring(), {.joins = {Node(4)}}, kReplicas), {});
  const std::vector<PartitionId> all = Moving(moving);
  ASSERT_GE(all.size(), 2u);
  const Layout settled = moving.Settle(std::span(all).first(1));
  EXPECT_EQ(settled.number(), RingEpoch(3));
  EXPECT_EQ(settled.moves().FromOwners(all[0]), nullptr);
  EXPECT_EQ(settled.moves().EpochOf(all[0]), RingEpoch(3));
  EXPECT_NE(settled.moves().FromOwners(all[1]), nullptr);
  EXPECT_EQ(settled.moves().EpochOf(all[1]), RingEpoch(2));
  EXPECT_FALSE(settled.Settle(all).moves().any());
}

// Back to the ring of before: what has not settled does not move at all, what has moves back.
TEST(LayoutTest, AChangeBackIsFromWhereThingsAre) {
  const Layout before = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  const Layout moving =
      *before.ChangeTo(*ChangeRing(before.ring(), {.joins = {Node(4)}}, kReplicas), {});
  const std::vector<PartitionId> all = Moving(moving);
  const Layout back = *moving.Settle(std::span(all).first(1)).ChangeTo(before.ring(), {});
  EXPECT_EQ(Moving(back), std::vector{all[0]});
  EXPECT_TRUE(std::ranges::equal(*back.moves().FromOwners(all[0]), OwnersOf(moving, all[0].value)));
  EXPECT_EQ(back.FindMember(NodeId(4))->name, "node4");  // it leaves
  EXPECT_EQ(back.leaving().size(), 1u);
}

// With W = 1 the two that stay may both lack what the third was given.
TEST(LayoutTest, WhereThereAreFewerOwnersAllAreAwaited) {
  const Layout before = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  const Layout after = *before.ChangeTo(RingOf({1, 2}), {});
  EXPECT_EQ(after.Awaited(PartitionId(0)).size(), 2u);
}

TEST(LayoutTest, WhoLeavesStaysUntilNothingIsLeftWithIt) {
  const Layout before = Layout::Found({1, 7}, RingOf({1, 2, 3, 4}), kReplicas);
  const Layout leaving = *before.ChangeTo(RingOf({1, 2, 3}), {});
  ASSERT_EQ(leaving.leaving().size(), 1u);
  EXPECT_FALSE(leaving.Releasable(NodeId(4)));
  EXPECT_FALSE(leaving.Releasable(NodeId(1)));
  const Layout settled = leaving.Settle(Moving(leaving));
  ASSERT_TRUE(settled.Releasable(NodeId(4)));
  const Layout released = settled.Release(std::vector{NodeId(4)});
  EXPECT_EQ(released.FindMember(NodeId(4)), nullptr);
  EXPECT_EQ(released.former(), std::vector{NodeId(4)});
  EXPECT_EQ(released.number(), RingEpoch(4));
}

// A dead node is gone at once; it stays named where things were.
TEST(LayoutTest, WhoIsRemovedIsNoMember) {
  const Layout before = Layout::Found({1, 7}, RingOf({1, 2, 3, 4}), kReplicas);
  const Layout after = *before.ChangeTo(RingOf({1, 2, 3}), std::vector{NodeId(4)});
  EXPECT_EQ(after.FindMember(NodeId(4)), nullptr);
  EXPECT_EQ(after.former(), std::vector{NodeId(4)});
  EXPECT_TRUE(after.ChangeTo(RingOf({1, 2, 3, 4}), {})->former().empty());
  EXPECT_TRUE(std::ranges::any_of(Moving(after), [&](PartitionId partition) {
    return after.moves().FromOwners(partition)->Contains(NodeId(4));
  }));
}

TEST(LayoutTest, AnotherNumberOfPartitionsIsRefused) {
  const Layout layout = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  EXPECT_EQ(layout.ChangeTo(RingOf({1, 2, 3}, 5), {}).error().code, ErrorCode::kInvalidArgument);
}

TEST(LayoutTest, TheGreaterLineageIsNewer) {
  const Layout one = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  const Layout two = Layout::Found({1, 8}, RingOf({4, 5}), kReplicas);
  const Layout three = Layout::Found({2, 1}, RingOf({4, 5}), kReplicas);
  EXPECT_TRUE(two.IsNewerThan(one));
  EXPECT_TRUE(three.IsNewerThan(two));
  EXPECT_TRUE(one.Settle({}).IsNewerThan(one));
  EXPECT_FALSE(one.Settle({}).IsNewerThan(two));
  EXPECT_FALSE(one.IsNewerThan(one));
}

// Goal: a split moves nothing. Each half has the owners and the fallbacks of the whole, whatever N,
// and both have a new epoch.
RC_GTEST_PROP(LayoutProperties, ASplitLeavesEveryPreferenceListAsItWas, ()) {
  std::vector<std::uint32_t> ids;
  for (std::uint32_t id = 1; id <= *rc::gen::inRange<std::uint32_t>(1, 8); ++id) ids.push_back(id);
  const Layout before = Layout::Found({1, 7}, RingOf(ids, *rc::gen::inRange(3, 6)), kReplicas);
  const Layout after = *before.Split();
  RC_ASSERT(after.number().value == before.number().value + 1);
  RC_ASSERT(after.ring().partition_count() == 2 * before.ring().partition_count());
  RC_ASSERT(after.ring().section_bits() == before.ring().section_bits());
  RC_ASSERT(!after.moves().any());
  for (std::uint32_t p = 0; p < after.ring().partition_count(); ++p) {
    for (int replicas = 1; replicas <= 4; ++replicas) {
      RC_ASSERT(after.ring().PreferenceListOf(PartitionId(p), replicas, 9) ==
                before.ring().PreferenceListOf(PartitionId(p / 2), replicas, 9));
    }
    RC_ASSERT(after.moves().EpochOf(PartitionId(p)) == after.number());
    RC_ASSERT(after.ring().SectionOf(PartitionId(p)) == SectionId(p / 2));
  }
}

TEST(LayoutTest, SectionsStayWhateverComesAfterASplit) {
  const Layout split = *Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas).Split();
  const Ring target = *ChangeRing(split.ring(), {.joins = {Node(4)}}, kReplicas);
  const Layout moving = *split.ChangeTo(target, {});
  EXPECT_TRUE(moving.moves().any());
  const Layout settled = moving.Settle(Moving(moving));
  for (const Layout& layout : {moving, settled, *settled.Split()}) {
    EXPECT_EQ(layout.ring().section_bits(), 4);
    const Layout stored = *Layout::Decode(layout.Encode());
    EXPECT_EQ(stored.ring().section_bits(), 4);
    EXPECT_EQ(stored.Encode(), layout.Encode());
  }
}

TEST(LayoutTest, ASplitIsRefusedWhileAnythingMovesAndPastTheLimits) {
  Layout layout = Layout::Found({1, 7}, RingOf({1, 2, 3}), kReplicas);
  const Ring target = *ChangeRing(layout.ring(), {.joins = {Node(4)}}, kReplicas);
  EXPECT_EQ(layout.ChangeTo(target, {})->Split().error().code, ErrorCode::kInvalidArgument);
  int splits = 0;
  for (Result<Layout> next = layout.Split(); next; next = layout.Split()) {
    layout = *std::move(next);
    ++splits;
  }
  EXPECT_EQ(splits, 8);
  EXPECT_EQ(layout.ring().partition_bits(), 12);
  EXPECT_TRUE(Layout::Decode(layout.Encode()).has_value());
}

Layout AnyLayout() {
  Layout layout =
      Layout::Found({*rc::gen::inRange<std::uint64_t>(1, 4), *rc::gen::arbitrary<std::uint64_t>()},
                    RingOf({1, 2, 3}, *rc::gen::inRange(2, 6)), kReplicas);
  for (std::uint32_t id = 4; id < 4 + *rc::gen::inRange<std::uint32_t>(0, 3); ++id) {
    if (const Result<Ring> ring = ChangeRing(layout.ring(), {.joins = {Node(id)}}, kReplicas)) {
      layout = *layout.ChangeTo(*ring, {});
    }
    std::vector<PartitionId> some;
    for (const PartitionId partition : Moving(layout)) {
      if (*rc::gen::arbitrary<bool>()) some.push_back(partition);
    }
    if (*rc::gen::arbitrary<bool>()) layout = layout.Settle(some);
  }
  if (!layout.moves().any() && *rc::gen::arbitrary<bool>()) layout = *layout.Split();
  if (*rc::gen::arbitrary<bool>()) {
    layout = *layout.ChangeTo(
        RingOf({2, 3, 9}, layout.ring().partition_bits()),
        *rc::gen::arbitrary<bool>() ? std::vector{NodeId(1)} : std::vector<NodeId>{});
  }
  return layout;
}

RC_GTEST_PROP(LayoutProperties, BytesAndBack, ()) {
  const Layout layout = AnyLayout();
  const std::string bytes = layout.Encode();
  const Result<Layout> back = Layout::Decode(bytes);
  RC_ASSERT(back.has_value());
  RC_ASSERT(back->Encode() == bytes);
  RC_ASSERT(back->Digest() == layout.Digest());
  RC_ASSERT(back->MemberIds() == layout.MemberIds());
  RC_ASSERT(back->former() == layout.former());
  RC_ASSERT(Moving(*back) == Moving(layout));
}

RC_GTEST_PROP(LayoutProperties, DamagedBytesAreRefusedOrTaken, ()) {
  std::string bytes = AnyLayout().Encode();
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = *rc::gen::arbitrary<char>();
  if (*rc::gen::arbitrary<bool>()) bytes.resize(at);
  const Result<Layout> back = Layout::Decode(bytes);
  if (!back) RC_ASSERT(back.error().code == ErrorCode::kCorruption);
}

// Whatever the steps: a partition moves just if its owner sets differ, and its epoch names the last
// layout in which they became others.
RC_GTEST_PROP(LayoutProperties, StepsKeepTheSets, ()) {
  const Layout before = AnyLayout();
  const std::vector<PartitionId> moving = Moving(before);
  const Layout after =
      *rc::gen::arbitrary<bool>()
          ? before.Settle(moving)
          : *before.ChangeTo(RingOf({1, 2, 3, 4}, before.ring().partition_bits()), {});
  for (std::uint32_t p = 0; p < before.ring().partition_count(); ++p) {
    const auto sets = [&](const Layout& layout) {
      std::set<std::vector<NodeId>> owner_sets = {OwnersOf(layout, p)};
      if (const NodeList* from = layout.moves().FromOwners(PartitionId(p))) {
        RC_ASSERT(!std::ranges::equal(*from, OwnersOf(layout, p)));
        owner_sets.insert({from->begin(), from->end()});
      }
      return owner_sets;
    };
    const bool same = sets(before) == sets(after);
    RC_ASSERT((after.moves().EpochOf(PartitionId(p)) == after.number()) == !same);
    // One set stays from step to step, or was arrived at.
    std::vector<std::vector<NodeId>> kept;
    const auto was = sets(before), is = sets(after);
    std::ranges::set_intersection(was, is, std::back_inserter(kept));
    RC_ASSERT(!kept.empty());
  }
}

}  // namespace
}  // namespace gyre
