// Every tunable and limit of membership, with its unit. The defaults are chosen by what `gyre-sim
// scale` shows of 3 to 5,000 nodes (docs/scale.md): change one, run it again.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace gyre {

struct MembershipConfig {
  // ---- failure detection (detector.h) ----
  // SWIM's protocol period: each node probes one other in so long.
  Duration protocol_period = Duration::Millis(400);
  // From a ping to the time when others are asked to ping too, and the ping is sent again.
  Duration ack_timeout = Duration::Millis(100);
  // SWIM's k: how many others are asked at a time.
  std::size_t helpers = 3;
  // A suspect has so long to contradict: this, for each factor of 10 in the number of live members,
  // and not less than once this.
  Duration suspicion_min = Duration::Millis(500);
  // And so many times as long while nobody but its accuser says so (dynamic suspicion).
  int suspicion_factor_max = 6;
  // Independent accusers beside the first that bring it down to the least. At most
  // kConfirmationsMax.
  std::size_t confirmations = 3;
  // So many members, by chance, probe a suspect at once when they hear of it.
  std::size_t volunteers = 10;
  // Lifeguard's local health: the worst score. Periods last (1 + score) times as long.
  int local_health_max = 8;
  // A wake-up that comes so much later than was asked for was a stall of this node's own.
  Duration stall = Duration::Millis(200);
  // Refinements of plain SWIM, each alone (to be measured).
  bool local_health = true;       // Lifeguard: LHA probe
  bool nacks = true;              // Lifeguard: helpers say that they got no answer
  bool dynamic_suspicion = true;  // Lifeguard: LHA suspicion
  bool buddy = true;              // Lifeguard: who is accused is told first
  bool resend = true;             // pings and requests are sent again within a probe

  // ---- rumours (rumours.h) ----
  Duration rumour_period = Duration::Millis(100);  // while there is something to tell
  std::size_t rumour_fanout = 3;
  int rumour_lambda = 2;                 // each told lambda * log2(members + 1) times
  std::size_t rumour_bytes_max = 1'200;  // in one message; at least kNewsBytesMax
  std::size_t rumours_max = 4'096;       // waiting to be told

  // ---- gossip (gossip.h) ----
  Duration sync_period = Duration::Seconds(1);
  Duration reunion_period = Duration::Seconds(10);  // with a seed or a past member
  std::size_t sync_bytes_max = 48 * 1024;           // of members, in one message
  // A synchronisation that brings more than this is not told on as rumours: who learns so much has
  // been away, and the others know it.
  std::size_t sync_rumours_max = 64;
  Duration layout_split_after = Duration::Seconds(30);

  // ---- the table (member_table.h) ----
  // Who has left is remembered for so long, and at most so many of them. For the first half of that
  // time it is told on.
  Duration tombstone_life = Duration::Seconds(2 * 24 * 3600);
  std::size_t tombstones_max = 4'096;
  // How often at most a node raises its incarnation against a description of it that is not its
  // own.
  Duration identity_pause = Duration::Seconds(10);

  // SWIM as in Das et al. 2002, with the same timings.
  static MembershipConfig PlainSwim() {
    MembershipConfig plain;
    plain.local_health = plain.nacks = plain.dynamic_suspicion = plain.buddy = plain.resend = false;
    plain.volunteers = 0;
    return plain;
  }
};

inline constexpr std::size_t kConfirmationsMax = 8;

}  // namespace gyre
