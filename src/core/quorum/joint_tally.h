// A quorum in each owner set of a partition (cluster_view.h): one, or two while it moves. What a
// node answers counts in each set that holds the owner it answers for: itself, or the one for which
// it stands in. docs/adr/0008-moving-partitions.md.
#pragma once

#include "core/node_list.h"
#include "core/quorum/tally.h"

namespace gyre {

// How many answers each set needs.
struct QuorumNeeds {
  int now = 1;   // of the ring's owners
  int from = 1;  // of those of before, if there is such a set
};

class JointTally {
 public:
  // Nobody is asked yet. `from` is empty where there is one set.
  JointTally(const QuorumNeeds& needs, std::span<const NodeId> now, std::span<const NodeId> from)
      : now_(0, needs.now), from_(0, needs.from), joint_(!from.empty()) {
    if (!joint_) return;
    for (const NodeId node : now) in_now_.push_back(node);
    for (const NodeId node : from) in_from_.push_back(node);
  }

  void AddAsked(NodeId owner) {
    Count(owner, [](Tally& tally) { tally.AddAsked(); });
  }
  void AddOk(NodeId owner) {
    Count(owner, [](Tally& tally) { tally.AddOk(); });
  }
  void AddFailed(NodeId owner) {
    Count(owner, [](Tally& tally) { tally.AddFailed(); });
  }
  Standing standing() const {
    const Standing now = now_.standing();
    if (!joint_) return now;
    const Standing from = from_.standing();
    if (now == Standing::kImpossible || from == Standing::kImpossible) return Standing::kImpossible;
    return now == Standing::kReached ? from : now;
  }
  bool all_answered() const { return now_.all_answered() && (!joint_ || from_.all_answered()); }
  // Of the set that is farther from its quorum, for messages.
  int ok() const { return Behind().ok(); }
  int needed() const { return Behind().needed(); }

 private:
  template <typename Add>
  void Count(NodeId owner, Add add) {
    if (!joint_) return add(now_);
    if (in_now_.Contains(owner)) add(now_);
    if (in_from_.Contains(owner)) add(from_);
  }
  const Tally& Behind() const {
    return joint_ && from_.needed() - from_.ok() > now_.needed() - now_.ok() ? from_ : now_;
  }

  Tally now_;
  Tally from_;
  bool joint_;
  NodeList in_now_;  // if joint
  NodeList in_from_;
};

}  // namespace gyre
