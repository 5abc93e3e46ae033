#include "sim/world_spec.h"

#include <algorithm>
#include <bit>
#include <memory>
#include <utility>

#include "base/check.h"
#include "base/prng.h"
#include "core/features.h"
#include "core/ring/claim.h"

namespace gyre::sim {
namespace {

std::string NodeName(int index) { return "node-" + std::string(1, static_cast<char>('a' + index)); }

QuorumSpec DrawQuorum(Prng& prng, int replicas) {
  switch (prng.Below(8)) {
    case 0:
      return QuorumSpec::One();
    case 1:
      return QuorumSpec::All();
    case 2:
      return QuorumSpec::Number(static_cast<std::uint8_t>(prng.Between(1, replicas)));
    default:
      return QuorumSpec::Quorum();
  }
}

KeyspaceConfig DrawKeyspace(Prng& prng, const std::string& name, int replicas) {
  KeyspaceConfig keyspace;
  keyspace.name = name;
  keyspace.replicas = replicas;
  keyspace.read_quorum = DrawQuorum(prng, replicas);
  keyspace.write_quorum = DrawQuorum(prng, replicas);
  keyspace.sloppy = prng.Chance(700'000);
  return keyspace;
}

// Near the low end as often as near the high one.
std::int64_t DrawScaled(Prng& prng, std::int64_t low, std::int64_t high) {
  const int doublings = std::bit_width(static_cast<std::uint64_t>(high / low));
  const std::int64_t base = low << prng.Below(static_cast<std::uint64_t>(doublings) + 1);
  return std::clamp(prng.Between(base / 2, base), low, high);
}

CoreConfig DrawConfig(Prng& prng) {
  CoreConfig config;
  config.siblings_max = static_cast<std::size_t>(DrawScaled(prng, 20, 1'000));
  config.clock_entries_max = static_cast<std::size_t>(prng.Between(4, 16));
  config.clock_entry_age_safe =
      Duration::Micros(DrawScaled(prng, 1'000'000, std::int64_t{24} * 3600 * 1'000'000));
  config.request_timeout = Duration::Micros(DrawScaled(prng, 50'000, 2'000'000));
  config.straggler_timeout = Duration::Micros(DrawScaled(prng, 10'000, 500'000));
  config.storage_retry_after = Duration::Micros(DrawScaled(prng, 10'000, 1'000'000));
  config.requests_in_flight_max = static_cast<std::size_t>(DrawScaled(prng, 100, 20'000));
  config.waiters_per_key_max = static_cast<std::size_t>(DrawScaled(prng, 50, 10'000));
  config.start_grace = Duration::Micros(DrawScaled(prng, 50'000, 2'000'000));
  config.hint_after = Duration::Micros(DrawScaled(prng, 10'000, 500'000));
  config.hint_bytes_per_target_max =
      static_cast<std::uint64_t>(DrawScaled(prng, 2'048, std::int64_t{1} << 30));
  config.hint_bytes_max =
      static_cast<std::uint64_t>(DrawScaled(prng, 4'096, std::int64_t{2} << 30));
  config.hint_replay_window = static_cast<std::size_t>(DrawScaled(prng, 1, 64));
  config.hint_replay_retry = Duration::Micros(DrawScaled(prng, 20'000, 500'000));
  config.repair_cycle = Duration::Micros(DrawScaled(prng, 200'000, 5'000'000));
  config.exchange_sessions_max = static_cast<std::size_t>(prng.Between(1, 4));
  config.exchange_settle = Duration::Micros(DrawScaled(prng, 10'000, 500'000));
  config.exchange_retry = Duration::Micros(DrawScaled(prng, 50'000, 500'000));
  config.exchange_rows_max = static_cast<std::size_t>(DrawScaled(prng, 2, 256));
  config.exchange_bytes_max = static_cast<std::size_t>(DrawScaled(prng, 1'024, 1 << 20));
  config.scrub_cycle = Duration::Micros(DrawScaled(prng, 1'000'000, 10'000'000));
  config.digest_over = prng.Chance(300'000) ? 0 : static_cast<std::uint64_t>(prng.Between(1, 300));
  config.purge_after = Duration::Micros(prng.Chance(300'000) ? 0 : prng.Between(0, 1'000'000));
  config.purge_pause = Duration::Micros(DrawScaled(prng, 20'000, 500'000));
  config.expiry_step = config.purge_pause;
  config.purge_rows_max = static_cast<std::size_t>(DrawScaled(prng, 1, 64));
  config.greeting_retry = Duration::Micros(DrawScaled(prng, 10'000, 100'000));
  config.background_bytes_per_second_max =
      static_cast<std::uint64_t>(DrawScaled(prng, 64 << 10, 64 << 20));
  config.background_bytes_per_second_min =
      std::min(config.background_bytes_per_second_max,
               static_cast<std::uint64_t>(DrawScaled(prng, 16 << 10, 1 << 20)));
  config.hybrid_clock_lead_max = Duration::Micros(DrawScaled(prng, 100'000, 60'000'000));
  return config;
}

NetworkProfile DrawNetwork(Prng& prng) {
  NetworkProfile network;
  network.latency_us_min = prng.Between(20, 500);
  network.latency_us_mean = prng.Between(50, 3'000);
  network.spike_per_million = prng.Below(5'000);
  network.spike_us_max = prng.Between(5'000, 1'000'000);
  network.in_order = prng.Chance(300'000);
  if (!network.in_order) {
    if (prng.Chance(600'000)) network.lost_per_million = prng.Below(30'000);
    if (prng.Chance(500'000)) network.doubled_per_million = prng.Below(30'000);
  }
  if (prng.Chance(300'000)) network.flipped_per_million = prng.Below(3'000);
  return network;
}

StorageProfile DrawStorage(Prng& prng) {
  StorageProfile storage;
  storage.sync = !prng.Chance(150'000);
  storage.sync_interval_us = 1'000'000;
  storage.cached_reads_per_million = prng.Below(1'000'001);
  storage.reads_at_hand_per_million = prng.Chance(500'000) ? prng.Below(1'000'001) : 0;
  storage.writes_at_hand_per_million = prng.Chance(300'000) ? prng.Below(1'000'001) : 0;
  storage.read_us_max = prng.Between(50, 5'000);
  storage.write_us_min = prng.Between(1, 300);
  storage.write_us_max = storage.write_us_min + prng.Between(50, 8'000);
  storage.slow_per_million = prng.Below(5'000);
  storage.slow_us_max = prng.Between(10'000, 500'000);
  return storage;
}

// Two or three regions, far from each other and of any sizes; copies and quorums by region.
void DrawRegions(Prng& prng, WorldSpec& spec) {
  const auto count = static_cast<std::size_t>(prng.Between(2, 3));
  std::vector<int> nodes(count);
  for (Member& member : spec.members) {
    const auto region = static_cast<std::size_t>(prng.Below(count));
    member.region = "region-" + std::to_string(region);
    ++nodes[region];
  }
  spec.region_distance_us = prng.Between(20'000, 80'000) / 2;
  // Several round trips: with less nothing could ever be asked of another region.
  spec.config.request_timeout =
      std::max(spec.config.request_timeout, Duration::Micros(10 * spec.region_distance_us));
  for (KeyspaceConfig& keyspace : spec.keyspaces) {
    if (prng.Chance(700'000)) {
      keyspace.read_quorum = prng.Chance(700'000) ? QuorumSpec::LocalQuorum() : QuorumSpec::One();
      keyspace.write_quorum =
          prng.Chance(700'000) ? QuorumSpec::LocalQuorum() : QuorumSpec::EachQuorum();
    }
    if (prng.Chance(300'000)) continue;
    keyspace.replicas = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (nodes[i] == 0) continue;
      const int copies = static_cast<int>(prng.Between(1, std::min(nodes[i], 3)));
      keyspace.regions.push_back({"region-" + std::to_string(i), copies});
      keyspace.replicas += copies;
    }
  }
}

constexpr int kDrawnReplicasMax = 5;
// So that N = 3 leaves a node to spare.
constexpr int kChangingNodesMin = 4;

}  // namespace

WorldSpec DrawSpec(std::uint64_t seed, const SpecOptions& options) {
  Prng prng(seed);
  WorldSpec spec;
  spec.seed = seed;
  int nodes = options.nodes > 0 ? options.nodes : static_cast<int>(prng.Between(1, 7));
  const bool changing = options.changes || options.plans;
  if (changing) nodes = std::max(nodes, kChangingNodesMin);
  const int replicas_max = changing ? nodes - 1 : kDrawnReplicasMax;
  spec.ops = options.ops > 0 ? options.ops : static_cast<int>(prng.Between(400, 900));
  const int zones = static_cast<int>(prng.Between(1, 4));
  for (int i = 0; i < nodes; ++i) {
    Member member;
    member.name = NodeName(i);
    member.id = NodeIdOf(member.name);
    member.weight = prng.Chance(500'000) ? 1 : static_cast<std::uint32_t>(prng.Between(1, 4));
    if (zones > 1) member.zone = "zone-" + std::to_string(i % zones);
    spec.members.push_back(std::move(member));
    spec.shard_counts.push_back(static_cast<std::uint16_t>(prng.Between(1, 3)));
  }
  std::sort(spec.members.begin(), spec.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  spec.partition_bits = static_cast<int>(prng.Between(3, 6));
  spec.partitioner = prng.Chance(500'000) ? PartitionerKind::kMd5 : PartitionerKind::kXxh3;
  // N = 3 of as many nodes as often as everything else together.
  const int replicas =
      prng.Chance(500'000) ? 3 : static_cast<int>(prng.Between(1, kDrawnReplicasMax));
  spec.keyspaces.push_back(DrawKeyspace(prng, "default", std::min(replicas, replicas_max)));
  if (prng.Chance(300'000)) {
    const int others = static_cast<int>(prng.Between(1, kDrawnReplicasMax));
    spec.keyspaces.push_back(DrawKeyspace(prng, "other", std::min(others, replicas_max)));
  }
  spec.config = DrawConfig(prng);
  spec.network = DrawNetwork(prng);
  spec.storage = DrawStorage(prng);
  spec.sessions = static_cast<int>(prng.Between(2, 10));
  spec.keys = static_cast<int>(prng.Between(1, 12));
  spec.think_us_mean = prng.Between(1'000, 60'000);
  // One in twenty runs without faults: what breaks there breaks always.
  spec.faults = prng.Chance(50'000) ? 0 : static_cast<int>(prng.Between(40, 90));
  spec.wipes_disks = prng.Chance(200'000);
  spec.rots = prng.Chance(300'000);
  spec.clocks_differ = prng.Chance(800'000);
  spec.restores = prng.Chance(400'000);
  spec.episodes = prng.Chance(100'000) ? 0 : static_cast<int>(prng.Between(1, 3));
  // Drawn last, so that what a seed draws of all else stays.
  if (nodes > ReplicasOf(spec) && nodes > 2 && (prng.Chance(600'000) || changing)) {
    spec.plans = options.plans;
    spec.changes = static_cast<int>(prng.Between(1, 6));
    spec.founders = static_cast<int>(prng.Between(std::max(2, ReplicasOf(spec)), nodes));
    spec.config.view_retry = Duration::Micros(DrawScaled(prng, 1'000, 50'000));
    spec.rumour_us_max = DrawScaled(prng, 60'000, 2'000'000);
  }
  // A seed has few keys: most leaves that differ are alone.
  spec.config.stream_leaves_min =
      prng.Chance(700'000) ? 1 : static_cast<std::size_t>(prng.Between(2, 16));
  spec.config.stream_rows_max = static_cast<std::size_t>(DrawScaled(prng, 1, 64));
  spec.config.stream_bytes_max = static_cast<std::size_t>(DrawScaled(prng, 1'024, 256 << 10));
  spec.config.stream_batches_max = static_cast<std::size_t>(prng.Between(1, 4));
  spec.config.transfer_unthrottled = prng.Chance(300'000);
  const bool regions = nodes >= 4 && prng.Chance(250'000);
  if (regions) DrawRegions(prng, spec);
  // In the middle of an upgrade. A keyspace's regions are known to all who are told of it.
  if (prng.Chance(250'000)) {
    const std::int64_t oldest = regions ? FirstVersionOf(Feature::kRegions) : kProtocolVersionMin;
    for (int i = 0; i < nodes; ++i) {
      spec.versions.push_back(static_cast<std::uint16_t>(prng.Between(oldest, kProtocolVersion)));
    }
  }
  return spec;
}

WorldSpec QuietSpec(int nodes, int replicas, QuorumSpec read, QuorumSpec write) {
  WorldSpec spec;
  for (int i = 0; i < nodes; ++i) {
    Member member;
    member.name = NodeName(i);
    member.id = NodeIdOf(member.name);
    spec.members.push_back(std::move(member));
    spec.shard_counts.push_back(1);
  }
  std::sort(spec.members.begin(), spec.members.end(),
            [](const Member& a, const Member& b) { return a.id < b.id; });
  KeyspaceConfig keyspace;
  keyspace.replicas = replicas;
  keyspace.read_quorum = read;
  keyspace.write_quorum = write;
  spec.keyspaces = {keyspace};
  spec.network.spike_per_million = 0;
  spec.network.in_order = true;
  spec.storage.slow_per_million = 0;
  spec.keys = 1;
  spec.faults = 0;
  spec.clocks_differ = false;
  return spec;
}

int ReplicasOf(const WorldSpec& spec) {
  int replicas = 1;
  for (const KeyspaceConfig& keyspace : spec.keyspaces) {
    // A keyspace with copies for each region takes them from the whole list.
    replicas = std::max(
        replicas, keyspace.regions.empty() ? keyspace.replicas : static_cast<int>(kReplicasMax));
  }
  return replicas;
}

Layout MakeLayout(const WorldSpec& spec) {
  ClaimOptions claim;
  claim.partition_bits = spec.partition_bits;
  claim.partitioner = spec.partitioner;
  claim.replicas = ReplicasOf(spec);
  std::vector<Member> founders = spec.members;
  if (spec.founders > 0) founders.resize(static_cast<std::size_t>(spec.founders));
  Result<Ring> ring = FoundRing(RingEpoch(1), std::move(founders), claim);
  GYRE_CHECK(ring.has_value());
  return Layout::Found({}, std::move(*ring), claim.replicas);
}

ClusterViewPtr MakeView(const WorldSpec& spec, const Layout& layout) {
  auto view = std::make_shared<ClusterView>(ClusterView{
      layout.ring(), {}, layout.moves(), layout.leaving(), layout.former(), layout.replicas()});
  for (const KeyspaceConfig& keyspace : spec.keyspaces) {
    view->ring.PrepareOwners(view->ListLengthOf(keyspace));
    view->keyspaces[KeyspaceIdOf(keyspace.name)] = keyspace;
  }
  return view;
}

std::string WorldSpec::Describe() const {
  std::string text = std::to_string(members.size()) + " nodes with shards";
  for (const std::uint16_t count : shard_counts) text += " " + std::to_string(count);
  if (!versions.empty()) text += ", of protocol";
  for (const std::uint16_t version : versions) text += " " + std::to_string(version);
  for (const KeyspaceConfig& keyspace : keyspaces) {
    text += "; keyspace " + keyspace.name + " N=" + std::to_string(keyspace.replicas) +
            " R=" + keyspace.read_quorum.ToString() + " W=" + keyspace.write_quorum.ToString() +
            (keyspace.sloppy ? " sloppy" : "");
    for (const RegionCopies& region : keyspace.regions) {
      text += " " + region.region + "=" + std::to_string(region.copies);
    }
  }
  if (region_distance_us > 0) {
    text += "; regions " + std::to_string(region_distance_us / 1000) + " ms apart";
  }
  text += "; Q=" + std::to_string(1 << partition_bits) +
          (storage.sync ? "; durability sync" : "; durability interval");
  text += "\n" + std::to_string(sessions) + " sessions, " + std::to_string(keys) + " keys, " +
          std::to_string(ops) + " operations, " + std::to_string(faults) + " faults";
  if (changes > 0) {
    text += "; " + std::to_string(founders) + " found it, " + std::to_string(changes) +
            (plans ? " plans" : " changes");
  }
  text += "; request timeout " + std::to_string(config.request_timeout.ms()) + " ms, clocks of " +
          std::to_string(config.clock_entries_max) + " entries, siblings up to " +
          std::to_string(config.siblings_max);
  return text;
}

}  // namespace gyre::sim
