#include "server/notices.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/admin_json_wholeness.h"
#include "server/logging.h"

namespace gyre {
namespace {

constexpr Duration kLookInterval = Duration::Millis(250);

}  // namespace

Notices::Notices(const ServerConfig& config, const StatsBoard& board, Reactor& reactor, Log& log,
                 std::uint64_t seed)
    : config_(config),
      board_(board),
      reactor_(reactor),
      log_(log),
      nodes_(config.dead_notice_after) {
  others_ = RingMembers(config);
  std::erase_if(others_, [&](const Member& member) { return member.name == config.node_name; });
  if (config.webhook.empty()) return;
  WebhookOptions options;
  options.url = ParseWebhook(config.webhook).value();  // FinishConfig has checked it
  options.seed = seed;
  webhook_.emplace(reactor, log, std::move(options));
}

Notices::~Notices() { reactor_.CancelTimer(timer_); }

void Notices::SetMembers(const ClusterView& view) {
  others_.clear();
  view.ForEachMember([&](const Member& member) {
    if (member.name != config_.node_name) others_.push_back(member);
  });
}

void Notices::Look() {
  const std::vector<PeerStats> peers = board_.Peers();
  std::vector<DeadNodes::Sight> sights;
  for (const Member& member : others_) {
    const bool up = std::any_of(peers.begin(), peers.end(),
                                [&](const PeerStats& p) { return p.id == member.id && p.up; });
    sights.push_back({member.id, up});
  }
  const Now now = reactor_.now();
  for (const DeadNodes::Notice& notice : nodes_.Look(now.instant, sights)) Tell(notice, now.wall);
  for (const ClusterAlarms::Notice& notice : alarms_.Look(now.instant)) Tell(notice, now.wall);
  timer_ = reactor_.AddTimer(now.instant + kLookInterval, [this] { Look(); });
}

void Notices::Tell(const DeadNodes::Notice& notice, WallTime time) {
  const Member& node = *std::find_if(others_.begin(), others_.end(),
                                     [&](const Member& m) { return m.id == notice.node; });
  if (notice.dead) {
    ++dead_told_;
    log_.Write(LogLevel::kWarning, "node_dead",
               "node " + node.name + " has not been reachable for " + AgeText(notice.away),
               {{"node", node.name},
                {"address", node.address},
                {"away_ms", notice.away.ms()},
                {"next", NextStepText(notice.dead, node.name)}});
  } else {
    log_.Write(LogLevel::kInfo, "node_back",
               "node " + node.name + " is reachable again, after " + AgeText(notice.away),
               {{"node", node.name}, {"address", node.address}, {"away_ms", notice.away.ms()}});
  }
  if (webhook_) webhook_->Post(NoticeJson(config_, notice, node, time));
}

void Notices::Tell(const ClusterAlarms::Notice& notice, WallTime time) {
  alarms_told_ += notice.over ? 0 : 1;
  log_.Write(notice.over ? LogLevel::kInfo : LogLevel::kError, EventName(notice),
             notice.over ? "not seen any more: " + notice.detail : notice.detail,
             {{"node", notice.node}, {"next", NextStepText(notice)}});
  if (webhook_) webhook_->Post(NoticeJson(config_, notice, time));
}

void Notices::AddTo(NodeStats& stats) const {
  for (PeerStats& peer : stats.peers) {
    const DeadNodes::State state = nodes_.Of(peer.id);
    peer.away = state.away;
    peer.dead = state.dead;
  }
  stats.dead_notices += dead_told_;
  for (std::size_t kind = 0; kind < kAlarmKinds; ++kind) {
    stats.alarms[kind] = alarms_.raised(static_cast<AlarmKind>(kind));
  }
  stats.alarm_notices += alarms_told_;
  if (webhook_) stats.webhook = webhook_->stats();
}

std::string NextStepText(bool dead, const std::string& node) {
  if (dead) {
    return "Run \"gyre status\" at another node to see what is owed to " + node + ", and start " +
           node + " again: what it missed comes to it by itself. If it is gone for good: \"gyre " +
           "cluster replace " + node + " NEW --dead\" or \"gyre cluster remove " + node + "\".";
  }
  return "Nothing need be done: what " + node +
         " missed comes to it by itself; \"gyre status\" tells how far that is.";
}

std::string EventName(const ClusterAlarms::Notice& notice) {
  constexpr std::string_view kNames[kAlarmKinds] = {"other_lineage", "double_identity",
                                                    "other_layout"};
  return std::string(kNames[static_cast<std::size_t>(notice.kind)]) + (notice.over ? "_over" : "");
}

std::string NextStepText(const ClusterAlarms::Notice& notice) {
  if (notice.over) return "Nothing need be done.";
  const std::string anew =
      " again with an empty data folder: \"gyre serve --name NAME "
      "--data-dir EMPTY-FOLDER --join HOST:PEER-PORT\".";
  switch (notice.kind) {
    case AlarmKind::kOtherLineage:
      return "Nothing of the two clusters is mixed, and nothing is lost, but each has a part of "
             "the "
             "data. Decide which one goes on. Copy what the other holds out of it (SCAN, "
             "\"gyre get\"), then stop its nodes, and start each" +
             anew + " If both are to go on, take the other's addresses out of --join and --peers.";
    case AlarmKind::kDoubleIdentity:
      return "Find the second one: a copied data folder, or a name given twice (\"gyre cluster "
             "status\" shows where one of them is). Stop the one that should not be, and start it, "
             "if at all, under a name of its own and" +
             anew;
    case AlarmKind::kOtherLayout:
      return "Run \"gyre cluster status\" at " + notice.node +
             " and here, and look into its log for layout_not_stored: a node takes the newest "
             "layout "
             "from the others, unless its disk takes nothing. Mend that and start " +
             notice.node + " again.";
  }
  return {};
}

std::string NoticeJson(const ServerConfig& config, const ClusterAlarms::Notice& notice,
                       WallTime time) {
  const nlohmann::ordered_json json = {
      {"event", EventName(notice)},  {"cluster", config.cluster_id}, {"node", notice.node},
      {"told_by", config.node_name}, {"detail", notice.detail},      {"time", TimeText(time)},
      {"next", NextStepText(notice)}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string NoticeJson(const ServerConfig& config, const DeadNodes::Notice& notice,
                       const Member& node, WallTime time) {
  const nlohmann::ordered_json json = {{"event", notice.dead ? "node_dead" : "node_back"},
                                       {"cluster", config.cluster_id},
                                       {"node", node.name},
                                       {"address", node.address},
                                       {"told_by", config.node_name},
                                       {"away_ms", notice.away.ms()},
                                       {"time", TimeText(time)},
                                       {"next", NextStepText(notice.dead, node.name)}};
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace gyre
