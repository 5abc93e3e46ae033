#include "core/coordinator/replica_plan.h"

#include <algorithm>

namespace gyre {

Result<ReplicaPlan> MakePlan(const ShardState& shard, const RowKey& key,
                             const RequestOptions& options) {
  const ClusterView& view = *shard.view;
  const KeyspaceConfig* keyspace = view.FindKeyspace(key.keyspace);
  if (keyspace == nullptr) return Fail(ErrorCode::kInvalidArgument, "no such keyspace");
  ReplicaPlan plan;
  plan.epoch = view.ring.epoch();
  plan.partition = view.ring.PartitionOf(key.token);
  plan.sloppy = options.sloppy.value_or(keyspace->sloppy);
  for (const NodeId owner : view.ring.OwnersOf(plan.partition, keyspace->replicas)) {
    plan.owners.push_back(owner);
    if (owner == shard.self) plan.self_is_owner = true;
    if (shard.Reachable(owner)) plan.reachable.push_back(owner);
  }
  if (plan.sloppy && plan.reachable.size() < plan.owners.size()) {
    std::size_t away = 0;
    for (const NodeId owner : plan.owners) away += shard.KnownAway(owner);
    for (const NodeId node : view.ring.FallbacksOf(plan.partition, keyspace->replicas)) {
      if (plan.standins.size() == away) break;
      if (shard.Reachable(node)) plan.standins.push_back(node);
    }
  }
  const int copies = static_cast<int>(plan.owners.size());
  const auto read =
      options.read_quorum.value_or(keyspace->read_quorum).Resolve(keyspace->replicas, copies);
  if (!read) return Fail(read.error());
  const auto write =
      options.write_quorum.value_or(keyspace->write_quorum).Resolve(keyspace->replicas, copies);
  if (!write) return Fail(write.error());
  plan.read_needed = *read;
  plan.write_needed = *write;
  return plan;
}

std::string QuorumShortfall(const ReplicaPlan& plan, int needed) {
  std::string text = std::to_string(plan.reachable.size()) + " of " +
                     std::to_string(plan.owners.size()) + " owners reachable, ";
  if (plan.sloppy) {
    text +=
        plan.standins.empty() ? "no fallback" : std::to_string(plan.standins.size()) + " fallbacks";
    text += ", ";
  }
  return text + std::to_string(needed) + " needed";
}

Duration TimeoutOf(const RequestOptions& options, const CoreConfig& config) {
  constexpr Duration kTimeoutMax = Duration::Seconds(60);
  if (options.timeout.us <= 0) return config.request_timeout;
  return std::min(options.timeout, kTimeoutMax);
}

}  // namespace gyre
