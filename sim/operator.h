// The people who change the cluster, and what settles the moves that follow: joins, leaves, nodes
// that are removed dead or replaced, other weights, several of these in one plan, changes of mind
// while partitions move, partitions split in two. docs/failures.md, 20 to 25.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/prng.h"
#include "core/ring/claim.h"
#include "sim/world.h"

namespace gyre::sim {

class Operator {
 public:
  enum class Change : std::uint8_t {
    kJoin,
    kLeave,
    kRemoveDead,
    kTakeBack,
    kSplit,
    kReplace,  // by a node that joins; the old one leaves, or is removed dead
    kReweigh,
  };
  static constexpr int kChanges = 7;

  struct Counters {
    std::array<std::uint64_t, kChanges> decided{};
    std::uint64_t together = 0;      // plans of two changes or more
    std::uint64_t while_moving = 0;  // plans that came with partitions on their way
    std::uint64_t settled = 0;       // partitions
    std::uint64_t released = 0;      // members that left, with nothing on them
  };

  Operator(World& world, std::uint64_t seed) : world_(world), prng_(seed) {}

  // From now on arrivals are noted and settled, until the world's rumours end.
  void Start();
  // One change, or a plan of several, if one can be had now.
  void Act();
  const Counters& counters() const { return counters_; }

 private:
  // What is decided at once. Nodes by their index.
  struct Plan {
    std::optional<int> proposer;
    MemberChanges members;
    std::vector<int> joiners;  // and those that replace others
    std::vector<int> dead;     // removed by force; one at the most
  };

  void Tick();
  std::vector<Change> DrawChanges();
  // A member that can decide things; -1 if there is none.
  int DrawProposer();
  // Drawn when first asked for; -1 as above.
  int ProposerOf(Plan& plan);
  NodeId DrawMember();
  std::optional<int> DrawJoiner(Plan& plan);
  int IndexOf(NodeId member) const;
  // Each of these: nothing is decided if it returns false.
  bool Try(std::span<const Change> changes);
  bool Add(Change change, Plan& plan);
  bool AddJoin(Plan& plan);
  bool AddLeave(Plan& plan);
  bool AddRemoval(Plan& plan);
  bool AddReplacement(Plan& plan);
  bool AddWeight(Plan& plan);
  bool AddDead(NodeId member, Plan& plan);
  bool CarryOut(Plan& plan);
  bool TakeBack();
  bool Split();
  void HearArrivals(int proposer);
  void Settle(int proposer);
  void Release(int proposer);

  World& world_;
  Prng prng_;
  Counters counters_;
  // What members have told of arrivals: partition, its epoch, who.
  std::set<std::tuple<PartitionId, RingEpoch, NodeId>> arrived_;
  std::set<NodeId> removed_;  // they do not come back under their old names
  std::vector<Ring> former_;  // targets of before
};

std::string_view ChangeName(Operator::Change change);

}  // namespace gyre::sim
