// Which partitions are compared with which other owners, and when. Paper 4.7. One per shard, for
// good. Nobody has to ask for it: all pairs come round once in repair_cycle, those that are known
// to differ at once. A partition that moves is compared with all its owners of before and of now,
// at once when it begins to; surplus (rows that only others own) with each of its owners.
//
//   RepairScheduler (when)  ExchangeSession (one run for one pair)  MerkleTree (pure, ledger/)
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/antientropy/stream_progress.h"
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
  // This disk holds nothing of what it owns with others: new, replaced, or memory. Until each other
  // owner has been compared with to the end, no read of a partition is answered here
  // (ShardState::unfilled): "absent" of what it had acknowledged would count for a quorum.
  void BeginFilling();
  void OnPeerUp(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;

  // These may differ: compared as soon as can be.
  void MarkDirty(PartitionId partition, NodeId peer, Env& env);
  void MarkDirty(PartitionId partition, Env& env);  // with every other owner
  // Rows of this leaf cannot be read: all of it is fetched again, from each other owner.
  void RepairLeaf(KeyspaceId keyspace, std::uint32_t leaf, Env& env);
  // All that this shard shares with anyone: for those who cannot wait (`gyre repair`).
  void MarkAllDirty(Env& env);

  // No pair of the section's partitions is known to differ, or waits to be compared.
  bool Agree(SectionId section) const override;

  // Since the partition has the owner sets that it has, all that this peer had of it at some moment
  // has come here, and what was here has gone there.
  bool Synced(PartitionId partition, NodeId peer) const;
  // ... with each owner of before that is a member, if the partition moves to this node.
  bool HasArrived(PartitionId partition) const;
  // Synced, and the peer still has what went there: it is not away, and has not been since, from
  // where it may come back with less.
  bool HasGiven(const Pair& pair) const {
    return Synced(pair.partition, pair.peer) && shard().Reachable(pair.peer) &&
           !dirty_.contains(pair) && !unequal_.contains(pair) && !under_way_.contains(pair);
  }
  // The partition moves to this node, and no owner of before has given what it has of it yet. Then
  // one of them is asked for it, and only this node begins: the others would find all of it
  // missing, and give it too.
  bool Fetches(PartitionId partition) const;
  // The peer, which would compare the partition with this node, is to wait: most of it is on its
  // way here. Not if this node has to give it to the peer too (of other keyspaces, whose owners are
  // others): each would wait for the other.
  bool Busy(const Pair& pair) const {
    return streams_.contains(pair.partition) ||
           (Fetches(pair.partition) && !Gives(pair.partition, shard().self, pair.peer));
  }

  // May this pair's session fetch so many leaves that differ as ranges?
  bool MayStream(const Pair& pair, KeyspaceId keyspace, std::size_t leaves) const {
    const auto it = stream_leaves_max_.find({pair, keyspace});
    return it == stream_leaves_max_.end() || leaves <= it->second;
  }
  // By the stream of the partition that is under way.
  void NoteStream(PartitionId partition, const StreamProgress& progress) {
    streams_[partition] = progress;
  }
  void EndStream(PartitionId partition) { streams_.erase(partition); }
  // Until the two have compared to the end they stream no more leaves than that. 0: the peer cannot
  // read a range as a whole, or knows no streams.
  void LimitStream(const Pair& pair, KeyspaceId keyspace, std::size_t leaves) {
    stream_leaves_max_[{pair, keyspace}] = leaves;
  }
  const std::map<PartitionId, StreamProgress>& streams() const { return streams_; }

  // Rows of it that only others own are here: they are given to each of these.
  void CompareSurplus(PartitionId partition, Env& env);
  // While rows of the partition are being dropped nothing of its section counts as synced with
  // anyone (the partition may be split meanwhile); what was is forgotten.
  void BeginDrop(PartitionId partition);
  void EndDrop(Env& env);

  // kPartly: more of it is to come. kOtherView: the peer knows other owners.
  enum class Outcome : std::uint8_t { kEqual, kRepaired, kPartly, kOtherView, kFailed };
  // By the session of this pair, which began in this epoch of the partition.
  void OnSessionEnd(const Pair& pair, RingEpoch epoch, Outcome outcome, Env& env);

  // By the session that was to fetch this leaf from this peer.
  void OnFetchEnd(const Pair& pair, KeyspaceId keyspace, std::uint32_t leaf, bool ok, Env& env);

  // Pairs that were found to differ, or could not be compared, when they were looked at last.
  std::size_t pairs_unequal() const { return unequal_.size(); }
  std::size_t pairs() const { return shared_.size(); }
  // Waiting to be compared at once.
  std::size_t pairs_dirty() const { return dirty_.size(); }

 private:
  void ListPairs();
  // By the new layout this node keeps partitions, with others, that are not whole here by the one
  // it had. What it was given of them went with an older disk, or was not restored.
  void FillGained();
  bool Owns(PartitionId partition) const;
  // Has this node owned it all along? One that is moving here is not asked for reads.
  bool Keeps(PartitionId partition) const;
  bool KeptWithOthers(PartitionId partition) const;
  // Has each other owner given what it holds?
  bool IsFilled(PartitionId partition) const;
  // Partitions were split: what is noted of one is noted of its parts.
  void RenumberIfSplit();
  // Those that cannot wait for their turn.
  void MarkMoving();
  void BeginSession(const Pair& pair, bool in_turn, Instant now);
  void BeginFetch(Env& env);
  void BeginDirty(Env& env);
  void BeginBegun(Env& env);
  void BeginFailed(Env& env);
  void RetryAt(const Pair& pair, Instant at);
  bool HasRoom(NodeId peer) const;  // for one more session with this one
  bool CanBegin(const Pair& pair) const;
  bool MayCompare(const Pair& pair, Instant now) const;
  // Does the partition move to `to`, away from owners among which is `from`?
  bool Gives(PartitionId partition, NodeId from, NodeId to) const;
  bool IsGivenBy(const Pair& pair) const { return Gives(pair.partition, pair.peer, shard().self); }
  std::optional<NodeId> SourceOf(PartitionId partition) const;

  int partition_bits_ = 0;       // of the view of before
  std::vector<Pair> pairs_;      // that this node begins with when their turn comes
  std::set<Pair> shared_;        // all that this shard has in common with others
  std::set<PartitionId> whole_;  // owned all along, or has arrived; or noted as unfilled
  std::size_t next_ = 0;         // of pairs_
  std::set<Pair> dirty_;
  std::optional<Pair> last_dirty_;  // that was begun with
  // Of those that are unfilled: some has come, in so many sessions. They come first, so that one
  // after another is whole and answers, instead of all at the end.
  std::map<PartitionId, int> begun_;
  struct DamagedLeaf {
    NodeId peer;  // to be fetched from
    KeyspaceId keyspace;
    std::uint32_t leaf = 0;

    auto operator<=>(const DamagedLeaf&) const = default;
  };
  std::set<DamagedLeaf> damaged_;
  std::set<DamagedLeaf> fetched_in_vain_;  // tried again at the next turn
  struct UnderWay {
    Instant since;
    bool in_turn = false;  // nothing tells that the two differ
  };
  std::map<Pair, UnderWay> under_way_;
  std::map<PartitionId, StreamProgress> streams_;
  std::map<std::pair<Pair, KeyspaceId>, std::size_t> stream_leaves_max_;
  std::set<Pair> unequal_;
  std::map<Pair, RingEpoch> synced_;  // in which epoch of the partition, last
  std::optional<SectionId> dropping_;
  std::map<Pair, Instant> failed_;  // to be compared again, whoever begins with them in their turn
  Instant next_turn_{INT64_MIN};
};

}  // namespace gyre
