#include "server/config_settings.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "server/config_values.h"
#include "server/logging.h"

namespace gyre {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;
constexpr std::uint64_t kGiB = 1024 * kMiB;

Status Refuse(std::string accepted) { return Fail(ErrorCode::kInvalidArgument, accepted); }

// Assigns what a parser returned, or passes its sentence on.
template <typename Target, typename Value>
Status Assign(Target& target, Result<Value> value) {
  if (!value) return Fail(std::move(value.error()));
  target = static_cast<Target>(*value);
  return {};
}

Status AssignName(std::string& target, std::string_view text) {
  if (!IsName(text)) return Refuse(std::string(kNameAccepted));
  target = text;
  return {};
}

Status AssignHost(std::string& target, std::string_view text) {
  if (text.empty() || text.find_first_of(" /,") != std::string_view::npos) {
    return Refuse("a host name or address, such as 127.0.0.1 or 0.0.0.0");
  }
  target = text;
  return {};
}

Status AssignPort(std::uint16_t& target, std::string_view text) {
  return Assign(target, ParseWhole(text, 0, 65535));
}

std::string PeersText(const ServerConfig& config) {
  std::string text;
  for (const MemberConfig& member : config.members) {
    if (!text.empty()) text += ',';
    text += member.name + "=" + member.address.ToString();
    if (member.zone.empty() && member.region.empty() && member.weight == 1) continue;
    text += "/" + member.zone + "/" + member.region + "/" + std::to_string(member.weight);
  }
  return text;
}

Status AssignYesOrNo(bool& target, std::string_view text) {
  const bool yes = text == "yes" || text == "true";
  if (!yes && text != "no" && text != "false") return Refuse("yes or no");
  target = yes;
  return {};
}

constexpr const char* kScopeNames[] = {"none", "regions", "all"};  // in the order of LinkScope

Status AssignScope(LinkScope& target, std::string_view text) {
  for (int i = 0; i < 3; ++i) {
    if (text != kScopeNames[i]) continue;
    target = static_cast<LinkScope>(i);
    return {};
  }
  return Refuse("none, regions or all");
}

// N: a whole number, or "eu=3,us=2": so many in each region.
Status AssignCopies(KeyspaceConfig& keyspace, std::string_view text) {
  const auto count = ParseWhole(text, 1, kReplicasMax);
  if (count) {
    keyspace.replicas = static_cast<int>(*count);
    keyspace.regions.clear();
    return {};
  }
  const std::string accepted =
      "a whole number from 1 to " + std::to_string(kReplicasMax) +
      ", or a number for each region: {eu = 3, us = 2} in a file, eu=3,us=2 elsewhere; " +
      std::to_string(kReplicasMax) + " in all";
  std::vector<RegionCopies> regions;
  int sum = 0;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(item.size() + 1, text.size()));
    const std::size_t equals = std::min(item.find('='), item.size());
    const std::string_view region = item.substr(0, equals);
    const auto copies = ParseWhole(item.substr(std::min(equals + 1, item.size())), 1, kReplicasMax);
    if (!IsName(region) || !copies) return Refuse(accepted);
    const bool twice = std::any_of(regions.begin(), regions.end(), [&](const RegionCopies& other) {
      return other.region == region;
    });
    sum += static_cast<int>(*copies);
    if (twice || sum > static_cast<int>(kReplicasMax)) return Refuse(accepted);
    regions.push_back({std::string(region), static_cast<int>(*copies)});
  }
  if (regions.empty()) return Refuse(accepted);
  std::sort(regions.begin(), regions.end(),
            [](const RegionCopies& a, const RegionCopies& b) { return a.region < b.region; });
  keyspace.regions = std::move(regions);
  keyspace.replicas = sum;
  return {};
}

std::string CopiesText(const KeyspaceConfig& keyspace) {
  if (keyspace.regions.empty()) return std::to_string(keyspace.replicas);
  std::string text;
  for (const RegionCopies& region : keyspace.regions) {
    text += (text.empty() ? "" : ",") + region.region + "=" + std::to_string(region.copies);
  }
  return text;
}

