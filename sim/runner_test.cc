// Whole worlds: a few seeds without violations, the same seed twice, and planted bugs found.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "sim/runner.h"

namespace gyre::sim {
namespace {

std::string TextOf(const SeedResult& result) {
  std::string text = "gyre-sim --seed " + std::to_string(result.seed);
  for (const Violation& violation : result.violations) {
    text += "\n" + std::string(CheckerName(violation.checker)) + ": " + violation.text;
  }
  return text;
}

// Goal: no invariant breaks, and the same seed gives the same trace (G9). CI runs many more through
// gyre-sim --seeds.
TEST(RunnerTest, SeedsRunCleanAndAlikeTwice) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const SeedResult result = RunSeedTwice(seed, {});
    EXPECT_TRUE(result.ok()) << TextOf(result);
  }
}

// Goal: seeds that once showed a fault of the core or of the simulator stay clean.
TEST(RunnerTest, SeedsThatOnceFailedRunClean) {
  for (const std::uint64_t seed : {46, 68, 86, 141, 147, 221, 239, 361, 389, 536, 549, 645, 651,
                                   682, 696, 1340, 2178, 11878}) {
    const SeedResult result = RunSeed(seed, {});
    EXPECT_TRUE(result.ok()) << TextOf(result);
  }
  RunOptions changes;
  changes.spec.changes = true;
  for (const std::uint64_t seed :
       {104, 122, 201, 355, 380, 399, 420, 470, 488, 1331, 1398, 1561, 1818, 2018}) {
    const SeedResult result = RunSeed(seed, changes);
    EXPECT_TRUE(result.ok()) << TextOf(result);
  }
  RunOptions plans;
  plans.spec.plans = true;
  for (const std::uint64_t seed : {874, 1399, 2548, 4164}) {
    const SeedResult result = RunSeed(seed, plans);
    EXPECT_TRUE(result.ok()) << TextOf(result);
  }
}

// Goal: each kind of change is decided, alone and with others.
TEST(RunnerTest, PlansHoldEveryChange) {
  RunOptions options;
  options.spec.plans = true;
  std::array<std::uint64_t, Operator::kChanges> decided{};
  std::uint64_t together = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const SeedResult result = RunSeed(seed, options);
    EXPECT_TRUE(result.ok()) << TextOf(result);
    for (std::size_t i = 0; i < decided.size(); ++i) decided[i] += result.changes.decided[i];
    together += result.changes.together;
  }
  for (std::size_t i = 0; i < decided.size(); ++i) {
    EXPECT_GT(decided[i], 0u) << ChangeName(static_cast<Operator::Change>(i));
  }
  EXPECT_GT(together, 0u);
}

TEST(RunnerTest, DifferentSeedsGiveDifferentTraces) {
  EXPECT_NE(RunSeed(1, {}).trace_hash, RunSeed(2, {}).trace_hash);
}

TEST(RunnerTest, NodesAndOperationsAreAsAsked) {
  RunOptions options;
  options.spec.nodes = 4;
  options.spec.ops = 100;
  const SeedResult result = RunSeed(5, options);
  EXPECT_TRUE(result.ok()) << TextOf(result);
  EXPECT_EQ(result.description.substr(0, 7), "4 nodes");
}

// Goal: deletes with an owner away are purged once it is back, in each way that it can be away;
// what a purge makes possible (old copies, disks that went back) is met, and not only by chance.
TEST(RunnerTest, RarePathsAreReached) {
  const std::vector<RarePath>& paths = RarePaths();
  std::vector<std::uint64_t> reached(paths.size());
  constexpr std::uint64_t kSeedsMax = 300;
  std::uint64_t seed = 0;
  while (std::count(reached.begin(), reached.end(), 0u) > 0 && ++seed <= kSeedsMax) {
    const SeedResult result = RunSeed(seed, {});
    EXPECT_TRUE(result.ok()) << TextOf(result);
    for (std::size_t i = 0; i < paths.size(); ++i) reached[i] += paths[i].count(result);
  }
  for (std::size_t i = 0; i < paths.size(); ++i) EXPECT_GT(reached[i], 0u) << paths[i].name;
}

// Goal: each checker can fail: every planted bug is reported by the checkers named for it.
class PlantedBugTest : public ::testing::TestWithParam<std::size_t> {};
TEST_P(PlantedBugTest, IsCaughtByTheCheckersNamedForIt) {
  const PlantInfo& plant = PlantedBugs()[GetParam()];
  const PlantTrial trial = TryPlant(plant, plant.seed_first, kPlantSeeds, {});
  EXPECT_TRUE(trial.caught) << plant.name << " was not caught in " << trial.seeds_run << " seeds";
}
INSTANTIATE_TEST_SUITE_P(All, PlantedBugTest, ::testing::Range<std::size_t>(0, 42),
                         [](const auto& param) {
                           std::string name;
                           for (const char c : PlantedBugs()[param.param].name) {
                             name += c == '-' ? '_' : c;
                           }
                           return name;
                         });
TEST(PlantedBugsTest, AllAreTried) { EXPECT_EQ(PlantedBugs().size(), 42u); }

}  // namespace
}  // namespace gyre::sim
