// A quorum in each of several groups of a key's owners: the owner sets of its partition, one, or
// two while it moves (cluster_view.h), or of each set the owners of one region. What a node answers
// counts in each group that holds the owner it answers for: itself, or the one for which it stands
// in. docs/adr/0008-moving-partitions.md, docs/adr/0012-copies-per-region.md.
#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cstdint>

#include "core/node_list.h"
#include "core/quorum/tally.h"

namespace gyre {

struct QuorumGroup {
  std::uint32_t members = 0;  // bit i: the i-th of the owners
  int needed = 1;             // answers of them

  bool Has(std::size_t owner) const { return (members >> owner & 1) != 0; }
  // How many of its members, which are of `owners`, are among `nodes`?
  int CountIn(const NodeList& owners, const NodeList& nodes) const {
    int count = 0;
    for (std::size_t i = 0; i < owners.size(); ++i) {
      count += Has(i) && nodes.Contains(owners.span()[i]);
    }
    return count;
  }
  int size() const { return __builtin_popcount(members); }
};
static_assert(NodeList::kCountMax <= 32);
using QuorumNeeds = boost::container::small_vector<QuorumGroup, 2>;

class JointTally {
 public:
  // Nobody is asked yet. The groups are of `owners`.
  JointTally(const QuorumNeeds& needs, const NodeList& owners) : owners_(owners) {
    GYRE_CHECK(!needs.empty());
    for (const QuorumGroup& group : needs) {
      groups_.push_back({group, Tally(/*asked=*/0, group.needed)});
    }
  }

  void AddAsked(NodeId owner) {
    ++open_;
    Count(owner, [](Tally& tally) { tally.AddAsked(); });
  }
  void AddOk(NodeId owner) {
    --open_;
    Count(owner, [](Tally& tally) { tally.AddOk(); });
  }
  void AddFailed(NodeId owner) {
    --open_;
    Count(owner, [](Tally& tally) { tally.AddFailed(); });
  }
  Standing standing() const {
    Standing all = Standing::kReached;
    for (const Counted& group : groups_) {
      const Standing standing = group.tally.standing();
      if (standing == Standing::kImpossible) return standing;
      if (standing == Standing::kPending) all = standing;
    }
    return all;
  }
  // Of everybody who was asked, of a group or not.
  bool all_answered() const { return open_ == 0; }
  // Of the group that is farthest from its quorum, for messages.
  int ok() const { return Behind().ok(); }
  int needed() const { return Behind().needed(); }

 private:
  struct Counted {
    QuorumGroup group;
    Tally tally;
  };
  template <typename Add>
  void Count(NodeId owner, Add add) {
    const auto place = static_cast<std::size_t>(std::find(owners_.begin(), owners_.end(), owner) -
                                                owners_.begin());
    if (place == owners_.size()) return;
    for (Counted& each : groups_) {
      if (each.group.Has(place)) add(each.tally);
    }
  }
  const Tally& Behind() const {
    const auto missing = [](const Counted& a) { return a.tally.needed() - a.tally.ok(); };
    return std::max_element(
               groups_.begin(), groups_.end(),
               [&](const Counted& a, const Counted& b) { return missing(a) < missing(b); })
        ->tally;
  }

  NodeList owners_;
  boost::container::small_vector<Counted, 2> groups_;
  int open_ = 0;  // asked, and neither ok nor failed yet
};

}  // namespace gyre
