#include "core/ring/ring.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <utility>

#include "core/config.h"

namespace gyre {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr NodeId A(1), B(2), C(3), D(4), E(5);

Member MakeMember(NodeId id, std::string zone = "", std::string region = "") {
  return {.id = id,
          .name = "n" + std::to_string(id.value),
          .weight = 1,
          .zone = std::move(zone),
          .region = std::move(region)};
}

Ring MakeRing(std::vector<Member> members, std::vector<NodeId> owners) {
  return Ring::Create(RingEpoch(1), PartitionerKind::kMd5, std::move(members), std::move(owners))
      .value();
}

Ring RingOfABC(std::vector<NodeId> owners) {
  return MakeRing({MakeMember(A), MakeMember(B), MakeMember(C)}, std::move(owners));
}

std::vector<NodeId> OwnersOf(const Ring& ring, std::uint32_t partition, int replicas) {
  const Ring::Owners owners = ring.OwnersOf(PartitionId(partition), replicas);
  return {owners.begin(), owners.end()};
}

// Goal: N counts physical nodes, not partitions (paper 4.3); else one crash costs two replicas.
TEST(RingTest, PreferenceListSkipsNodesAlreadyListed) {
  const Ring ring = RingOfABC({A, A, B, C});
  EXPECT_THAT(ring.PreferenceListOf(PartitionId(0), /*replicas=*/3, /*fallbacks_max=*/9).owners,
              ElementsAre(A, B, C));
  // Wraps past the last partition; only three nodes exist.
  const PreferenceList last = ring.PreferenceListOf(PartitionId(3), /*replicas=*/9, 9);
  EXPECT_THAT(last.owners, ElementsAre(C, A, B));
  EXPECT_THAT(last.fallbacks, IsEmpty());
}

// Goal: after the N owners come the other nodes in the order of the walk (paper 4.6).
TEST(RingTest, FallbacksFollowTheOwnersInWalkOrder) {
  const Ring ring = MakeRing({MakeMember(A), MakeMember(B), MakeMember(C), MakeMember(D)},
                             {A, C, A, B, D, B, C, A});
  const PreferenceList list = ring.PreferenceListOf(PartitionId(0), 2, 9);
  EXPECT_THAT(list.owners, ElementsAre(A, C));
  EXPECT_THAT(list.fallbacks, ElementsAre(B, D));
  EXPECT_THAT(ring.PreferenceListOf(PartitionId(0), 2, 1).fallbacks, ElementsAre(B));
}

// Goal: owners spread over data centres and racks (paper 4.6, last paragraph); those passed over
// come next, not never.
TEST(RingTest, OwnersSpreadOverZonesAndRegions) {
  const std::vector<NodeId> walk = {A, B, C, D, E, A, B, C};
  const Ring zones = MakeRing({MakeMember(A, "z1"), MakeMember(B, "z1"), MakeMember(C, "z1"),
                               MakeMember(D, "z2"), MakeMember(E, "z2")},
                              walk);
  const PreferenceList over_zones = zones.PreferenceListOf(PartitionId(0), 3, 9);
  EXPECT_THAT(over_zones.owners, ElementsAre(A, D, B));
  EXPECT_THAT(over_zones.fallbacks, ElementsAre(C, E));

  // Zone z1 of region r1 is another than z1 of r2: D is a new region, then B a new zone.
  const Ring regions =
      MakeRing({MakeMember(A, "z1", "r1"), MakeMember(B, "z2", "r1"), MakeMember(C, "z1", "r1"),
                MakeMember(D, "z1", "r2"), MakeMember(E, "z1", "r2")},
               walk);
  EXPECT_THAT(regions.PreferenceListOf(PartitionId(0), 4, 0).owners, ElementsAre(A, D, B, C));
  EXPECT_THAT(regions.PreferenceListOf(PartitionId(2), 3, 0).owners, ElementsAre(C, D, B));
}

// Goal: a member whose share was rounded to no partition still makes up the N copies, last.
TEST(RingTest, MembersWithoutPartitionsComeLastById) {
  Ring ring = MakeRing({MakeMember(D), MakeMember(C), MakeMember(B), MakeMember(A)}, {C, C});
  EXPECT_THAT(ring.PreferenceListOf(PartitionId(1), 3, 9).owners, ElementsAre(C, A, B));
  EXPECT_THAT(ring.PreferenceListOf(PartitionId(1), 3, 9).fallbacks, ElementsAre(D));
  ring.PrepareOwners(3);
  EXPECT_THAT(OwnersOf(ring, 1, 3), ElementsAre(C, A, B));
}

// Goal: one node alone is a whole cluster, with one partition or many.
TEST(RingTest, OneNodeOwnsEverything) {
  Ring ring = MakeRing({MakeMember(A)}, {A});
  EXPECT_EQ(ring.partition_bits(), 0);
  EXPECT_EQ(ring.PartitionOf(ring.TokenOf("any key")), PartitionId(0));
  ring.PrepareOwners(3);
  EXPECT_THAT(OwnersOf(ring, 0, 3), ElementsAre(A));
  EXPECT_TRUE(ring.OwnersOf(PartitionId(0), 3).Contains(A));
  EXPECT_FALSE(ring.OwnersOf(PartitionId(0), 3).Contains(B));
}

// Goal: a key's place is the top bits of its MD5 (paper 4.3); a change would move every key.
TEST(RingTest, KeysLandByTheTopBitsOfTheirToken) {
  // md5("a") = 0cc175b9c0f1b6a8..., md5("b") = 92eb5ffee6ae2fec...
  const Ring four = RingOfABC({A, B, C, A});
  EXPECT_EQ(four.PartitionOf(four.TokenOf("a")), PartitionId(0));
  EXPECT_EQ(four.PartitionOf(four.TokenOf("b")), PartitionId(2));
  EXPECT_EQ(four.OwnerOf(PartitionId(2)), C);
  const Ring many = RingOfABC(std::vector<NodeId>(256, A));
  EXPECT_EQ(many.PartitionOf(many.TokenOf("a")), PartitionId(0x0c));
  EXPECT_EQ(many.PartitionOf(many.TokenOf("b")), PartitionId(0x92));
}

// Goal: what cannot be a ring is refused with a reason, not built.
TEST(RingTest, RefusesWhatIsNoRing) {
  const auto error_of = [](std::vector<Member> members, std::vector<NodeId> owners) {
    const Result<Ring> ring =
        Ring::Create(RingEpoch(1), PartitionerKind::kMd5, std::move(members), std::move(owners));
    if (ring) return std::string("accepted");
    EXPECT_EQ(ring.error().code, ErrorCode::kInvalidArgument);
    return ring.error().message;
  };
  EXPECT_THAT(error_of({MakeMember(A)}, {A, A, A}), HasSubstr("power of two"));
  EXPECT_THAT(error_of({MakeMember(A)}, {}), HasSubstr("power of two"));
  EXPECT_THAT(error_of({MakeMember(A)}, std::vector<NodeId>(1 << 17, A)), HasSubstr("65536"));
  EXPECT_THAT(error_of({}, {A}), HasSubstr("needs a member"));
  EXPECT_THAT(error_of({MakeMember(A)}, {A, B}), HasSubstr("not a member"));
  EXPECT_THAT(error_of({MakeMember(NodeId(0))}, {NodeId(0)}), HasSubstr("id"));
  EXPECT_THAT(error_of({MakeMember(NodeId(kNodeIdMax + 1))}, {NodeId(kNodeIdMax + 1)}),
              HasSubstr("id"));
  Member heavy = MakeMember(A);
  heavy.weight = kWeightMax + 1;
  EXPECT_THAT(error_of({heavy}, {A}), HasSubstr("weight"));
  heavy.weight = 0;
  EXPECT_THAT(error_of({heavy}, {A}), HasSubstr("weight"));
  Member namesake = MakeMember(B);
  namesake.name = "n1";
  EXPECT_THAT(error_of({MakeMember(A), namesake}, {A}), HasSubstr("are named"));
  Member same_id = MakeMember(A);
  same_id.name = "other";
  EXPECT_THAT(error_of({MakeMember(A), same_id}, {A}), HasSubstr("same id"));
}

// Goal: the tables of the hot path are made by another algorithm than the walk; both must agree on
// any ring, however uneven, or a coordinator would write where nobody reads.
RC_GTEST_PROP(RingPropertyTest, PreparedOwnersEqualTheWalk, ()) {
  const auto node_count = *rc::gen::inRange<std::uint32_t>(1, 24);
  std::vector<Member> members;
  for (std::uint32_t i = 1; i <= node_count; ++i) {
    members.push_back(MakeMember(NodeId(i * 37 % 101),
                                 "z" + std::to_string(*rc::gen::inRange(0, 4)),
                                 "r" + std::to_string(*rc::gen::inRange(0, 3))));
  }
  const std::size_t partitions = std::size_t{1} << *rc::gen::inRange(0, 7);
  std::vector<NodeId> owners;
  // Sometimes only few of the members own anything.
  const auto owning = *rc::gen::inRange<std::uint32_t>(1, node_count + 1);
  for (std::size_t p = 0; p < partitions; ++p) {
    owners.push_back(members[*rc::gen::inRange<std::uint32_t>(0, owning)].id);
  }
  Ring ring = MakeRing(members, owners);
  const int replicas = *rc::gen::inRange(1, static_cast<int>(kReplicasMax) + 1);
  ring.PrepareOwners(replicas);

  std::set<std::uint32_t> zones, regions;
  for (const Ring::Domain& domain : ring.domains()) {
    zones.insert(domain.zone);
    regions.insert(domain.region);
  }
  for (std::uint32_t p = 0; p < partitions; ++p) {
    const PreferenceList list = ring.PreferenceListOf(PartitionId(p), replicas, members.size());
    RC_ASSERT(OwnersOf(ring, p, replicas) == list.owners);
    RC_ASSERT(list.owners.front() == ring.OwnerOf(PartitionId(p)));
    // Fallbacks come from the same table, as many as may be asked (paper 4.6).
    const Ring::Owners fallbacks = ring.FallbacksOf(PartitionId(p), replicas);
    RC_ASSERT(std::vector<NodeId>(fallbacks.begin(), fallbacks.end()) ==
              ring.PreferenceListOf(PartitionId(p), replicas, kFallbacksMax).fallbacks);
    // Owners and fallbacks are all members, each once.
    std::set<NodeId> all(list.owners.begin(), list.owners.end());
    all.insert(list.fallbacks.begin(), list.fallbacks.end());
    RC_ASSERT(all.size() == members.size());
    RC_ASSERT(list.owners.size() + list.fallbacks.size() == members.size());
    // As many zones and regions among the owners as there can be.
    std::set<std::uint32_t> owner_zones, owner_regions;
    for (const NodeId owner : list.owners) {
      const auto index = static_cast<std::size_t>(ring.FindMember(owner) - ring.members().data());
      owner_zones.insert(ring.domains()[index].zone);
      owner_regions.insert(ring.domains()[index].region);
    }
    const std::size_t copies = list.owners.size();
    RC_ASSERT(copies == std::min<std::size_t>(static_cast<std::size_t>(replicas), members.size()));
    RC_ASSERT(owner_zones.size() == std::min(copies, zones.size()));
    RC_ASSERT(owner_regions.size() == std::min(copies, regions.size()));
  }
}

}  // namespace
}  // namespace gyre
