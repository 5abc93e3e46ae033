#include "core/ring/claim.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>

#include "base/hash.h"
#include "core/config.h"

namespace gyre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

Member MakeMember(std::uint32_t id, std::uint32_t weight = 1, std::string zone = "",
                  std::string region = "") {
  return {.id = NodeId(id),
          .name = "n" + std::to_string(id),
          .weight = weight,
          .zone = std::move(zone),
          .region = std::move(region)};
}

// Nodes 1..count; node i is in zone i mod zones, zone z in region z mod regions.
std::vector<Member> MakeMembers(int count, int zones = 1, int regions = 1) {
  std::vector<Member> members;
  for (int i = 1; i <= count; ++i) {
    members.push_back(MakeMember(static_cast<std::uint32_t>(i), 1, "z" + std::to_string(i % zones),
                                 "r" + std::to_string(i % zones % regions)));
  }
  return members;
}

Ring Found(std::vector<Member> members, int partition_bits = 8, int replicas = 3) {
  return FoundRing(RingEpoch(1), std::move(members),
                   {.partition_bits = partition_bits, .replicas = replicas})
      .value();
}

Result<Ring> Join(const Ring& ring, const Member& joiner, int replicas) {
  return ChangeRing(ring, {.joins = {joiner}}, replicas);
}

std::map<NodeId, int> CountsOf(const Ring& ring) {
  std::map<NodeId, int> counts;
  for (const NodeId owner : ring.owners()) ++counts[owner];
  return counts;
}

double TotalWeight(const std::vector<Member>& members) {
  double total = 0;
  for (const Member& member : members) total += member.weight;
  return total;
}

// Goal: three equal nodes, the usual cluster: 85 + 85 + 86, and three neighbours always three nodes
// but for the two windows at the ring's end that 256 = 3 * 85 + 1 forces.
// Paper 6.2, strategy 3
TEST(FoundRingTest, ThreeEqualNodes) {
  const Ring ring = Found(MakeMembers(3));
  std::vector<int> counts;
  for (const auto& [node, count] : CountsOf(ring)) counts.push_back(count);
  EXPECT_THAT(counts, UnorderedElementsAre(85, 85, 86));
  EXPECT_EQ(Assess(ring, 3).nodes.found, 2);
  EXPECT_EQ(ring.epoch(), RingEpoch(1));
}

// Goal: one node, two nodes, more copies wanted than nodes, as few partitions as nodes.
TEST(FoundRingTest, SmallClusters) {
  EXPECT_EQ(CountsOf(Found(MakeMembers(1))).at(NodeId(1)), 256);
  const Ring two = Found(MakeMembers(2));
  EXPECT_EQ(CountsOf(two).at(NodeId(1)), 128);
  EXPECT_EQ(Assess(two, 3).nodes.found, 0);
  EXPECT_EQ(Assess(Found(MakeMembers(5), 10, 8), 8).nodes.found, 0);
  EXPECT_EQ(Found(MakeMembers(1), /*partition_bits=*/0).partition_count(), 1u);
  const Ring full = Found(MakeMembers(4), /*partition_bits=*/2);
  for (const auto& [node, count] : CountsOf(full)) EXPECT_EQ(count, 1);
  EXPECT_EQ(CountsOf(full).size(), 4u);
}

// Goal: every node computes the ring from its own config, so neither the order of the list nor the
// release may matter: a changed ring would move data. If this hash changes, clusters that upgrade
// node by node disagree.
TEST(FoundRingTest, SameMembersGiveTheSameRingForever) {
  std::vector<Member> members;
  for (std::uint32_t i = 1; i <= 10; ++i) {
    members.push_back(MakeMember(i * 7919, i % 4 + 1, "z" + std::to_string(i % 3)));
  }
  const Ring ring = Found(members);
  std::reverse(members.begin(), members.end());
  EXPECT_EQ(Found(members).owners(), ring.owners());
  std::swap(members[2], members[7]);
  EXPECT_EQ(Found(members).owners(), ring.owners());

  const auto digest = [](const Ring& r) {
    std::string bytes;
    for (const NodeId owner : r.owners()) bytes += std::to_string(owner.value) + " ";
    return Crc32c(bytes);
  };
  EXPECT_EQ(digest(ring), 2830893292u);
  EXPECT_EQ(digest(Join(ring, MakeMember(5, 2, "z1"), 3).value()), 1572527288u);
}

