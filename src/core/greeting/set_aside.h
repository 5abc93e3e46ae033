// Forgets what this node holds. Of a section everything, rows and hints: its disk has gone back to
// before a purge, and what it held then must not come back; the other owners have what is valid
// today, and the tree exchange brings it. Of a partition what is surplus: rows that only others
// own, and have; as nothing waits for that, it is paid for by the budget.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "core/ledger/leaf_steps.h"
#include "core/machine.h"

namespace gyre {

// Any row or hint of the section, as far as the books tell?
bool HoldsAnything(SectionId section, const ShardState& shard);

class SetAside : public Machine {
 public:
  using What = std::variant<SectionId, PartitionId>;
  // `asker` is told of the end by a LocalDurable.
  SetAside(ShardState& shard, RequestId asker, What what)
      : Machine(shard), asker_(asker), what_(what) {}

  void Start(Env& env) override;
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnTimer(Env& env) override;

 private:
  struct Range {
    NodeId owed_to;
    KeyspaceId keyspace;
    LeafSteps steps;
  };
  void Read(Env& env);
  void End(Status status, Env& env);

  const RequestId asker_;
  const What what_;
  RingEpoch epoch_;            // of a partition, when this began
  std::vector<Range> ranges_;  // still to be emptied, the present one last
  std::size_t dropping_ = 0;
  std::uint64_t price_ = 0;             // of the page being dropped
  Instant resume_at_ = Instant::Max();  // what was dropped is paid for by then
};

}  // namespace gyre
