// All that is kept of one key: what was seen (version vector), and the siblings that no one has
// reconciled yet. Paper 4.4. Its bytes are the same on disk and on the wire (docs/disk-format.md).
// Invariants: siblings are sorted by dot, unique, each covered by the clock.
#pragma once

#include <algorithm>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "core/causality/version_vector.h"

namespace gyre {

// Hybrid logical time: wall milliseconds in the upper 48 bits, a counter below. Decides only which
// sibling is the newest.
struct HybridTime {
  std::uint64_t value = 0;

  static constexpr HybridTime Of(WallTime wall) {
    return {static_cast<std::uint64_t>(std::clamp<std::int64_t>(wall.ms, 0, kWallTimeMsMax)) << 16};
  }
  constexpr WallTime wall() const { return {static_cast<std::int64_t>(value >> 16)}; }
  constexpr auto operator<=>(const HybridTime&) const = default;
};

// Append only; part of the format. Types past kTombstone (sets, counters, maps) are for later;
// a decoder refuses those it does not know (kUnsupported).
enum class ValueType : std::uint8_t { kTombstone = 0, kBytes = 1 };

inline constexpr WallTime kNeverExpires{0};

struct Sibling {
  Dot dot;
  HybridTime time;
  WallTime expiry = kNeverExpires;  // at this instant it turns into a tombstone, on every replica
  ValueType type = ValueType::kBytes;
  std::uint64_t checksum = 0;  // Xxh3_64 of the value's bytes, made where the value entered
  Bytes value;                 // empty for a tombstone

  bool operator==(const Sibling&) const = default;
  // What is shown to clients. A tombstone has no value, expiry or checksum.
  bool LiveAt(WallTime now) const {
    return type != ValueType::kTombstone && (expiry == kNeverExpires || now < expiry);
  }
};

struct Record {
  using Siblings = boost::container::small_vector<Sibling, 1>;

  VersionVector clock;
  Siblings siblings;

  bool operator==(const Record&) const = default;
  bool empty() const { return clock.empty() && siblings.empty(); }

  // The live sibling with the latest hybrid time (of equal times, the greater dot); null if every
  // sibling is deleted or expired. This is the resolver of plain GET.
  const Sibling* NewestLive(WallTime now) const;
  bool AnyLiveAt(WallTime now) const { return NewestLive(now) != nullptr; }
  // From when on all that the record says is that something is gone: nothing but tombstones, and
  // values that have become such. nullopt: never, if nobody writes it.
  std::optional<WallTime> DeadFrom() const;
  bool DeadSince(WallTime then) const {
    const std::optional<WallTime> from = DeadFrom();
    return from && from->ms <= then.ms;
  }

  // One block holding the whole record. Cost: one allocation, one copy of the values.
  // REQUIRES: CheckLimits() is ok.
  Bytes Encode() const;
  std::size_t EncodedBytes() const;
  // Would a decoder take it? The join of two records that fit may be one that does not: whoever
  // joins asks before it encodes. Cost: linear in siblings, no look at values.
  // Errors: kOverloaded (clock entries, siblings or bytes past the limits of the format).
  Status CheckLimits() const;
  // Values are slices of `bytes`. Every checksum is verified.
  // Errors: kCorruption (format, limit, order or checksum), kUnsupported (a newer format).
  static Result<Record> Decode(const Bytes& bytes);
  // The same, in place (records are large to move) and without the values' checksums: those of a
  // value that is about to be overwritten need no look. Whoever passes a value on calls
  // CheckValues. REQUIRES: empty(). After an error what it holds is of no use.
  Status DecodeFrom(const Bytes& bytes);
  // Errors: kCorruption: a value fails its checksum.
  Status CheckValues() const;
};

// The part of an encoded record that says all but the values, and those by their checksums: from
// its guard to the end of the metadata. All of it if it is no record.
std::string_view MetadataOf(std::string_view encoded);
// Tells two encoded records apart without their values: a hash of the metadata.
std::uint64_t RecordDigest(std::string_view encoded);

// Writes a record's bytes where its caller wants them. Small metadata is drafted when this is made.
// REQUIRES: CheckLimits() of the record is ok; it stays as it is.
class RecordEncoder {
 public:
  explicit RecordEncoder(const Record& record);

  std::size_t bytes() const { return bytes_; }
  // Fills bytes() from `out` on.
  void WriteTo(char* out) const;

 private:
  static constexpr std::size_t kDraftBytes = 512;

  void WriteMetadata(Writer& out) const;

  const Record& record_;
  std::size_t metadata_bytes_;
  std::size_t bytes_;
  bool drafted_;
  char draft_[kDraftBytes];
};

// What a shard knows of its own writes to a key, beside the record and never replicated: the epoch
// it began and its last n. Valid only while `actor` is the shard's present actor.
struct OwnWrites {
  ActorId actor;
  std::uint64_t epoch = 0;
  std::uint64_t n = 0;

  bool operator==(const OwnWrites&) const = default;
};

// What storage keeps under a RowKey. The record stays encoded: it goes to disk, to peers and back
// as these bytes.
struct Row {
  OwnWrites own;
  Bytes record;

  bool operator==(const Row&) const = default;
};

}  // namespace gyre
