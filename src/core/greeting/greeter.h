// Meets the peers: before anything else is said over a new link, both sides say which life of
// theirs this is, and what they have promised and purged (docs/adr/0006-safe-deletes.md, rules 11
// to 13). A peer counts as up once each has taken over the other's numbers. One per shard, for
// good.
//
//   Greeter (who)   Adoption (one peer's numbers taken over)   SetAside (where the own disk has
//   gone back in time)
#pragma once

#include <vector>

#include "core/machine.h"

namespace gyre {

class Greeter : public Machine {
 public:
  explicit Greeter(ShardState& shard) : Machine(shard) {}

  // Reads the notes first; until they are here nobody is greeted. `resumes`: this disk is proven to
  // be as the last life left it.
  void Begin(bool resumes, Env& env);
  void Start(Env& /*env*/) override {}
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnTimer(Env& env) override;

  void OnLinkUp(NodeId peer, const LinkTerms& terms, Env& env);
  void OnLinkDown(NodeId peer, Env& env);
  void OnGreeting(NodeId from, ShardId from_shard, const Greeting& greeting, Env& env);
  // By the adoption of what this shard of the peer told, in that life of it.
  void OnAdopted(NodeId peer, ShardId peer_shard, std::uint64_t run, bool ok, Env& env);

 private:
  void ReadNotes(std::optional<RowKey> after, Env& env);
  void OnNoteLost(std::uint64_t& counter);
  void Greet(NodeId peer, ShardId peer_shard, bool asks, Env& env);
  void GreetUndone(Env& env);
  void TakeDown(NodeId peer);
  void NoteMet(NodeId peer, Env& env);
  void Serve();

  void Adopt(MachinePtr adoption);

  // One at a time: what one has set aside, and been given anew, the next must not set aside again.
  std::vector<MachinePtr> adoptions_;  // to come
  bool adopting_ = false;
  bool resumes_ = false;
  Instant next_round_ = Instant::Max();
};

}  // namespace gyre
