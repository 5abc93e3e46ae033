// One client request, from its start to its answer and what follows it. The shard owns the machines
// and hands them the events that carry their id.
#pragma once

#include <boost/container/flat_set.hpp>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/cluster_view.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/replica/replica.h"
#include "core/request.h"
#include "core/timer_wheel.h"
#include "core/wire/messages.h"

namespace gyre {

// Whom the outcome of a request is for: a client of this node, or the node that forwarded it.
struct Origin {
  ClientId client;  // if peer is unset
  std::optional<NodeId> peer;
  ShardId peer_shard;
  RequestId peer_request;
};

// What all machines of a shard share.
struct ShardState {
  NodeId self;
  const CoreConfig& config;
  ClusterViewPtr view;
  ShardCounters& counters;
  Replica& replica;
  boost::container::flat_set<NodeId> up;  // peers whose links are usable
  TimerWheel timers;
  std::vector<std::pair<RequestId, Instant>> timers_wanted;  // set when the event ends

  // May this node be planned with, for reads?
  bool Reachable(NodeId node) const { return node == self || up.contains(node); }
};

// Of a request that is answered with an error.
void CountError(ErrorCode code, ShardCounters& counters);

class RequestMachine {
 public:
  RequestMachine(ShardState& shard, const Origin& origin) : shard_(shard), origin_(origin) {}
  virtual ~RequestMachine() = default;
  RequestMachine(const RequestMachine&) = delete;
  RequestMachine& operator=(const RequestMachine&) = delete;

  // Called once, after the machine has its id.
  virtual void Start(Env& env) = 0;
  virtual void OnReply(NodeId from, Message& reply, Env& env) = 0;
  virtual void OnLocal(LocalOutcome& outcome, Env& env) = 0;
  virtual void OnScanDone(Result<ScanOutcome> /*outcome*/, Env& /*env*/) {}
  // The link went down: what was asked of this peer is not answered any more.
  virtual void OnPeerDown(NodeId peer, Env& env) = 0;
  // Answers to a peer go back in the reply type of its question.
  enum class Kind { kGet, kPut, kScan };
  virtual Kind kind() const = 0;
  // A timer of this machine may be due; it compares with its own deadlines.
  virtual void OnTimer(Env& env) = 0;

  // Nothing is left to do; the shard destroys it.
  bool finished() const { return finished_; }
  void set_id(RequestId id) { id_ = id; }
  // Set by a finished machine that could not answer: goes on with the request in its place.
  std::unique_ptr<RequestMachine> TakeSuccessor() { return std::move(successor_); }

 protected:
  RequestId id() const { return id_; }
  ShardState& shard() { return shard_; }
  const ClusterView& view() const { return *shard_.view; }
  void SetTimer(Instant at) { shard_.timers_wanted.emplace_back(id_, at); }
  void Finish() { finished_ = true; }
  bool answered() const { return answered_; }
  // Answers client or forwarder; counts errors. REQUIRES: !answered().
  void Answer(ClientResult&& result, Env& env);
  const Origin& origin() const { return origin_; }
  // Leaves the request, unanswered, to `successor`, which has the same origin.
  void FinishWith(std::unique_ptr<RequestMachine> successor) {
    successor_ = std::move(successor);
    finished_ = true;
  }

 private:
  ShardState& shard_;
  Origin origin_;
  RequestId id_;
  bool answered_ = false;
  bool finished_ = false;
  std::unique_ptr<RequestMachine> successor_;
};

}  // namespace gyre
