// Gives what is owed back: hints to the owners they were kept for, once these can be reached again.
// Paper 4.6.
//
//   HintReplayer (when)  one per shard, for good: begins a session for each target that can be
//                        reached and is owed something
//   HintSession          one run over all hints of a target, page by page, paid for by the budget
//   HintDelivery         one hint: sent, taken, dropped here (if it is still the one that was sent)
#pragma once

#include <map>

#include "core/machine.h"

namespace gyre {

class HintReplayer : public Machine {
 public:
  explicit HintReplayer(ShardState& shard) : Machine(shard) {}

  void Start(Env& /*env*/) override {}
  // Called at the end of an event, while something is owed: looks again soon.
  void Wake(Env& env);
  void OnPeerUp(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;
  // By the session of this target: all was handed over, or it failed.
  void OnSessionEnd(NodeId target, bool ok, Env& env);

 private:
  void LookAt(Instant at);
  void Look(Env& env);

  struct Target {
    bool in_session = false;
    Instant not_before{INT64_MIN};  // it failed a moment ago
  };
  std::map<NodeId, Target> targets_;  // those that were owed something
  Instant next_look_ = Instant::Max();
};

}  // namespace gyre
