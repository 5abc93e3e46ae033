// Takes over the numbers that one shard of a peer has told: its own are raised to them, durably.
// Where the peer knows of a purge that this node has not even promised, the own disk has gone back
// in time, and what it holds of the section goes first.
//
//   kSettingAside -for each section that went back-> kRaising -all durable-> done
#pragma once

#include <vector>

#include "core/greeting/greeter.h"
#include "core/machine.h"

namespace gyre {

class Adoption : public Machine {
 public:
  // `greeter` outlives it, and is told of the end.
  Adoption(ShardState& shard, Greeter& greeter, NodeId peer, ShardId peer_shard,
           const Greeting& greeting);

  void Start(Env& env) override;
  // One per set-aside, then one per number raised.
  void OnLocal(LocalOutcome& outcome, Env& env) override;

 private:
  void Raise(Env& env);
  void End(bool ok, Env& env);

  Greeter& greeter_;
  const NodeId peer_;
  const ShardId peer_shard_;
  const std::uint64_t run_;
  std::vector<Greeting::Numbers> theirs_;  // those that are higher than the own
  bool setting_aside_ = false;
  std::size_t waiting_ = 0;
};

}  // namespace gyre
