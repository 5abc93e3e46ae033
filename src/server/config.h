// Everything a node is told at its start. Each setting has one name, and comes from the first of:
// a flag (--storage-folder), the environment (GYRE_STORAGE_FOLDER), the file (storage.folder), its
// default. A setting that is unknown or has a bad value is an error that names its place and what
// is accepted; nothing is guessed. packaging/gyre.toml shows and explains all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/result.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/features.h"
#include "core/ids.h"
#include "core/link_scope.h"
#include "core/ring/layout.h"
#include "core/ring/partitioner.h"
#include "core/ring/ring.h"
#include "storage/engine.h"

namespace gyre {

struct HostPort {
  std::string host;
  std::uint16_t port = 0;

  std::string ToString() const;  // "127.0.0.1:7379", "[::1]:7379"
  bool operator==(const HostPort&) const = default;
};
// Accepts "host:port", "[v6]:port" and ":port" (all interfaces).
// Errors: kInvalidArgument.
Result<HostPort> ParseHostPort(std::string_view text);

// Where notices are posted: http://host[:port]/path.
struct WebhookUrl {
  HostPort address;
  std::string path;  // with the query, as it is sent

  bool operator==(const WebhookUrl&) const = default;
};
// Errors: kInvalidArgument, also for https.
Result<WebhookUrl> ParseWebhook(std::string_view text);

// One node of the cluster, this one included. All nodes are given the same list.
struct MemberConfig {
  std::string name;
  HostPort address;  // its peer port, as the others reach it
  std::uint32_t weight = 1;
  std::string zone;
  std::string region;

  bool operator==(const MemberConfig&) const = default;
};

// `n1=10.0.0.1:7381/zone-a/eu/2,n2=10.0.0.2:7381`: name=host:port, then optionally /zone, /region
// and /weight in this order; a part may be empty.
// Errors: kInvalidArgument.
Result<std::vector<MemberConfig>> ParsePeers(std::string_view text);

// How links between nodes are encrypted (docs/tls.md). The three files are given together, or none.
struct TlsConfig {
  std::string certificate, key, ca;  // paths of PEM files
  LinkScope links = LinkScope::kNone;
  bool accept_plain = false;  // also where they should be encrypted: while a cluster changes over
  bool verify_name = false;   // a certificate must name the node that shows it

  bool enabled() const { return !certificate.empty(); }
};

enum class EngineKind : std::uint8_t { kRocksdb, kMemory };
enum class LogFormat : std::uint8_t { kAuto, kText, kJson };  // auto: text on a terminal

struct ServerConfig {
  std::string node_name = "n1";
  std::string cluster_id = "gyre";

  HostPort resp_listen{"127.0.0.1", 7379};
  HostPort http_listen{"127.0.0.1", 7380};
  HostPort peer_listen{"127.0.0.1", 7381};  // by default this node's own address in `members`
  std::string password;                     // for clients (AUTH, HTTP Basic); empty: none needed

  // Never empty once checked: with no peers given, this node alone. They found the cluster; who is
  // a member after that is in its layout.
  std::vector<MemberConfig> members;
  // Peer ports of members of the cluster to join, if this node is none yet: then `members` is this
  // node alone. A member asks there now and then for others that it has lost.
  std::vector<HostPort> join;
  // A node that asks to join is let in at once; if not, when an operator says so.
  bool open = true;
  // While a cluster is so young, an empty disk is taken for a part of its founding.
  Duration founding_grace = Duration::Seconds(300);
  // Founded alone, by `members` of one: others may join. Needs a Merkle tree from the first row.
  bool founds = false;
  // The highest version of the peer protocol that this node speaks (core/features.h).
  std::uint16_t protocol_max = kProtocolVersion;
  TlsConfig tls;
  LinkScope compress_links = LinkScope::kNone;  // what this node sends there
  int partition_bits = kPartitionBitsDefault;
  PartitionerKind partitioner = PartitionerKind::kMd5;
  std::vector<KeyspaceConfig> keyspaces;  // always holds `default`, first

