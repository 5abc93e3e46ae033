// What a node tells about itself: counters, gauges and latency histograms, summed over its shards.
// Source of /metrics, /v1/status, INFO and `gyre status`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/shard.h"
#include "server/cluster_alarms.h"
#include "storage/engine.h"

namespace gyre {

enum class Operation : std::uint8_t { kGet, kPut, kDelete, kScan, kOther };
inline constexpr std::size_t kOperationCount = 5;
constexpr const char* OperationName(Operation operation) {
  constexpr const char* kNames[] = {"get", "put", "delete", "scan", "other"};
  return kNames[static_cast<std::size_t>(operation)];
}

// Log-linear histogram of microseconds: 4 buckets for each power of two, up to 2^26 us (67 s).
class LatencyHistogram {
 public:
  static constexpr int kSubBits = 2;
  static constexpr std::size_t kBuckets = 27 << kSubBits;

  void Record(Duration elapsed) {
    const std::uint64_t us = elapsed.us < 0 ? 0 : static_cast<std::uint64_t>(elapsed.us);
    ++counts_[BucketOf(us)];
    ++count_;
    sum_us_ += us;
  }
  void Merge(const LatencyHistogram& o) {
    for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += o.counts_[i];
    count_ += o.count_;
    sum_us_ += o.sum_us_;
  }
  std::uint64_t count() const { return count_; }
  std::uint64_t sum_us() const { return sum_us_; }
  std::uint64_t bucket_count(std::size_t bucket) const { return counts_[bucket]; }
  // Largest value of a bucket, in microseconds.
  static std::uint64_t UpperBound(std::size_t bucket) {
    if (bucket < (2u << kSubBits)) return bucket;
    const std::size_t exponent = (bucket >> kSubBits) - 1;
    const std::size_t sub = bucket & ((1u << kSubBits) - 1);
    return ((((1u << kSubBits) + sub + 1) << exponent)) - 1;
  }
  // The upper bound of the bucket that holds quantile q (0..1]; 0 if empty.
  std::uint64_t QuantileUs(double q) const {
    const auto rank = static_cast<std::uint64_t>(q * static_cast<double>(count_) + 0.5);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
      seen += counts_[i];
      if (seen >= rank && seen > 0) return UpperBound(i);
    }
    return 0;
  }

 private:
  static std::size_t BucketOf(std::uint64_t us) {
    if (us < (2u << kSubBits)) return static_cast<std::size_t>(us);
    const int exponent = 63 - __builtin_clzll(us) - kSubBits;
    const std::size_t bucket = (static_cast<std::size_t>(exponent + 1) << kSubBits) +
                               ((us >> exponent) & ((1u << kSubBits) - 1));
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }
  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_us_ = 0;
};

struct PeerStats {
  NodeId id;
  std::string name;
  std::string address;
  bool up = false;  // every shard's link
  std::uint64_t queued_bytes = 0;
  std::uint64_t links = 0, links_encrypted = 0, links_compressed = 0;
  std::uint64_t bytes_before_compression = 0, bytes_after_compression = 0;
  std::uint64_t reconnects = 0;
  std::uint64_t frames_sent = 0, frames_received = 0, frames_dropped = 0;
  std::string last_problem;  // one sentence, empty if none
  Duration away;             // zero if up
  bool dead = false;         // people were told so
};

// What is kept here for a node that could not be reached (paper 4.6).
struct HintDebt {
  NodeId target;
  std::string name;
  std::uint64_t hints = 0;
  std::uint64_t bytes = 0;
  Duration oldest_age;  // since the oldest write among them, or longer
};

struct BackgroundStats {
  std::uint64_t bytes_per_second = 0;  // what the budget allows now
  std::uint64_t bytes_spent = 0;
};

// Comparisons with other owners (paper 4.7): pairs of a partition and another node that owns it.
struct RepairStats {
  std::uint64_t pairs = 0;
  std::uint64_t unequal = 0;   // differed, or could not be compared, when looked at last
  std::uint64_t waiting = 0;   // to be compared at once
  std::uint64_t unfilled = 0;  // partitions that a new disk has yet to get, and answers no reads of
};

// A partition that comes here as a whole, from one of its owners of before.
struct TransferStats {
  PartitionId partition;
  std::string from;
  double done_ratio = 0;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;  // so far
  Duration elapsed;

  double bytes_per_second() const {
    return elapsed.us <= 0 ? 0 : static_cast<double>(bytes) * 1e6 / static_cast<double>(elapsed.us);
  }
  // Nothing is known of what is left before a part is here.
  std::optional<std::uint64_t> bytes_left() const {
    if (done_ratio <= 0) return std::nullopt;
    return static_cast<std::uint64_t>(static_cast<double>(bytes) * (1 / done_ratio - 1));
  }
  std::optional<double> seconds_left() const {
    if (done_ratio <= 0) return std::nullopt;
    return static_cast<double>(elapsed.us) / 1e6 * (1 / done_ratio - 1);
  }
};

// A round reads every row once; partitions of a keyspace each.
struct ScrubStats {
  std::uint64_t partitions = 0;
  std::uint64_t begun = 0;  // in the round under way
};

// Notices to the operator's webhook.
struct WebhookStats {
  std::uint64_t ok = 0;
  std::uint64_t failed = 0;   // attempts, each of them
  std::uint64_t dropped = 0;  // given up: too many waited, or it was tried for too long
};

struct NodeStats {
  ShardCounters core;
  std::vector<HintDebt> owed;            // only where something is
  double hints_replayed_per_second = 0;  // over the last ten seconds
  BackgroundStats background;
  RepairStats repair;
  std::vector<TransferStats> transfers;  // under way
  std::uint64_t transfers_waiting = 0;   // partitions that are still to come
  double exchanges_per_second = 0;       // over the last ten seconds
  ScrubStats scrub;
  std::uint64_t shards_starting = 0;  // that take no requests yet: they have met no other node
  std::uint64_t purge_waiting = 0;    // deleted and expired rows that are to be purged from here
  std::uint64_t shards_draining = 0;
  std::uint64_t clients_to_go = 0;  // RESP connections from before the drain
  std::uint64_t leaf_bytes = 0;     // memory of the sums that rows are compared by
  std::uint64_t tree_sum = 0;       // of all of them: of every row here, modulo 2^64
  std::array<LatencyHistogram, kOperationCount> latency;
  EngineStats engine;
  std::vector<PeerStats> peers;
  std::uint64_t resp_connections = 0, http_connections = 0, connections_total = 0;
  std::uint64_t connections_refused = 0, protocol_errors = 0, commands_total = 0;
  std::uint64_t tls_handshakes_failed = 0;
  std::uint64_t dead_notices = 0;                   // times that a peer was told dead
  std::array<std::uint64_t, 4> members{};           // by Life, as gossip tells
  std::array<std::uint64_t, kAlarmKinds> alarms{};  // raised now
  std::uint64_t alarm_notices = 0;                  // times that one was raised
  WebhookStats webhook;
  std::uint64_t refused_unread = 0;  // commands that lay unread for too long
  std::uint64_t requests_in_flight = 0;
  std::uint16_t shard_count = 1;
  Duration uptime;
};

}  // namespace gyre
