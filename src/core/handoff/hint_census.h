// Counts the hints that storage holds when a shard starts, so that the ledger knows what is owed.
// Everything else goes on meanwhile.
#pragma once

#include <optional>
#include <vector>

#include "core/ledger/leaf_steps.h"
#include "core/machine.h"

namespace gyre {

class HintCensus : public Machine {
 public:
  explicit HintCensus(ShardState& shard) : Machine(shard) {}

  void Start(Env& env) override;
  void OnScanDone(Result<ScanPage> page, Env& env) override;

 private:
  struct Range {
    NodeId target;
    KeyspaceId keyspace;
    std::optional<LeafSteps> steps;  // of one section, where the whole could not be read
  };
  void Read(std::optional<RowKey> after, Env& env);
  void NextRange(Env& env);
  void OnDamage(Env& env);

  std::vector<Range> ranges_;  // still to be read, the present one last
};

}  // namespace gyre
