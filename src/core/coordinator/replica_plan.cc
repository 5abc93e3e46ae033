#include "core/coordinator/replica_plan.h"

#include <algorithm>

namespace gyre {
namespace {

Result<QuorumNeeds> Resolve(const QuorumSpec& spec, int replicas, const ReplicaPlan& plan) {
  QuorumNeeds needs;
  const Result<int> now = spec.Resolve(replicas, static_cast<int>(plan.now_count));
  if (!now) return Fail(now.error());
  needs.now = *now;
  if (plan.moving()) {
    const Result<int> from = spec.Resolve(replicas, static_cast<int>(plan.from.size()));
    if (!from) return Fail(from.error());
    needs.from = *from;
  }
  return needs;
}

}  // namespace

Result<ReplicaPlan> MakePlan(const ShardState& shard, const RowKey& key,
                             const RequestOptions& options) {
  const ClusterView& view = *shard.view;
  const KeyspaceConfig* keyspace = view.FindKeyspace(key.keyspace);
  if (keyspace == nullptr) return Fail(ErrorCode::kInvalidArgument, "no such keyspace");
  ReplicaPlan plan;
  plan.partition = view.ring.PartitionOf(key.token);
  plan.epoch = view.EpochOf(plan.partition);
  plan.sloppy = options.sloppy.value_or(keyspace->sloppy);
  const auto add = [&](NodeId owner) {
    plan.owners.push_back(owner);
    if (owner == shard.self) plan.self_is_owner = true;
    if (shard.Reachable(owner)) plan.reachable.push_back(owner);
  };
  for (const NodeId owner : view.ring.OwnersOf(plan.partition, keyspace->replicas)) add(owner);
  plan.now_count = static_cast<std::uint32_t>(plan.owners.size());
  if (view.moves.FromOwners(plan.partition) != nullptr) {
    plan.from = view.SetsOf(plan.partition, keyspace->replicas).from;
    for (const NodeId owner : plan.from) {
      if (!plan.owners.Contains(owner)) add(owner);
    }
  }
  if (plan.sloppy && plan.reachable.size() < plan.owners.size()) {
    NodeList away;
    for (const NodeId owner : plan.owners) {
      if (shard.KnownAway(owner)) away.push_back(owner);
    }
    for (const NodeId node : view.ring.FallbacksOf(plan.partition, keyspace->replicas)) {
      if (plan.standins.size() == away.size()) break;
      if (!shard.Reachable(node) || plan.owners.Contains(node)) continue;
      plan.away.push_back(away.span()[plan.standins.size()]);
      plan.standins.push_back(node);
    }
  }
  const auto reads =
      Resolve(options.read_quorum.value_or(keyspace->read_quorum), keyspace->replicas, plan);
  if (!reads) return Fail(reads.error());
  const auto writes =
      Resolve(options.write_quorum.value_or(keyspace->write_quorum), keyspace->replicas, plan);
  if (!writes) return Fail(writes.error());
  plan.reads = *reads;
  plan.writes = *writes;
  return plan;
}

bool ReplicaPlan::Enough(const QuorumNeeds& needs) const {
  if (!moving()) return static_cast<int>(reachable.size() + standins.size()) >= needs.now;
  const auto healthy = [&](std::span<const NodeId> set) {
    return static_cast<int>(std::count_if(set.begin(), set.end(), [&](NodeId owner) {
      return reachable.Contains(owner) || away.Contains(owner);
    }));
  };
  return healthy(now()) >= needs.now && healthy(from.span()) >= needs.from;
}

std::string QuorumShortfall(const ReplicaPlan& plan, const QuorumNeeds& needs) {
  std::string text = std::to_string(plan.reachable.size()) + " of " +
                     std::to_string(plan.owners.size()) + " owners reachable, ";
  if (plan.sloppy) {
    text +=
        plan.standins.empty() ? "no fallback" : std::to_string(plan.standins.size()) + " fallbacks";
    text += ", ";
  }
  text += std::to_string(needs.now);
  if (plan.moving()) {
    text += " of those of now and " + std::to_string(needs.from) + " of those of before";
  }
  return text + " needed";
}

Duration TimeoutOf(const RequestOptions& options, const CoreConfig& config) {
  constexpr Duration kTimeoutMax = Duration::Seconds(60);
  if (options.timeout.us <= 0) return config.request_timeout;
  return std::min(options.timeout, kTimeoutMax);
}

}  // namespace gyre
