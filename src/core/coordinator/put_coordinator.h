// One client put or delete (paper 4.5, 4.6), coordinated by an owner, or by a fallback that stands
// in where no owner can be reached.
//
//   kIdle -Start-> [kReading -R replies->] kApplying -own record changed, sent to the others->
//   kWaitingForQuorum -W durable acknowledgements, client answered-> kPlacing
//   kPlacing -every owner's copy acknowledged, hinted, or left to the exchange-> kDone
//
// Up to kApplying nothing has been changed anywhere, so every error is "surely not"; from then on
// it is "unknown", because what was sent may be applied by those who got it.
//
// An owner that cannot be reached, fails, or is silent for hint_after has its copy sent to the next
// healthy fallback, as a hint that names it. Both count towards W: copies on distinct nodes.
//
// When the view changes, what nodes have acknowledged counts on, in the owner sets of now; owners
// that are new get their copies.
//
// A copy that is refused because of a purge is read and sent once more (purge/copy_renewal.h), and
// a read that came before one begins anew.
#pragma once

#include <boost/container/small_vector.hpp>
#include <memory>
#include <optional>

#include "core/coordinator/read_set.h"
#include "core/coordinator/replica_plan.h"
#include "core/coordinator/request_machine.h"

namespace gyre {

class PutCoordinator : public RequestMachine {
 public:
  // REQUIRES: this node is an owner, or plan.sloppy; plan.Enough(plan.writes), and of plan.reads if
  // the request reads first.
  PutCoordinator(ShardState& shard, const Origin& origin, PutRequest&& request,
                 const ReplicaPlan& plan);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;
  Kind kind() const override { return Kind::kPut; }

 private:
  enum class State { kIdle, kReading, kApplying, kWaitingForQuorum, kPlacing, kDone };
  // One copy under way.
  struct Copy {
    enum class State : std::uint8_t { kWaiting, kAcknowledged, kFailed };
    NodeId node;
    NodeId owed_to;  // 0: the node's own
    State state = State::kWaiting;
    bool given_elsewhere = false;  // silent: its owner has been provided for, as well as can be
    bool another_view = false;     // refused for that: sent again soon
    std::uint8_t renewals = 0;

    NodeId owner() const { return owed_to.value != 0 ? owed_to : node; }
  };

  void BeginReading(Env& env);
  void OnReadProgress(Env& env);
  void Apply(std::optional<Replica::Seen> seen, Env& env);
  void OnApplied(LocalApplied& applied, Env& env);
  void OnAck(NodeId node, bool ok, Env& env);
  // Refused for its age: true if it is sent once more.
  bool Renew(NodeId node, std::uint64_t promised);
  // The owner's copy goes to the next fallback, or is left to the exchange.
  void PlaceElsewhere(NodeId owner, Env& env);
  void LeaveToExchange(NodeId owner);
  // To all owners that have none yet.
  void SpreadCopies(Env& env);
  void SendCopies(const NodeList& to, const RowKey& where, Env& env);
  void SendAgain(Env& env);
  void AdmitAgain(Env& env);
  Copy* FindWaiting(NodeId node);
  void CheckStanding(Env& env);
  void NoteCopies();
  bool EachReadMeetsIt() const;
  void FinishIfPlaced();
  // No later than at the deadline.
  void WakeAt(Instant at);
  void Refuse(Error error, Env& env);

  PutRequest request_;  // its key is the row that is written here
  ReplicaPlan plan_;
  State state_ = State::kIdle;
  Instant deadline_;
  Instant hint_at_;
  Instant send_again_at_ = Instant::Max();  // to those with another view
  Instant wakes_at_ = Instant::Max();
  std::unique_ptr<ReadSet> reads_;  // of a request that reads first
  std::uint64_t floor_ = 0;         // copies with a lower stamp answer an earlier question
  int rounds_ = 0;
  Bytes record_;             // what every copy gets
  std::uint64_t stamp_ = 0;  // of record_
  Dot written_;              // newest of record_
  std::optional<JointTally> acks_;
  boost::container::small_vector<Copy, 4> copies_;
  PutOutcome outcome_;
};

}  // namespace gyre
