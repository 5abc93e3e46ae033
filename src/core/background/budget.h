// One purse for all background work of a shard (hint replay, tree exchange, scrub, transfer), which
// shrinks when clients have to wait longer. Paper 6.5. Pure.
//
// Work is paid for in bytes, and a record that is moved costs at least kMovedBytesMin. The rate
//   begins at the least, and is there again after a time without work: nobody knows yet what the
//     work that comes will do to clients
//   grows by a tenth at the end of a window in which there was work and nobody had to wait, by a
//     quarter if nobody was there who could have waited
//   halves if clients' requests, or the nodes that records were sent to, took clearly longer than
//   in
//     quiet times (LatencyWatch): senders without clients give way to the clients of the receiver
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/time.h"
#include "core/background/latency_watch.h"
#include "core/config.h"

namespace gyre {

class Budget {
 public:
  // Moving a small record is a read, a message, a write and its part of an fsync on the other side,
  // which cost as much as so many bytes.
  static constexpr std::uint64_t kMovedBytesMin = 768;
  // Reading a small row and checking it.
  static constexpr std::uint64_t kReadBytesMin = 256;

  // `config` outlives it.
  explicit Budget(const CoreConfig& config);

  // Takes the price of some work, and says when the next may be begun: now, or later if that was
  // more than there is. Work is never refused, only what follows waits.
  Instant Spend(std::uint64_t bytes, Instant now);
  // Of a record of so many bytes that is sent or taken in.
  static std::uint64_t PriceOfMoved(std::uint64_t bytes) { return std::max(bytes, kMovedBytesMin); }
  static std::uint64_t PriceOfRead(std::uint64_t bytes) { return std::max(bytes, kReadBytesMin); }
  // A client's request was answered after so long.
  void NoteForeground(Duration latency, Instant now);
  // A node that a record was sent to had it durably after so long.
  void NoteDelivery(Duration latency, Instant now);

  std::uint64_t bytes_per_second() const { return rate_; }
  std::uint64_t bytes_spent() const { return spent_; }

 private:
  void EndWindowIfDue(Instant now);
  void EndWindow(Instant now);

  const CoreConfig& config_;
  std::uint64_t rate_;
  std::uint64_t spent_ = 0;
  Instant free_at_{INT64_MIN};  // what was spent is paid for by then
  Instant window_begin_{INT64_MIN};
  std::uint64_t window_spent_ = 0;
  LatencyWatch clients_;
  LatencyWatch deliveries_;
};

}  // namespace gyre
