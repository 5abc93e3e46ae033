// The people who change the cluster, and what settles the moves that follow: joins, leaves, nodes
// that are removed dead, changes of mind while partitions move, partitions split in two.
// docs/failures.md, 20 to 25.
#pragma once

#include <array>
#include <cstdint>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/prng.h"
#include "sim/world.h"

namespace gyre::sim {

class Operator {
 public:
  enum class Change : std::uint8_t { kJoin, kLeave, kRemoveDead, kTakeBack, kSplit };
  static constexpr int kChanges = 5;

  struct Counters {
    std::array<std::uint64_t, kChanges> decided{};
    std::uint64_t while_moving = 0;  // of them: with partitions on their way
    std::uint64_t settled = 0;       // partitions
    std::uint64_t released = 0;      // members that left, with nothing on them
  };

  Operator(World& world, std::uint64_t seed) : world_(world), prng_(seed) {}

  // From now on arrivals are noted and settled, until the world's rumours end.
  void Start();
  // One change, if one can be had now.
  void Act();
  const Counters& counters() const { return counters_; }

 private:
  void Tick();
  // A member that can decide things; -1 if there is none.
  int DrawProposer();
  bool Try(Change change);
  bool Join();
  bool Leave();
  bool RemoveDead();
  bool TakeBack();
  bool Split();
  // The ring of these members, with partitions where they are as far as can be.
  Ring RingWithout(NodeId member) const;
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
