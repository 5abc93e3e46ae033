// A request that came to a shard which has just started, and has not met the peers yet that it
// needs: admitted once enough of them are up, or refused once the start is over.
//
//   kIdle -Start-> kWaiting -a link came up, start_over, or the request's time-> another machine
#pragma once

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

template <typename Request>
class AwaitPeers : public RequestMachine {
 public:
  // `error`: the answer if nobody comes. REQUIRES: the shard is starting.
  AwaitPeers(ShardState& shard, const Origin& origin, Kind kind, Request&& request, Error error)
      : RequestMachine(shard, origin),
        kind_(kind),
        request_(std::move(request)),
        error_(std::move(error)) {}

  void Start(Env& env) override {
    deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
    SetTimer(std::min(deadline_, shard().start_over));
  }
  void OnPeerUp(NodeId /*peer*/, Env& env) override { TryAgain(env); }
  void OnTimer(Env& env) override {
    if (env.now.instant >= std::min(deadline_, shard().start_over)) TryAgain(env);
  }
  Kind kind() const override { return kind_; }

 private:
  void TryAgain(Env& env) {
    request_.options.timeout = deadline_ - env.now.instant;
    if (request_.options.timeout.us > 0) {
      return FinishWith(Admit(shard(), origin(), std::move(request_), env.now));
    }
    Answer(Fail(std::move(error_)), env);
    Finish();
  }

  const Kind kind_;
  Request request_;
  Error error_;
  Instant deadline_;
};

}  // namespace gyre
