// A member's part in a ballot: to promise, or to commit. docs/adr/0006-safe-deletes.md, rules 8, 9.
//
//   kPromise: kReading -the rows are what is to be purged, one by one-> kWriting -durable-> yes
//   kCommit:  kWriting -durable-> yes
//   whatever does not fit -> no, and nothing is written
// With interval durability it says yes only once a loss of power would not undo it.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/machine.h"

namespace gyre {

class BallotVote : public Machine {
 public:
  // `asker` gets a BallotReply, or here a LocalDurable. REQUIRES: the step is not kDrop.
  BallotVote(ShardState& shard, Ballot ballot, const Ticket& asker)
      : Machine(shard), ballot_(std::move(ballot)), asker_(asker) {}

  void Start(Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnTimer(Env& env) override;

 private:
  std::optional<Error> Objection() const;
  void ReadNext(Env& env);
  void Write(Env& env);
  void Answer(Status status, Env& env);

  const Ballot ballot_;
  const Ticket asker_;
  std::optional<RowLedger::KeyWatch> watch_;  // of the own rows among those to be purged
  std::vector<Ballot::Tombstone> rows_;       // these, from the last
  Instant answer_at_ = Instant::Max();
};

// The members' lives as this shard knows them; empty unless all have been met.
std::vector<Ballot::MemberRun> RunsOfMembers(SectionId section, const ShardState& shard);
// The last step: drops those of the rows that this node owns and that are still the same.
void DropPurged(const Ballot& ballot, ShardState& shard, Env& env);

}  // namespace gyre