// Goal: what cannot be founded or joined is refused with the reason.
TEST(FoundRingTest, RefusesWhatCannotBe) {
  const auto error_of = [](std::vector<Member> members, ClaimOptions options) {
    const Result<Ring> ring = FoundRing(RingEpoch(1), std::move(members), options);
    if (ring) return std::string("accepted");
    EXPECT_EQ(ring.error().code, ErrorCode::kInvalidArgument);
    return ring.error().message;
  };
  EXPECT_THAT(error_of({}, {}), HasSubstr("needs a member"));
  EXPECT_THAT(error_of(MakeMembers(5), {.partition_bits = 2}), HasSubstr("partitions"));
  EXPECT_THAT(error_of(MakeMembers(5), {.partition_bits = 17}), HasSubstr("partition bits"));
  EXPECT_THAT(error_of(MakeMembers(5), {.replicas = 0}), HasSubstr("replicas"));
  EXPECT_THAT(error_of(MakeMembers(5), {.replicas = 13}), HasSubstr("replicas"));
  EXPECT_THAT(error_of({MakeMember(1, 0)}, {}), HasSubstr("weight"));
  EXPECT_THAT(error_of({MakeMember(1), MakeMember(1)}, {}), HasSubstr("named"));
}

TEST(JoinTest, RefusesWhatCannotBe) {
  const Ring ring = Found(MakeMembers(4), /*partition_bits=*/2);
  EXPECT_THAT(Join(ring, MakeMember(5), 3).error().message, HasSubstr("no partition is left"));
  const Ring roomy = Found(MakeMembers(4));
  EXPECT_THAT(Join(roomy, MakeMember(4), 3).error().message, HasSubstr("member already"));
  EXPECT_THAT(Join(roomy, MakeMember(5, 0), 3).error().message, HasSubstr("weight"));
  EXPECT_THAT(Join(roomy, MakeMember(5), 0).error().message, HasSubstr("replicas"));
  Member namesake = MakeMember(5);
  namesake.name = "n1";
  EXPECT_THAT(Join(roomy, namesake, 3).error().message, HasSubstr("named"));
}

// Goal: with evenly filled zones no rack or data centre holds two copies of neighbours, as far as
// the zones can be equal at all.
// Paper 4.6
TEST(FoundRingTest, EvenZonesAndRegionsAreDistinct) {
  for (const int per_zone : {1, 2, 5, 20}) {
    for (const int zones : {2, 3, 4, 5}) {
      const RingQuality quality = Assess(Found(MakeMembers(zones * per_zone, zones), 12), 3);
      // 4096 = 3 * 1365 + 1: three zones must collide twice at the ring's end.
      EXPECT_EQ(quality.zones.found, zones == 3 ? 2 : 0) << zones << " x " << per_zone;
      EXPECT_EQ(quality.nodes.found, zones * per_zone == 3 ? 2 : 0) << zones << " x " << per_zone;
    }
    const RingQuality regions = Assess(Found(MakeMembers(4 * per_zone, 4, 2), 12), 3);
    EXPECT_EQ(regions.regions.found, 0) << per_zone;
    EXPECT_EQ(regions.zones.found, 0) << per_zone;
  }
}

// Goal: a zone with more than its third cannot be distinct. Without a window that has it three
// times, 3 * its count - Q windows have it twice; to a tenth, no more windows fall short.
TEST(FoundRingTest, UnevenZonesFallShortNoMoreThanTheyMust) {
  for (const int nodes : {4, 5, 7, 8, 10, 16, 25}) {
    const Ring ring = Found(MakeMembers(nodes, 3), 12);
    std::map<std::string, int> counts;
    for (const NodeId owner : ring.owners()) ++counts[ring.FindMember(owner)->zone];
    int most = 0;
    int fewest = 4096;
    for (const auto& [zone, count] : counts) {
      most = std::max(most, count);
      fewest = std::min(fewest, count);
    }
    const int expected = std::max(3 * most - 4096, 4096 - 3 * fewest);
    const WindowViolations zones = Assess(ring, 3).zones;
    EXPECT_LE(zones.found, expected + expected / 10 + 2) << nodes;
    EXPECT_GE(zones.found, zones.least) << nodes;
    EXPECT_GT(zones.least, 0) << nodes;
  }
}

