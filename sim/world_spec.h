// What a seed draws before anything happens: cluster, config, disks, network, load. Ranges of the
// core's tunables stand beside them in src/core/config.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/cluster_view.h"
#include "core/config.h"
#include "core/ring/layout.h"
#include "sim/network.h"
#include "sim/sim_storage.h"

namespace gyre::sim {

struct WorldSpec {
  std::uint64_t seed = 1;
  int ops = 600;
  std::vector<Member> members;              // all that ever are
  int founders = 0;                         // of them: the first so many begin; 0: all
  std::vector<std::uint16_t> shard_counts;  // by node
  // The peer protocol that each node speaks until it is upgraded (core/features.h); empty: today's.
  std::vector<std::uint16_t> versions;
  int partition_bits = 4;
  PartitionerKind partitioner = PartitionerKind::kMd5;
  std::vector<KeyspaceConfig> keyspaces;
  CoreConfig config;
  NetworkProfile network;
  StorageProfile storage;
  int sessions = 6;
  int keys = 8;
  std::int64_t think_us_mean = 20'000;
  int faults = 40;
  bool clocks_differ = true;
  bool wipes_disks = false;
  bool rots = false;
  bool restores = false;  // backups
  // Deletes with an owner away, and what comes of them (episodes.h).
  int episodes = 0;
  // Joins, leaves, removals (operator.h), and whether the cluster's owners can change at all.
  int changes = 0;
  // These come several at once too, and replacements and other weights are among them.
  bool plans = false;
  // How long it takes at most until some node tells another what it knows of the owners.
  std::int64_t rumour_us_max = 60'000;
  // Between nodes of two regions, one way, on top of the network's latency.
  std::int64_t region_distance_us = 0;

  // A few lines for people.
  std::string Describe() const;
};

struct SpecOptions {
  int nodes = 0;  // 0: drawn, 1 to 7
  int ops = 0;    // 0: drawn
  // The members change in every world, which has 4 nodes or more and fewer copies than nodes.
  bool changes = false;
  bool plans = false;  // the same, and WorldSpec::plans
};
WorldSpec DrawSpec(std::uint64_t seed, const SpecOptions& options);

// Nodes "a", "b", ... that trust their links and disks, with equal clocks: for scripted scenarios.
WorldSpec QuietSpec(int nodes, int replicas, QuorumSpec read, QuorumSpec write);

// The largest N of its keyspaces.
int ReplicasOf(const WorldSpec& spec);
// With the founders only.
Layout MakeLayout(const WorldSpec& spec);
ClusterViewPtr MakeView(const WorldSpec& spec, const Layout& layout);

}  // namespace gyre::sim
