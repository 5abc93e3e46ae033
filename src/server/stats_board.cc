#include "server/stats_board.h"

#include <algorithm>

namespace gyre {
namespace {

void AddPeers(std::vector<PeerStats>& total, const std::vector<PeerStats>& shard) {
  for (const PeerStats& peer : shard) {
    const auto known = std::find_if(total.begin(), total.end(),
                                    [&](const PeerStats& p) { return p.id == peer.id; });
    if (known == total.end()) {
      total.push_back(peer);
      continue;
    }
    known->up = known->up && peer.up;
    known->queued_bytes += peer.queued_bytes;
    known->links += peer.links;
    known->links_encrypted += peer.links_encrypted;
    known->links_compressed += peer.links_compressed;
    known->bytes_before_compression += peer.bytes_before_compression;
    known->bytes_after_compression += peer.bytes_after_compression;
    known->reconnects += peer.reconnects;
    known->frames_sent += peer.frames_sent;
    known->frames_received += peer.frames_received;
    known->frames_dropped += peer.frames_dropped;
    if (known->last_problem.empty()) known->last_problem = peer.last_problem;
    known->away = std::max(known->away, peer.away);
    known->dead = known->dead || peer.dead;
  }
}

// Who is away is looked at less often than the links are: who is up is not away.
void SettleAbsences(std::vector<PeerStats>& peers) {
  for (PeerStats& peer : peers) {
    if (!peer.up) continue;
    peer.away = {};
    peer.dead = false;
  }
}

}  // namespace

void AddShardStats(NodeStats& total, const NodeStats& shard) {
  const auto add = [](std::uint64_t& to, std::uint64_t from) { to += from; };
  total.core += shard.core;
  for (std::size_t i = 0; i < kOperationCount; ++i) total.latency[i].Merge(shard.latency[i]);
  add(total.resp_connections, shard.resp_connections);
  add(total.http_connections, shard.http_connections);
  add(total.connections_total, shard.connections_total);
  add(total.connections_refused, shard.connections_refused);
  add(total.protocol_errors, shard.protocol_errors);
  add(total.refused_unread, shard.refused_unread);
  add(total.commands_total, shard.commands_total);
  add(total.dead_notices, shard.dead_notices);
  for (std::size_t i = 0; i < total.members.size(); ++i) add(total.members[i], shard.members[i]);
  for (std::size_t i = 0; i < total.alarms.size(); ++i) add(total.alarms[i], shard.alarms[i]);
  add(total.alarm_notices, shard.alarm_notices);
  add(total.webhook.ok, shard.webhook.ok);
  add(total.webhook.failed, shard.webhook.failed);
  add(total.webhook.dropped, shard.webhook.dropped);
  add(total.requests_in_flight, shard.requests_in_flight);
  add(total.background.bytes_per_second, shard.background.bytes_per_second);
  add(total.background.bytes_spent, shard.background.bytes_spent);
  add(total.leaf_bytes, shard.leaf_bytes);
  add(total.tree_sum, shard.tree_sum);
  add(total.purge_waiting, shard.purge_waiting);
  add(total.shards_starting, shard.shards_starting);
  add(total.shards_draining, shard.shards_draining);
  add(total.clients_to_go, shard.clients_to_go);
  add(total.repair.pairs, shard.repair.pairs);
  add(total.repair.unequal, shard.repair.unequal);
  add(total.repair.waiting, shard.repair.waiting);
  add(total.repair.unfilled, shard.repair.unfilled);
  add(total.scrub.partitions, shard.scrub.partitions);
  add(total.scrub.begun, shard.scrub.begun);
  total.transfers.insert(total.transfers.end(), shard.transfers.begin(), shard.transfers.end());
  add(total.transfers_waiting, shard.transfers_waiting);
  total.exchanges_per_second += shard.exchanges_per_second;
  total.hints_replayed_per_second += shard.hints_replayed_per_second;
  for (const HintDebt& debt : shard.owed) {
    const auto known = std::find_if(total.owed.begin(), total.owed.end(),
                                    [&](const HintDebt& d) { return d.target == debt.target; });
    if (known == total.owed.end()) {
      total.owed.push_back(debt);
      continue;
    }
    known->hints += debt.hints;
    known->bytes += debt.bytes;
    known->oldest_age = std::max(known->oldest_age, debt.oldest_age);
  }
  AddPeers(total.peers, shard.peers);
}

NodeStats StatsBoard::Total() const {
  NodeStats total;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const NodeStats& shard : shards_) AddShardStats(total, shard);
    total.shard_count = static_cast<std::uint16_t>(shards_.size());
  }
  SettleAbsences(total.peers);
  if (add_node_part_) add_node_part_(total);
  return total;
}

std::vector<PeerStats> StatsBoard::Peers() const {
  std::vector<PeerStats> peers;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const NodeStats& shard : shards_) AddPeers(peers, shard.peers);
  }
  SettleAbsences(peers);
  return peers;
}

}  // namespace gyre
