// The copies of one key that a read has collected, one place per node asked: whether the owners'
// agree, what the join of all is, who is stale. Pure; shared by the machines that read. Paper 4.5,
// 5 (repair). Fallbacks that stand in for owners (paper 4.6) have at most what is owed to them:
// they are never stale, and know of nothing that the owners had before. So their replies make up
// for missing owners, and are not counted while owners that were asked may still answer.
#pragma once

#include <boost/container/small_vector.hpp>
#include <utility>

#include "base/bytes.h"
#include "core/causality/record.h"
#include "core/coordinator/replica_plan.h"

namespace gyre {

// How often a read begins anew because its copies were read before a purge.
inline constexpr int kReadRoundsMax = 4;

class ReadSet {
 public:
  enum class State : std::uint8_t { kWaiting, kReplied, kFailed };
  struct Copy {
    NodeId node;
    State state = State::kWaiting;
    NodeId stands_for;     // 0: an owner
    bool has_all = false;  // an owner, and not one that the partition is still on its way to
    bool corrupt = false;  // kFailed: it has a row and cannot read it
    Bytes record;          // kReplied: encoded; empty: none there

    bool standin() const { return stands_for.value != 0; }
    NodeId counts_for() const { return standin() ? stands_for : node; }
  };
  using Copies = boost::container::small_vector<Copy, 4>;

  // Of those that the plan can reach.
  explicit ReadSet(const ReplicaPlan& plan);

  // A copy that does not decode counts as corrupt. No effect if this node was not asked or has
  // answered before (a doubled message). Cost: a decode for each copy unlike the ones before.
  void AddReply(NodeId node, Bytes record, std::uint64_t stamp);
  void AddFailure(NodeId node, bool corrupt);
  // Owners have been waited for long enough: fallbacks count as soon as one that has all replied.
  void EndPatience();

  Standing standing() const { return tally_.standing(); }
  bool all_answered() const { return tally_.all_answered(); }
  const Copies& copies() const { return copies_; }
  // Nobody that replied has a row, and none of them would have to: whether there is one is not
  // known.
  bool knows_nothing() const;
  // Has this node replied, or failed?
  bool HasAnswered(NodeId node) const;
  // The record with this digest, if any that replied has it; else null.
  const Bytes* FindRecord(std::uint64_t digest) const;
  // Did all owners that replied give the same bytes, and the fallbacks nothing else?
  bool agree() const { return agree_; }
  bool any_corrupt() const { return any_corrupt_; }
  // The join of all that replied, and its bytes (empty: nobody has a row).
  const Record& joined() const { return joined_; }
  // Of the join: the lowest of those that went into it.
  std::uint64_t stamp() const { return stamp_; }
  Bytes JoinedBytes() const;
  // The join itself, once nothing more is to be asked of this set but who answered.
  Record TakeJoined() { return std::move(joined_); }

 private:
  Copy* FindWaiting(NodeId node);
  bool OneWithAllReplied() const;
  void CountStandinsIfDue();

  Copies copies_;
  JointTally tally_;
  Record joined_;
  std::uint64_t stamp_ = UINT64_MAX;
  bool agree_ = true;
  bool any_corrupt_ = false;
  bool patient_ = true;
  bool standins_count_;
};

}  // namespace gyre
