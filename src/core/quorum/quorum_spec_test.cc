#include "core/quorum/quorum_spec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

#include "core/config.h"

namespace gyre {
namespace {

// Goal: every way to write a quorum is understood, and comes back as it was written.
TEST(QuorumSpecTest, ParsesWhatItPrints) {
  EXPECT_EQ(QuorumSpec::Parse("one").value(), QuorumSpec::One());
  EXPECT_EQ(QuorumSpec::Parse("QUORUM").value(), QuorumSpec::Quorum());
  EXPECT_EQ(QuorumSpec::Parse("All").value(), QuorumSpec::All());
  EXPECT_EQ(QuorumSpec::Parse("1").value(), QuorumSpec::Number(1));
  EXPECT_EQ(QuorumSpec::Parse("12").value(), QuorumSpec::Number(12));
  EXPECT_EQ(QuorumSpec(), QuorumSpec::Quorum());
  for (const char* text : {"one", "quorum", "all", "local_quorum", "each_quorum", "1", "7", "12"}) {
    EXPECT_EQ(QuorumSpec::Parse(text).value().ToString(), text);
  }
}

// Goal: what is no quorum is refused with a sentence that names what is.
TEST(QuorumSpecTest, RefusesTheRest) {
  for (const char* text :
       {"", "0", "-1", "+2", "13", "99999999999", "2x", " 2", "two", "on", "oneone"}) {
    const Result<QuorumSpec> spec = QuorumSpec::Parse(text);
    ASSERT_FALSE(spec) << "'" << text << "'";
    EXPECT_EQ(spec.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(spec.error().message.find(
                  "one, quorum, all, local_quorum, each_quorum, or a number from 1 to 12"),
              std::string::npos);
  }
}

// Goal: with N = 3 and three nodes, the counts are the paper's.
// Paper 4.5
TEST(QuorumSpecTest, ResolvesAgainstAllCopies) {
  EXPECT_EQ(QuorumSpec::One().Resolve(3, 3).value(), 1);
  EXPECT_EQ(QuorumSpec::Quorum().Resolve(3, 3).value(), 2);
  EXPECT_EQ(QuorumSpec::Quorum().Resolve(4, 4).value(), 3);
  EXPECT_EQ(QuorumSpec::All().Resolve(3, 3).value(), 3);
  EXPECT_EQ(QuorumSpec::Number(2).Resolve(3, 3).value(), 2);
}

// Goal: one node alone works with N = 3, R = W = 2, or all.
TEST(QuorumSpecTest, ResolvesAgainstFewerNodesThanN) {
  EXPECT_EQ(QuorumSpec::Quorum().Resolve(3, 1).value(), 1);
  EXPECT_EQ(QuorumSpec::Quorum().Resolve(3, 2).value(), 2);
  EXPECT_EQ(QuorumSpec::All().Resolve(3, 2).value(), 2);
  EXPECT_EQ(QuorumSpec::Number(2).Resolve(3, 1).value(), 1);
  EXPECT_EQ(QuorumSpec::Number(3).Resolve(3, 2).value(), 2);
}

// Goal: asking for more copies than can ever exist is an error at once, not a timeout.
TEST(QuorumSpecTest, RefusesMoreThanN) {
  for (const int copies : {1, 3}) {
    const Result<int> count = QuorumSpec::Number(4).Resolve(3, copies);
    ASSERT_FALSE(count);
    EXPECT_EQ(count.error().code, ErrorCode::kInvalidArgument);
  }
}

// Goal: two quorums always overlap, whatever N and however few nodes.
// Paper 4.5: R + W > N
RC_GTEST_PROP(QuorumSpecPropertyTest, QuorumsOverlapAndNothingExceedsTheCopies, ()) {
  const int replicas = *rc::gen::inRange(1, static_cast<int>(kReplicasMax) + 1);
  const int copies = *rc::gen::inRange(1, replicas + 1);
  RC_ASSERT(2 * QuorumSpec::Quorum().Resolve(replicas, copies).value() > copies);
  const auto number = *rc::gen::inRange<std::uint8_t>(1, static_cast<std::uint8_t>(replicas + 1));
  for (const QuorumSpec spec :
       {QuorumSpec::One(), QuorumSpec::Quorum(), QuorumSpec::All(), QuorumSpec::Number(number)}) {
    const int count = spec.Resolve(replicas, copies).value();
    RC_ASSERT(count >= 1);
    RC_ASSERT(count <= copies);
  }
}

}  // namespace
}  // namespace gyre
