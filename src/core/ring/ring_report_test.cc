#include "core/ring/ring_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

using ::testing::HasSubstr;

// Goal: at 64 partitions a node, weights 1..4, from 3 to 1,000 nodes: no node above 1.05 of its
// fair share, a join moves at most its share, and nothing between others.
// Paper 6.2, strategy 3
TEST(RingReportTest, HoldsFrom3To1000Nodes) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const std::vector<RingReportRow> rows = AssessRings({.weight_seed = seed}).value();
    ASSERT_EQ(rows.size(), 12u);
    EXPECT_EQ(rows.front().nodes, 3);
    EXPECT_EQ(rows.back().nodes, 1000);
    for (const RingReportRow& row : rows) {
      EXPECT_GE(row.partitions, 64u * static_cast<unsigned>(row.nodes));
      for (const RingQuality& quality : {row.founded, row.joined}) {
        EXPECT_LE(quality.load_over_fair_share_max, 1.05) << row.nodes;
        EXPECT_LT(quality.fair_share_excess_max, 1) << row.nodes;
      }
      // Distinct neighbours wherever no node is too heavy for that.
      EXPECT_TRUE(row.founded.nodes.least > 0 || row.founded.nodes.found == 0) << row.nodes;
      EXPECT_GT(row.moved, 0u);
      EXPECT_LE(row.moved, row.joiner_share_ceiling) << row.nodes;
      EXPECT_EQ(row.moved_between_others, 0u) << row.nodes;
    }
  }
}

// Goal: the ring stops growing at 65,536 partitions and still has room for the joiner below that.
TEST(RingReportTest, PartitionsFollowTheNodes) {
  const std::vector<RingReportRow> rows =
      AssessRings({.node_counts = {4, 1000}, .partitions_per_node = 1}).value();
  EXPECT_EQ(rows[0].partitions, 8u);
  EXPECT_EQ(rows[1].partitions, 1024u);
  EXPECT_EQ(AssessRings({.node_counts = {10}, .partitions_per_node = 65'536})->at(0).partitions,
            65'536u);
}

TEST(RingReportTest, RefusesOptionsOutOfRange) {
  const auto error_of = [](RingReportOptions options) {
    const auto rows = AssessRings(options);
    if (rows) return std::string("accepted");
    EXPECT_EQ(rows.error().code, ErrorCode::kInvalidArgument);
    return rows.error().message;
  };
  EXPECT_THAT(error_of({.node_counts = {3, 0}}), HasSubstr("number of nodes"));
  EXPECT_THAT(error_of({.node_counts = {10'001}}), HasSubstr("number of nodes"));
  EXPECT_THAT(error_of({.weight_max = 0}), HasSubstr("weight"));
  EXPECT_THAT(error_of({.partitions_per_node = 0}), HasSubstr("partitions per node"));
  EXPECT_THAT(error_of({.replicas = 17}), HasSubstr("replicas"));
  EXPECT_THAT(error_of({.zones = 0}), HasSubstr("zones"));
  EXPECT_THAT(error_of({.zones = 2, .regions = 3}), HasSubstr("regions"));
}

// Goal: the table has a line per size, with the figures under their heads.
TEST(RingReportTest, RendersATable) {
  const RingReportOptions options{.node_counts = {3}, .weight_max = 1};
  const RingReportRow row{.nodes = 3,
                          .partitions = 256,
                          .founded = {.load_over_fair_share_max = 1.0078,
                                      .fair_share_excess_max = 0.667,
                                      .nodes = {.found = 2, .least = 2}},
                          .joined = {.load_over_fair_share_max = 1},
                          .moved = 64,
                          .joiner_share_ceiling = 65,
                          .moved_between_others = 0};
  const std::string text = RenderRingReport(options, {row});
  EXPECT_THAT(text, HasSubstr("N=3, weights 1..1 (seed 1), 3 zones, 1 regions\n"));
  EXPECT_THAT(text, HasSubstr("\n     3    256 | 1.0078  0.667     2/2 "));
  EXPECT_THAT(text, HasSubstr("     64      65      0\n"));
}

}  // namespace
}  // namespace gyre