  EngineKind engine = EngineKind::kRocksdb;
  std::string data_folder = "gyre-data";
  Durability durability = Durability::kSync;
  Duration sync_interval = Duration::Seconds(1);      // kInterval: at most so much can be lost
  std::size_t row_cache_bytes = 64 * 1024 * 1024;     // hot records, in front of the engine
  std::size_t block_cache_bytes = 128 * 1024 * 1024;  // RocksDB's own

  // Threads, each a shard of its own; 0 until checked, then the CPUs this process may run on.
  std::uint16_t shards = 0;

  std::size_t connections_max = 10'000;              // clients, over all shards; see open_files.h
  std::size_t output_bytes_max = 256 * 1024 * 1024;  // not yet taken by one client
  std::size_t peer_queue_bytes_max = 64 * 1024 * 1024;      // not yet taken by one peer link
  std::size_t value_bytes_in_flight_max = 4 * 1024 * 1024;  // of large ones, over all shards
  Duration unread_max = Duration::Seconds(1);               // that a request may wait to be taken
  Duration client_idle_timeout;                             // zero: none (RESP); HTTP: 60 s
  Duration http_request_timeout = Duration::Seconds(30);    // from first byte to last of a request

  // A node that is away for so long is reported to people; zero: none is.
  Duration dead_notice_after = Duration::Seconds(60);
  std::string webhook;  // that is told so too: a URL; empty: none

  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kAuto;

  // Of the whole node: each shard's core is given its share.
  std::uint64_t hint_bytes_per_target_max = std::uint64_t{1} << 30;
  std::uint64_t hint_bytes_max = std::uint64_t{2} << 30;
  std::uint64_t background_bytes_per_second_max = 64 << 20;
  std::uint64_t background_bytes_per_second_min = 1 << 20;

  CoreConfig core;  // for a shard's: CoreConfigOf
};

// One setting as people see it. `file_key` is "section.key"; flag and variable follow from it.
struct ConfigSetting {
  std::string_view file_key;
  std::string_view accepted;  // "one of rocksdb, memory"
  std::string_view help;
  std::string_view flag;  // without the dashes; empty: derived from file_key
};
std::span<const ConfigSetting> ConfigSettings();
std::string FlagOf(const ConfigSetting& setting);         // "storage-folder"
std::string EnvironmentOf(const ConfigSetting& setting);  // "GYRE_STORAGE_FOLDER"

struct ConfigSources {
  std::string file_name;                 // for messages
  std::optional<std::string> file_text;  // TOML
  // By name: "GYRE_STORAGE_FOLDER", "storage-folder".
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::pair<std::string, std::string>> flags;
};

// Reads, merges, completes and checks. Pure but for counting CPUs.
// Errors: kInvalidArgument, with the place ("gyre.toml:12:3: ...", "--w: ...") and what is
// accepted.
Result<ServerConfig> LoadConfig(const ConfigSources& sources);
// Completes (own node alone, `default` keyspace, shards) and checks what spans several settings.
// For configs made in code. Errors: kInvalidArgument.
Status FinishConfig(ServerConfig& config);
// The GYRE_ variables that are settings, from the process's environment.
std::vector<std::pair<std::string, std::string>> ConfigEnvironment();
// Every setting with its value, one per line, as TOML keys; the password is not shown.
std::string DescribeConfig(const ServerConfig& config);

// Things an operator should hear at the start that are not errors, one sentence each: R + W <= N,
// no password on an open port, interval durability, ...
std::vector<std::string> ConfigWarnings(const ServerConfig& config);

// CPUs that this process may run on, at least 1.
std::uint16_t UsableCpus();

// The members as the ring wants them, and the cluster's view made of them.
std::vector<Member> RingMembers(const ServerConfig& config);
// Errors, of this and the last: kInvalidArgument.
Result<Layout> FoundLayout(const ServerConfig& config);
ClusterViewPtr MakeClusterView(const ServerConfig& config, const Layout& layout);
Result<ClusterViewPtr> MakeClusterView(const ServerConfig& config);  // as founded

// What the core of one shard is told: its share of the node's limits, and how long an acknowledged
// write may still be lost. REQUIRES: a finished config.
CoreConfig CoreConfigOf(const ServerConfig& config);

}  // namespace gyre
