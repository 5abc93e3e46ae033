// Rows of partitions that this node owns no more, since others do: the partition has moved to
// them. The exchange gives them to each owner of today; once all have them they go.
// docs/adr/0008-moving-partitions.md. One per shard, for good.
#pragma once

#include <optional>
#include <set>

#include "core/antientropy/repair_scheduler.h"
#include "core/machine.h"

namespace gyre {

class Surplus : public Machine {
 public:
  // `scheduler` outlives it.
  Surplus(ShardState& shard, RepairScheduler& scheduler) : Machine(shard), scheduler_(scheduler) {}

  void Start(Env& env) override;
  void OnView(Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnTimer(Env& env) override;

  std::size_t partitions() const { return partitions_.size(); }

 private:
  void List(Env& env);
  void LookAt(Instant at);
  // Has each owner of today all that is here?
  bool GivenToAll(PartitionId partition) const;

  RepairScheduler& scheduler_;
  std::set<PartitionId> partitions_;  // that hold any
  std::optional<PartitionId> dropping_;
  Instant next_look_ = Instant::Max();
  Instant list_again_ = Instant::Max();
};

}  // namespace gyre
