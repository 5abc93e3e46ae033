// A request that came to a shard which gathers its peers (ShardState::gathering): it has not met
// those yet that the request needs, or nobody who could tell it whether its disk is up to date.
// Admitted once enough of them are up, or refused once all should have been met.
//
//   kIdle -Start-> kWaiting -a peer came up, gathered_by, or the request's time-> another machine
#pragma once

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

template <typename Request>
class AwaitPeers : public RequestMachine {
 public:
  // `error`: the answer if nobody comes.
  AwaitPeers(ShardState& shard, const Origin& origin, Kind kind, Request&& request, Error error)
      : RequestMachine(shard, origin),
        kind_(kind),
        request_(std::move(request)),
        error_(std::move(error)) {}

  void Start(Env& env) override {
    deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
    SetTimer(deadline_);
    SetTimer(shard().gathered_by);
  }
  void OnPeerUp(NodeId /*peer*/, Env& env) override { TryAgain(env); }
  void OnTimer(Env& env) override { TryAgain(env); }
  Kind kind() const override { return kind_; }

 private:
  void TryAgain(Env& env) {
    if (finished()) return;
    const Duration left = deadline_ - env.now.instant;
    if (left.us <= 0) {
      Answer(Fail(std::move(error_)), env);
      return Finish();
    }
    if (!shard().serving) return;
    request_.options.timeout = left;
    FinishWith(Admit(shard(), origin(), std::move(request_), env.now));
  }

  const Kind kind_;
  Request request_;
  Error error_;
  Instant deadline_;
};

}  // namespace gyre
