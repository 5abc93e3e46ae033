#include "server/stats_board.h"

#include <algorithm>

namespace gyre {

void AddShardStats(NodeStats& total, const NodeStats& shard) {
  const auto add = [](std::uint64_t& to, std::uint64_t from) { to += from; };
  ShardCounters& a = total.core;
  const ShardCounters& b = shard.core;
  for (const auto counter :
       {&ShardCounters::gets, &ShardCounters::puts, &ShardCounters::scans, &ShardCounters::forwards,
        &ShardCounters::replica_gets, &ShardCounters::replica_puts, &ShardCounters::replica_scans,
        &ShardCounters::read_repairs, &ShardCounters::reads_blocked_on_repair,
        &ShardCounters::unavailable, &ShardCounters::outcome_unknown, &ShardCounters::overloaded,
        &ShardCounters::siblings_created, &ShardCounters::clock_entries_truncated,
        &ShardCounters::corrupt_rows, &ShardCounters::corrupt_messages, &ShardCounters::wrong_epoch,
        &ShardCounters::storage_errors, &ShardCounters::actors_retired}) {
    a.*counter += b.*counter;
  }
  for (std::size_t i = 0; i < kOperationCount; ++i) total.latency[i].Merge(shard.latency[i]);
  add(total.resp_connections, shard.resp_connections);
  add(total.http_connections, shard.http_connections);
  add(total.connections_total, shard.connections_total);
  add(total.connections_refused, shard.connections_refused);
  add(total.protocol_errors, shard.protocol_errors);
  add(total.commands_total, shard.commands_total);
  add(total.requests_in_flight, shard.requests_in_flight);
  for (const PeerStats& peer : shard.peers) {
    const auto known = std::find_if(total.peers.begin(), total.peers.end(),
                                    [&](const PeerStats& p) { return p.id == peer.id; });
    if (known == total.peers.end()) {
      total.peers.push_back(peer);
      continue;
    }
    known->up = known->up && peer.up;
    known->queued_bytes += peer.queued_bytes;
    known->reconnects += peer.reconnects;
    known->frames_sent += peer.frames_sent;
    known->frames_received += peer.frames_received;
    known->frames_dropped += peer.frames_dropped;
    if (known->last_problem.empty()) known->last_problem = peer.last_problem;
  }
}

NodeStats StatsBoard::Total() const {
  NodeStats total;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const NodeStats& shard : shards_) AddShardStats(total, shard);
    total.shard_count = static_cast<std::uint16_t>(shards_.size());
  }
  if (add_node_part_) add_node_part_(total);
  return total;
}

}  // namespace gyre
