#include "core/membership/member_table.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "core/membership/arbitrary_member.h"

namespace gyre {
namespace {

constexpr NodeId kA(1'000'000);
constexpr NodeId kB(9'000'000);
constexpr Instant kNow{0};
using Merged = MemberTable::Merged;

MemberNews News(NodeId id, std::uint64_t incarnation, Life life, int description = 0) {
  const DescriptionPtr told = DescriptionNumber(description);
  return {id, incarnation, life, told->digest(), told, NodeId()};
}
MemberNews Short(MemberNews news) {
  news.description = nullptr;
  return news;
}

void ExpectSame(const MemberTable& a, const MemberTable& b) {
  RC_ASSERT(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    RC_ASSERT(a.id_at(i) == b.id_at(i));
    RC_ASSERT(a.at(i).incarnation == b.at(i).incarnation);
    RC_ASSERT(a.at(i).life == b.at(i).life);
    RC_ASSERT(a.at(i).description->encoded() == b.at(i).description->encoded());
  }
  RC_ASSERT(a.sum() == b.sum());
  RC_ASSERT(a.sums() == b.sums());
  RC_ASSERT(a.live() == b.live());
  RC_ASSERT(a.tombstones() == b.tombstones());
}

// Goal: commutative, associative, idempotent: whatever order and however often, the same table.
RC_GTEST_PROP(MemberTableProperty, AnyOrderAndDuplicationGivesTheSameTable, ()) {
  const auto news = *rc::gen::container<std::vector<MemberNews>>(rc::gen::exec(AnyNewsOfFew));
  auto other = news;
  for (const MemberNews& each : news) {
    if (*rc::gen::arbitrary<bool>()) other.push_back(each);
  }
  std::vector<MemberNews> shuffled;
  while (!other.empty()) {
    const auto at = *rc::gen::inRange<std::size_t>(0, other.size());
    shuffled.push_back(other[at]);
    other.erase(other.begin() + static_cast<std::ptrdiff_t>(at));
  }
  MemberTable a{MembershipConfig()};
  MemberTable b{MembershipConfig()};
  for (const MemberNews& each : news) a.Merge(each, kNow);
  for (const MemberNews& each : shuffled) b.Merge(each, kNow);
  ExpectSame(a, b);
}

// Goal: the join of two tables is that of all they were told.
RC_GTEST_PROP(MemberTableProperty, TablesThatTakeEachOthersRecordsAreTheSame, ()) {
  MemberTable a{MembershipConfig()};
  MemberTable b{MembershipConfig()};
  for (MemberTable* table : {&a, &b}) {
    const auto news = *rc::gen::container<std::vector<MemberNews>>(rc::gen::exec(AnyNewsOfFew));
    for (const MemberNews& each : news) table->Merge(each, kNow);
  }
  const auto pour = [](const MemberTable& from, MemberTable& into) {
    for (std::size_t i = 0; i < from.size(); ++i) {
      into.Merge(from.NewsOf(from.id_at(i), /*with_description=*/true), kNow);
    }
  };
  pour(a, b);
  pour(b, a);
  ExpectSame(a, b);
}

TEST(MemberTableTest, AHigherIncarnationWinsThenTheMoreSevereLife) {
  MemberTable table{MembershipConfig()};
  EXPECT_EQ(table.Merge(News(kA, 2, Life::kAlive), kNow).merged, Merged::kDescription);
  EXPECT_EQ(table.Merge(News(kA, 1, Life::kDown), kNow).merged, Merged::kNothing);
  EXPECT_EQ(table.Merge(News(kA, 2, Life::kDown), kNow).merged, Merged::kLife);
  EXPECT_EQ(table.Merge(News(kA, 2, Life::kSuspect), kNow).merged, Merged::kNothing);
  EXPECT_EQ(table.Find(kA)->life, Life::kDown);
  EXPECT_EQ(table.live(), 0u);
  const auto outcome = table.Merge(News(kA, 3, Life::kAlive), kNow);
  EXPECT_EQ(outcome.merged, Merged::kLife);
  EXPECT_EQ(outcome.before, Life::kDown);
  EXPECT_EQ(table.live(), 1u);
}

// Goal: a cloned disk is told, not merged in silence, and all end with the same of the two.
TEST(MemberTableTest, TwoDescriptionsOfOneIncarnationAreADoubleIdentity) {
  MemberTable ab{MembershipConfig()};
  MemberTable ba{MembershipConfig()};
  EXPECT_FALSE(ab.Merge(News(kA, 1, Life::kAlive, 1), kNow).double_identity);
  EXPECT_TRUE(ab.Merge(News(kA, 1, Life::kAlive, 2), kNow).double_identity);
  ba.Merge(News(kA, 1, Life::kAlive, 2), kNow);
  EXPECT_TRUE(ba.Merge(News(kA, 1, Life::kAlive, 1), kNow).double_identity);
  EXPECT_EQ(ab.Find(kA)->description->encoded(), ba.Find(kA)->description->encoded());
  // By its digest alone it is seen too, though only the full record could take its place.
  EXPECT_TRUE(ab.Merge(Short(News(kA, 1, Life::kAlive, 3)), kNow).double_identity);
  // Another incarnation is another matter: a node may describe itself anew.
  EXPECT_FALSE(ab.Merge(News(kA, 2, Life::kAlive, 3), kNow).double_identity);
}

TEST(MemberTableTest, NewsWithoutADescriptionIsTakenOnlyForAKnownOne) {
  MemberTable table{MembershipConfig()};
  EXPECT_EQ(table.Merge(Short(News(kA, 1, Life::kAlive)), kNow).merged, Merged::kUnknown);
  EXPECT_EQ(table.size(), 0u);
  table.Merge(News(kA, 1, Life::kAlive), kNow);
  EXPECT_EQ(table.Merge(Short(News(kA, 2, Life::kSuspect)), kNow).merged, Merged::kLife);
  EXPECT_EQ(table.Merge(Short(News(kA, 3, Life::kAlive, 1)), kNow).merged, Merged::kUnknown);
  EXPECT_EQ(table.Find(kA)->incarnation, 2u);
}

// Goal: a change is one addition to one bucket; undone, the sums are as before.
TEST(MemberTableTest, OnlyTheBucketOfAChangeDiffers) {
  MemberTable table{MembershipConfig()};
  table.Merge(News(kA, 1, Life::kAlive), kNow);
  const TableSums before = table.sums();
  const std::uint64_t sum = table.sum();
  table.Merge(News(kB, 1, Life::kAlive), kNow);
  for (std::size_t i = 0; i < kTableBuckets; ++i) {
    EXPECT_EQ(table.sums()[i] == before[i], i != BucketOf(kB)) << i;
  }
  EXPECT_NE(table.sum(), sum);
  std::set<std::uint64_t> seen{table.sum()};
  for (const Life life : {Life::kSuspect, Life::kDown}) {
    table.Merge(News(kB, 1, life), kNow);
    EXPECT_TRUE(seen.insert(table.sum()).second) << LifeName(life);
  }
  EXPECT_EQ(table.BeginOf(BucketOf(kB)), 1u);
  EXPECT_EQ(table.BeginOf(kTableBuckets), 2u);
}

TEST(MemberTableTest, TombstonesFallQuietThenGo) {
  MembershipConfig config;
  config.tombstone_life = Duration::Seconds(100);
  MemberTable table(config);
  const std::uint64_t empty = table.sum();
  table.Merge(News(kA, 1, Life::kLeft), kNow);
  EXPECT_EQ(table.tombstones(), 1u);
  EXPECT_NE(table.sum(), empty);
  table.Age(kNow + Duration::Seconds(49));
  EXPECT_FALSE(table.Find(kA)->quiet);
  table.Age(kNow + Duration::Seconds(50));
  EXPECT_TRUE(table.Find(kA)->quiet);
  EXPECT_EQ(table.sum(), empty);
  // It still keeps old news out.
  EXPECT_EQ(table.Merge(News(kA, 1, Life::kAlive), kNow).merged, Merged::kNothing);
  table.Age(kNow + Duration::Seconds(100));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.sum(), empty);
}

TEST(MemberTableTest, WhoComesBackIsNoTombstone) {
  MembershipConfig config;
  config.tombstone_life = Duration::Seconds(100);
  MemberTable table(config);
  table.Merge(News(kA, 1, Life::kLeft), kNow);
  table.Merge(News(kB, 1, Life::kLeft), kNow + Duration::Seconds(40));
  table.Age(kNow + Duration::Seconds(60));
  table.Merge(News(kA, 2, Life::kAlive), kNow + Duration::Seconds(60));
  EXPECT_EQ(table.tombstones(), 1u);
  EXPECT_FALSE(table.Find(kA)->quiet);
  table.Age(kNow + Duration::Seconds(100));
  EXPECT_TRUE(table.Find(kB)->quiet);
  table.Age(kNow + Duration::Seconds(1000));
  EXPECT_EQ(table.Find(kB), nullptr);
  MemberTable twin(config);
  twin.Merge(News(kA, 2, Life::kAlive), kNow);
  EXPECT_EQ(table.sum(), twin.sum());
}

TEST(MemberTableTest, TombstonesAreBounded) {
  MembershipConfig config;
  config.tombstones_max = 2;
  MemberTable table(config);
  for (std::uint32_t i = 1; i <= 4; ++i) table.Merge(News(NodeId(i), 1, Life::kAlive), kNow);
  for (std::uint32_t i = 1; i <= 3; ++i) table.Merge(News(NodeId(i), 1, Life::kLeft), kNow);
  EXPECT_EQ(table.tombstones(), 2u);
  EXPECT_EQ(table.Find(NodeId(1)), nullptr);
  EXPECT_EQ(table.Merge(News(NodeId(9), 1, Life::kLeft), kNow).merged, Merged::kRefused);
  EXPECT_EQ(table.size(), 3u);
}

TEST(MemberTableTest, MembersAreBounded) {
  MemberTable table{MembershipConfig()};
  for (std::uint32_t i = 1; i <= kNodesMax; ++i)
    table.Merge(News(NodeId(i), 1, Life::kAlive), kNow);
  EXPECT_EQ(table.Merge(News(NodeId(kNodeIdMax), 1, Life::kAlive), kNow).merged, Merged::kRefused);
  EXPECT_EQ(table.size(), kNodesMax);
}

TEST(MemberTableTest, DrawFindsTheOnlyOneAndAllOfMany) {
  MemberTable table{MembershipConfig()};
  for (std::uint32_t i = 1; i <= 200; ++i) {
    table.Merge(News(NodeId(i), 1, i == 77 ? Life::kAlive : Life::kDown), kNow);
  }
  Prng prng(1);
  const auto live = [](NodeId, const MemberTable::Entry& entry) { return IsLive(entry.life); };
  for (int i = 0; i < 20; ++i) EXPECT_EQ(table.Draw(prng, live), NodeId(77));
  const auto none = [](NodeId, const MemberTable::Entry&) { return false; };
  EXPECT_EQ(table.Draw(prng, none), std::nullopt);
  std::set<NodeId> drawn;
  const auto any = [](NodeId, const MemberTable::Entry&) { return true; };
  for (int i = 0; i < 4'000; ++i) drawn.insert(*table.Draw(prng, any));
  EXPECT_EQ(drawn.size(), 200u);
}

}  // namespace
}  // namespace gyre
