// Tells people of nodes that stay away, and of what nobody but them can mend: looks at the links of
// all shards now and then, and what DeadNodes and ClusterAlarms say goes to the log, the counters
// and the webhook, if there is one. Each node tells what it sees itself: of one dead node several
// may tell.
//
// On shard 0's loop, all of it.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "net/reactor.h"
#include "server/cluster_alarms.h"
#include "server/config.h"
#include "server/dead_nodes.h"
#include "server/stats_board.h"
#include "server/webhook.h"

namespace gyre {

class Notices {
 public:
  // All of these must outlive this. `seed` is for jitter. The members are those of the config,
  // until SetMembers.
  Notices(const ServerConfig& config, const StatsBoard& board, Reactor& reactor, Log& log,
          std::uint64_t seed);
  ~Notices();
  Notices(const Notices&) = delete;
  Notices& operator=(const Notices&) = delete;

  // All members of the cluster, as of now.
  void SetMembers(const ClusterView& view);
  void See(ClusterAlarms::Notice sight) { alarms_.See(std::move(sight), reactor_.now().instant); }
  // Begins to look: who is not up now counts as away from here on.
  void Start() { Look(); }
  // How long the peers in `stats` are away, who is dead, what alarms there are, what was told.
  void AddTo(NodeStats& stats) const;

 private:
  void Look();
  void Tell(const DeadNodes::Notice& notice, WallTime time);
  void Tell(const ClusterAlarms::Notice& notice, WallTime time);

  const ServerConfig& config_;
  const StatsBoard& board_;
  Reactor& reactor_;
  Log& log_;
  std::vector<Member> others_;  // all members but this node
  DeadNodes nodes_;
  ClusterAlarms alarms_;
  std::optional<Webhook> webhook_;
  std::uint64_t dead_told_ = 0;
  std::uint64_t alarms_told_ = 0;
  TimerId timer_ = 0;
};

// What an operator is told to do.
std::string NextStepText(bool dead, const std::string& node);
std::string NextStepText(const ClusterAlarms::Notice& notice);
// "other_lineage", "other_lineage_over", ...
std::string EventName(const ClusterAlarms::Notice& notice);
// The body of a post.
std::string NoticeJson(const ServerConfig& config, const DeadNodes::Notice& notice,
                       const Member& node, WallTime time);
std::string NoticeJson(const ServerConfig& config, const ClusterAlarms::Notice& notice,
                       WallTime time);

}  // namespace gyre