// Goal: when a node fails its load falls on many others, not on one neighbour.
// Paper 4.2: "the load handled by this node is evenly dispersed"
TEST(FoundRingTest, NeighboursAreManyDifferentNodes) {
  const Ring ring = Found(MakeMembers(10), /*partition_bits=*/9);
  std::map<NodeId, std::map<NodeId, int>> next;
  for (std::size_t p = 0; p < 512; ++p) {
    ++next[ring.owners()[p]][ring.owners()[(p + 1) % 512]];
  }
  for (const auto& [node, followers] : next) {
    EXPECT_GE(followers.size(), 8u);
    for (const auto& [follower, times] : followers) EXPECT_LE(times, 17);  // of 51
  }
}

// Goal: a thousand nodes on the largest ring.
TEST(FoundRingTest, AThousandNodes) {
  std::vector<Member> members;
  for (std::uint32_t i = 1; i <= 1000; ++i) {
    members.push_back(MakeMember(i * 31, i % 4 + 1, "z" + std::to_string(i % 5)));
  }
  const Ring ring = Found(members, 16);
  const RingQuality quality = Assess(ring, 3);
  EXPECT_LT(quality.load_over_fair_share_max, 1.05);
  EXPECT_LT(quality.fair_share_excess_max, 1.0);
  EXPECT_EQ(quality.nodes.found, 0);
  EXPECT_EQ(quality.zones.found, 0);
  const Ring joined = Join(ring, MakeMember(7, 4, "z1"), 3).value();
  EXPECT_LE(MovedPartitions(ring, joined), 105u);  // ceil(65536 * 4 / 2504)
  EXPECT_EQ(Assess(joined, 3).nodes.found, 0);
}

// Goal: the claims of claim.h about foundings, for any weights, zones, N and Q, the tiniest too.
RC_GTEST_PROP(FoundRingPropertyTest, BalancedAndDistinct, ()) {
  const int replicas = *rc::gen::inRange(1, static_cast<int>(kReplicasMax) + 1);
  const int bits = *rc::gen::inRange(0, 12);
  const auto count = *rc::gen::inRange<std::uint32_t>(1, std::min(40u, 1u << bits) + 1);
  const auto weight_max = *rc::gen::element<std::uint32_t>(1, 2, 4, 10, 100);
  const int zones = *rc::gen::inRange(1, 7);
  std::vector<Member> members;
  for (std::uint32_t i = 1; i <= count; ++i) {
    members.push_back(MakeMember(i, *rc::gen::inRange<std::uint32_t>(1, weight_max + 1),
                                 "z" + std::to_string(*rc::gen::inRange(0, zones))));
  }
  const Ring ring = Found(members, bits, replicas);
  const RingQuality quality = Assess(ring, replicas);
  RC_ASSERT(quality.fair_share_excess_max < 1);
  RC_ASSERT(quality.nodes.found >= quality.nodes.least);
  RC_ASSERT(quality.zones.found >= quality.zones.least);
  int most = 0;
  for (const auto& [node, partitions] : CountsOf(ring)) most = std::max(most, partitions);
  if (most * replicas <= static_cast<int>(ring.partition_count())) {
    RC_ASSERT(quality.nodes.found == 0);
  }
  std::map<std::string, int> zone_counts;
  for (const NodeId owner : ring.owners()) ++zone_counts[ring.FindMember(owner)->zone];
  int most_in_zone = 0;
  for (const auto& [zone, partitions] : zone_counts) {
    most_in_zone = std::max(most_in_zone, partitions);
  }
  if (most_in_zone * replicas <= static_cast<int>(ring.partition_count())) {
    RC_ASSERT(quality.zones.found == 0);
  }
}

// Grows a ring one node at a time, and checks each join against its promises.
struct Growth {
  Ring ring;
  int replicas;
  RingQuality quality;

  Growth(const Member& first, int bits, int n)
      : ring(Found({first}, bits, n)), replicas(n), quality(Assess(ring, n)) {}

