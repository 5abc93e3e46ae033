#include "core/ring/claim_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <numeric>

#include "core/ring/ring.h"

namespace gyre {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

using Counts = std::vector<std::uint32_t>;

std::uint64_t Sum(const Counts& values) {
  return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

// The share rounded down or up, and all partitions given out.
bool InQuota(const Counts& counts, const Counts& weights, std::uint64_t partitions) {
  if (Sum(counts) != partitions) return false;
  const std::uint64_t total = Sum(weights);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::uint64_t scaled = partitions * weights[i];
    if (counts[i] < scaled / total || counts[i] > (scaled + total - 1) / total) return false;
  }
  return true;
}

// Goal: shares in proportion to weight; equal nodes differ by one at the most.
TEST(ClaimCountsTest, SharesFollowWeights) {
  EXPECT_THAT(FairCounts({1, 1, 1}, 256, 3), UnorderedElementsAre(85, 85, 86));
  EXPECT_THAT(FairCounts({2, 1, 1}, 256, 3), ElementsAre(128, 64, 64));
  EXPECT_THAT(FairCounts({1}, 16, 3), ElementsAre(16));
  EXPECT_THAT(FairCounts({10'000, 1}, 4, 3), ElementsAre(3, 1));
}

// Goal: a node of exactly a third gets 85 of 256, since 86 cannot lie three apart.
TEST(ClaimCountsTest, RoundsDownWhatCouldNotLieApart) {
  const Counts counts = FairCounts({2, 1, 1, 1, 1}, 256, 3);
  EXPECT_EQ(counts[0], 85u);
  EXPECT_TRUE(InQuota(counts, {2, 1, 1, 1, 1}, 256));
}

// Goal: a join takes evenly from equal nodes.
TEST(ClaimCountsTest, JoinTakesFromAll) {
  const JoinCounts join = CountsOfJoin({85, 85, 86, 0}, {1, 1, 1, 1}, /*joiner=*/3, 3);
  EXPECT_EQ(join.taken, 64u);
  EXPECT_THAT(join.given, ElementsAre(21, 21, 22, 0));
}

// Goal: from a ring that is out of balance the fullest give, and nobody else.
TEST(ClaimCountsTest, JoinTakesFromTheFullest) {
  const JoinCounts join = CountsOfJoin({60, 2, 2, 0}, {1, 1, 1, 1}, /*joiner=*/3, 3);
  EXPECT_EQ(join.taken, 16u);
  EXPECT_THAT(join.given, ElementsAre(16, 0, 0, 0));
}

// Goal: the claim of claim_counts.h, that any series of joins stays in quota.
RC_GTEST_PROP(ClaimCountsPropertyTest, AnySeriesOfJoinsStaysInQuota, ()) {
  const std::uint64_t partitions = std::uint64_t{1} << *rc::gen::inRange(6, 15);
  const auto weight_max = *rc::gen::element<std::uint32_t>(1, 2, 4, 10, 1000, kWeightMax);
  const auto draw = [&] { return *rc::gen::inRange<std::uint32_t>(1, weight_max + 1); };
  Counts weights;
  const int founders = *rc::gen::inRange(1, 30);
  for (int i = 0; i < founders; ++i) weights.push_back(draw());
  // N = 1: the rounding for windows, which may cost one partition, has its own test.
  Counts counts = FairCounts(weights, partitions, /*replicas=*/1);
  RC_ASSERT(InQuota(counts, weights, partitions));
  const int joins = *rc::gen::inRange(1, 60);
  for (int i = 0; i < joins && counts.size() < partitions; ++i) {
    counts.push_back(0);
    weights.push_back(draw());
    const JoinCounts join = CountsOfJoin(counts, weights, counts.size() - 1, /*replicas=*/1);
    RC_ASSERT(Sum(join.given) == join.taken);
    for (std::size_t k = 0; k < counts.size(); ++k) counts[k] -= join.given[k];
    counts.back() = join.taken;
    RC_ASSERT(InQuota(counts, weights, partitions));
  }
}

}  // namespace
}  // namespace gyre
