#include "server/cluster_alarms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace gyre {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

ClusterAlarms::Notice Of(AlarmKind kind, std::string subject) {
  return {.kind = kind, .subject = std::move(subject), .node = "n2", .detail = "so it is"};
}

// Goal: what cannot mend itself is told at once, and once, however often it is seen; and once more
// when it has not been seen for long enough.
TEST(ClusterAlarmsTest, RaisedOnceAndOverOnce) {
  ClusterAlarms alarms;
  Instant now{1'000'000};
  EXPECT_THAT(alarms.Look(now), IsEmpty());
  for (int i = 0; i < 3; ++i) {
    alarms.See(Of(AlarmKind::kDoubleIdentity, "n2"), now);
    const auto told = alarms.Look(now);
    ASSERT_THAT(told, SizeIs(i == 0 ? 1 : 0));
    if (i == 0) {
      EXPECT_FALSE(told[0].over);
      EXPECT_EQ(told[0].detail, "so it is");
    }
    now = now + Duration::Seconds(200);
    EXPECT_THAT(alarms.Look(now), IsEmpty());
  }
  EXPECT_EQ(alarms.raised(AlarmKind::kDoubleIdentity), 1u);
  EXPECT_EQ(alarms.raised(AlarmKind::kOtherLineage), 0u);
  now = now + Duration::Seconds(100);
  const auto over = alarms.Look(now);
  ASSERT_THAT(over, SizeIs(1));
  EXPECT_TRUE(over[0].over);
  EXPECT_EQ(alarms.raised(AlarmKind::kDoubleIdentity), 0u);
  EXPECT_THAT(alarms.Look(now), IsEmpty());
}

// Goal: who still has the old layout when it is told of is named, and not who had it for a moment.
TEST(ClusterAlarmsTest, NamesWhoStaysWithALayout) {
  ClusterAlarms alarms;
  Instant now{1'000'000};
  alarms.See(Of(AlarmKind::kOtherLayout, "4"), now);
  for (int i = 0; i <= 60; ++i) {
    ClusterAlarms::Notice stays = Of(AlarmKind::kOtherLayout, "4");
    stays.node = "n3";
    alarms.See(stays, now);
    now = now + Duration::Seconds(1);
  }
  const auto told = alarms.Look(now);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].node, "n3");
}

// Goal: another layout is what any change of members looks like for a moment: an alarm only if the
// same one stays.
TEST(ClusterAlarmsTest, AnotherLayoutMustStay) {
  ClusterAlarms alarms;
  Instant now{1'000'000};
  for (int i = 0; i <= 59; ++i) {
    alarms.See(Of(AlarmKind::kOtherLayout, "stays"), now);
    alarms.See(Of(AlarmKind::kOtherLayout, "passing " + std::to_string(i)), now);
    EXPECT_THAT(alarms.Look(now), IsEmpty());
    now = now + Duration::Seconds(1);
  }
  alarms.See(Of(AlarmKind::kOtherLayout, "stays"), now);
  const auto told = alarms.Look(now);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].subject, "stays");
  // What was seen once, and long ago, does not count.
  now = now + Duration::Seconds(121);
  EXPECT_THAT(alarms.Look(now), SizeIs(1));
  alarms.See(Of(AlarmKind::kOtherLayout, "passing 1"), now);
  EXPECT_THAT(alarms.Look(now), IsEmpty());
}

TEST(ClusterAlarmsTest, Bounded) {
  ClusterAlarms alarms;
  for (std::size_t i = 0; i < 2 * ClusterAlarms::kSubjectsMax; ++i) {
    alarms.See(Of(AlarmKind::kOtherLineage, std::to_string(i)), Instant{});
  }
  EXPECT_THAT(alarms.Look(Instant{}), SizeIs(ClusterAlarms::kSubjectsMax));
  EXPECT_EQ(alarms.raised(AlarmKind::kOtherLineage), ClusterAlarms::kSubjectsMax);
}

}  // namespace
}  // namespace gyre