  void Add(const Member& joiner) {
    const Ring before = ring;
    ring = Join(before, joiner, replicas).value();
    RC_ASSERT(ring.epoch().value == before.epoch().value + 1);
    const double share =
        static_cast<double>(ring.partition_count()) * joiner.weight / TotalWeight(ring.members());
    RC_ASSERT(static_cast<double>(MovedPartitions(before, ring)) < share + 1);
    for (std::size_t p = 0; p < ring.partition_count(); ++p) {
      RC_ASSERT(ring.owners()[p] == before.owners()[p] || ring.owners()[p] == joiner.id);
    }
    const RingQuality quality_before = quality;
    quality = Assess(ring, replicas);
    RC_ASSERT(quality.fair_share_excess_max < 1.5);
    excess_max = std::max(excess_max, quality.fair_share_excess_max);
    double heaviest = 0;
    for (const Member& member : before.members())
      heaviest = std::max<double>(heaviest, member.weight);
    const bool roomy = heaviest * replicas <= TotalWeight(before.members()) &&
                       joiner.weight * replicas <= 0.6 * TotalWeight(ring.members());
    if (roomy && before.members().size() >= static_cast<std::size_t>(replicas)) {
      RC_ASSERT(quality.nodes.found <= quality_before.nodes.found);
    }
  }

  double excess_max = 0;
};

// Goal: no ring is too small or too lopsided to join: it ends, and moves only to the joiner, but
// for a partition where quota comes first.
RC_GTEST_PROP(JoinPropertyTest, AnyRingCanBeJoined, ()) {
  const int bits = *rc::gen::inRange(1, 7);
  const auto count = *rc::gen::inRange<std::uint32_t>(1, std::min(20u, 1u << bits));
  std::vector<Member> members;
  for (std::uint32_t i = 1; i <= count; ++i) {
    members.push_back(MakeMember(i, *rc::gen::element<std::uint32_t>(1, 3, kWeightMax)));
  }
  std::vector<NodeId> owners;  // in no balance at all
  for (std::size_t p = 0; p < std::size_t{1} << bits; ++p) {
    owners.push_back(members[*rc::gen::inRange<std::uint32_t>(0, count)].id);
  }
  const Ring before = Ring::Create(RingEpoch(4), PartitionerKind::kXxh3, members, owners).value();
  const Member joiner = MakeMember(99, *rc::gen::element<std::uint32_t>(1, 3, kWeightMax));
  const Ring after =
      Join(before, joiner, *rc::gen::inRange(1, static_cast<int>(kReplicasMax) + 1)).value();
  RC_ASSERT(after.epoch() == RingEpoch(5));
  RC_ASSERT(after.partitioner() == PartitionerKind::kXxh3);
  const double share =
      static_cast<double>(owners.size()) * joiner.weight / TotalWeight(after.members());
  const std::size_t moved = MovedPartitions(before, after);
  const auto taken = static_cast<std::size_t>(CountsOf(after)[joiner.id]);
  RC_ASSERT(taken >= 1u);
  RC_ASSERT(std::abs(static_cast<double>(taken) - share) < 1);
  // Where some had far too many, others that must give by their quota may give one more than the
  // joiner may take (claim_counts.h).
  RC_ASSERT(moved >= taken && moved <= taken + 1);
}

// Goal: the claims of claim.h about joins: only to the joiner, at most its share; balance stays and
// distinctness stays or returns, through any history.
RC_GTEST_PROP(JoinPropertyTest, GrowsOneNodeAtATime, ()) {
  const int replicas = *rc::gen::inRange(1, 6);
  const auto weight_max = *rc::gen::element<std::uint32_t>(1, 2, 4);
  const int zones = *rc::gen::inRange(1, 6);
  const auto nodes = *rc::gen::inRange<std::uint32_t>(2, 40);
  const auto draw = [&](std::uint32_t id) {
    return MakeMember(id, *rc::gen::inRange<std::uint32_t>(1, weight_max + 1),
                      "z" + std::to_string(*rc::gen::inRange(0, zones)));
  };
  Growth growth(draw(1), *rc::gen::inRange(8, 11), replicas);
  for (std::uint32_t id = 2; id <= nodes; ++id) {
    growth.Add(draw(id));
    if (id >= 5u * static_cast<std::uint32_t>(replicas)) {
      RC_ASSERT(growth.quality.nodes.found == 0);
    }
  }
}

