// Fetches all that one other owner holds of some leaves of a partition, in key order, batch after
// batch: for a node that lacks most of it, such as a new owner, or one with an empty disk.
// docs/adr/0010-range-streams.md.
//
//   asking -a batch-> its rows are merged, and the next batch is asked for at once, unless too much
//   waits for the disk, or the budget for it is spent -> ... -all is here, durably-> done
//
// Nothing rests on it. Its rows are merged like any copy, and what it missed is found by the
// comparison that follows. It keeps no place on disk either: after a restart the comparison tells
// the first leaf that differs.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "core/antientropy/repair_scheduler.h"
#include "core/machine.h"

namespace gyre {

// Leaves that follow each other, both inclusive.
struct LeafRun {
  std::uint32_t first = 0;
  std::uint32_t last = 0;

  std::uint32_t size() const { return last - first + 1; }
  bool operator==(const LeafRun&) const = default;
};

class RangeStream : public Machine {
 public:
  // `leaves`: that differ, rising. `scheduler` outlives it.
  RangeStream(ShardState& shard, RepairScheduler& scheduler, RepairScheduler::Pair pair,
              RingEpoch epoch, KeyspaceId keyspace, const std::vector<std::uint32_t>& leaves);

  void Start(Env& env) override;
  void OnReply(NodeId from, Message& reply, Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;
  void OnPeerDown(NodeId peer, Env& env) override;
  void OnView(Env& env) override;
  void OnTimer(Env& env) override;

 private:
  using Outcome = RepairScheduler::Outcome;

  void AskNext(Env& env);
  bool IsNext(const RangeGetReply& reply) const;
  void OnBatch(RangeGetReply& reply, Env& env);
  void MergeRow(KeyedRecord& row, std::uint64_t stamp, Env& env);
  void NotePlace();
  void End(Outcome outcome, Env& env);

  RepairScheduler& scheduler_;
  const RepairScheduler::Pair pair_;
  const RingEpoch epoch_;
  const KeyspaceId keyspace_;
  const std::size_t differing_;  // leaves
  std::deque<LeafRun> runs_;     // still to come; the present one first
  std::optional<RowKey> after_;  // in the present run
  bool asking_ = false;
  Instant deadline_;                 // of the question under way
  Instant resume_at_{INT64_MIN};     // what came is paid for by then
  Instant resume_timer_{INT64_MIN};  // the last that was set for it
  std::size_t merging_ = 0;          // rows that are not durable yet
  std::uint32_t leaves_done_ = 0;    // of the runs before the present one
  bool any_failed_ = false;
  StreamProgress progress_;
};

// The other side: reads one batch of rows and sends it, once the budget here allows.
void AnswerRangeGet(RangeGet&& get, NodeId from, ShardId from_shard, ShardState& shard);

}  // namespace gyre