// Rows for plain members of the config, by kind of value.
#define GYRE_SIZE(member, low, high)                                                             \
  [](ServerConfig& c, std::string_view t) { return Assign(c.member, ParseSize(t, low, high)); }, \
      [](const ServerConfig& c) { return SizeText(c.member); }
#define GYRE_COUNT(member, low, high)                                                             \
  [](ServerConfig& c, std::string_view t) { return Assign(c.member, ParseWhole(t, low, high)); }, \
      [](const ServerConfig& c) { return std::to_string(c.member); }
#define GYRE_SPAN(member, low, high)                      \
  [](ServerConfig& c, std::string_view t) {               \
    return Assign(c.member, ParseDuration(t, low, high)); \
  },                                                      \
      [](const ServerConfig& c) { return DurationText(c.member); }
#define GYRE_PATH(member)                             \
  [](ServerConfig& c, std::string_view t) -> Status { \
    c.member = t;                                     \
    return {};                                        \
  },                                                  \
      [](const ServerConfig& c) { return c.member; }
#define GYRE_PORT(member)                                                           \
  [](ServerConfig& c, std::string_view t) { return AssignPort(c.member.port, t); }, \
      [](const ServerConfig& c) { return std::to_string(c.member.port); }

const SettingRow kRows[] = {
    {{"node.name", kNameAccepted, "this node's name, unique in the cluster", "name"},
     [](ServerConfig& c, std::string_view t) { return AssignName(c.node_name, t); },
     [](const ServerConfig& c) { return c.node_name; }},

    {{"cluster.id", kNameAccepted, "nodes of another cluster id are refused", "cluster-id"},
     [](ServerConfig& c, std::string_view t) { return AssignName(c.cluster_id, t); },
     [](const ServerConfig& c) { return c.cluster_id; }},
    {{"cluster.peers", "name=host:port[/zone[/region[/weight]]], separated by commas",
      "all nodes with their peer ports, this one included; the same list on every node", "peers"},
     [](ServerConfig& c, std::string_view t) { return Assign(c.members, ParsePeers(t)); },
     PeersText},
    {{"cluster.join", "host:port, several separated by commas",
      "peer ports of members of a cluster that this node joins, if it is in none yet; a member "
      "asks "
      "there for others that it has lost",
      "join"},
     [](ServerConfig& c, std::string_view t) -> Status {
       c.join.clear();
       while (!t.empty()) {
         const std::size_t comma = std::min(t.find(','), t.size());
         Result<HostPort> seed = ParseHostPort(t.substr(0, comma));
         if (!seed) return Refuse("host:port, several separated by commas");
         c.join.push_back(*std::move(seed));
         t.remove_prefix(std::min(comma + 1, t.size()));
       }
       return {};
     },
     [](const ServerConfig& c) {
       std::string text;
       for (const HostPort& seed : c.join) text += (text.empty() ? "" : ",") + seed.ToString();
       return text;
     }},
    {{"cluster.found", "yes or no",
      "this node, alone so far, begins a cluster that others may join", "found"},
     [](ServerConfig& c, std::string_view t) { return AssignYesOrNo(c.founds, t); },
     [](const ServerConfig& c) { return std::string(c.founds ? "yes" : "no"); }},
    {{"cluster.open", "yes or no",
      "nodes that ask to join are let in at once; no: when `gyre cluster join` says so", "open"},
     [](ServerConfig& c, std::string_view t) { return AssignYesOrNo(c.open, t); },
     [](const ServerConfig& c) { return std::string(c.open ? "yes" : "no"); }},
    {{"cluster.founding_grace", "a duration such as 5m",
      "while a cluster is so young, an empty disk is a part of its founding; later it is filled "
      "by the other owners before it answers reads",
      "founding-grace"},
     GYRE_SPAN(founding_grace, Duration::Micros(0), Duration::Seconds(3600))},
    {{"cluster.protocol_max", "a whole number from 3 to 5",
      "the highest version of the peer protocol that this node speaks; lower than its default: it "
      "behaves as an older node",
      "protocol-max"},
     GYRE_COUNT(protocol_max, kProtocolVersionMin, kProtocolVersion)},
    {{"cluster.partition_bits", "a whole number from 0 to 16",
      "the ring has 2^bits partitions; the same on every node", "partition-bits"},
     GYRE_COUNT(partition_bits, 0, kPartitionBitsMax)},
    {{"cluster.partitioner", "md5 or xxh3", "how a key becomes a token; the same on every node",
      "partitioner"},
     [](ServerConfig& c, std::string_view t) -> Status {
       for (const PartitionerKind kind : {PartitionerKind::kMd5, PartitionerKind::kXxh3}) {
         if (t != PartitionerName(kind)) continue;
         c.partitioner = kind;
         return {};
       }
       return Refuse("md5 or xxh3");
     },
     [](const ServerConfig& c) { return std::string(PartitionerName(c.partitioner)); }},

    {{"cluster.compress_links", "none, regions or all",
      "on which links to other nodes this one compresses what it sends; regions: those to other "
      "regions",
      "compress-links"},
     [](ServerConfig& c, std::string_view t) { return AssignScope(c.compress_links, t); },
     [](const ServerConfig& c) {
       return std::string(kScopeNames[static_cast<int>(c.compress_links)]);
     }},

    {{"cluster.tls.certificate", "a path, or empty",
      "PEM file: this node's certificate, and those that lead to its authority", "tls-certificate"},
     GYRE_PATH(tls.certificate)},
    {{"cluster.tls.key", "a path, or empty", "PEM file: the key of the certificate", "tls-key"},
     GYRE_PATH(tls.key)},
    {{"cluster.tls.ca", "a path, or empty",
      "PEM file: the authorities that the other nodes' certificates must lead to", "tls-ca"},
     GYRE_PATH(tls.ca)},
    {{"cluster.tls.links", "none, regions or all",
      "which links to other nodes are encrypted; regions: those to other regions, and guests'",
      "tls-links"},
     [](ServerConfig& c, std::string_view t) { return AssignScope(c.tls.links, t); },
     [](const ServerConfig& c) { return std::string(kScopeNames[static_cast<int>(c.tls.links)]); }},
    {{"cluster.tls.accept_plain", "yes or no",
      "yes: nodes that do not speak TLS are talked to all the same, while a cluster changes over",
      "tls-accept-plain"},
     [](ServerConfig& c, std::string_view t) { return AssignYesOrNo(c.tls.accept_plain, t); },
     [](const ServerConfig& c) { return std::string(c.tls.accept_plain ? "yes" : "no"); }},
    {{"cluster.tls.verify", "ca or name",
      "ca: a certificate is good for any node; name: only for the node that it names as a DNS name",
      "tls-verify"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t != "ca" && t != "name") return Refuse("ca or name");
       c.tls.verify_name = t == "name";
       return {};
     },
     [](const ServerConfig& c) { return std::string(c.tls.verify_name ? "name" : "ca"); }},

    {{"listen.host", "a host name or address", "where clients connect", "listen"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (Status status = AssignHost(c.resp_listen.host, t); !status) return status;
       c.http_listen.host = c.resp_listen.host;
       return {};
     },
     [](const ServerConfig& c) { return c.resp_listen.host; }},
    {{"listen.resp_port", "a whole number from 0 to 65535 (0: any free one)", "RESP port",
      "resp-port"},
     GYRE_PORT(resp_listen)},
    {{"listen.http_port", "a whole number from 0 to 65535 (0: any free one)", "HTTP port",
      "http-port"},
     GYRE_PORT(http_listen)},
    {{"listen.peer_host", "a host name or address",
      "where peers connect; by default this node's own host in cluster.peers", "peer-listen"},
     [](ServerConfig& c, std::string_view t) { return AssignHost(c.peer_listen.host, t); },
     [](const ServerConfig& c) { return c.peer_listen.host; }},
    {{"listen.peer_port", "a whole number from 0 to 65535",
      "where peers connect; by default this node's own port in cluster.peers", "peer-port"},
     GYRE_PORT(peer_listen)},

    {{"security.password", "up to 512 bytes without line breaks",
      "what clients must give (AUTH, HTTP Basic); empty: nothing", "password"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t.size() > 512 || t.find_first_of("\r\n") != std::string_view::npos) {
         return Refuse("up to 512 bytes without line breaks");
       }
       c.password = t;
       return {};
     },
     [](const ServerConfig& c) { return std::string(c.password.empty() ? "" : "(not shown)"); }},

    {{"storage.engine", "rocksdb or memory", "where records live", "engine"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t != "rocksdb" && t != "memory") return Refuse("rocksdb or memory");
       c.engine = t == "memory" ? EngineKind::kMemory : EngineKind::kRocksdb;
       return {};
     },
     [](const ServerConfig& c) {
       return std::string(c.engine == EngineKind::kMemory ? "memory" : "rocksdb");
     }},
    {{"storage.folder", "a path", "this node's own data folder", "data-dir"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t.empty()) return Refuse("a path");
       c.data_folder = t;
       return {};
     },
     [](const ServerConfig& c) { return c.data_folder; }},
    {{"storage.durability", "sync or interval",
      "sync: acknowledged when on disk; interval: synced every second", "durability"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t != "sync" && t != "interval") return Refuse("sync or interval");
       c.durability = t == "sync" ? Durability::kSync : Durability::kInterval;
       return {};
     },
     [](const ServerConfig& c) {
       return std::string(c.durability == Durability::kSync ? "sync" : "interval");
     }},
    {{"storage.row_cache", "a size such as 64MiB", "hot records, in front of the engine",
      "row-cache"},
     GYRE_SIZE(row_cache_bytes, 0, 1024 * kGiB)},
    {{"storage.block_cache", "a size such as 128MiB", "RocksDB's own cache", "block-cache"},
     GYRE_SIZE(block_cache_bytes, kMiB, 1024 * kGiB)},

    {{"server.shards", "a whole number from 0 to 256",
      "threads, each with its share of the partitions; 0: one per usable CPU", "shards"},
     GYRE_COUNT(shards, 0, 256)},

    {{"limits.connections", "a whole number from 1 to 1000000", "clients connected at a time",
      "connections-max"},
     GYRE_COUNT(connections_max, 1, 1'000'000)},
    {{"limits.output", "a size such as 256MiB",
      "bytes waiting for one client that does not read; past it, it is cut off", "output-max"},
     GYRE_SIZE(output_bytes_max, kMiB, 64 * kGiB)},
    {{"limits.peer_queue", "a size such as 64MiB", "bytes waiting for one peer", "peer-queue-max"},
     GYRE_SIZE(peer_queue_bytes_max, kMiB, 64 * kGiB)},
    {{"limits.unread", "a duration such as 1s, at most 3s, 0 for none",
      "a RESP command or HTTP request that had to wait for so long is refused with BUSY (503)",
      "unread-max"},
     GYRE_SPAN(unread_max, Duration::Micros(0), Duration::Seconds(3))},
    {{"limits.client_idle", "a duration such as 10m, 0 for none",
      "an idle RESP client is cut off after this", "client-idle"},
     GYRE_SPAN(client_idle_timeout, Duration::Micros(0), Duration::Seconds(30 * 86400))},
    {{"limits.http_request", "a duration such as 30s",
      "from the first to the last byte of one HTTP request", "http-request-timeout"},
     GYRE_SPAN(http_request_timeout, Duration::Millis(100), Duration::Seconds(3600))},
    {{"limits.value", "a size such as 8MiB", "the largest value", "value-max"},
     GYRE_SIZE(core.value_bytes_max, 1, kValueBytesHardMax)},
    {{"limits.siblings", "a whole number from 1 to 100000",
      "unreconciled values of one key; past it, puts that would add one are refused",
      "siblings-max"},
     GYRE_COUNT(core.siblings_max, 1, kSiblingsHardMax)},
    {{"limits.clock_entries", "a whole number from 2 to 100000",
      "entries of a version vector; past it, the oldest go", "clock-entries-max"},
     GYRE_COUNT(core.clock_entries_max, 2, kClockEntriesHardMax)},
    {{"limits.clock_entry_age", "a duration such as 24h",
      "a younger entry of a version vector is never dropped", "clock-entry-age"},
     GYRE_SPAN(core.clock_entry_age_safe, Duration::Seconds(1), Duration::Seconds(3650LL * 86400))},
    {{"limits.request", "a duration such as 2s", "from a client's request to its answer",
      "request-timeout"},
     GYRE_SPAN(core.request_timeout, Duration::Millis(1), Duration::Seconds(3600))},
    {{"limits.stragglers", "a duration such as 500ms",
      "how long an answered get waits for slow owners before it repairs", "straggler-timeout"},
     GYRE_SPAN(core.straggler_timeout, Duration::Millis(1), Duration::Seconds(3600))},
    {{"limits.requests_in_flight", "a whole number from 1 to 10000000",
      "requests in flight per shard; past it, new ones are refused", "requests-in-flight-max"},
     GYRE_COUNT(core.requests_in_flight_max, 1, 10'000'000)},
    {{"limits.value_bytes_in_flight", "a size such as 4MiB",
      "of values of 4 KiB and more that are being written; past it, clients with another wait",
      "value-bytes-in-flight-max"},
     GYRE_SIZE(value_bytes_in_flight_max, kMiB, 64 * kGiB)},
    {{"limits.waiters_per_key", "a whole number from 1 to 10000000",
      "requests waiting for one key; past it, new ones are refused", "waiters-per-key-max"},
     GYRE_COUNT(core.waiters_per_key_max, 1, 10'000'000)},
    {{"limits.clock_lead", "a duration such as 60s",
      "how far ahead of its own clock a node follows its peers'", "clock-lead-max"},
     GYRE_SPAN(core.hybrid_clock_lead_max, Duration::Millis(1), Duration::Seconds(86400))},
    {{"limits.scan_rows", "a whole number from 1 to 100000", "rows of one page of a scan",
      "scan-rows-max"},
     GYRE_COUNT(core.scan_rows_max, 1, 100'000)},

    {{"hints.after", "a duration such as 500ms",
      "an owner silent for so long in a put: another node keeps its copy for it", "hint-after"},
     GYRE_SPAN(core.hint_after, Duration::Millis(1), Duration::Seconds(3600))},
    {{"hints.bytes", "a size such as 2GiB",
      "kept for all nodes that cannot be reached; past it, their copies are left to the exchange",
      "hint-bytes-max"},
     GYRE_SIZE(hint_bytes_max, 1, 1024 * kGiB)},
    {{"hints.bytes_per_target", "a size such as 1GiB", "kept for one node",
      "hint-bytes-per-target-max"},
     GYRE_SIZE(hint_bytes_per_target_max, 1, 1024 * kGiB)},

    {{"background.rate_max", "a size such as 64MiB",
      "bytes a second of background work while clients are answered quickly",
      "background-rate-max"},
     GYRE_SIZE(background_bytes_per_second_max, 1, 64 * kGiB)},
    {{"background.rate_min", "a size such as 1MiB",
      "bytes a second of background work, however long clients wait", "background-rate-min"},
     GYRE_SIZE(background_bytes_per_second_min, 1, 64 * kGiB)},
    {{"background.transfer", "paced or unthrottled",
      "partitions that move: paid for like other background work, or as fast as can be",
      "transfer"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t != "paced" && t != "unthrottled") return Refuse("paced or unthrottled");
       c.core.transfer_unthrottled = t == "unthrottled";
       return {};
     },
     [](const ServerConfig& c) {
       return std::string(c.core.transfer_unthrottled ? "unthrottled" : "paced");
     }},
    {{"background.repair_cycle", "a duration such as 60s",
      "in so long each partition is compared once with each other owner", "repair-cycle"},
     GYRE_SPAN(core.repair_cycle, Duration::Millis(100), Duration::Seconds(30 * 24 * 3600))},
    {{"background.scrub_cycle", "a duration such as 24h",
      "in so long every row is read once and checked", "scrub-cycle"},
     GYRE_SPAN(core.scrub_cycle, Duration::Seconds(1), Duration::Seconds(365 * 24 * 3600))},
    {{"background.purge_after", "a duration such as 60s",
      "so old a deleted or expired key must be before it is forgotten", "purge-after"},
     GYRE_SPAN(core.purge_after, Duration::Millis(0), Duration::Seconds(365 * 24 * 3600))},

    {{"operator.dead_notice_after", "a duration such as 60s, 0 for none",
      "a node away for so long is reported: log, metrics, webhook", "dead-notice-after"},
     [](ServerConfig& c, std::string_view t) -> Status {
       const Result<Duration> span =
           ParseDuration(t, Duration::Seconds(t == "0" ? 0 : 1), Duration::Seconds(7 * 86400));
       if (!span) return Refuse("0 (none), or " + span.error().message);
       c.dead_notice_after = *span;
       return {};
     },
     [](const ServerConfig& c) { return DurationText(c.dead_notice_after); }},
    {{"operator.webhook", "http://host[:port]/path, or empty",
      "where such reports are posted, as JSON; https is not supported yet", "webhook"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (!t.empty()) {
         if (Result<WebhookUrl> url = ParseWebhook(t); !url) return Fail(std::move(url.error()));
       }
       c.webhook = t;
       return {};
     },
     [](const ServerConfig& c) { return c.webhook; }},

    {{"log.level", "debug, info, warning or error", "what is logged", "log-level"},
     [](ServerConfig& c, std::string_view t) { return Assign(c.log_level, ParseLogLevel(t)); },
     [](const ServerConfig& c) { return std::string(LogLevelName(c.log_level)); }},
    {{"log.format", "auto, text or json", "auto: text on a terminal, JSON elsewhere", "log-format"},
     [](ServerConfig& c, std::string_view t) -> Status {
       if (t != "auto" && t != "text" && t != "json") return Refuse("auto, text or json");
       c.log_format = t == "auto"   ? LogFormat::kAuto
                      : t == "text" ? LogFormat::kText
                                    : LogFormat::kJson;
       return {};
     },
     [](const ServerConfig& c) {
       constexpr const char* kNames[] = {"auto", "text", "json"};
       return std::string(kNames[static_cast<int>(c.log_format)]);
     }},
};