// Goal: a joiner that takes up to four fifths of what can lie N apart still finds partitions, from
// every node as much as it should give, that do.
TEST(JoinTest, HeavyJoinersStayDistinct) {
  for (const int nodes : {3, 4, 5, 6, 8, 12}) {
    for (int replicas = 2; replicas <= std::min(nodes, 5); ++replicas) {
      std::vector<Member> members;
      for (int i = 1; i <= nodes; ++i) {
        members.push_back(MakeMember(static_cast<std::uint32_t>(i), 1000));
      }
      const Ring ring = Found(members, 8, replicas);
      for (const double part : {0.6, 0.7, 0.8}) {
        const double share = part / replicas;
        const auto weight = static_cast<std::uint32_t>(1000 * nodes * share / (1 - share));
        const Ring joined = Join(ring, MakeMember(99, weight), replicas).value();
        EXPECT_EQ(Assess(joined, replicas).nodes.found, 0)
            << nodes << " nodes, N=" << replicas << ", " << part;
      }
    }
  }
}

// Goal: the usual growth of a small cluster, from one equal node to twelve: always distinct, but
// for a few windows at the ring's end when the third joins.
TEST(JoinTest, EqualNodesStayDistinctFromTheFirstOn) {
  Growth growth(MakeMember(1), 8, 3);
  for (std::uint32_t id = 2; id <= 12; ++id) {
    growth.Add(MakeMember(id));
    EXPECT_LE(growth.quality.nodes.found, id == 3 ? 6 : 0) << id;
    EXPECT_LT(growth.quality.fair_share_excess_max, 1) << id;
  }
}

// Goal: to a hundred nodes of mixed weights in three zones.
TEST(JoinTest, GrowsToAHundredNodes) {
  Growth growth(MakeMember(1, 2, "z1"), 12, 3);
  for (std::uint32_t id = 2; id <= 100; ++id) {
    growth.Add(MakeMember(id, id * 7 % 4 + 1, "z" + std::to_string(id % 3)));
    EXPECT_LT(growth.quality.fair_share_excess_max, 1) << id;
    EXPECT_TRUE(id < 8 || growth.quality.nodes.found == 0) << id;
  }
  EXPECT_LE(growth.quality.load_over_fair_share_max, 1.1);  // 16 partitions for the lightest
}

// Goal: the figures that operators and these tests rely on, on rings counted by hand.
TEST(AssessTest, CountsWindowsByHand) {
  const std::vector<Member> members = {MakeMember(1, 1, "z1", "r1"), MakeMember(2, 1, "z1", "r1"),
                                       MakeMember(3, 2, "z2", "r2")};
  const NodeId a(1), b(2), c(3);
  const Ring ring =
      Ring::Create(RingEpoch(1), PartitionerKind::kMd5, members, {a, b, c, c, a, b, c, a}).value();
  const RingQuality quality = Assess(ring, 3);
  EXPECT_DOUBLE_EQ(quality.load_over_fair_share_max, 1.5);  // a: 3 of 2
  EXPECT_DOUBLE_EQ(quality.fair_share_excess_max, 1);       // a: 3 of 2, c: 3 of 4
  // bcc, cca, caa (wrapping), aab fall short; 3 * 3 - 8 = 1 must.
  EXPECT_EQ(quality.nodes, (WindowViolations{.found = 4, .least = 2}));
  // Two zones, both wanted in each window of three: only aab has one.
  EXPECT_EQ(quality.zones, (WindowViolations{.found = 1, .least = 0}));
  EXPECT_EQ(quality.regions, quality.zones);
}

TEST(AssessTest, CountsMovedPartitions) {
  const NodeId a(1), b(2);
  const auto ring = [&](std::vector<NodeId> owners) {
    return Ring::Create(RingEpoch(1), PartitionerKind::kMd5, {MakeMember(1), MakeMember(2)},
                        std::move(owners))
        .value();
  };
  EXPECT_EQ(MovedPartitions(ring({a, b, a, b}), ring({a, b, a, b})), 0u);
  EXPECT_EQ(MovedPartitions(ring({a, b, a, b}), ring({b, b, a, a})), 2u);
}

}  // namespace
}  // namespace gyre
