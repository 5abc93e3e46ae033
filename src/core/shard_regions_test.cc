// Quorums of a region and near reads, through whole shards (docs/adr/0012-copies-per-region.md).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

// A, B, C in `eu`, D, E, F in `us`; each key has three copies in eu and two in us.
struct ShardRegionsTest : ::testing::Test {
  static KeyspaceConfig Keyspace() {
    KeyspaceConfig keyspace;
    keyspace.regions = {{"eu", 3}, {"us", 2}};
    keyspace.replicas = 5;
    keyspace.read_quorum = keyspace.write_quorum = QuorumSpec::LocalQuorum();
    keyspace.sloppy = false;
    return keyspace;
  }
  static bool InEu(int node) { return node < 3; }

  PutRequest PutOne() { return Put(cluster.Key("k"), "v"); }
  GetRequest GetOne(std::optional<QuorumSpec> read = std::nullopt) {
    return {cluster.Key("k"), {read}};
  }
  void CutRegions(bool noticed) {
    for (int a = 0; a < 6; ++a) {
      for (int b = 0; b < 6; ++b) {
        if (InEu(a) == InEu(b)) continue;
        cluster.cuts.emplace_back(a, b);
        if (noticed) cluster.SetLink(a, b, false);
      }
    }
  }
  TestCluster cluster{6, Keyspace(), {}, {}, {"eu", "eu", "eu", "us", "us", "us"}};
};

// Goal: a get with `local_quorum` sends nothing to the other region; with `quorum` it does.
TEST_F(ShardRegionsTest, GetsAskTheirRegionOnly) {
  ASSERT_TRUE(cluster.Run(0, PutOne()));
  std::set<int> asked;
  cluster.on_flight = [&](const TestCluster::Flight& flight) { asked.insert(flight.to); };
  ASSERT_TRUE(cluster.Run(0, GetOne()));
  ASSERT_TRUE(cluster.Run(1, GetOne(QuorumSpec::One())));
  EXPECT_EQ(asked, (std::set<int>{0, 1, 2}));
  ASSERT_TRUE(cluster.Run(0, GetOne(QuorumSpec::Quorum())));
  EXPECT_GT(asked.size(), 3u);
}

// Goal: both regions write and read while they are cut off from each other, whether they know or
// not; what needs both is refused or not answered.
TEST_F(ShardRegionsTest, EachRegionGoesOnAlone) {
  for (const bool noticed : {false, true}) {
    CutRegions(noticed);
    for (int node = 0; node < 6; ++node) {
      EXPECT_TRUE(cluster.Run(node, PutOne())) << node;
      const ClientResult got = cluster.Run(node, GetOne());
      ASSERT_TRUE(got) << node;
      EXPECT_FALSE(std::get<GetOutcome>(*got).record.siblings.empty());
    }
  }
  const ClientResult all = cluster.Run(3, GetOne(QuorumSpec::EachQuorum()));
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, ErrorCode::kUnavailable);
}

// Goal: without a majority of its own region a `local_quorum` is refused: that of another region
// would be another promise.
TEST_F(ShardRegionsTest, NoOtherRegionAnswersForIt) {
  for (const int node : {1, 2}) {
    for (int other = 0; other < 6; ++other) {
      if (other != node) cluster.SetLink(other, node, false);
    }
  }
  const ClientResult got = cluster.Run(0, GetOne());
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::kUnavailable);
  EXPECT_TRUE(cluster.Run(3, GetOne()));
}

// Goal: who knows no quorums of regions is not sent one: it would take the frame for damage, and
// cut the link.
TEST_F(ShardRegionsTest, OlderNodesAreNotAsked) {
  int stranger = 3;  // owns no copy of the key
  const auto explained = *cluster.Run(0, ExplainRequest{cluster.Key("k"), {}});
  const auto& copies = std::get<ExplainOutcome>(explained).copies;
  while (std::any_of(copies.begin(), copies.end(), [&](const ExplainOutcome::Copy& copy) {
    return copy.node == cluster.node(stranger).id();
  })) {
    ++stranger;
  }
  ASSERT_LT(stranger, 6);
  ASSERT_TRUE(cluster.Run(stranger, GetOne(QuorumSpec::LocalQuorum())));
  cluster.link_terms.version = FirstVersionOf(Feature::kRegions) - 1;
  for (int other = 0; other < 6; ++other) {
    if (other == stranger) continue;
    cluster.SetLink(stranger, other, false);
    cluster.SetLink(stranger, other, true);
  }
  bool forwarded = false;
  bool scanned = false;
  cluster.on_flight = [&](const TestCluster::Flight& flight) {
    forwarded = forwarded || std::holds_alternative<ForwardGet>(flight.message);
    const auto* scan = std::get_if<ReplicaScan>(&flight.message);
    if (scan == nullptr) return;
    scanned = true;
    EXPECT_FALSE(scan->request.options.names_regions());
  };
  const ClientResult refused = cluster.Run(stranger, GetOne(QuorumSpec::LocalQuorum()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE(forwarded);
  EXPECT_TRUE(cluster.Run(stranger, GetOne(QuorumSpec::All())));
  EXPECT_TRUE(forwarded);
  // A scan by the same connection needs no quorum.
  const Ring& ring = cluster.ring();
  ScanRequest scan{KeyspaceId(0), ring.PartitionOf(cluster.Key("k").token), ring.partition_bits()};
  scan.options = GetOne(QuorumSpec::LocalQuorum()).options;
  EXPECT_TRUE(cluster.Run(stranger, scan));
  EXPECT_TRUE(scanned);
}

}  // namespace
}  // namespace gyre::testing
