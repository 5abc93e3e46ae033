// One comparison of one partition with one other owner, and the repair of what differs, in both
// directions. Paper 4.7. Cost: one message of sums if the two are equal, else in proportion to the
// difference.
//
//   kComparing   -sums of nodes, from the root down, where the peer's differ-> leaves
//   kSettling    -exchange_settle, so that writes under way arrive-> the leaves once more
//   kReading     -own rows of a leaf, unless they are damaged-> kAsking
//   kAsking      -peer's view of them-> kMoving: records both ways, each to be durable
//   kMoving      -all moved-> the next stretch, leaf, keyspace -> done
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/antientropy/repair_scheduler.h"
#include "core/machine.h"

namespace gyre {

class ExchangeSession : public Machine {
 public:
  // `scheduler` outlives it. REQUIRES: this shard serves the partition, and both own it.
  // `damaged`: only this leaf, all of it from the peer, as the own rows cannot be read.
  ExchangeSession(ShardState& shard, RepairScheduler& scheduler, NodeId peer, PartitionId partition,
                  std::optional<LeafName> damaged = {})
      : Machine(shard),
        scheduler_(scheduler),
        peer_(peer),
        partition_(partition),
        damaged_(damaged) {}

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnScanDone(Result<ScanPage> page, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;

 private:
  enum class State { kIdle, kComparing, kSettling, kReading, kAsking, kMoving, kPausing };
  using Outcome = RepairScheduler::Outcome;

  void NextKeyspace(Env& env);
  void Compare(int bits, std::vector<std::uint32_t> nodes, Env& env);
  void OnCompared(const TreeCompareReply& reply, Env& env);
  void NextLeaf(Env& env);
  bool LacksMost() const;
  void ReadStretch(Env& env);
  void AskForStretch(Env& env);
  void OnAnswer(LeafKeysReply& reply, Env& env);
  void PushRow(const ScannedRow& row, Env& env);
  void OnMoved(bool ok, Env& env);
  void EndStretch(Env& env);
  void Ask(Message message, Env& env);
  void End(Outcome outcome, Env& env);
  bool Hurries() const;
  bool GivesOnly() const;

  RepairScheduler& scheduler_;
  const NodeId peer_;
  const PartitionId partition_;
  const std::optional<LeafName> damaged_;
  RingEpoch epoch_;  // of the partition, when it began
  State state_ = State::kIdle;
  Instant deadline_;                   // of the question under way, or the end of a pause
  std::vector<KeyspaceId> keyspaces_;  // still to come; the present one last
  int bits_ = 0;
  std::vector<std::uint32_t> nodes_;  // being compared
  bool settled_ = false;
  std::vector<std::uint32_t> leaves_;  // that differ, still to come; the present one last
  std::optional<RowKey> after_;        // the stretch of the leaf
  std::optional<RowKey> upto_;
  std::vector<ScannedRow> rows_;
  std::uint64_t stamp_ = 0;  // of rows_
  std::size_t moving_ = 0;
  bool more_ = false;           // the peer had more for this stretch
  bool leaf_differed_ = false;  // any record of this leaf was moved
  // Of the leaf looked at last: rows here, and those that the peer gave.
  std::size_t leaf_rows_ = 0;
  std::size_t leaf_lacked_ = 0;
  bool any_differed_ = false;
  bool any_cut_ = false;  // more differs than one session moves
  bool any_failed_ = false;
  std::uint64_t bytes_ = 0;  // of this stretch, to be paid for
};

}  // namespace gyre
