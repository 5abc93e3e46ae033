// Reads every row once in scrub_cycle, so that what rots is found before it is needed: checksums of
// rows and values, and the tree's leaves, counted again from their rows. What is damaged is
// repaired from the other owners: its partition is compared with them at once. One per shard, for
// good.
//
//   pausing -a partition's turn-> reading its rows, page by page, paid for by the budget -> pausing
// Leaves that an exchange suspects come first, then those in which a row has expired: it is told to
// the purger, if this node is the one to purge it. What cannot be read is read again in smaller
// steps, to find the leaves that are damaged.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "core/antientropy/repair_scheduler.h"
#include "core/ledger/leaf_steps.h"
#include "core/machine.h"

namespace gyre {

class Scrubber : public Machine {
 public:
  // `scheduler` outlives it.
  Scrubber(ShardState& shard, RepairScheduler& scheduler) : Machine(shard), scheduler_(scheduler) {}

  void Start(Env& env) override;
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;
  // Called at the end of an event, while leaves are suspected.
  void Wake(Env& env);
  // Of this shard: partitions of a keyspace each, and how many were begun in the round under way.
  std::size_t turns() const { return turns_.size(); }
  std::size_t turns_begun() const { return turns_.empty() ? 0 : turns_taken_ % turns_.size(); }

 private:
  // A run of leaves of one keyspace that is being read.
  struct Run {
    KeyspaceId keyspace;
    LeafSteps steps;
    std::uint32_t leaf;  // being counted
  };

  void ListTurns();
  void Begin(Env& env);
  void NextRun(Env& env);
  std::optional<LeafName> NextExpired(Env& env);
  void ReadPage(Env& env);
  void TakeRow(const ScannedRow& row, Env& env);
  void CountLeaf(Env& env);
  void OnDamage(Env& env);
  void EndRun();
  void Pause(Instant until);
  Instant NextLook(Env& env) const;

  RepairScheduler& scheduler_;
  std::vector<std::pair<PartitionId, KeyspaceId>> turns_;  // of a cycle
  std::size_t next_turn_ = 0;                              // the first one is drawn
  std::size_t turns_taken_ = 0;                            // since the start
  std::optional<Run> run_;
  bool reading_ = false;
  std::optional<RowKey> after_;
  std::uint64_t sum_ = 0;  // of the rows of run_->leaf that have been read
  bool damaged_ = false;   // one of them
  Instant resume_at_ = Instant::Max();
  Instant turn_at_;  // the next partition's
};

}  // namespace gyre
