#include "core/quorum/joint_tally.h"

#include <gtest/gtest.h>

#include <vector>

namespace gyre {
namespace {

const NodeId A(1), B(2), C(3), D(4), E(5), F(6);

struct SetNeeds {
  int now = 1;
  int from = 1;
};

// One group for each owner set; none of before: one.
JointTally TallyOf(const SetNeeds& needs, const std::vector<NodeId>& now,
                   const std::vector<NodeId>& from) {
  NodeList owners;
  std::vector<QuorumGroup> groups;
  for (const auto* set : {&now, &from}) {
    if (set->empty()) continue;
    QuorumGroup group{0, set == &now ? needs.now : needs.from};
    for (const NodeId node : *set) {
      if (!owners.Contains(node)) owners.push_back(node);
      const auto place = std::find(owners.begin(), owners.end(), node) - owners.begin();
      group.members |= 1U << place;
    }
    groups.push_back(group);
  }
  return {from.empty() ? QuorumNeeds(needs.now) : QuorumNeeds(groups), owners};
}

// As it should be, counted anew from all that was said.
struct Model {
  SetNeeds needs;
  std::vector<NodeId> now, from;
  std::vector<NodeId> asked, ok, failed;

  static int Count(const std::vector<NodeId>& said, const std::vector<NodeId>& set) {
    int count = 0;
    for (const NodeId owner : said) count += std::count(set.begin(), set.end(), owner) > 0;
    return count;
  }
  bool Reached(const std::vector<NodeId>& set, int needed) const {
    return Count(ok, set) >= needed;
  }
  bool Possible(const std::vector<NodeId>& set, int needed) const {
    return Reached(set, needed) || Count(asked, set) - Count(failed, set) >= needed;
  }
  Standing standing() const {
    if (!Possible(now, needs.now) || !Possible(from, needs.from)) return Standing::kImpossible;
    return Reached(now, needs.now) && Reached(from, needs.from) ? Standing::kReached
                                                                : Standing::kPending;
  }
};

// Goal: whoever answers, in whatever order, a quorum of each set decides, and of no union of them;
// a node in both counts in both.
TEST(JointTallyTest, AQuorumOfEachSetDecides) {
  const std::vector<std::vector<NodeId>> befores = {{A, B, C}, {B, C, D}, {D, E, F}, {A}};
  for (const std::vector<NodeId>& from : befores) {
    for (int now_needed = 1; now_needed <= 3; ++now_needed) {
      const int from_needed = std::min<int>(now_needed, static_cast<int>(from.size()));
      Model model{{now_needed, from_needed}, {A, B, C}, from, {}, {}, {}};
      const std::vector<NodeId> all = {A, B, C, D, E, F};
      for (unsigned good = 0; good < 64; ++good) {
        JointTally tally = TallyOf(model.needs, model.now, model.from);
        model.asked = all;
        model.ok.clear();
        model.failed.clear();
        for (const NodeId node : all) tally.AddAsked(node);
        for (std::size_t i = 0; i < all.size(); ++i) {
          EXPECT_EQ(tally.standing(), model.standing());
          const bool answers = (good >> i & 1) != 0;
          (answers ? model.ok : model.failed).push_back(all[i]);
          answers ? tally.AddOk(all[i]) : tally.AddFailed(all[i]);
        }
        EXPECT_EQ(tally.standing(), model.standing());
        EXPECT_TRUE(tally.all_answered());
      }
    }
  }
}

// Goal: as many answers as both quorums need, all of one set, are none of the other.
TEST(JointTallyTest, OneSetDoesNotAnswerForTheOther) {
  const std::vector<NodeId> now = {D, E, F}, from = {A, B, C};
  JointTally tally = TallyOf({2, 2}, now, from);
  for (const NodeId node : {A, B, C, D, E, F}) tally.AddAsked(node);
  for (const NodeId node : {A, B, C, D}) tally.AddOk(node);
  EXPECT_EQ(tally.standing(), Standing::kPending);
  EXPECT_EQ(tally.ok(), 1);  // of the set that is behind
  EXPECT_EQ(tally.needed(), 2);
  EXPECT_FALSE(tally.all_answered());
  JointTally other_way = TallyOf({1, 3}, from, now);
  for (const NodeId node : {A, D}) other_way.AddAsked(node);
  for (const NodeId node : {A, D}) other_way.AddOk(node);
  EXPECT_EQ(other_way.needed() - other_way.ok(), 2);
  tally.AddFailed(E);
  tally.AddFailed(F);
  EXPECT_EQ(tally.standing(), Standing::kImpossible);
}

// Goal: nobody was asked yet, so nothing can be reached; who is asked later takes that back.
TEST(JointTallyTest, WhoIsAskedLaterCounts) {
  const std::vector<NodeId> now = {A, B}, from = {B, C};
  JointTally tally = TallyOf({1, 1}, now, from);
  EXPECT_EQ(tally.standing(), Standing::kImpossible);
  tally.AddAsked(A);
  EXPECT_EQ(tally.standing(), Standing::kImpossible);
  tally.AddAsked(B);  // in both
  EXPECT_EQ(tally.standing(), Standing::kPending);
  tally.AddOk(B);
  EXPECT_EQ(tally.standing(), Standing::kReached);
}

// Goal: a quorum of each region decides, and answers of a region without a group are awaited, but
// count for nothing.
TEST(JointTallyTest, RegionsHaveQuorumsOfTheirOwn) {
  NodeList owners;
  for (const NodeId node : {A, B, C, D, E}) owners.push_back(node);
  const QuorumGroup near{0b00111, 2}, far{0b11000, 2};
  JointTally local(QuorumNeeds(std::vector<QuorumGroup>{near}), owners);
  JointTally each(QuorumNeeds(std::vector<QuorumGroup>{near, far}), owners);
  for (const NodeId node : owners) {
    local.AddAsked(node);
    each.AddAsked(node);
  }
  for (const NodeId node : {D, E}) {
    local.AddOk(node);
    each.AddOk(node);
  }
  EXPECT_EQ(local.standing(), Standing::kPending);
  EXPECT_EQ(each.standing(), Standing::kPending);
  for (const NodeId node : {A, C}) {
    local.AddOk(node);
    each.AddOk(node);
  }
  EXPECT_EQ(local.standing(), Standing::kReached);
  EXPECT_EQ(each.standing(), Standing::kReached);
  EXPECT_FALSE(local.all_answered());
  local.AddFailed(B);
  EXPECT_TRUE(local.all_answered());

  JointTally cut(QuorumNeeds(std::vector<QuorumGroup>{near, far}), owners);
  for (const NodeId node : owners) cut.AddAsked(node);
  for (const NodeId node : {A, B, C, D}) cut.AddOk(node);
  cut.AddFailed(E);
  EXPECT_EQ(cut.standing(), Standing::kImpossible);
}

// Goal: without owners of before it is a plain tally, and whoever answers counts.
TEST(JointTallyTest, OneSetIsAPlainTally) {
  const std::vector<NodeId> now = {A, B, C};
  JointTally tally = TallyOf({2, 7}, now, {});
  for (const NodeId node : now) tally.AddAsked(node);
  tally.AddOk(A);
  tally.AddFailed(C);
  EXPECT_EQ(tally.standing(), Standing::kPending);
  tally.AddOk(B);
  EXPECT_EQ(tally.standing(), Standing::kReached);
  EXPECT_EQ(tally.needed(), 2);
  EXPECT_TRUE(tally.all_answered());
}

}  // namespace
}  // namespace gyre
