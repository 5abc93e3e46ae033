// Forgets all that this node holds of one partition, rows and hints: its disk has gone back to
// before a purge, and what it held then must not come back. The other owners have what is valid
// today; the tree exchange brings it.
#pragma once

#include <optional>
#include <vector>

#include "core/ledger/leaf_steps.h"
#include "core/machine.h"

namespace gyre {

// Any row or hint of the partition, as far as the books tell?
bool HoldsAnything(PartitionId partition, const ShardState& shard);

class SetAside : public Machine {
 public:
  // `asker` is told of the end by a LocalDurable.
  SetAside(ShardState& shard, RequestId asker, PartitionId partition)
      : Machine(shard), asker_(asker), partition_(partition) {}

  void Start(Env& env) override;
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;

 private:
  struct Range {
    NodeId owed_to;
    KeyspaceId keyspace;
    LeafSteps steps;
  };
  void Read(Env& env);
  void End(Status status, Env& env);

  const RequestId asker_;
  const PartitionId partition_;
  std::vector<Range> ranges_;  // still to be emptied, the present one last
  std::size_t dropping_ = 0;
};

}  // namespace gyre
