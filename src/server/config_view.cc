// The cluster as this config describes it, and what the core is told.
#include <algorithm>

#include "core/ring/claim.h"
#include "server/config.h"

namespace gyre {
namespace {

bool IsEveryInterface(std::string_view host) {
  return host.empty() || host == "0.0.0.0" || host == "::";
}

// How clients reach what listens there: on all interfaces, by the host that peers use. Empty: that
// is no help either, or the system picks the port.
std::string ReachableAt(HostPort listen, const HostPort& peer) {
  if (IsEveryInterface(listen.host)) listen.host = peer.host;
  if (IsEveryInterface(listen.host) || listen.port == 0) return {};
  return listen.ToString();
}

}  // namespace

std::vector<Member> RingMembers(const ServerConfig& config) {
  std::vector<Member> members;
  members.reserve(config.members.size());
  for (const MemberConfig& member : config.members) {
    members.push_back({NodeIdOf(member.name), member.name, member.weight, member.zone,
                       member.region, member.address.ToString()});
  }
  // Of this node alone, and told only where it is alone in the list: all who found a cluster by one
  // list must make the same of it.
  if (members.size() == 1) {
    const HostPort& peer = config.members.front().address;
    members.front().resp = ReachableAt(config.resp_listen, peer);
    members.front().http = ReachableAt(config.http_listen, peer);
  }
  return members;
}

Result<Layout> FoundLayout(const ServerConfig& config) {
  ClaimOptions options;
  options.partition_bits = config.partition_bits;
  options.partitioner = config.partitioner;
  options.replicas = 1;
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    // The more of each partition's list moves with it, the more of each region it has for certain.
    const int listed =
        keyspace.regions.empty() ? keyspace.replicas : static_cast<int>(kReplicasMax);
    options.replicas = std::max(options.replicas, listed);
  }
  Result<Ring> ring = FoundRing(RingEpoch{1}, RingMembers(config), options);
  if (!ring) return Fail(std::move(ring.error()));
  // The same on each node that is given the same list.
  Lineage lineage;
  lineage.founding = RingDigest(*ring);
  return Layout::Found(lineage, *std::move(ring), options.replicas);
}

ClusterViewPtr MakeClusterView(const ServerConfig& config, const Layout& layout) {
  auto view = std::make_shared<ClusterView>(ClusterView{
      layout.ring(), {}, layout.moves(), layout.leaving(), layout.former(), layout.replicas()});
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    view->ring.PrepareOwners(view->ListLengthOf(keyspace));
    view->keyspaces.emplace(KeyspaceIdOf(keyspace.name), keyspace);
  }
  return view;
}

Result<ClusterViewPtr> MakeClusterView(const ServerConfig& config) {
  const Result<Layout> layout = FoundLayout(config);
  if (!layout) return Fail(layout.error());
  return MakeClusterView(config, *layout);
}

CoreConfig CoreConfigOf(const ServerConfig& config) {
  CoreConfig core = config.core;
  // A limit of nothing would be another thing than a small one.
  const auto share = [&](std::uint64_t of_node) {
    return std::max<std::uint64_t>(of_node / std::max<std::uint64_t>(config.shards, 1), 1);
  };
  core.hint_bytes_per_target_max = share(config.hint_bytes_per_target_max);
  core.hint_bytes_max = share(config.hint_bytes_max);
  core.background_bytes_per_second_max = share(config.background_bytes_per_second_max);
  core.background_bytes_per_second_min = share(config.background_bytes_per_second_min);
  const bool lags =
      config.engine == EngineKind::kRocksdb && config.durability == Durability::kInterval;
  core.sync_lag = lags ? config.sync_interval : Duration{};
  return core;
}

}  // namespace gyre
