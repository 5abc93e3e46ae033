// A node's membership: who is a member and who can be reached, told by gossip and found out by
// probing. Paper 4.8. Owns the table and the three that work on it:
//
//   Detector (who answers)  RumourQueue (what is told at once)  Gossip (what makes tables equal)
// One per node; whoever owns the node's peer links drives it, on one thread. It reads no clock and
// sends nothing: each handler takes a turn (now, chance, what goes out) and returns. The owner
// hands in each message, wakes it at NextWake, and sends what it says; a message may be lost.
//
// Nobody becomes a member by answering, and none ceases to be one by silence: records come by word
// of the node itself or an operator, and `down` is for routing only.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/membership/detector.h"
#include "core/membership/gossip.h"
#include "core/membership/member_table.h"
#include "core/membership/membership_config.h"
#include "core/membership/membership_turn.h"
#include "core/membership/rumours.h"

namespace gyre {

struct MembershipCounters {
  std::uint64_t messages = 0;           // taken
  std::uint64_t contradictions = 0;     // this node was accused and raised its incarnation
  std::uint64_t double_identities = 0;  // seen
  std::uint64_t records_unknown = 0;    // news whose description was not here, nor came
  std::uint64_t records_refused = 0;    // past a limit
};

class Membership {
 public:
  struct Identity {
    NodeId id;
    // Above that of any life before: kept on disk and raised at each start, or taken from a clock.
    std::uint64_t incarnation = 1;
    DescriptionPtr description;
  };
  Membership(const MembershipConfig& config, Identity self, std::vector<std::string> seeds);
  Membership(const Membership&) = delete;
  Membership& operator=(const Membership&) = delete;

  // Another member known from the disk, before Start. It is told to nobody, as it is no news.
  void Restore(const MemberNews& record, Instant now) {
    if (record.id != self_) table_.Merge(record, now);
  }
  void Start(MembershipTurn& turn);

  void OnTick(MembershipTurn& turn);
  // When OnTick is wanted next; it may come earlier.
  Instant NextWake() const;
  void OnMessage(NodeId from, const MembershipMessage& message, MembershipTurn& turn);
  // A frame of another kind came from it: as good as an answer. Cheap.
  void OnHeard(NodeId from) { detector_.OnHeard(from); }
  // It can be reached, and could not before: tables are compared at once, and each tells the other
  // who it is.
  void OnReached(NodeId node, MembershipTurn& turn);
  // A call to it failed: it is probed soon.
  void OnCallFailed(NodeId node, MembershipTurn& turn);

  // This node describes itself anew, or is a member again after it left.
  void UpdateSelf(DescriptionPtr description, MembershipTurn& turn);
  // This node, or another by an operator's word, is no member any more. No effect on one that is
  // not known.
  void Remove(NodeId node, MembershipTurn& turn);
  // Which version of who-owns-what this node has.
  void SetLayout(LayoutVersion layout) { gossip_.SetLayout(layout); }
  void SetSeeds(std::vector<std::string> seeds) { gossip_.SetSeeds(std::move(seeds)); }

  NodeId self() const { return self_; }
  std::uint64_t incarnation() const { return table_.Find(self_)->incarnation; }
  const MemberTable& table() const { return table_; }
  const Detector& detector() const { return detector_; }
  const MembershipCounters& counters() const { return counters_; }
  std::uint64_t rumours_dropped() const { return rumours_.dropped(); }

 private:
  // Returns whether the table changed. `tell`: it is told on.
  bool Take(const MemberNews& news, bool tell, MembershipTurn& turn);
  bool TakeAll(const std::vector<MemberNews>& all, bool tell, MembershipTurn& turn);
  void TakeOfSelf(const MemberNews& news, MembershipTurn& turn);
  void RaiseIncarnation(std::uint64_t above, bool in_full, MembershipTurn& turn);
  // The end of each turn: verdicts are taken, rumours told, and put into what is sent.
  void Settle(std::size_t first_send, MembershipTurn& turn);
  void TellRumours(MembershipTurn& turn);
  void FillIn(MembershipSend& send);

  const MembershipConfig config_;
  const NodeId self_;
  MemberTable table_;
  Detector detector_;
  RumourQueue rumours_;
  Gossip gossip_;
  Instant next_telling_ = Instant::Max();
  Instant last_telling_{INT64_MIN / 2};
  Instant identity_since_{INT64_MIN / 2};
  MembershipCounters counters_;
};

}  // namespace gyre
