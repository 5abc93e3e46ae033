#include "server/admin_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/base64.h"
#include "server/admin_json_wholeness.h"
#include "server/config.h"
#include "server/version.h"

namespace gyre {
namespace {

using Json = nlohmann::ordered_json;

// Any bytes may come (a key, a peer's sentence): what is not UTF-8 is replaced, never thrown.
std::string Dump(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Json KeyspaceObject(const KeyspaceConfig& keyspace, const ClusterView& view) {
  const int copies = view.CopiesOf(keyspace);
  Json json = {{"name", keyspace.name},
               {"n", keyspace.replicas},
               {"r", keyspace.read_quorum.ToString()},
               {"w", keyspace.write_quorum.ToString()},
               {"copies", copies}};
  const Result<int> r = keyspace.read_quorum.Resolve(keyspace.replicas, copies);
  const Result<int> w = keyspace.write_quorum.Resolve(keyspace.replicas, copies);
  // Quorums of regions are as large as each region has copies.
  if (r && !keyspace.read_quorum.by_region()) json["replies_needed"] = *r;
  if (w && !keyspace.write_quorum.by_region()) json["acknowledgements_needed"] = *w;
  for (const RegionCopies& region : keyspace.regions) {
    json["n_by_region"][region.region] = region.copies;
  }
  json["default_ttl_ms"] = keyspace.default_ttl.ms();
  json["sloppy"] = keyspace.sloppy;
  json["promise"] = QuorumPromise(keyspace, copies);
  return json;
}

Json KeyspacesArray(const ClusterView& view) {
  Json json = Json::array();
  for (const auto& [id, keyspace] : view.keyspaces) {
    json.push_back(KeyspaceObject(keyspace, view));
  }
  return json;
}

Json PeersArray(const NodeStats& stats) {
  Json json = Json::array();
  for (const PeerStats& peer : stats.peers) {
    json.push_back({{"name", peer.name},
                    {"address", peer.address},
                    {"up", peer.up},
                    {"away_ms", peer.away.ms()},
                    {"dead", peer.dead},
                    {"tls", peer.links > 0 && peer.links_encrypted == peer.links},
                    {"compressed", peer.links > 0 && peer.links_compressed == peer.links},
                    {"queued_bytes", peer.queued_bytes},
                    {"reconnects", peer.reconnects},
                    {"frames_sent", peer.frames_sent},
                    {"frames_received", peer.frames_received},
                    {"frames_dropped", peer.frames_dropped},
                    {"problem", peer.last_problem}});
  }
  return json;
}

Json OwedArray(const NodeStats& stats) {
  Json json = Json::array();
  for (const HintDebt& debt : stats.owed) {
    const auto peer = std::find_if(stats.peers.begin(), stats.peers.end(),
                                   [&](const PeerStats& p) { return p.id == debt.target; });
    json.push_back({{"node", debt.name},
                    {"reachable", peer != stats.peers.end() && peer->up},
                    {"hints", debt.hints},
                    {"bytes", debt.bytes},
                    {"oldest_ms", debt.oldest_age.ms()}});
  }
  return json;
}

// Work that takes a while: how much is done and left, how fast it goes, when it will be done; null
// where that is not known.
Json JobObject(const char* job, const std::string& node, const char* unit, std::uint64_t done,
               std::uint64_t left, std::optional<double> seconds_left) {
  return {{"job", job},   {"node", node},
          {"unit", unit}, {"done", done},
          {"left", left}, {"seconds_left", seconds_left ? Json(std::ceil(*seconds_left)) : Json()}};
}

Json JobsArray(const ServerConfig& config, const NodeStats& stats) {
  const auto at_rate = [](std::uint64_t left, double per_second) {
    return per_second > 0 ? std::optional(static_cast<double>(left) / per_second) : std::nullopt;
  };
  Json json = Json::array();
  for (const HintDebt& debt : stats.owed) {
    const bool up = std::any_of(stats.peers.begin(), stats.peers.end(),
                                [&](const PeerStats& p) { return p.id == debt.target && p.up; });
    if (debt.hints == 0 || !up) continue;
    json.push_back(JobObject("handover", debt.name, "hints", stats.core.hints_replayed, debt.hints,
                             at_rate(debt.hints, stats.hints_replayed_per_second)));
  }
  if (const RepairStats& repair = stats.repair; repair.waiting > 0) {
    json.push_back(JobObject("repair", "", "comparisons", repair.pairs - repair.waiting,
                             repair.waiting, at_rate(repair.waiting, stats.exchanges_per_second)));
  }
  for (const TransferStats& transfer : stats.transfers) {
    json.push_back(JobObject("transfer", transfer.from, "bytes", transfer.bytes,
                             transfer.bytes_left().value_or(0), transfer.seconds_left()));
  }
  if (const ScrubStats& scrub = stats.scrub; scrub.partitions > 0) {
    const std::uint64_t left = scrub.partitions - scrub.begun;
    const double cycle_seconds = static_cast<double>(config.core.scrub_cycle.us) / 1e6;
    json.push_back(JobObject(
        "scrub", "", "partitions", scrub.begun, left,
        cycle_seconds * static_cast<double>(left) / static_cast<double>(scrub.partitions)));
  }
  if (stats.purge_waiting > 0) {
    json.push_back(
        JobObject("purge", "", "keys", stats.core.rows_dropped, stats.purge_waiting, std::nullopt));
  }
  return json;
}

Json BackgroundObject(const NodeStats& stats) {
  return {{"bytes_per_second", stats.background.bytes_per_second},
          {"bytes_spent", stats.background.bytes_spent},
          {"leaf_bytes", stats.leaf_bytes}};
}

Json CountersObject(const NodeStats& stats) {
  const ShardCounters& core = stats.core;
  return {{"gets", core.gets},
          {"puts", core.puts},
          {"scans", core.scans},
          {"forwards", core.forwards},
          {"replica_gets", core.replica_gets},
          {"replica_puts", core.replica_puts},
          {"replica_scans", core.replica_scans},
          {"read_repairs", core.read_repairs},
          {"reads_blocked_on_repair", core.reads_blocked_on_repair},
          {"digests_equal", core.digests_equal},
          {"digests_unequal", core.digests_unequal},
          {"unavailable", core.unavailable},
          {"outcome_unknown", core.outcome_unknown},
          {"overloaded", core.overloaded},
          {"siblings_created", core.siblings_created},
          {"clock_entries_truncated", core.clock_entries_truncated},
          {"corrupt_rows", core.corrupt_rows},
          {"corrupt_messages", core.corrupt_messages},
          {"wrong_epoch", core.wrong_epoch},
          {"storage_errors", core.storage_errors},
          {"actors_retired", core.actors_retired},
          {"hints_sent", core.hints_sent},
          {"hints_stored", core.hints_stored},
          {"hints_refused", core.hints_refused},
          {"hints_replayed", core.hints_replayed},
          {"copies_left_to_exchange", core.copies_left_to_exchange},
          {"standin_puts", core.standin_puts},
          {"requests_in_flight", stats.requests_in_flight},
          {"commands", stats.commands_total},
          {"protocol_errors", stats.protocol_errors},
          {"commands_refused_unread", stats.refused_unread},
          {"resp_connections", stats.resp_connections},
          {"http_connections", stats.http_connections},
          {"connections_accepted", stats.connections_total},
          {"connections_refused", stats.connections_refused}};
}

Json LatencyObject(const NodeStats& stats) {
  Json json = Json::object();
  for (std::size_t i = 0; i < kOperationCount; ++i) {
    const LatencyHistogram& histogram = stats.latency[i];
    if (histogram.count() == 0) continue;
    json[OperationName(static_cast<Operation>(i))] = {{"count", histogram.count()},
                                                      {"p50_us", histogram.QuantileUs(0.5)},
                                                      {"p99_us", histogram.QuantileUs(0.99)},
                                                      {"p999_us", histogram.QuantileUs(0.999)}};
  }
  return json;
}

Json EngineObject(const ServerConfig& config, const EngineStats& engine) {
  return {{"kind", config.engine == EngineKind::kMemory ? "memory" : "rocksdb"},
          {"durability", config.durability == Durability::kSync ? "sync" : "interval"},
          {"writable", engine.writable},
          {"problem", engine.problem},
          {"rows", engine.rows},
          {"bytes", engine.bytes},
          {"cache_hits", engine.cache_hits},
          {"cache_misses", engine.cache_misses},
          {"cache_bytes", engine.cache_bytes},
          {"commits", engine.commits},
          {"commit_rows", engine.commit_rows},
          {"commit_us_total", engine.commit_us_total},
          {"read_errors", engine.read_errors},
          {"write_errors", engine.write_errors},
          {"corruptions", engine.corruptions},
          {"tables_salvaged", engine.tables_salvaged},
          {"blocks_lost", engine.blocks_lost}};
}

// The paper's notation: [name, n]; an actor is shown as its node's name.
Json ClockArray(const ClusterView& view, const VersionVector& clock) {
  Json json = Json::array();
  for (const VersionVector::Entry& entry : clock.entries()) {
    json.push_back({{"node", NodeNameOf(view, NodeOf(entry.actor))},
                    {"n", entry.n},
                    {"actor", fmt::format("{:016x}", entry.actor.value)},
                    {"epoch", entry.epoch},
                    {"time_ms", entry.time.ms}});
  }
  return json;
}

Json SiblingObject(const ClusterView& view, const Sibling& sibling, WallTime now) {
  Json json = {{"dot",
                {{"node", NodeNameOf(view, NodeOf(sibling.dot.actor))},
                 {"n", sibling.dot.n},
                 {"actor", fmt::format("{:016x}", sibling.dot.actor.value)},
                 {"epoch", sibling.dot.epoch}}},
               {"state", sibling.type == ValueType::kTombstone ? "deleted"
                         : sibling.LiveAt(now)                 ? "live"
                                                               : "expired"},
               {"time_ms", sibling.time.wall().ms}};
  if (sibling.type == ValueType::kTombstone) return json;
  if (sibling.expiry != kNeverExpires) json["expires_ms"] = sibling.expiry.ms;
  json["bytes"] = sibling.value.size();
  json["checksum"] = fmt::format("{:016x}", sibling.checksum);
  json["value_base64"] = Base64Encode(sibling.value.view());
  return json;
}

Json NamesOf(const ClusterView& view, std::span<const NodeId> nodes) {
  Json json = Json::array();
  for (const NodeId node : nodes) json.push_back(NodeNameOf(view, node));
  return json;
}

}  // namespace

std::string NodeNameOf(const ClusterView& view, NodeId id) {
  const Member* member = view.ring.FindMember(id);
  return member != nullptr ? member->name : fmt::format("node-{:06x}", id.value);
}

std::string QuorumPromise(const KeyspaceConfig& keyspace, int copies) {
  const Result<int> r = keyspace.read_quorum.Resolve(keyspace.replicas, copies);
  const Result<int> w = keyspace.write_quorum.Resolve(keyspace.replicas, copies);
  if (!r || !w) return "cannot be reached";
  if (!QuorumsMeet(keyspace.read_quorum, keyspace.write_quorum, keyspace.replicas, copies)) {
    return "may read stale";
  }
  const std::string where =
      keyspace.read_quorum.local() || keyspace.write_quorum.local() ? " in one region" : "";
  // With fallbacks a write may be on none of the owners that a read asks.
  return "read your writes" + where +
         (keyspace.sloppy ? " while no owner is down" : ", or an error");
}

std::string NotReadyReason(const Backend& backend) {
  const NodeStats stats = backend.Stats();
  if (stats.shards_starting > 0) return "The node has just started and has met no other node yet";
  if (stats.shards_draining > 0) return "The node is being drained, to be stopped";
  if (stats.repair.unfilled > 0) {
    return "The disk of the node was empty, and has yet to get what the other owners hold";
  }
  if (stats.engine.writable) return {};
  return "The storage takes no writes: " +
         (stats.engine.problem.empty() ? std::string("no reason is known") : stats.engine.problem);
}

std::string StatusJson(const Backend& backend) {
  const ServerConfig& config = backend.config();
  const ClusterView& view = *backend.view();
  const NodeStats stats = backend.Stats();
  const auto up = std::count_if(stats.peers.begin(), stats.peers.end(),
                                [](const PeerStats& peer) { return peer.up; });
  const std::string not_ready = NotReadyReason(backend);
  const Wholeness wholeness = JudgeWholeness(SightOf(stats));
  const Json json = {{"node", config.node_name},
                     {"version", kGyreVersion},
                     {"cluster", config.cluster_id},
                     {"whole", wholeness.whole},
                     {"summary", wholeness.summary},
                     {"owed", OwedArray(stats)},
                     {"hints_replayed_per_second", stats.hints_replayed_per_second},
                     {"jobs", JobsArray(config, stats)},
                     {"ready", not_ready.empty()},
                     {"problem", not_ready},
                     {"uptime_ms", stats.uptime.ms()},
                     {"shards", stats.shard_count},
                     {"nodes", view.ring.members().size()},
                     {"peers_up", up},
                     {"peers_down", static_cast<std::int64_t>(stats.peers.size()) - up},
                     {"peers", PeersArray(stats)},
                     {"ring_epoch", view.ring.epoch().value},
                     {"keyspaces", KeyspacesArray(view)},
                     {"warnings", ConfigWarnings(config)},
                     {"engine", EngineObject(config, stats.engine)},
                     {"background", BackgroundObject(stats)},
                     {"repair",
                      {{"pairs", stats.repair.pairs},
                       {"unequal", stats.repair.unequal},
                       {"waiting", stats.repair.waiting},
                       {"unfilled", stats.repair.unfilled},
                       {"tree_sum", fmt::format("{:016x}", stats.tree_sum)},
                       {"exchanges", stats.core.exchanges},
                       {"leaves_exchanged", stats.core.leaves_exchanged},
                       {"records_sent", stats.core.exchange_records_sent},
                       {"records_received", stats.core.exchange_records_received},
                       {"rows_scrubbed", stats.core.rows_scrubbed},
                       {"damaged_pages", stats.core.damaged_pages},
                       {"leaves_corrected", stats.core.leaves_corrected}}},
                     {"transfer",
                      {{"streams", stats.core.streams},
                       {"streams_resumed", stats.core.streams_resumed},
                       {"streams_done", stats.core.streams_done},
                       {"rows_received", stats.core.stream_rows_received},
                       {"bytes_received", stats.core.stream_bytes_received},
                       {"rows_sent", stats.core.stream_rows_sent},
                       {"bytes_sent", stats.core.stream_bytes_sent}}},
                     {"purge",
                      {{"waiting", stats.purge_waiting},
                       {"ballots", stats.core.ballots},
                       {"ballots_failed", stats.core.ballots_failed},
                       {"rows", stats.core.rows_dropped},
                       {"partitions_set_aside", stats.core.partitions_set_aside}}},
                     {"counters", CountersObject(stats)},
                     {"latency", LatencyObject(stats)}};
  return Dump(json);
}

std::string RingJson(const ClusterView& view) {
  const Ring& ring = view.ring;
  std::uint64_t weight_total = 0;
  std::map<NodeId, std::uint64_t> partitions;
  for (const Member& member : ring.members()) weight_total += member.weight;
  for (const NodeId owner : ring.owners()) ++partitions[owner];
  Json members = Json::array();
  for (const Member& member : ring.members()) {
    const double fair = static_cast<double>(ring.partition_count()) * member.weight /
                        static_cast<double>(weight_total);
    members.push_back({{"name", member.name},
                       {"id", fmt::format("{:06x}", member.id.value)},
                       {"weight", member.weight},
                       {"zone", member.zone},
                       {"region", member.region},
                       {"resp", member.resp},
                       {"http", member.http},
                       {"partitions", partitions[member.id]},
                       {"fair_share", fair},
                       {"share", static_cast<double>(partitions[member.id]) /
                                     static_cast<double>(ring.partition_count())}});
  }
  Json leaving = Json::array();
  for (const Member& member : view.leaving) leaving.push_back(member.name);
  return Dump({{"epoch", ring.epoch().value},
               {"partitioner", std::string(PartitionerName(ring.partitioner()))},
               {"partition_count", ring.partition_count()},
               {"moving", view.moves.count()},
               {"leaving", std::move(leaving)},
               {"members", std::move(members)},
               {"owners", NamesOf(view, ring.owners())}});
}

std::string KeyspacesJson(const ClusterView& view) {
  return Dump({{"keyspaces", KeyspacesArray(view)}});
}

std::string ExplainJson(const ClusterView& view, std::string_view keyspace, const RowKey& key,
                        const ExplainOutcome& outcome, WallTime now) {
  const KeyspaceConfig* config = view.FindKeyspace(key.keyspace);
  const PartitionId partition = view.ring.PartitionOf(key.token);
  const KeyspaceConfig shown = config != nullptr ? *config : KeyspaceConfig{};
  const NodeList owners = view.OwnersOf(partition, shown);
  const NodeList fallbacks = view.FallbacksOf(partition, shown);
  Json copies = Json::array();
  for (const ExplainOutcome::Copy& copy : outcome.copies) {
    Json json = {{"node", NodeNameOf(view, copy.node)}};
    if (copy.error) {
      json["error"] = {{"code", std::string(ErrorCodeName(copy.error->code))},
                       {"message", copy.error->message}};
    } else {
      json["clock"] = ClockArray(view, copy.record.clock);
      json["context"] = EncodeContext(copy.record.clock);
      Json siblings = Json::array();
      for (const Sibling& sibling : copy.record.siblings) {
        siblings.push_back(SiblingObject(view, sibling, now));
      }
      json["siblings"] = std::move(siblings);
    }
    copies.push_back(std::move(json));
  }
  return Dump({{"keyspace", std::string(keyspace)},
               {"key", key.key.ToString()},
               {"key_base64", Base64Encode(key.key.view())},
               {"partitioner", std::string(PartitionerName(view.ring.partitioner()))},
               {"token", fmt::format("{:016x}{:016x}", key.token.high, key.token.low)},
               {"partition", partition.value},
               {"owners", NamesOf(view, owners.span())},
               {"fallbacks", NamesOf(view, fallbacks.span())},
               {"copies", std::move(copies)}});
}

}  // namespace gyre
