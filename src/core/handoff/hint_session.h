// One run over all that is owed to one target. Begun by HintReplayer.
//
//   next place -page of hints-> delivering -all answered-> next page, next place
//   the target cannot take any, or nothing left, and all deliveries ended -> done, HintReplayer is
//   told
// The hints of a page set out one by one, as the budget pays for each: a page at once would be a
// wall that the clients of the target wait behind.
// Of a target that cannot be reached only those hints are taken that go to other owners by now.
// A hint that is damaged, or whose row the target cannot read, holds up no other.
#pragma once

#include <optional>
#include <vector>

#include "core/handoff/hint_replayer.h"
#include "core/ledger/hint_ledger.h"
#include "core/ledger/leaf_steps.h"
#include "core/machine.h"

namespace gyre {

class HintSession : public Machine {
 public:
  // `replayer` outlives it.
  HintSession(ShardState& shard, HintReplayer& replayer, NodeId target)
      : Machine(shard), replayer_(replayer), target_(target) {}

  // Is anything that is owed to the target due to the owners of today, as it owns that no more?
  // O(partitions with hints for it).
  static bool AnyForOthers(NodeId target, const ShardState& shard);

  void Start(Env& env) override { NextPlace(env); }
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;  // two of each delivery
  void OnTimer(Env& env) override;

 private:
  void NextPlace(Env& env);
  void ReadPage(Env& env);
  void Deliver(Env& env);
  void GoOn(Env& env);
  void AwaitBudget();
  void EndIfLast(Env& env);
  void End(bool ok, Env& env);

  HintReplayer& replayer_;
  const NodeId target_;
  std::optional<HintLedger::Place> place_;
  HintLedger::Debt debt_at_start_;  // of the place
  bool any_found_ = false;          // at the place
  std::optional<LeafSteps> steps_;  // of the place
  std::optional<RowKey> after_;
  std::uint64_t stamp_ = 0;  // of the page
  bool step_done_ = false;
  bool reading_ = false;
  std::vector<ScannedRow> page_;
  std::size_t sent_ = 0;        // of the page
  std::size_t delivering_ = 0;  // not answered yet
  std::size_t open_ = 0;        // not ended yet
  bool unreachable_ = false;    // no use to go on
  bool failed_ = false;
  bool all_sent_ = false;
  Instant resume_at_{INT64_MIN};  // the budget allows more
  Instant timer_at_{INT64_MIN};   // set last
};

}  // namespace gyre
