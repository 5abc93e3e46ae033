#include "server/notices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "net/net_test_util.h"

namespace gyre {
namespace {

using testing::HasSubstr;

ServerConfig TwoNodes() {
  ServerConfig config;
  config.node_name = "a";
  config.members = {{"a", {"h", 1}, 1, "", ""}, {"b", {"h", 2}, 1, "", ""}};
  GYRE_CHECK(FinishConfig(config).has_value());
  return config;
}

NodeStats Seen(const char* peer, bool up) {
  NodeStats stats;
  stats.peers.push_back({NodeIdOf(peer), peer, "h:2", up});
  return stats;
}

// Goal: what is told goes to the log once, and the numbers agree with it.
TEST(NoticesTest, DeadAndBackAreLoggedAndCounted) {
  ServerConfig config = TwoNodes();
  config.dead_notice_after = Duration::Micros(1);  // two looks
  const std::unique_ptr<Reactor> reactor = NewReactor();
  RecordingLog log;
  StatsBoard board(1);
  Notices notices(config, board, *reactor, log, 1);
  notices.Start();
  const auto stats = [&](bool up) {
    NodeStats seen = Seen("b", up);
    notices.AddTo(seen);
    return seen;
  };
  EXPECT_FALSE(stats(false).peers[0].dead);
  ASSERT_TRUE(TurnUntil({reactor.get()}, [&] { return stats(false).peers[0].dead; }));
  EXPECT_TRUE(log.Has({"node_dead", "node=b", "address=h:2", "away_ms=", "gyre status"}))
      << log.Text();
  EXPECT_GT(stats(false).peers[0].away, Duration{});
  EXPECT_EQ(stats(false).dead_notices, 1u);
  board.Publish(ShardId(0), Seen("b", true));
  ASSERT_TRUE(TurnUntil({reactor.get()}, [&] { return !stats(true).peers[0].dead; }));
  EXPECT_TRUE(log.Has({"node_back", "node=b", "address=h:2", "away_ms="})) << log.Text();
  EXPECT_EQ(log.Count({"node_"}), 2u);
  EXPECT_EQ(stats(true).dead_notices, 1u);
  EXPECT_EQ(stats(true).webhook.ok + stats(true).webhook.failed, 0u);
}

// Goal: who joins is told of too, and who is no member any more is not.
TEST(NoticesTest, MembersComeAndGo) {
  ServerConfig config = TwoNodes();
  config.dead_notice_after = Duration::Micros(1);
  const std::unique_ptr<Reactor> reactor = NewReactor();
  RecordingLog log;
  StatsBoard board(1);
  Notices notices(config, board, *reactor, log, 1);
  ServerConfig later = config;
  later.members[1] = {"c", {"h", 3}, 1, "", ""};
  notices.SetMembers(**MakeClusterView(later));
  notices.Start();
  ASSERT_TRUE(TurnUntil({reactor.get()}, [&] { return log.Has({"node_dead", "node=c"}); }));
  EXPECT_FALSE(log.Has({"node_dead", "node=b"})) << log.Text();
}

// Goal: what only people can mend is told at once, once, loudly, with what to do.
TEST(NoticesTest, AlarmsAreLoggedAndCounted) {
  const ServerConfig config = TwoNodes();
  const std::unique_ptr<Reactor> reactor = NewReactor();
  RecordingLog log;
  StatsBoard board(1);
  Notices notices(config, board, *reactor, log, 1);
  notices.Start();
  const ClusterAlarms::Notice sight{.kind = AlarmKind::kDoubleIdentity,
                                    .subject = "b",
                                    .node = "b",
                                    .detail = "two nodes run as b"};
  notices.See(sight);
  notices.See(sight);
  ASSERT_TRUE(TurnUntil({reactor.get()}, [&] { return log.Has({"double_identity"}); }));
  EXPECT_TRUE(log.Has({"double_identity", "two nodes run as b", "node=b", "gyre serve"}))
      << log.Text();
  EXPECT_EQ(log.Count({"double_identity"}), 1u);
  NodeStats stats;
  notices.AddTo(stats);
  EXPECT_EQ(stats.alarms[static_cast<std::size_t>(AlarmKind::kDoubleIdentity)], 1u);
  EXPECT_EQ(stats.alarm_notices, 1u);
}

// Goal: what a webhook is sent is said in docs/http.md, and stays so.
TEST(NoticesTest, BodyOfAnAlarm) {
  ClusterAlarms::Notice notice{.kind = AlarmKind::kOtherLayout,
                               .subject = "7",
                               .node = "b",
                               .detail = "node b stays with layout 7"};
  const ServerConfig config = TwoNodes();
  EXPECT_EQ(NoticeJson(config, notice, WallTime{1'769'860'800'123}),
            "{\"event\":\"other_layout\",\"cluster\":\"gyre\",\"node\":\"b\",\"told_by\":\"a\","
            "\"detail\":\"node b stays with layout 7\",\"time\":\"2026-01-31T12:00:00.123Z\","
            "\"next\":\"Run \\\"gyre cluster status\\\" at b and here, and look into its log for "
            "layout_not_stored: a node takes the newest layout from the others, unless its disk "
            "takes nothing. Mend that and start b again.\"}");
  notice.over = true;
  EXPECT_EQ(EventName(notice), "other_layout_over");
  notice.kind = AlarmKind::kOtherLineage;
  EXPECT_EQ(EventName(notice), "other_lineage_over");
  notice.over = false;
  EXPECT_THAT(NextStepText(notice), HasSubstr("gyre serve --name NAME"));
}

// Goal: what a webhook is sent is said in docs/http.md, and stays so.
TEST(NoticesTest, BodySaysWhoWhereAndWhatToDo) {
  const ServerConfig config = TwoNodes();
  const DeadNodes::Notice dead{NodeIdOf("b"), true, Duration::Millis(61'250)};
  const Member b = RingMembers(config)[1];
  EXPECT_EQ(NoticeJson(config, dead, b, WallTime{1'769'860'800'123}),
            "{\"event\":\"node_dead\",\"cluster\":\"gyre\",\"node\":\"b\",\"address\":\"h:2\","
            "\"told_by\":\"a\",\"away_ms\":61250,\"time\":\"2026-01-31T12:00:00.123Z\","
            "\"next\":\"Run \\\"gyre status\\\" at another node to see what is owed to b, and "
            "start b again: what it missed comes to it by itself. If it is gone for good: "
            "\\\"gyre cluster replace b NEW --dead\\\" or \\\"gyre cluster remove b\\\".\"}");
  const DeadNodes::Notice back{NodeIdOf("b"), false, Duration::Millis(61'250)};
  const auto json = nlohmann::json::parse(NoticeJson(config, back, b, WallTime{}));
  EXPECT_EQ(json.at("event"), "node_back");
  EXPECT_THAT(json.at("next").get<std::string>(), HasSubstr("Nothing need be done"));
}

}  // namespace
}  // namespace gyre
