#include "core/coordinator/replica_plan.h"

#include <algorithm>

namespace gyre {
namespace {

// These owners as bits.
std::uint32_t MembersAt(const ReplicaPlan& plan, std::span<const NodeId> set) {
  std::uint32_t members = 0;
  for (std::size_t i = 0; i < plan.owners.size(); ++i) {
    const bool here = std::find(set.begin(), set.end(), plan.owners.span()[i]) != set.end();
    members |= static_cast<std::uint32_t>(here) << i;
  }
  return members;
}

// The first of the set that can be reached, or else its first.
NodeId NearestOf(std::span<const NodeId> set, const ReplicaPlan& plan) {
  const auto node = std::find_if(set.begin(), set.end(),
                                 [&](NodeId owner) { return plan.reachable.Contains(owner); });
  return node == set.end() ? set.front() : *node;
}

NodeList SameRegion(NodeId node, std::span<const NodeId> set, const ClusterView& view) {
  NodeList same;
  for (const NodeId owner : set) {
    if (view.RegionOf(owner) == view.RegionOf(node)) same.push_back(owner);
  }
  return same;
}

// Adds the groups of one owner set.
Status AddGroups(const QuorumSpec& spec, int replicas, std::span<const NodeId> set,
                 const ReplicaPlan& plan, const ClusterView& view,
                 std::vector<QuorumGroup>& groups) {
  const auto add = [&](std::uint32_t members) -> Status {
    QuorumGroup group{members};
    const Result<int> needed = spec.Resolve(replicas, group.size());
    if (!needed) return Fail(needed.error());
    group.needed = *needed;
    groups.push_back(group);
    return {};
  };
  if (!spec.by_region()) return add(MembersAt(plan, set));
  NodeList rest;
  for (const NodeId owner : set) {
    if (!spec.local() || plan.IsLocal(owner)) rest.push_back(owner);
  }
  // While the first copies move to a region, those of before are of another.
  if (rest.empty()) rest = SameRegion(NearestOf(set, plan), set, view);
  while (!rest.empty()) {
    const NodeList region = SameRegion(rest.front(), rest.span(), view);
    if (Status status = add(MembersAt(plan, region.span())); !status) return status;
    for (const NodeId owner : region) rest.Remove(owner);
  }
  return {};
}

Result<QuorumNeeds> Resolve(const QuorumSpec& spec, int replicas, const ReplicaPlan& plan,
                            const ClusterView& view) {
  if (!plan.moving() && (!spec.by_region() || view.OneRegion())) {
    const Result<int> needed = spec.Resolve(replicas, static_cast<int>(plan.owners.size()));
    if (!needed) return Fail(needed.error());
    return QuorumNeeds(*needed);
  }
  std::vector<QuorumGroup> groups;
  if (Status now = AddGroups(spec, replicas, plan.now(), plan, view, groups); !now) {
    return Fail(now.error());
  }
  if (plan.moving()) {
    Status from = AddGroups(spec, replicas, plan.from.span(), plan, view, groups);
    if (!from) return Fail(from.error());
  }
  return QuorumNeeds(std::move(groups));
}

std::uint32_t LocalOwners(const ReplicaPlan& plan, NodeId self, const ClusterView& view) {
  if (view.OneRegion()) return plan.all();
  NodeList local = SameRegion(self, plan.owners.span(), view);
  if (local.empty()) {
    local = SameRegion(NearestOf(plan.owners.span(), plan), plan.owners.span(), view);
  }
  return MembersAt(plan, local.span());
}

void AddStandins(ReplicaPlan& plan, const KeyspaceConfig& keyspace, const ShardState& shard) {
  const NodeList fallbacks = shard.view->FallbacksOf(plan.partition, keyspace);
  for (const NodeId owner : plan.owners) {
    if (!shard.KnownAway(owner)) continue;
    const auto standin = FallbackFor(owner, fallbacks, *shard.view, [&](NodeId node) {
      return shard.Reachable(node) && !plan.owners.Contains(node) && !plan.standins.Contains(node);
    });
    if (!standin) return;
    plan.away.push_back(owner);
    plan.standins.push_back(*standin);
  }
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
  if (view.moves.FromOwners(plan.partition) == nullptr && keyspace->regions.empty()) {
    // As SetsOf, at less cost.
    for (const NodeId owner : view.ring.OwnersOf(plan.partition, keyspace->replicas)) add(owner);
    plan.now_count = static_cast<std::uint32_t>(plan.owners.size());
  } else {
    const OwnerSets sets = view.SetsOf(plan.partition, *keyspace);
    for (const NodeId owner : sets.now) add(owner);
    plan.now_count = static_cast<std::uint32_t>(plan.owners.size());
    plan.from = sets.from;
    for (const NodeId owner : plan.from) {
      if (!plan.owners.Contains(owner)) add(owner);
    }
  }
  if (plan.sloppy && plan.reachable.size() < plan.owners.size()) {
    AddStandins(plan, *keyspace, shard);
  }
  plan.local = LocalOwners(plan, shard.self, view);
  const QuorumSpec read = options.read_quorum.value_or(keyspace->read_quorum);
  const QuorumSpec write = options.write_quorum.value_or(keyspace->write_quorum);
  plan.stays_local = read.local() || write.local();
  plan.near_first = read.local() || read == QuorumSpec::One() || read == QuorumSpec::Number(1);
  auto reads = Resolve(read, keyspace->replicas, plan, view);
  if (!reads) return Fail(reads.error());
  auto writes = Resolve(write, keyspace->replicas, plan, view);
  if (!writes) return Fail(writes.error());
  plan.reads = *std::move(reads);
  plan.writes = *std::move(writes);
  return plan;
}

bool ReplicaPlan::Enough(const QuorumNeeds& needs) const {
  if (!needs.by_group()) {
    return static_cast<int>(reachable.size() + standins.size()) >= needs.of_all();
  }
  return needs.AllHold(owners.size(), [&](const QuorumGroup& group) {
    int healthy = 0;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const NodeId owner = owners.span()[i];
      healthy += group.Has(i) && (reachable.Contains(owner) || away.Contains(owner));
    }
    return healthy >= group.needed;
  });
}

bool ReplicaPlan::IsOfLocalRegion(NodeId node, const ClusterView& view) const {
  return std::any_of(owners.begin(), owners.end(), [&](NodeId owner) {
    return IsLocal(owner) && view.RegionOf(owner) == view.RegionOf(node);
  });
}

QuorumNeeds ReplicaPlan::WritesAnd(bool read_first) const {
  if (!read_first) return writes;
  if (!writes.by_group() && !reads.by_group()) {
    return QuorumNeeds(std::max(writes.of_all(), reads.of_all()));
  }
  std::vector<QuorumGroup> groups = writes.Groups(owners.size());
  for (const QuorumGroup& group : reads.Groups(owners.size())) groups.push_back(group);
  return QuorumNeeds(std::move(groups));
}

std::uint32_t ReplicaPlan::in_both_sets() const {
  std::uint32_t both = 0;
  for (std::uint32_t i = 0; i < now_count; ++i) {
    if (from.Contains(owners.span()[i])) both |= 1u << i;
  }
  return both;
}

std::optional<ReplicaPlan> PlanForSome(const ReplicaPlan& plan) {
  if (!plan.near_first && !plan.moving()) return std::nullopt;
  const std::uint32_t some = plan.near_first ? plan.local : plan.in_both_sets();
  if (some == plan.all()) return std::nullopt;
  ReplicaPlan part = plan;
  part.reachable.clear();
  part.standins.clear();
  part.away.clear();
  for (const NodeId owner : plan.reachable) {
    if (plan.IsAmong(some, owner)) part.reachable.push_back(owner);
  }
  for (std::size_t i = 0; i < plan.standins.size(); ++i) {
    if (!plan.IsAmong(some, plan.away.span()[i])) continue;
    part.standins.push_back(plan.standins.span()[i]);
    part.away.push_back(plan.away.span()[i]);
  }
  const bool all =
      part.reachable.size() + part.standins.size() == plan.reachable.size() + plan.standins.size();
  if (all || !part.Enough(part.reads)) return std::nullopt;
  // Others have real copies.
  if (!plan.near_first && !part.standins.empty()) return std::nullopt;
  return part;
}

std::string QuorumShortfall(const ReplicaPlan& plan, const QuorumNeeds& needs) {
  std::string text = std::to_string(plan.reachable.size()) + " of " +
                     std::to_string(plan.owners.size()) + " owners reachable, ";
  if (plan.sloppy) {
    text +=
        plan.standins.empty() ? "no fallback" : std::to_string(plan.standins.size()) + " fallbacks";
    text += ", ";
  }
  if (!needs.by_group()) return text + std::to_string(needs.of_all()) + " needed";
  const std::vector<QuorumGroup> groups = needs.Groups(plan.owners.size());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    if (i > 0) text += " and ";
    text += std::to_string(groups[i].needed) + " of " + std::to_string(groups[i].size());
  }
  return text + " needed";
}

Duration TimeoutOf(const RequestOptions& options, const CoreConfig& config) {
  constexpr Duration kTimeoutMax = Duration::Seconds(60);
  if (options.timeout.us <= 0) return config.request_timeout;
  return std::min(options.timeout, kTimeoutMax);
}

}  // namespace gyre