const KeyspaceSettingRow kKeyspaceRows[] = {
    {"n", AssignCopies, CopiesText},
    {"r",
     [](KeyspaceConfig& k, std::string_view t) {
       return Assign(k.read_quorum, QuorumSpec::Parse(t));
     },
     [](const KeyspaceConfig& k) { return k.read_quorum.ToString(); }},
    {"w",
     [](KeyspaceConfig& k, std::string_view t) {
       return Assign(k.write_quorum, QuorumSpec::Parse(t));
     },
     [](const KeyspaceConfig& k) { return k.write_quorum.ToString(); }},
    {"default_ttl",
     [](KeyspaceConfig& k, std::string_view t) {
       return Assign(k.default_ttl,
                     ParseDuration(t, Duration::Micros(0), Duration::Seconds(3650LL * 86400)));
     },
     [](const KeyspaceConfig& k) { return DurationText(k.default_ttl); }},
    {"sloppy", [](KeyspaceConfig& k, std::string_view t) { return AssignYesOrNo(k.sloppy, t); },
     [](const KeyspaceConfig& k) { return std::string(k.sloppy ? "yes" : "no"); }},
};

bool IsZoneName(std::string_view text) { return text.empty() || IsName(text); }

}  // namespace

std::span<const SettingRow> SettingRows() { return kRows; }
std::span<const KeyspaceSettingRow> KeyspaceSettingRows() { return kKeyspaceRows; }

bool IsName(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-';
  });
}

Status SetMember(MemberConfig& member, std::string_view name, std::string_view text) {
  if (name == "name") return AssignName(member.name, text);
  if (name == "address") {
    Result<HostPort> address = ParseHostPort(text);
    if (address && (address->host.empty() || address->port == 0)) {
      return Refuse("host:port of the node's peer port, as the others reach it");
    }
    return Assign(member.address, std::move(address));
  }
  if (name == "weight") return Assign(member.weight, ParseWhole(text, 1, 10'000));
  if (name == "zone" || name == "region") {
    if (!IsZoneName(text)) return Refuse(std::string(kNameAccepted));
    (name == "zone" ? member.zone : member.region) = text;
    return {};
  }
  return Refuse("one of name, address, weight, zone, region");
}

}  // namespace gyre
