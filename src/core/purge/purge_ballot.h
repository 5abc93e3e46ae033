// One ballot on some tombstones of one partition, by the first of their owners.
// docs/adr/0006-safe-deletes.md, rules 7 to 10. Begun by Purger.
//
//   kReading -the own rows are dead-> kPromising -all members do-> kCommitting -all have-> dropped
//   a no, silence, a link down -> over: a promise binds nobody but who gave it
#pragma once

#include <vector>

#include "core/machine.h"
#include "core/node_list.h"
#include "core/purge/purger.h"

namespace gyre {

class PurgeBallot : public Machine {
 public:
  // `purger` outlives it, and is told of the end. REQUIRES: `keys` in order, not empty, of this
  // partition, owned here.
  PurgeBallot(ShardState& shard, Purger& purger, SectionId section, std::vector<RowKey> keys)
      : Machine(shard), purger_(purger), keys_(std::move(keys)) {
    ballot_.section = section;
  }

  void Start(Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;

 private:
  void ReadNext(Env& env);
  void TakeRow(const RowKey& key, const Bytes& record, Env& env);
  void Ask(Ballot::Step step, Env& env);
  void OnVote(NodeId from, bool yes, Env& env);
  void Drop(Env& env);
  void End(bool failed, Env& env);

  Purger& purger_;
  const std::vector<RowKey> keys_;
  std::size_t next_ = 0;         // of keys_, to be read
  std::vector<RowKey> settled_;  // no candidates any more: purged, or not dead
  std::uint64_t bytes_ = 0;
  Ballot ballot_;
  std::vector<NodeId> waiting_;
  Instant deadline_ = Instant::Max();
};

}  // namespace gyre
