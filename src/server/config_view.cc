// The cluster as this config describes it.
#include <algorithm>

#include "core/ring/claim.h"
#include "server/config.h"

namespace gyre {

std::vector<Member> RingMembers(const ServerConfig& config) {
  std::vector<Member> members;
  members.reserve(config.members.size());
  for (const MemberConfig& member : config.members) {
    members.push_back(
        {NodeIdOf(member.name), member.name, member.weight, member.zone, member.region});
  }
  return members;
}

Result<ClusterViewPtr> MakeClusterView(const ServerConfig& config) {
  ClaimOptions options;
  options.partition_bits = config.partition_bits;
  options.partitioner = config.partitioner;
  options.replicas = 1;
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    options.replicas = std::max(options.replicas, keyspace.replicas);
  }
  Result<Ring> ring = FoundRing(RingEpoch{1}, RingMembers(config), options);
  if (!ring) return Fail(std::move(ring.error()));
  std::map<KeyspaceId, KeyspaceConfig> keyspaces;
  for (const KeyspaceConfig& keyspace : config.keyspaces) {
    ring->PrepareOwners(keyspace.replicas);
    keyspaces.emplace(KeyspaceIdOf(keyspace.name), keyspace);
  }
  return ClusterViewPtr(
      std::make_shared<const ClusterView>(ClusterView{std::move(*ring), std::move(keyspaces)}));
}

}  // namespace gyre
