// Push-pull gossip: each second two tables are made the same, so that what no rumour brought, and
// what halves of a cluster do not know of each other, arrives in the end. Paper 4.8.1: a
// gossip-based protocol propagates membership changes; 4.8.2: seeds keep the ring from staying
// split.
//
//   A -SyncBegin: sum-> B -SyncSums: sums of buckets, if the sum differs-> A
//     -SyncEntries: what A has in the buckets that differ-> B
//     -SyncRecords: what B has newer, what it wants-> A -SyncRecords: that-> B
// Only differences travel. No step remembers anything of the one before; the owner merges what a
// message brings before it asks for the answer. Now and then it is a seed or a past member that is
// asked, so that those find together who do not know that the other is there.
//
// Carries the version of who-owns-what along, and says who has a later or an earlier one.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/ids.h"
#include "core/membership/member_table.h"
#include "core/membership/membership_config.h"
#include "core/membership/membership_turn.h"

namespace gyre {

class Gossip {
 public:
  // `table` outlives it. `seeds`: peer addresses.
  Gossip(const MembershipConfig& config, const MemberTable& table, NodeId self,
         std::vector<std::string> seeds)
      : config_(config), table_(table), self_(self), seeds_(std::move(seeds)) {}

  void Start(MembershipTurn& turn);
  void OnTick(MembershipTurn& turn);
  // Begins a synchronisation out of turn.
  void SyncWith(NodeId node, MembershipTurn& turn) {
    ++syncs_;
    turn.out.Send(node, Begin());
  }
  Instant NextWake() const { return std::min(next_sync_, next_reunion_); }

  void OnSyncBegin(NodeId from, const SyncBegin& begin, MembershipTurn& turn);
  void OnSyncSums(NodeId from, const SyncSums& sums, MembershipTurn& turn);
  void OnSyncEntries(NodeId from, const SyncEntries& entries, MembershipTurn& turn);
  // `progress`: the records changed the table.
  void OnSyncRecords(NodeId from, const SyncRecords& records, bool progress, MembershipTurn& turn);

  void SetLayout(LayoutVersion layout) {
    layout_ = layout;
    split_ = {};
  }
  void SetSeeds(std::vector<std::string> seeds) { seeds_ = std::move(seeds); }
  std::uint64_t syncs() const { return syncs_; }

 private:
  SyncBegin Begin() const { return {layout_, table_.sum(), {}}; }
  void Reunite(MembershipTurn& turn);
  void CompareLayout(NodeId from, LayoutVersion theirs, MembershipTurn& turn);

  const MembershipConfig config_;
  const MemberTable& table_;
  const NodeId self_;
  std::vector<std::string> seeds_;
  std::size_t next_seed_ = 0;
  bool seeds_turn_ = true;
  Instant next_sync_ = Instant::Max();
  Instant next_reunion_ = Instant::Max();
  LayoutVersion layout_;
  // Another layout of the same number was seen, first and last; none: nullopt.
  struct Split {
    std::optional<Instant> first;
    Instant last;
  };
  Split split_;
  std::uint64_t syncs_ = 0;
};

}  // namespace gyre
