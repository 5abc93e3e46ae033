// A quorum of all of a key's owners, or one in each of several groups of them: the owner sets of
// its partition, of which there are two while it moves (cluster_view.h), or of each set the owners
// of one region. What a node answers counts in each group that holds the owner it answers for:
// itself, or the one for which it stands in. docs/adr/0008-moving-partitions.md,
// docs/adr/0012-copies-per-region.md.
//
// Nearly always it is one of all owners: every request carries several of these, so the groups are
// kept apart.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

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
static_assert(NodeList::kCountMax < 32);
// The first `count` owners.
constexpr std::uint32_t AllOf(std::size_t count) { return (std::uint32_t{1} << count) - 1; }

class QuorumNeeds {
 public:
  // So many of all owners.
  explicit QuorumNeeds(int of_all = 1) : of_all_(of_all) {}
  // REQUIRES: there is one.
  explicit QuorumNeeds(std::vector<QuorumGroup> groups)
      : groups_(std::make_shared<const std::vector<QuorumGroup>>(std::move(groups))) {
    GYRE_CHECK(!groups_->empty());
  }

  bool by_group() const { return groups_ != nullptr; }
  int of_all() const { return of_all_; }  // REQUIRES: !by_group()
  // Of so many owners.
  std::vector<QuorumGroup> Groups(std::size_t owners) const {
    return by_group() ? *groups_ : std::vector<QuorumGroup>{{AllOf(owners), of_all_}};
  }
  template <typename Holds>
  bool AllHold(std::size_t owners, Holds holds) const {
    if (!by_group()) return holds(QuorumGroup{AllOf(owners), of_all_});
    return std::all_of(groups_->begin(), groups_->end(), holds);
  }

 private:
  int of_all_ = 1;
  std::shared_ptr<const std::vector<QuorumGroup>> groups_;
};

class JointTally {
 public:
  // Nobody is asked yet. The groups are of `owners`.
  JointTally(const QuorumNeeds& needs, const NodeList& owners)
      : all_(/*asked=*/0, needs.by_group() ? 1 : needs.of_all()) {
    if (!needs.by_group()) return;
    grouped_ = std::make_unique<Grouped>();
    grouped_->owners = owners;
    for (const QuorumGroup& group : needs.Groups(owners.size())) {
      grouped_->groups.push_back({group, Tally(/*asked=*/0, group.needed)});
    }
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
    if (grouped_ == nullptr) return all_.standing();
    Standing all = Standing::kReached;
    for (const Counted& group : grouped_->groups) {
      const Standing standing = group.tally.standing();
      if (standing == Standing::kImpossible) return standing;
      if (standing == Standing::kPending) all = standing;
    }
    return all;
  }
  // Everybody who was asked, of a group or not.
  bool all_answered() const { return all_.all_answered(); }
  // Of the group that is farthest from its quorum, for messages.
  int ok() const { return Behind().ok(); }
  int needed() const { return Behind().needed(); }

 private:
  struct Counted {
    QuorumGroup group;
    Tally tally;
  };
  struct Grouped {
    NodeList owners;
    std::vector<Counted> groups;
  };
  template <typename Add>
  void Count(NodeId owner, Add add) {
    add(all_);
    if (grouped_ == nullptr) return;
    const NodeList& owners = grouped_->owners;
    const auto place =
        static_cast<std::size_t>(std::find(owners.begin(), owners.end(), owner) - owners.begin());
    if (place == owners.size()) return;
    for (Counted& each : grouped_->groups) {
      if (each.group.Has(place)) add(each.tally);
    }
  }
  const Tally& Behind() const {
    if (grouped_ == nullptr) return all_;
    const auto missing = [](const Counted& a) { return a.tally.needed() - a.tally.ok(); };
    return std::max_element(
               grouped_->groups.begin(), grouped_->groups.end(),
               [&](const Counted& a, const Counted& b) { return missing(a) < missing(b); })
        ->tally;
  }

  Tally all_;                         // of everybody; it decides unless there are groups
  std::unique_ptr<Grouped> grouped_;  // null: one of all owners
};

}  // namespace gyre
