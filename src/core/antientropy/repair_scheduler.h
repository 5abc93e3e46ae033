// Which partitions are compared with which other owners, and when. Paper 4.7. One per shard, for
// good. Nobody has to ask for it: all pairs come round once in repair_cycle, those that are known
// to differ at once.
//
//   RepairScheduler (when)  ExchangeSession (one run for one pair)  MerkleTree (pure, ledger/)
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/machine.h"
#include "core/purge/purger.h"

namespace gyre {

class RepairScheduler : public Machine, public OwnersAgree {
 public:
  explicit RepairScheduler(ShardState& shard) : Machine(shard) {}

  // A partition, and another node that owns it too.
  struct Pair {
    PartitionId partition;
    NodeId peer;

    auto operator<=>(const Pair&) const = default;
  };

  void Start(Env& env) override;
  void OnPeerUp(NodeId peer, Env& env) override;
  void OnTimer(Env& env) override;

  // These may differ: compared as soon as can be.
  void MarkDirty(PartitionId partition, NodeId peer, Env& env);
  void MarkDirty(PartitionId partition, Env& env);  // with every other owner
  // Rows of this leaf cannot be read: all of it is fetched again, from each other owner.
  void RepairLeaf(KeyspaceId keyspace, std::uint32_t leaf, Env& env);
  // All that this shard shares with anyone: for those who cannot wait (`gyre repair`).
  void MarkAllDirty(Env& env);

  // No pair of the partition is known to differ, or waits to be compared.
  bool Agree(PartitionId partition) const override;

  enum class Outcome : std::uint8_t { kEqual, kRepaired, kFailed };
  // By the session of this pair.
  void OnSessionEnd(const Pair& pair, Outcome outcome, Env& env);

  // By the session that was to fetch this leaf from this peer.
  void OnFetchEnd(const Pair& pair, KeyspaceId keyspace, std::uint32_t leaf, bool ok, Env& env);

  // Pairs that were found to differ, or could not be compared, when they were looked at last.
  std::size_t pairs_unequal() const { return unequal_.size(); }
  std::size_t pairs() const { return shared_.size(); }
  // Waiting to be compared at once.
  std::size_t pairs_dirty() const { return dirty_.size(); }

 private:
  void ListPairs();
  void BeginSession(const Pair& pair);
  void BeginFetch(Env& env);
  void BeginDirty(Env& env);
  bool CanBegin(const Pair& pair) const;

  std::vector<Pair> pairs_;  // that this node begins with when their turn comes
  std::set<Pair> shared_;    // all that this shard has in common with others
  std::size_t next_ = 0;     // of pairs_
  std::set<Pair> dirty_;
  struct DamagedLeaf {
    NodeId peer;  // to be fetched from
    KeyspaceId keyspace;
    std::uint32_t leaf = 0;

    auto operator<=>(const DamagedLeaf&) const = default;
  };
  std::set<DamagedLeaf> damaged_;
  std::set<DamagedLeaf> fetched_in_vain_;  // tried again at the next turn
  std::set<Pair> under_way_;
  std::set<Pair> unequal_;
  std::map<Pair, Instant> failed_;  // to be compared again, whoever begins with them in their turn
  Instant next_turn_{INT64_MIN};
};

}  // namespace gyre
