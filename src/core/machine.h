// A piece of work of one shard that takes more than one event: a client's request, or something
// that goes on behind requests. The shard owns the machines and hands each the events that carry
// its id.
#pragma once

#include "base/result.h"
#include "core/ids.h"
#include "core/replica/replica.h"
#include "core/scan_range.h"
#include "core/shard_state.h"
#include "core/wire/messages.h"

namespace gyre {

class Machine {
 public:
  explicit Machine(ShardState& shard) : shard_(shard) {}
  virtual ~Machine() = default;
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // Called once, after the machine has its id.
  virtual void Start(Env& env) = 0;
  virtual void OnReply(NodeId /*from*/, Message& /*reply*/, Env& /*env*/) {}
  virtual void OnLocal(LocalOutcome& /*outcome*/, Env& /*env*/) {}
  virtual void OnScanDone(Result<ScanPage> /*page*/, Env& /*env*/) {}
  // A peer came up: its link is there and it has been met. Of this node itself: it serves now.
  virtual void OnPeerUp(NodeId /*peer*/, Env& /*env*/) {}
  // The link went down: what was asked of this peer is not answered any more.
  virtual void OnPeerDown(NodeId /*peer*/, Env& /*env*/) {}
  // The shard's view is another one.
  virtual void OnView(Env& /*env*/) {}
  // A timer of this machine may be due; it compares with its own deadlines.
  virtual void OnTimer(Env& /*env*/) {}

  // Nothing is left to do; the shard destroys it.
  bool finished() const { return finished_; }
  // Counts as a request in flight, for the limit on them.
  virtual bool is_request() const { return false; }
  RequestId id() const { return id_; }
  void set_id(RequestId id) { id_ = id; }
  // Set by a finished machine that leaves its work, undone, to another.
  MachinePtr TakeSuccessor() { return std::move(successor_); }

 protected:
  ShardState& shard() { return shard_; }
  const ShardState& shard() const { return shard_; }
  const ClusterView& view() const { return *shard_.view; }
  // For a question to a node that was asked another before: an answer to that one, late or come
  // twice, does not find this machine. Nor does anything else that is under way for it, and its
  // timers.
  void RenewId() { id_ = shard_.machines.Renew(id_); }
  void SetTimer(Instant at) { shard_.timers_wanted.emplace_back(id_, at); }
  void Finish() { finished_ = true; }
  void FinishWith(MachinePtr successor) {
    successor_ = std::move(successor);
    finished_ = true;
  }

 private:
  ShardState& shard_;
  RequestId id_;
  bool finished_ = false;
  MachinePtr successor_;
};

}  // namespace gyre
