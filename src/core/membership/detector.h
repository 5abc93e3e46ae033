// Who can be reached: SWIM (Das, Gupta, Motivala, DSN 2002) with the refinements of Lifeguard
// (Dadgar, Phillips, Currey, DSN 2018). Paper 4.8.3: for routing only. Down is not gone.
//
//   alive -no ack in a protocol period, by nobody-> suspect -not contradicted in time-> down
//   suspect, down -the node itself, with a higher incarnation-> alive
//
// Each protocol period one member is probed: members take turns in a random order, drawn anew for
// each round, so that each comes once in a round. No ack after ack_timeout: `helpers` others are
// asked to ping it as well, and, with `resend`, all of that again each ack_timeout until the period
// is over.
//   LHA probe: a score of this node's own health lengthens its periods. Worse: a probe that failed
//     though helpers did not answer, being accused, waking up late. Better: an ack.
//   LHA suspicion: a suspect has suspicion_factor_max times the least time, which falls with the
//     logarithm of the independent accusers. `volunteers` members probe it at once, so that these
//     are found, or its contradiction, while the suspicion is young.
//   Buddy: who is accused is told at once, and with each message to it (membership.cc).
// Any frame of a node is as good as its ack (OnHeard); a call to it that failed starts a probe
// (OnCallFailed), and never more than that.
//
// What it finds are verdicts: news that the owner merges into the table, like those of others.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "core/ids.h"
#include "core/membership/member_table.h"
#include "core/membership/membership_config.h"
#include "core/membership/membership_turn.h"

namespace gyre {

// How long a suspect of `members` live ones has, with so many accusers beside the first.
Duration SuspicionTimeout(const MembershipConfig& config, std::size_t members,
                          std::size_t confirmations);

struct DetectorCounters {
  std::uint64_t probes = 0, probes_failed = 0;
  std::uint64_t verdicts_suspect = 0, verdicts_down = 0;
  std::uint64_t stalls = 0;  // wake-ups that came too late
};

class Detector {
 public:
  // `table` outlives it.
  Detector(const MembershipConfig& config, const MemberTable& table, NodeId self)
      : config_(config), table_(table), self_(self) {}

  void Start(MembershipTurn& turn);
  void OnTick(MembershipTurn& turn);
  // When OnTick is wanted. O(probes under way).
  Instant NextWake() const;

  void OnPing(NodeId from, const Ping& ping, MembershipTurn& turn);
  void OnPingAck(NodeId from, const PingAck& ack, MembershipTurn& turn);
  void OnPingRequest(NodeId from, const PingRequest& request, MembershipTurn& turn);
  void OnPingNack(const PingNack& nack);
  // A frame of any kind came from it. Cheap if nothing is under way.
  void OnHeard(NodeId from);
  void OnCallFailed(NodeId node, MembershipTurn& turn);

  // The table holds `suspect` for suspect, and `accuser` (0: not told) says so. True if that is one
  // more who says it, which is to be told on.
  bool OnAccused(NodeId suspect, std::uint64_t incarnation, NodeId accuser, MembershipTurn& turn);
  // The table does not hold it for suspect any more.
  void OnOver(NodeId node) { suspicions_.erase(node); }
  // This node itself was accused.
  void OnSelfAccused() { AddToHealth(1); }
  // It was not among those that are there: it takes its turn in this round already.
  void OnMemberUp(NodeId node, Prng& prng);

  // Empties it.
  std::vector<MemberNews> TakeVerdicts() { return std::exchange(verdicts_, {}); }
  bool has_verdicts() const { return !verdicts_.empty(); }
  // Who accused it first, 0 if that is not known. The others by OnAccused.
  NodeId FirstAccuserOf(NodeId suspect) const;
  int local_health() const { return health_; }
  std::size_t suspicions() const { return suspicions_.size(); }
  const DetectorCounters& counters() const { return counters_; }

 private:
  struct Probe {
    NodeId target;
    std::uint32_t sequence = 0;
    Instant next_send;  // Instant::Max(): nothing more
    Instant deadline;
    int rounds = 0;
    std::size_t nacks_wanted = 0;
    std::size_t nacks = 0;
  };
  // A ping for another.
  struct Relay {
    NodeId target;
    std::uint32_t sequence = 0;
    NodeId asker;
    std::uint32_t asker_sequence = 0;
    Instant nack_at;  // Instant::Max(): not wanted, or sent
    Instant over;
  };
  struct Suspicion {
    std::uint64_t incarnation = 0;
    Instant begun;
    Instant deadline;
    std::vector<NodeId> accusers;
  };

  Duration Period() const { return config_.protocol_period * (1 + health_); }
  void AddToHealth(int delta);
  void ForgiveStall(Duration late);
  void ProbeNext(MembershipTurn& turn);
  void BeginProbe(NodeId target, MembershipTurn& turn);
  bool IsProbing(NodeId target) const;
  void AskAgain(Probe& probe, MembershipTurn& turn);
  void FailProbe(const Probe& probe);
  void EndSuspicions(Instant now);

  const MembershipConfig config_;
  const MemberTable& table_;
  const NodeId self_;
  int health_ = 0;
  std::uint32_t next_sequence_ = 1;
  Instant next_probe_ = Instant::Max();
  std::vector<NodeId> round_;  // the order of this round
  std::size_t next_in_round_ = 0;
  std::vector<Probe> probes_;  // few
  std::vector<Relay> relays_;
  Instant relays_look_ = Instant::Max();  // nothing of relays_ is due before
  std::map<NodeId, Suspicion> suspicions_;
  Instant suspicions_look_ = Instant::Max();  // no suspicion ends before
  std::vector<MemberNews> verdicts_;
  DetectorCounters counters_;
};

}  // namespace gyre
