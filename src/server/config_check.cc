// What a config must fulfil as a whole, and what an operator should hear of it.
#include <sched.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

#include "server/config.h"
#include "server/config_settings.h"

namespace gyre {
namespace {

constexpr std::size_t kKeyspacesMax = 1'000;

Status CheckMembers(const ServerConfig& config) {
  const auto refuse = [](std::string message) {
    return Fail(ErrorCode::kInvalidArgument, message);
  };
  std::map<std::uint32_t, std::string> ids;
  std::set<std::string> addresses;
  for (const MemberConfig& member : config.members) {
    if (!IsName(member.name)) {
      return refuse("cluster.peers: a node's name is " + std::string(kNameAccepted));
    }
    if (member.address.host.empty()) {
      return refuse("cluster.peers: node " + member.name + " has no address");
    }
    const auto [other, fresh] = ids.emplace(NodeIdOf(member.name).value, member.name);
    if (!fresh) {
      return refuse(other->second == member.name
                        ? "cluster.peers: node " + member.name + " is listed twice"
                        : "cluster.peers: the names " + other->second + " and " + member.name +
                              " give the same node id; rename one of the two nodes");
    }
    if (!addresses.insert(member.address.ToString()).second) {
      return refuse("cluster.peers: two nodes have the address " + member.address.ToString());
    }
  }
  if (std::none_of(config.members.begin(), config.members.end(),
                   [&](const MemberConfig& m) { return m.name == config.node_name; })) {
    return refuse("cluster.peers: this node (" + config.node_name +
                  ") is not in the list; list every node of the cluster, this one included");
  }
  const std::size_t partitions = std::size_t{1} << config.partition_bits;
  if (config.members.size() > partitions) {
    return refuse("cluster.partition_bits: " + std::to_string(partitions) +
                  " partitions are too few for " + std::to_string(config.members.size()) +
                  " nodes");
  }
  return {};
}

Status CheckKeyspaces(const ServerConfig& config) {
  std::map<std::uint32_t, std::string> ids;
  if (config.keyspaces.size() > kKeyspacesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "keyspaces: at most " + std::to_string(kKeyspacesMax) + " are accepted");
  }
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    const std::string place = "keyspaces." + keyspace.name;
    if (!IsName(keyspace.name)) {
      return Fail(ErrorCode::kInvalidArgument,
                  "keyspaces: a name is " + std::string(kNameAccepted));
    }
    const auto [other, fresh] = ids.emplace(KeyspaceIdOf(keyspace.name).value, keyspace.name);
    if (!fresh) {
      return Fail(ErrorCode::kInvalidArgument, "keyspaces: the names " + other->second + " and " +
                                                   keyspace.name +
                                                   " give the same id; rename one of the two");
    }
    if (keyspace.replicas < 1 || keyspace.replicas > static_cast<int>(kReplicasMax)) {
      return Fail(ErrorCode::kInvalidArgument,
                  place + ".n: accepted: 1 to " + std::to_string(kReplicasMax));
    }
    const int copies = std::min(keyspace.replicas, static_cast<int>(config.members.size()));
    for (const auto& [field, spec] :
         {std::pair{".r: ", keyspace.read_quorum}, std::pair{".w: ", keyspace.write_quorum}}) {
      if (auto count = spec.Resolve(keyspace.replicas, copies); !count) {
        return Fail(ErrorCode::kInvalidArgument, place + field + count.error().message);
      }
    }
  }
  return {};
}

Status CheckPorts(const ServerConfig& config) {
  const std::pair<const char*, const HostPort*> ports[] = {
      {"listen.resp_port", &config.resp_listen},
      {"listen.http_port", &config.http_listen},
      {"listen.peer_port", &config.peer_listen}};
  for (std::size_t i = 0; i < std::size(ports); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (ports[i].second->port != 0 && *ports[i].second == *ports[j].second) {
        return Fail(ErrorCode::kInvalidArgument, std::string(ports[j].first) + " and " +
                                                     ports[i].first + " are both " +
                                                     ports[i].second->ToString());
      }
    }
  }
  return {};
}

Status CheckBackground(const ServerConfig& config) {
  if (config.background_bytes_per_second_min > config.background_bytes_per_second_max) {
    return Fail(ErrorCode::kInvalidArgument,
                "background.rate_min is larger than background.rate_max");
  }
  return {};
}

Status CheckWebhook(const ServerConfig& config) {
  if (config.webhook.empty()) return {};
  if (const Result<WebhookUrl> url = ParseWebhook(config.webhook); !url) {
    return Fail(ErrorCode::kInvalidArgument, "operator.webhook: accepted: " + url.error().message);
  }
  return {};
}

// Whether the files are good is found when they are read (link_security.h).
Status CheckTls(const TlsConfig& tls) {
  const std::pair<const char*, const std::string*> files[] = {
      {"cluster.tls.certificate", &tls.certificate},
      {"cluster.tls.key", &tls.key},
      {"cluster.tls.ca", &tls.ca}};
  const bool any = std::any_of(std::begin(files), std::end(files),
                               [](const auto& file) { return !file.second->empty(); });
  if (!any && tls.links == LinkScope::kNone) return {};
  for (const auto& [name, path] : files) {
    if (!path->empty()) continue;
    return Fail(ErrorCode::kInvalidArgument,
                std::string(name) + ": a path is needed: for TLS between nodes certificate, key " +
                    "and ca are given together");
  }
  return {};
}

