// Purges what has been deleted, once that can be done for good: tombstones, and values that have
// expired. One per shard, for good. docs/adr/0006-safe-deletes.md.
//
//   Purger (when, which)   PurgeBallot (one ballot)   BallotVote (a member's part in it)
// The first owner of a key sees to it: it hears of dead rows as they are written (RowLedger), and
// of those that it missed from the scrubber. A ballot is begun when every member is there and
// nothing is known to stand in its way; what does not work out is tried again.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "core/machine.h"

namespace gyre {

// Does the first owner of a partition in this section know of other owners that hold something
// else?
class OwnersAgree {
 public:
  virtual ~OwnersAgree() = default;
  virtual bool Agree(SectionId section) const = 0;
};

class Purger : public Machine {
 public:
  // `owners` outlives it.
  Purger(ShardState& shard, const OwnersAgree& owners) : Machine(shard), owners_(owners) {}

  void Start(Env& /*env*/) override {}
  void OnTimer(Env& env) override;
  // Called at the end of an event, if rows are dead that were not.
  void Wake(Env& env);
  // By the ballot. `settled`: no candidates any more. `failed`: some member did not take part.
  void OnBallotEnd(SectionId section, const std::vector<RowKey>& settled, bool failed,
                   std::uint64_t bytes, Env& env);

  std::size_t candidates() const { return candidate_count_; }

 private:
  void LookAt(Instant at);
  void Look(Env& env);
  bool MayBegin(SectionId section) const;

  struct Place {
    std::set<RowKey> candidates;
    Instant not_before{INT64_MIN};
    // A row that another owner sees alive, by its clock, holds up those that go with it: after a
    // failure fewer go together, and the next try is later.
    std::size_t rows_max = SIZE_MAX;
    int failures = 0;
    RowKey last;  // of the ballot before: the next goes on behind it
  };
  std::vector<RowKey> NextRows(Place& place) const;

  const OwnersAgree& owners_;
  std::map<SectionId, Place> places_;
  std::size_t candidate_count_ = 0;
  SectionId last_;  // where the last ballot was
  bool in_ballot_ = false;
  Instant next_look_ = Instant::Max();
};

}  // namespace gyre
