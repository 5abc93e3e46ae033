// One client request, from its start to its answer and what follows it.
#pragma once

#include <memory>
#include <optional>

#include "core/machine.h"
#include "core/request.h"
#include "core/shard_state.h"

namespace gyre {

// Whom the outcome of a request is for: a client of this node, or the node that forwarded it.
struct Origin {
  ClientId client;  // if peer is unset
  std::optional<NodeId> peer;
  ShardId peer_shard;
  RequestId peer_request;
};

// Of a request that is answered with an error.
void CountError(ErrorCode code, ShardCounters& counters);

class RequestMachine : public Machine {
 public:
  RequestMachine(ShardState& shard, const Origin& origin) : Machine(shard), origin_(origin) {}

  // Answers to a peer go back in the reply type of its question.
  enum class Kind { kGet, kPut, kScan };
  virtual Kind kind() const = 0;
  bool is_request() const override { return true; }

 protected:
  bool answered() const { return answered_; }
  // Answers client or forwarder; counts errors. REQUIRES: !answered().
  void Answer(ClientResult&& result, Env& env);
  const Origin& origin() const { return origin_; }
  void NoteStart(Instant now) { started_ = now; }

 private:
  Origin origin_;
  Instant started_{INT64_MIN};  // of those whose latency counts
  bool answered_ = false;
};

}  // namespace gyre
