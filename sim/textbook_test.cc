// The scenarios that the paper tells, on the production core.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/script.h"

namespace gyre::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const VersionVector kSeenNothing;

// Goal: versions evolve as in the paper's figure 3. Paper 4.4.
TEST(TextbookTest, VersionEvolutionOverTime) {
  Script script(3, /*replicas=*/3, QuorumSpec::One(), QuorumSpec::One());

  // A writes twice.
  const Script::Answer first = script.Put('A', kSeenNothing, "D1");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(script.Clock(first.context()), "[A,1]");
  const Script::Answer second = script.Put('A', first.context(), "D2");
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(script.Clock(second.context()), "[A,2]");
  script.Settle();
  for (const char node : {'A', 'B', 'C'}) {
    EXPECT_EQ(script.Clock(script.Held(node).clock), "[A,2]") << node;
  }

  // A split; B and C each take a write made with that context.
  script.Cut('A', 'B');
  script.Cut('A', 'C');
  script.Cut('B', 'C');
  const Script::Answer third = script.Put('B', second.context(), "D3");
  const Script::Answer fourth = script.Put('C', second.context(), "D4");
  ASSERT_TRUE(third.ok());
  ASSERT_TRUE(fourth.ok());
  EXPECT_EQ(script.Clock(third.context()), "[A,2],[B,1]");
  EXPECT_EQ(script.Clock(fourth.context()), "[A,2],[C,1]");
  script.Settle();

  // The split heals, and a read gives both.
  script.Uncut('A', 'B');
  script.Uncut('A', 'C');
  script.Uncut('B', 'C');
  const Script::Answer read = script.Get('A', QuorumSpec::All());
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read.values(), ElementsAre("D3", "D4"));
  EXPECT_EQ(script.Clock(read.record().clock), "[A,2],[B,1],[C,1]");

  // The client merges them, through A.
  const Script::Answer fifth = script.Put('A', read.record().clock, "D5");
  ASSERT_TRUE(fifth.ok());
  EXPECT_EQ(script.Clock(fifth.context()), "[A,3],[B,1],[C,1]");
  script.Settle();
  const Script::Answer last = script.Get('B', QuorumSpec::All());
  ASSERT_TRUE(last.ok());
  EXPECT_THAT(last.values(), ElementsAre("D5"));
  for (const char node : {'A', 'B', 'C'}) {
    EXPECT_EQ(script.Clock(script.Held(node).clock), "[A,3],[B,1],[C,1]") << node;
  }
  EXPECT_THAT(script.world().judge().violations(), IsEmpty());
}

// Goal: with R + W > N any R owners meet any W: the reader's two are not the writer's two, and
// still it sees the write. Paper 4.5.
TEST(TextbookTest, QuorumsOfTwoAndTwoReadTheirWrites) {
  Script script(3, /*replicas=*/3, QuorumSpec::Number(2), QuorumSpec::Number(2));
  script.Cut('A', 'C');
  const Script::Answer put = script.Put('A', kSeenNothing, "v");
  ASSERT_TRUE(put.ok());
  EXPECT_TRUE(script.Held('C').empty());
  script.Cut('A', 'B');  // the writer is gone; B and C are left
  const Script::Answer read = script.Get('C');
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read.values(), ElementsAre("v"));
  EXPECT_THAT(script.world().judge().violations(), IsEmpty());
}

constexpr std::int64_t kSlow = 100;  // times: C's links with A

void SlowDownC(Script& script) {
  for (const auto& [from, to] : {std::pair('A', 'C'), std::pair('C', 'A')}) {
    script.world().network().SetSlowness(script.index(from), script.index(to), kSlow);
  }
}

// Goal: R = 3, W = 1 writes at the speed of one owner, whatever the others do, and reads at the
// speed of the slowest. Paper 4.5.
TEST(TextbookTest, ReadAllWriteOneWritesFastAndReadsSlowly) {
  Script script(3, /*replicas=*/3, QuorumSpec::All(), QuorumSpec::One());
  SlowDownC(script);
  const Script::Answer put = script.Put('A', kSeenNothing, "v1");
  ASSERT_TRUE(put.ok());
  const Script::Answer read = script.Get('A');
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read.values(), ElementsAre("v1"));
  EXPECT_GT(read.us, 2 * kSlow * script.world().spec().network.latency_us_min);
  EXPECT_LT(put.us, read.us / 2);

  script.Cut('A', 'C');
  EXPECT_TRUE(script.Put('A', put.context(), "v2").ok());
  EXPECT_FALSE(script.Get('A').ok());
  EXPECT_THAT(script.world().judge().violations(), IsEmpty());
}

// Goal: R = 1, W = 3 is the other way round. Paper 4.5, 6 (high performance read engine).
TEST(TextbookTest, ReadOneWriteAllReadsFastAndWritesSlowly) {
  Script script(3, /*replicas=*/3, QuorumSpec::One(), QuorumSpec::All());
  SlowDownC(script);
  const Script::Answer put = script.Put('A', kSeenNothing, "v1");
  ASSERT_TRUE(put.ok());
  const Script::Answer read = script.Get('A');
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read.values(), ElementsAre("v1"));
  EXPECT_GT(put.us, 2 * kSlow * script.world().spec().network.latency_us_min);
  EXPECT_LT(read.us, put.us / 2);

  script.Cut('A', 'C');
  EXPECT_TRUE(script.Get('A').ok());
  const Script::Answer refused = script.Put('A', put.context(), "v2");
  ASSERT_TRUE(refused.result.has_value());
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.result->error().code, ErrorCode::kOutcomeUnknown);  // two owners have it
  EXPECT_THAT(script.world().judge().violations(), IsEmpty());
}

// Goal: R = 2, W = 1 breaks R + W > N, and here is the stale read that it allows. Paper 4.5.
TEST(TextbookTest, QuorumsOfTwoAndOneMayReadStale) {
  Script script(3, /*replicas=*/3, QuorumSpec::Number(2), QuorumSpec::One());
  const Script::Answer old = script.Put('A', kSeenNothing, "old");
  ASSERT_TRUE(old.ok());
  script.Settle();
  script.Cut('A', 'B');
  script.Cut('A', 'C');
  ASSERT_TRUE(script.Put('A', old.context(), "new").ok());
  const Script::Answer read = script.Get('B');
  ASSERT_TRUE(read.ok());
  EXPECT_THAT(read.values(), ElementsAre("old"));
  // No promise was broken: the judge knows that R + W is not more than N.
  EXPECT_THAT(script.world().judge().violations(), IsEmpty());
}

}  // namespace
}  // namespace gyre::sim
