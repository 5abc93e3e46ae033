// Where the shards publish their numbers and whoever asks reads the sum: ten times a second under a
// lock, never in the request path.
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "server/node_stats.h"

namespace gyre {

class StatsBoard {
 public:
  explicit StatsBoard(std::size_t shards) : shards_(shards) {}

  void Publish(ShardId shard, const NodeStats& stats) {
    const std::lock_guard<std::mutex> lock(mutex_);
    shards_[shard.value] = stats;
  }
  // What only the node as a whole knows: storage and uptime. Set once, before the shards run.
  void SetNodePart(std::function<void(NodeStats&)> add) { add_node_part_ = std::move(add); }
  NodeStats Total() const;
  // Total().peers, at less cost.
  std::vector<PeerStats> Peers() const;

 private:
  mutable std::mutex mutex_;
  std::vector<NodeStats> shards_;
  std::function<void(NodeStats&)> add_node_part_;
};

// Adds one shard's numbers to the node's. Peers are merged by id (up means up on
// every shard), debts by target.
void AddShardStats(NodeStats& total, const NodeStats& shard);

}  // namespace gyre
