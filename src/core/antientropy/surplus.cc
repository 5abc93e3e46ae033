#include "core/antientropy/surplus.h"

#include <algorithm>
#include <memory>

#include "core/greeting/set_aside.h"

namespace gyre {

void Surplus::Start(Env& env) { List(env); }

void Surplus::OnView(Env& env) {
  List(env);
  // What was under way may still bring some.
  list_again_ = std::min(list_again_, env.now.instant + shard().config.exchange_retry);
  if (partitions_.empty()) LookAt(list_again_);
}

void Surplus::List(Env& env) {
  partitions_.clear();
  for (std::uint32_t p = 0; p < view().ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (!shard().Serves(partition) || !shard().HoldsSurplus(partition)) continue;
    partitions_.insert(partition);
    scheduler_.CompareSurplus(partition, env);
  }
  list_again_ = env.now.instant +
                (partitions_.empty() ? shard().config.repair_cycle : shard().config.exchange_retry);
  LookAt(partitions_.empty() ? list_again_ : env.now.instant);
}

void Surplus::LookAt(Instant at) {
  next_look_ = at;
  SetTimer(at);
}

bool Surplus::GivenToAll(PartitionId partition) const {
  for (const auto& [id, keyspace] : view().keyspaces) {
    if (!shard().HoldsSurplus(id, keyspace, partition)) continue;
    const NodeList owners = view().SetsOf(partition, keyspace).All();
    const bool all = std::all_of(owners.begin(), owners.end(), [&](NodeId owner) {
      return scheduler_.HasGiven({partition, owner});
    });
    if (!all) return false;
  }
  return true;
}

void Surplus::OnTimer(Env& env) {
  if (env.now.instant < next_look_) return;
  next_look_ = Instant::Max();
  if (dropping_) return;
  if (env.now.instant >= list_again_) List(env);
  std::erase_if(partitions_,
                [&](PartitionId partition) { return !shard().HoldsSurplus(partition); });
  const auto given = std::find_if(partitions_.begin(), partitions_.end(),
                                  [&](PartitionId partition) { return GivenToAll(partition); });
  if (given != partitions_.end()) {
    dropping_ = *given;
    scheduler_.BeginDrop(*dropping_);
    shard().spawned.push_back(std::make_unique<SetAside>(shard(), id(), *dropping_));
    return;
  }
  LookAt(partitions_.empty() ? list_again_ : env.now.instant + shard().config.exchange_settle);
}

void Surplus::OnLocal(LocalOutcome& outcome, Env& env) {
  if (!std::holds_alternative<LocalDurable>(outcome.what) || !dropping_) return;
  scheduler_.EndDrop(env);
  dropping_.reset();
  List(env);
}

}  // namespace gyre
