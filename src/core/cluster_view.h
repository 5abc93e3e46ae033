// What a shard knows of the cluster: members, ring, keyspaces. Immutable; a change makes a new view
// with a higher epoch, and shards get it as a snapshot.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "core/ids.h"
#include "core/quorum/quorum_spec.h"
#include "core/ring/ring.h"

namespace gyre {

struct KeyspaceConfig {
  std::string name = "default";
  int replicas = 3;  // N
  QuorumSpec read_quorum;
  QuorumSpec write_quorum;
  Duration default_ttl;  // zero: none
  // Do fallbacks stand in for owners that cannot be reached (paper 4.6)?
  bool sloppy = true;

  bool operator==(const KeyspaceConfig&) const = default;
};

// Hash of the name; 0 for "default". Two keyspaces of one config with the same id are refused.
KeyspaceId KeyspaceIdOf(std::string_view name);
// Hash of the node's name: the low 24 bits of Xxh3_64, never 0. Collisions are refused.
NodeId NodeIdOf(std::string_view name);

struct ClusterView {
  Ring ring;
  std::map<KeyspaceId, KeyspaceConfig> keyspaces;  // always holds `default`

  const KeyspaceConfig* FindKeyspace(KeyspaceId id) const {
    const auto it = keyspaces.find(id);
    return it == keyspaces.end() ? nullptr : &it->second;
  }
};
using ClusterViewPtr = std::shared_ptr<const ClusterView>;

}  // namespace gyre
