#include "sim/network.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace gyre::sim {

Network::Network(EventQueue& events, std::uint64_t seed, int nodes, const NetworkProfile& profile,
                 Deliver deliver)
    : events_(events),
      prng_(seed),
      nodes_(nodes),
      profile_(profile),
      deliver_(std::move(deliver)),
      links_(static_cast<std::size_t>(nodes * nodes)) {}

std::int64_t Network::DrawLatency(const Link& link) {
  // An exponential tail in whole steps, so that no floating point decides an order of events.
  std::int64_t tail = 0;
  const std::int64_t step = profile_.latency_us_mean / 4 + 1;
  while (tail < 40 * step && prng_.Chance(800'000)) tail += step;
  std::int64_t latency = profile_.latency_us_min + tail + prng_.Between(0, step);
  latency = latency * link.slowness + link.distance_us;
  // Not times the slowness: a link in order would deliver nothing for minutes behind such a
  // message, where a real one is given up after seconds.
  if (prng_.Chance(profile_.spike_per_million)) latency += prng_.Between(0, profile_.spike_us_max);
  return latency;
}

void Network::Send(int from, int to, Bytes frame) {
  ++counters_.sent;
  counters_.bytes += frame.size();
  if (link(from, to).cuts > 0) {
    ++counters_.cut_off;
    return;
  }
  if (prng_.Chance(profile_.lost_per_million)) {
    ++counters_.lost;
    return;
  }
  Fate fate;
  if (prng_.Chance(profile_.doubled_per_million)) {
    ++counters_.doubled;
    fate.doubled = true;
    Plan(from, to, frame, fate);
  }
  if (profile_.replayed_per_million > 0 && prng_.Chance(profile_.replayed_per_million)) {
    ++counters_.replayed;
    fate.doubled = true;
    events_.After(prng_.Between(0, profile_.replay_us_max), [this, from, to, frame, fate] {
      if (!calm_) Plan(from, to, frame, fate);
    });
  }
  if (prng_.Chance(profile_.flipped_per_million)) {
    ++counters_.flipped;
    fate.flipped = true;
    const std::size_t bit = prng_.Below(frame.size() * 8);
    frame = Bytes::Build(frame.size(), [&](char* out) {
      std::memcpy(out, frame.data(), frame.size());
      out[bit / 8] = static_cast<char>(out[bit / 8] ^ (1 << (bit % 8)));
    });
  }
  Plan(from, to, std::move(frame), fate);
}

void Network::Plan(int from, int to, Bytes frame, Fate fate) {
  Link& path = link(from, to);
  std::int64_t due = events_.now() + DrawLatency(path);
  if (profile_.in_order) {
    due = std::max(due, path.last_due);
  } else if (due < path.last_due) {
    ++counters_.overtaken;
  }
  path.last_due = std::max(path.last_due, due);
  ++in_flight_;
  events_.At(due, [this, from, to, number = path.next_number++, frame = std::move(frame), fate] {
    Arrive(from, to, number, frame, fate);
  });
}

void Network::Arrive(int from, int to, std::uint64_t number, const Bytes& frame, Fate fate) {
  --in_flight_;
  const Link& path = link(from, to);
  if (path.cuts > 0) {
    ++counters_.cut_off;
    return;
  }
  if (number < path.dropped_below && prng_.Chance(path.drop_per_million)) {
    ++counters_.lost;
    return;
  }
  ++counters_.delivered;
  deliver_(from, to, frame, fate);
}

void Network::Cut(int from, int to) { ++link(from, to).cuts; }

void Network::Uncut(int from, int to) {
  if (link(from, to).cuts > 0) --link(from, to).cuts;
}

void Network::DropUndelivered(int from, std::uint64_t per_million) {
  for (int to = 0; to < nodes_; ++to) {
    Link& path = link(from, to);
    path.dropped_below = path.next_number;
    path.drop_per_million = per_million;
  }
}

void Network::Calm() {
  calm_ = true;
  for (Link& path : links_) {
    path.cuts = 0;
    path.slowness = 1;
  }
  profile_.lost_per_million = 0;
  profile_.doubled_per_million = 0;
  profile_.replayed_per_million = 0;
  profile_.flipped_per_million = 0;
  profile_.spike_per_million = 0;
}

}  // namespace gyre::sim
