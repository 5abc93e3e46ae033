// What a record, or a client, has seen: for each (actor, epoch) the highest n. Paper 4.4, with
// dots in place of plain counters (docs/adr/0004-dots-and-epochs.md).
// A dot (actor, epoch, n) names one write for ever. The epoch is drawn afresh whenever a
// coordinator starts to write a key whose row it did not begin; n counts its writes from 1.
// Invariants: entries are sorted by (actor, epoch), unique, n >= 1.
#pragma once

#include <boost/container/small_vector.hpp>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/codec.h"
#include "base/result.h"
#include "base/time.h"
#include "core/ids.h"

namespace gyre {

// Formats keep wall times in 48 bits: until the year 10889.
inline constexpr std::int64_t kWallTimeMsMax = (std::int64_t{1} << 48) - 1;

struct Dot {
  ActorId actor;
  std::uint64_t epoch = 0;
  std::uint64_t n = 0;

  auto operator<=>(const Dot&) const = default;
};

class VersionVector {
 public:
  struct Entry {
    ActorId actor;
    std::uint64_t epoch = 0;
    std::uint64_t n = 0;
    WallTime time;  // when n was written; decides truncation only

    bool operator==(const Entry&) const = default;
    Dot dot() const { return {actor, epoch, n}; }
  };
  using Entries = boost::container::small_vector<Entry, 3>;

  // Has the write of this name been seen?
  bool Covers(const Dot& dot) const;
  // Has everything that `other` saw been seen? Times do not count.
  bool Dominates(const VersionVector& other) const;
  // Same dots seen. Times do not count.
  bool SameDots(const VersionVector& other) const;

  // The entry of (actor, epoch); null if there is none.
  const Entry* Find(ActorId actor, std::uint64_t epoch) const;

  // Takes the higher n of each entry (of equal n, the later time).
  void Merge(const VersionVector& other);
  // Raises the entry of dot.actor, dot.epoch to dot.n; no effect if it is there already. Times
  // outside [0, kWallTimeMsMax] are taken as the nearest within. REQUIRES: dot.n >= 1.
  void Add(const Dot& dot, WallTime time);
  // Takes later times as `latest`: a client's context must not keep entries for ever.
  void LimitTimes(WallTime latest);
  // Drops the entry; for truncation only.
  void Remove(ActorId actor, std::uint64_t epoch);

  const Entries& entries() const { return entries_; }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  bool operator==(const VersionVector&) const = default;

  // Binary form, part of record, context and messages (docs/disk-format.md).
  std::size_t EncodedBytes() const;
  void Encode(Writer& out) const;
  // Sets `in` failed unless sorted, unique, every n >= 1, and within kClockEntriesHardMax.
  static VersionVector Decode(Reader& in) {
    VersionVector vector;
    vector.DecodeFrom(in);
    return vector;
  }
  // The same, in place. REQUIRES: empty().
  void DecodeFrom(Reader& in);

 private:
  Entries entries_;
};

// The context as clients carry it: URL-safe base64 without padding of a version byte, the vector's
// binary form and a CRC32C of both, so that a mangled context is an error and never a wrong one.
// The empty string is the empty context: "I have seen nothing".
std::string EncodeContext(const VersionVector& seen);
// Errors: kInvalidArgument.
Result<VersionVector> DecodeContext(std::string_view text);

}  // namespace gyre
