// A client's request on a node that cannot coordinate it (no owner of the key, or an owner that
// cannot use its own copy): handed to an owner, the first reachable one of the preference list, and
// to the next if that one surely did not do it. Paper 4.5 (routing), 4.6, 6.4.
//
//   kIdle -Start-> kAsking -answer-> kDone
//   kAsking -surely not, or (get) silent for its share of the time-> kAsking the next
//   kAsking -link down or timeout-> kDone: unknown for a put
//   kAsking -nobody is left to ask-> kDone; if sloppy, this node coordinates it itself
#pragma once

#include <variant>

#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class ForwardCoordinator : public RequestMachine {
 public:
  using Request = std::variant<GetRequest, PutRequest>;

  // `candidates` in the order to try. REQUIRES: not empty; the origin is a client.
  ForwardCoordinator(ShardState& shard, const Origin& origin, Request request,
                     const NodeList& candidates, const ReplicaPlan& plan);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return is_put() ? Kind::kPut : Kind::kGet; }

 private:
  bool is_put() const { return std::holds_alternative<PutRequest>(request_); }
  const RequestOptions& options() const {
    return std::visit([](const auto& request) -> const RequestOptions& { return request.options; },
                      request_);
  }
  // Leaves out candidates that are not linked, or of a version that knows less than the request
  // says.
  void SkipUnfit();
  void AskNext(Env& env);
  void OnSurelyNot(Error error, Env& env);
  void GiveUp(Env& env);
  void AdmitAgain(Env& env);
  bool StandIn(Env& env);

  Request request_;
  NodeList candidates_;  // not tried yet
  NodeId asked_;
  ReplicaPlan plan_;
  Instant deadline_;
  Instant admit_again_at_ = Instant::Max();  // with the view of then
  Instant try_deadline_;
  Error last_error_;
};

}  // namespace gyre
