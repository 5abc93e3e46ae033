// One run over all that is owed to one target. Begun by HintReplayer.
//
//   next place -page of hints-> delivering -all ended-> next page, next place
//   the target cannot take any, or nothing left -> done, HintReplayer is told
// A hint that is damaged, or whose row the target cannot read, holds up no other.
#pragma once

#include <optional>

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

  void Start(Env& env) override { NextPlace(env); }
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;  // one per delivery
  void OnTimer(Env& env) override;

 private:
  void NextPlace(Env& env);
  void ReadPage(Env& env);
  void GoOn(Env& env);
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
  std::size_t delivering_ = 0;
  bool unreachable_ = false;  // no use to go on
  bool failed_ = false;
  Instant resume_at_ = Instant::Max();  // while waiting for the budget
};

}  // namespace gyre