void WarnOfRegions(const ServerConfig& config, const KeyspaceConfig& keyspace,
                   std::vector<std::string>& warnings) {
  for (const RegionCopies& wanted : keyspace.regions) {
    const auto nodes =
        std::count_if(config.members.begin(), config.members.end(),
                      [&](const MemberConfig& member) { return member.region == wanted.region; });
    if (nodes >= wanted.copies) continue;
    warnings.push_back("Keyspace " + keyspace.name + " keeps only " + std::to_string(nodes) +
                       " copies in region " + wanted.region + ": there are fewer nodes than n." +
                       wanted.region + " = " + std::to_string(wanted.copies));
  }
}

bool IsLoopback(std::string_view host) {
  return host.starts_with("127.") || host == "localhost" || host == "::1";
}

}  // namespace

Status FinishConfig(ServerConfig& config) {
  if (!IsName(config.node_name)) {
    return Fail(ErrorCode::kInvalidArgument, "node.name: accepted: " + std::string(kNameAccepted));
  }
  if (config.members.empty())
    config.members.push_back({config.node_name, config.peer_listen, 1, "", ""});
  const auto is_default = [](const KeyspaceConfig& k) { return k.name == "default"; };
  const auto it = std::find_if(config.keyspaces.begin(), config.keyspaces.end(), is_default);
  if (it == config.keyspaces.end()) {
    config.keyspaces.insert(config.keyspaces.begin(), KeyspaceConfig{});
  } else {
    std::rotate(config.keyspaces.begin(), it, it + 1);
  }
  if (config.shards == 0) config.shards = UsableCpus();
  if (Status status = CheckMembers(config); !status) return status;
  if (Status status = CheckKeyspaces(config); !status) return status;
  if (Status status = CheckBackground(config); !status) return status;
  if (Status status = CheckWebhook(config); !status) return status;
  if (Status status = CheckTls(config.tls); !status) return status;
  return CheckPorts(config);
}

std::vector<std::string> ConfigWarnings(const ServerConfig& config) {
  std::vector<std::string> warnings;
  const int nodes = static_cast<int>(config.members.size());
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    if (nodes > 1) WarnOfRegions(config, keyspace, warnings);
    const int copies = std::min(keyspace.replicas, nodes);
    const auto r = keyspace.read_quorum.Resolve(keyspace.replicas, copies);
    const auto w = keyspace.write_quorum.Resolve(keyspace.replicas, copies);
    const bool meet =
        QuorumsMeet(keyspace.read_quorum, keyspace.write_quorum, keyspace.replicas, copies);
    if (!meet && (keyspace.read_quorum.local() || keyspace.write_quorum.local())) {
      warnings.push_back("Keyspace " + keyspace.name +
                         " may read stale: beside local_quorum, use " +
                         "local_quorum, each_quorum or all");
    } else if (r && w && !meet) {
      warnings.push_back(
          "Keyspace " + keyspace.name + " may read stale: R + W = " + std::to_string(*r) + " + " +
          std::to_string(*w) + " is not more than " + std::to_string(copies) + " copies");
    }
    if (nodes > 1 && keyspace.regions.empty() && keyspace.replicas > nodes) {
      warnings.push_back("Keyspace " + keyspace.name + " keeps only " + std::to_string(nodes) +
                         " copies of each key: there are fewer nodes than N = " +
                         std::to_string(keyspace.replicas));
    }
  }
  const bool any_sloppy = std::any_of(config.keyspaces.begin(), config.keyspaces.end(),
                                      [](const KeyspaceConfig& k) { return k.sloppy; });
  if (nodes > 1 && any_sloppy && config.core.hint_after >= config.core.request_timeout) {
    warnings.push_back(
        "No other node stands in for an owner that is silent: hints.after is not shorter than "
        "limits.request");
  }
  if (config.password.empty() && !IsLoopback(config.resp_listen.host)) {
    warnings.push_back("Anyone who reaches " + config.resp_listen.ToString() +
                       " may read and write: no password is set (security.password)");
  }
  if (config.tls.links != LinkScope::kNone && config.tls.accept_plain) {
    warnings.push_back(
        "Links to other nodes may be in plain text (cluster.tls.accept_plain): meant for the time "
        "in which a cluster changes over");
  }
  if (config.engine == EngineKind::kMemory) {
    warnings.push_back("The memory engine keeps nothing when this node stops");
  } else if (config.durability == Durability::kInterval) {
    warnings.push_back(
        "With durability = interval the last second of acknowledged writes is lost if this machine "
        "loses power");
  }
  return warnings;
}

std::uint16_t UsableCpus() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::uint16_t>(std::clamp(CPU_COUNT(&set), 1, 256));
}

}  // namespace gyre
