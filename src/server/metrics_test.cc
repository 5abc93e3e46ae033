#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <sstream>

namespace gyre {
namespace {

using testing::HasSubstr;

NodeStats SomeStats() {
  NodeStats stats;
  stats.core.gets = 3;
  stats.core.outcome_unknown = 2;
  stats.core.digests_equal = 21;
  stats.core.digests_unequal = 22;
  stats.peers.push_back({NodeId(7), "n\"2\\\n", "h:1"});
  stats.peers.push_back({NodeId(8), "n3", "h:2"});
  stats.peers[1].up = true;
  for (const std::int64_t us : {0, 63, 64, 1'000, 70'000'000}) {
    stats.latency[static_cast<std::size_t>(Operation::kGet)].Record(Duration::Micros(us));
  }
  stats.core.hints_replayed = 11;
  stats.core.copies_left_to_exchange = 12;
  stats.core.standin_puts = 13;
  stats.owed.push_back({NodeId(8), "n3", 5, 600, Duration::Millis(2'500)});
  stats.owed.push_back({NodeId(9), "node-000009", 1, 2, Duration::Seconds(3)});
  stats.background = {1'000, 2'000};
  stats.leaf_bytes = 32'768;
  stats.purge_waiting = 3;
  stats.core.rows_dropped = 5;
  stats.core.streams = 8;
  stats.core.stream_bytes_received = 9'000;
  stats.transfers = {{PartitionId(12), "n2", 0.25, 3, 1'000, Duration::Seconds(2)},
                     {PartitionId(14), "n3", 0, 0, 0, Duration::Seconds(0)}};
  stats.transfers_waiting = 6;
  stats.uptime = Duration::Millis(1500);
  stats.peers[0].dead = true;
  stats.dead_notices = 4;
  stats.members = {1, 0, 2, 0};
  stats.alarms = {1, 2, 3};
  stats.alarm_notices = 9;
  stats.webhook = {5, 6, 7};
  return stats;
}

// Goal: buckets are cumulative and cut exactly at their bounds; what is above them all is in +Inf.
TEST(MetricsTest, HistogramsAreCumulative) {
  const std::string page = MetricsText(SomeStats(), "n1");
  const std::string get = "gyre_operation_duration_seconds_bucket{operation=\"get\",le=";
  EXPECT_THAT(page, HasSubstr(get + "\"6.4e-05\"} 2\n"));
  EXPECT_THAT(page, HasSubstr(get + "\"0.000128\"} 3\n"));
  EXPECT_THAT(page, HasSubstr(get + "\"0.001024\"} 4\n"));
  EXPECT_THAT(page, HasSubstr(get + "\"16.777216\"} 4\n"));
  EXPECT_THAT(page, HasSubstr(get + "\"+Inf\"} 5\n"));
  EXPECT_THAT(page, HasSubstr("gyre_operation_duration_seconds_count{operation=\"get\"} 5\n"));
  EXPECT_THAT(page,
              HasSubstr("gyre_operation_duration_seconds_sum{operation=\"get\"} 70.001127\n"));
}

// Goal: values are the node's; names of peers are escaped.
TEST(MetricsTest, SaysTheCounters) {
  const std::string page = MetricsText(SomeStats(), "n1");
  EXPECT_THAT(page, HasSubstr("gyre_requests_total{operation=\"get\"} 3\n"));
  EXPECT_THAT(page, HasSubstr("gyre_request_failures_total{reason=\"outcome_unknown\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("gyre_digest_reads_total{result=\"equal\"} 21\n"));
  EXPECT_THAT(page, HasSubstr("gyre_digest_reads_total{result=\"unequal\"} 22\n"));
  EXPECT_THAT(page, HasSubstr("gyre_peer_up{peer=\"n\\\"2\\\\\\n\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("gyre_peer_up{peer=\"n3\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("gyre_nodes_dead 1\n"));
  EXPECT_THAT(page, HasSubstr("gyre_dead_notices_total 4\n"));
  EXPECT_THAT(page, HasSubstr("gyre_members{life=\"down\"} 2\n"));
  EXPECT_THAT(page, HasSubstr("gyre_other_lineages 1\n"));
  EXPECT_THAT(page, HasSubstr("gyre_double_identities 2\n"));
  EXPECT_THAT(page, HasSubstr("gyre_other_layouts 3\n"));
  EXPECT_THAT(page, HasSubstr("gyre_alarm_notices_total 9\n"));
  EXPECT_THAT(page, HasSubstr("gyre_webhook_posts_total{result=\"ok\"} 5\n"));
  EXPECT_THAT(page, HasSubstr("gyre_webhook_posts_total{result=\"failed\"} 6\n"));
  EXPECT_THAT(page, HasSubstr("gyre_webhook_posts_total{result=\"dropped\"} 7\n"));
  EXPECT_THAT(page, HasSubstr("gyre_uptime_seconds 1.5\n"));
}

// Goal: what is owed is told by target; peers to whom nothing is owed stay, with 0.
TEST(MetricsTest, SaysWhatIsOwed) {
  const std::string page = MetricsText(SomeStats(), "n1");
  EXPECT_THAT(page, HasSubstr("gyre_hints{target=\"n3\"} 5\n"));
  EXPECT_THAT(page, HasSubstr("gyre_hint_bytes{target=\"n3\"} 600\n"));
  EXPECT_THAT(page, HasSubstr("gyre_hint_age_seconds{target=\"n3\"} 2.5\n"));
  EXPECT_THAT(page, HasSubstr("gyre_hints{target=\"node-000009\"} 1\n"));
  EXPECT_THAT(page, HasSubstr("gyre_hints{target=\"n\\\"2\\\\\\n\"} 0\n"));
  EXPECT_THAT(page, HasSubstr("gyre_hints_replayed_total 11\n"));
  EXPECT_THAT(page, HasSubstr("gyre_copies_left_to_exchange_total 12\n"));
  EXPECT_THAT(page, HasSubstr("gyre_standin_puts_total 13\n"));
  EXPECT_THAT(page, HasSubstr("gyre_background_budget_bytes_per_second 1000\n"));
  EXPECT_THAT(page, HasSubstr("gyre_background_bytes_total 2000\n"));
  EXPECT_THAT(page, HasSubstr("gyre_leaf_bytes 32768\n"));
  EXPECT_THAT(page, HasSubstr("gyre_purge_waiting 3\n"));
  EXPECT_THAT(page, HasSubstr("gyre_rows_purged_total 5\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfers_total 8\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfer_bytes_received_total 9000\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfers_waiting 6\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfer_done_ratio{partition=\"12\"} 0.25\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfer_bytes_per_second{partition=\"12\"} 500\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfer_seconds_left{partition=\"12\"} 6\n"));
  EXPECT_THAT(page, HasSubstr("gyre_transfer_seconds_left{partition=\"14\"} -1\n"));
}

// Goal: the format's rules: HELP and TYPE once, before the samples; no sample twice; counters end
// in _total.
TEST(MetricsTest, FollowsTheRulesOfTheFormat) {
  std::istringstream page(MetricsText(SomeStats(), "n1"));
  std::set<std::string> samples;
  std::map<std::string, std::string> types;
  std::string line, family;
  while (std::getline(page, line)) {
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_FALSE(types.contains(family)) << line;
    } else if (line.starts_with("# TYPE ")) {
      const std::size_t space = line.find(' ', 7);
      EXPECT_EQ(line.substr(7, space - 7), family);
      types[family] = line.substr(space + 1);
      EXPECT_EQ(types[family] == "counter", family.ends_with("_total")) << line;
    } else {
      EXPECT_TRUE(line.starts_with(family)) << line;
      EXPECT_TRUE(samples.insert(line.substr(0, line.rfind(' '))).second) << line;
    }
  }
  EXPECT_GT(samples.size(), 100u);
}

// Goal: Prometheus's own linter has nothing to say. Skipped where it is not installed.
TEST(MetricsTest, PromtoolHasNothingToSay) {
  if (std::system("command -v promtool >/dev/null 2>&1") != 0) GTEST_SKIP() << "no promtool";
  const std::string path = testing::TempDir() + "gyre_metrics_lint";
  std::FILE* lint = popen(("promtool check metrics >" + path + " 2>&1").c_str(), "w");
  ASSERT_NE(lint, nullptr);
  const std::string page = MetricsText(SomeStats(), "n1");
  std::fwrite(page.data(), 1, page.size(), lint);
  const int status = pclose(lint);
  std::string said;
  if (std::FILE* file = std::fopen(path.c_str(), "r")) {
    char text[4096];
    said.assign(text, std::fread(text, 1, sizeof text, file));
    std::fclose(file);
    std::remove(path.c_str());
  }
  EXPECT_EQ(status, 0) << said;
  EXPECT_EQ(said, "");
}

}  // namespace
}  // namespace gyre
