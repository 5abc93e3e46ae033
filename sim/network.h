// The links between nodes, in one direction each: they delay, lose, double, reorder and flip bits,
// and can be cut one way or both. Harsher than the server's links, which are TCP.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/prng.h"
#include "sim/event_queue.h"

namespace gyre::sim {

struct NetworkProfile {
  std::int64_t latency_us_min = 50;
  std::int64_t latency_us_mean = 300;       // of the exponential tail on top
  std::uint64_t spike_per_million = 1'000;  // a message that takes much longer
  std::int64_t spike_us_max = 200'000;
  std::uint64_t lost_per_million = 0;
  std::uint64_t doubled_per_million = 0;
  std::uint64_t replayed_per_million = 0;  // delivered once more, up to replay_us_max later
  std::int64_t replay_us_max = 5'000'000;
  std::uint64_t flipped_per_million = 0;  // one bit of the frame
  bool in_order = false;                  // per link, as TCP would
};

struct NetworkCounters {
  std::uint64_t sent = 0, delivered = 0, bytes = 0;
  std::uint64_t lost = 0, doubled = 0, replayed = 0, flipped = 0, overtaken = 0, cut_off = 0;
};

struct Fate {
  bool flipped = false;  // a bit differs from what was sent
  bool doubled = false;  // one of two deliveries of one frame
};

class Network {
 public:
  using Deliver = std::function<void(int from, int to, const Bytes& frame, Fate fate)>;

  Network(EventQueue& events, std::uint64_t seed, int nodes, const NetworkProfile& profile,
          Deliver deliver);

  void Send(int from, int to, Bytes frame);

  // Cuts add up: a link carries again once every cut of it is undone.
  void Cut(int from, int to);
  void Uncut(int from, int to);
  bool IsCut(int from, int to) const { return link(from, to).cuts > 0; }
  // On top of each latency of a link, for good: how far its ends are from each other.
  void SetDistance(int from, int to, std::int64_t us) { link(from, to).distance_us = us; }
  // Latency of a link, times `factor` (1: as drawn).
  void SetSlowness(int from, int to, std::int64_t factor) { link(from, to).slowness = factor; }
  NetworkProfile& profile() { return profile_; }
  // What `from` has sent and nobody has got yet is lost, each message by this chance: it still sat
  // in the buffers of the node that crashed.
  void DropUndelivered(int from, std::uint64_t per_million);
  // No loss, no doubles, no flips, no cuts, and no slow links.
  void Calm();

  const NetworkCounters& counters() const { return counters_; }
  std::size_t in_flight() const { return in_flight_; }

 private:
  struct Link {
    int cuts = 0;
    std::int64_t slowness = 1;
    std::int64_t distance_us = 0;
    std::int64_t last_due = 0;  // the latest delivery planned so far
    std::uint64_t next_number = 0;
    std::uint64_t dropped_below = 0;  // messages numbered less may have been dropped
    std::uint64_t drop_per_million = 0;
  };
  Link& link(int from, int to) { return links_[static_cast<std::size_t>(from * nodes_ + to)]; }
  const Link& link(int from, int to) const {
    return links_[static_cast<std::size_t>(from * nodes_ + to)];
  }
  void Plan(int from, int to, Bytes frame, Fate fate);
  void Arrive(int from, int to, std::uint64_t number, const Bytes& frame, Fate fate);
  std::int64_t DrawLatency(const Link& link);

  EventQueue& events_;
  Prng prng_;
  int nodes_;
  NetworkProfile profile_;
  Deliver deliver_;
  std::vector<Link> links_;
  NetworkCounters counters_;
  std::size_t in_flight_ = 0;
  bool calm_ = false;  // no replay comes any more
};

}  // namespace gyre::sim
