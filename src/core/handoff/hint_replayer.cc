#include "core/handoff/hint_replayer.h"

#include <algorithm>

#include "core/handoff/hint_session.h"

namespace gyre {

void HintReplayer::Wake(Env& env) {
  if (next_look_ == Instant::Max()) LookAt(env.now.instant + shard().config.hint_replay_retry);
}

void HintReplayer::LookAt(Instant at) {
  next_look_ = at;
  SetTimer(at);
}

void HintReplayer::OnPeerUp(NodeId peer, Env& env) {
  targets_[peer].not_before = env.now.instant;
  Look(env);
}

void HintReplayer::OnTimer(Env& env) {
  if (env.now.instant < next_look_) return;
  next_look_ = Instant::Max();
  Look(env);
  if (!shard().ledger.hints().empty()) Wake(env);
}

void HintReplayer::Look(Env& env) {
  for (const auto& [target, debt] : shard().ledger.hints().by_target()) {
    // What is owed to a node that does not own it any more goes to the owners of today.
    const bool any = shard().Reachable(target) || HintSession::AnyForOthers(target, shard());
    if (!any) continue;
    Target& state = targets_[target];
    if (state.in_session || env.now.instant < state.not_before) continue;
    state.in_session = true;
    shard().spawned.push_back(std::make_unique<HintSession>(shard(), *this, target));
  }
}

void HintReplayer::OnSessionEnd(NodeId target, bool ok, Env& env) {
  Target& state = targets_[target];
  state.in_session = false;
  state.not_before = env.now.instant + (ok ? Duration{} : shard().config.hint_replay_retry);
}

}  // namespace gyre
