#include "core/causality/record.h"

#include <array>
#include <string_view>

#include "base/check.h"
#include "base/hash.h"
#include "base/size_counter.h"
#include "core/config.h"

// Form of a record, every byte of it under a checksum (docs/disk-format.md):
//   u32 guard, u8 version, varint size of the metadata, metadata, values
// The guard is the CRC32C of everything between itself and the values. Guard, version and size keep
// their places in every later version, so that damage and a newer format can be told apart.

namespace gyre {
namespace {

constexpr std::uint8_t kRecordVersion = 1;
constexpr std::size_t kGuardBytes = 4;
// clock index 1, n 1, type 1, time 8.
constexpr std::size_t kSiblingBytesMin = 11;
// Clock index, n, type, time, expiry, checksum, size.
constexpr std::size_t kSiblingBytesMost = 4 * kVarintBytesMax + 17;
// Actor, epoch, n, time.
constexpr std::size_t kEntryBytesMost = 2 * kVarintBytesMax + 14;

// Metadata but for the clock. Siblings name their dot by place in the clock and distance from the
// clock's n: short, and a sibling that the clock does not cover cannot be written down.
template <typename Out>
void EncodeSiblings(const Record& record, Out& out) {
  out.Varint(record.siblings.size());
  const auto& entries = record.clock.entries();
  std::size_t index = 0;
  for (const Sibling& sibling : record.siblings) {
    while (index < entries.size() && (entries[index].actor != sibling.dot.actor ||
                                      entries[index].epoch != sibling.dot.epoch)) {
      ++index;
    }
    GYRE_CHECK(index < entries.size() && entries[index].n >= sibling.dot.n);
    out.Varint(index);
    out.Varint(entries[index].n - sibling.dot.n);
    out.U8(static_cast<std::uint8_t>(sibling.type));
    out.U64(sibling.time.value);
    if (sibling.type == ValueType::kTombstone) {
      GYRE_CHECK(sibling.value.empty() && sibling.checksum == 0 && sibling.expiry == kNeverExpires);
      continue;
    }
    out.Varint(static_cast<std::uint64_t>(sibling.expiry.ms));
    out.U64(sibling.checksum);
    out.Varint(sibling.value.size());
  }
}

std::size_t MetadataBytes(const Record& record) {
  SizeCounter counter;
  EncodeSiblings(record, counter);
  return record.clock.EncodedBytes() + counter.size();
}

std::size_t ValueBytes(const Record& record) {
  std::size_t bytes = 0;
  for (const Sibling& sibling : record.siblings) bytes += sibling.value.size();
  return bytes;
}

std::size_t RecordBytes(std::size_t metadata_bytes, std::size_t value_bytes) {
  return kGuardBytes + 1 + SizedBytes(metadata_bytes) + value_bytes;
}

tl::unexpected<Error> Corrupt(const char* what) {
  return Fail(ErrorCode::kCorruption, std::string("record: ") + what);
}

}  // namespace

std::optional<WallTime> Record::DeadFrom() const {
  WallTime from{0};
  for (const Sibling& sibling : siblings) {
    const bool deleted = sibling.type == ValueType::kTombstone;
    if (!deleted && sibling.expiry == kNeverExpires) return std::nullopt;
    from = std::max(from, deleted ? sibling.time.wall() : sibling.expiry);
  }
  return from;
}

const Sibling* Record::NewestLive(WallTime now) const {
  const Sibling* newest = nullptr;
  for (const Sibling& sibling : siblings) {  // by rising dot, so that >= lets the greater dot win
    if (sibling.LiveAt(now) && (newest == nullptr || sibling.time >= newest->time)) {
      newest = &sibling;
    }
  }
  return newest;
}

std::size_t Record::EncodedBytes() const {
  return RecordBytes(MetadataBytes(*this), ValueBytes(*this));
}

Status Record::CheckLimits() const {
  if (siblings.size() > kSiblingsHardMax) {
    return Fail(ErrorCode::kOverloaded, "the key has more siblings than a record can hold");
  }
  if (clock.size() > kClockEntriesHardMax) {
    return Fail(ErrorCode::kOverloaded, "the key has more clock entries than a record can hold");
  }
  if (EncodedBytes() > kRecordBytesMax) {
    return Fail(ErrorCode::kOverloaded,
                "the siblings of the key together are larger than a record can be: reconcile them");
  }
  return {};
}

// Metadata of a usual size is written down first and measured then, instead of the other way round,
// which takes one walk less.
std::uint64_t RecordDigest(std::string_view encoded) { return Xxh3_64(MetadataOf(encoded)); }

RecordEncoder::RecordEncoder(const Record& record) : record_(record) {
  drafted_ = record.clock.size() * kEntryBytesMost + record.siblings.size() * kSiblingBytesMost +
                 2 * kVarintBytesMax <=
             kDraftBytes;
  if (drafted_) {
    Writer draft(draft_);
    WriteMetadata(draft);
    metadata_bytes_ = static_cast<std::size_t>(draft.position() - draft_);
  } else {
    metadata_bytes_ = MetadataBytes(record);
  }
  bytes_ = RecordBytes(metadata_bytes_, ValueBytes(record));
  GYRE_CHECK(bytes_ <= kRecordBytesMax);
}

void RecordEncoder::WriteMetadata(Writer& out) const {
  record_.clock.Encode(out);
  EncodeSiblings(record_, out);
}

void RecordEncoder::WriteTo(char* start) const {
  const char* const guarded = start + kGuardBytes;
  Writer out(start + kGuardBytes);
  out.U8(kRecordVersion);
  out.Varint(metadata_bytes_);
  if (drafted_) {
    out.Raw({draft_, metadata_bytes_});
  } else {
    WriteMetadata(out);
  }
  Writer(start).U32(
      Crc32c(std::string_view(guarded, static_cast<std::size_t>(out.position() - guarded))));
  for (const Sibling& sibling : record_.siblings) out.Raw(sibling.value.view());
  GYRE_CHECK(out.position() == start + bytes_);
}

Bytes Record::Encode() const {
  const RecordEncoder encoder(*this);
  return Bytes::Build(encoder.bytes(), [&](char* out) { encoder.WriteTo(out); });
}

Result<Record> Record::Decode(const Bytes& bytes) {
  Result<Record> record;
  Status status = record->DecodeFrom(bytes);
  if (status) status = record->CheckValues();
  if (!status) record = Fail(std::move(status.error()));
  return record;
}

std::string_view MetadataOf(std::string_view encoded) {
  Reader prefix(encoded);
  prefix.U32();
  prefix.U8();
  const std::uint64_t metadata_bytes = prefix.VarintAtMost(kRecordBytesMax);
  if (!prefix.ok() || metadata_bytes > prefix.remaining()) return encoded;
  return encoded.substr(0, encoded.size() - prefix.remaining() + metadata_bytes);
}

Status Record::CheckValues() const {
  for (const Sibling& sibling : siblings) {
    if (sibling.type == ValueType::kTombstone) continue;
    if (Xxh3_64(sibling.value.view()) != sibling.checksum) {
      return Corrupt("a value fails its checksum");
    }
  }
  return {};
}

Status Record::DecodeFrom(const Bytes& bytes) {
  if (bytes.size() > kRecordBytesMax) return Corrupt("longer than any record may be");
  Reader prefix(bytes.view());
  const std::uint32_t guard = prefix.U32();
  const std::uint8_t version = prefix.U8();
  const std::uint64_t metadata_bytes = prefix.VarintAtMost(kRecordBytesMax);
  if (!prefix.ok() || metadata_bytes > prefix.remaining()) return Corrupt("cut short");
  const std::size_t metadata_at = bytes.size() - prefix.remaining();
  std::size_t value_at = metadata_at + metadata_bytes;
  if (Crc32c(bytes.view().substr(kGuardBytes, value_at - kGuardBytes)) != guard) {
    return Corrupt("its metadata fails its checksum");
  }
  if (version != kRecordVersion) {
    return Fail(ErrorCode::kUnsupported, "record: written by a later version of Gyre");
  }

  Reader in(bytes.view().substr(metadata_at, metadata_bytes));
  clock.DecodeFrom(in);
  const auto& entries = clock.entries();
  const std::uint64_t count = in.VarintAtMost(kSiblingsHardMax);
  if (!in.ok() || count > in.remaining() / kSiblingBytesMin) return Corrupt("malformed clock");
  siblings.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    Sibling& sibling = siblings.emplace_back();
    const std::uint64_t index = in.Varint();
    const std::uint64_t behind = in.Varint();
    const std::uint8_t type = in.U8();
    sibling.time.value = in.U64();
    if (!in.ok() || index >= entries.size() || behind >= entries[index].n) {
      return Corrupt("malformed sibling");
    }
    sibling.dot = entries[index].dot();
    sibling.dot.n -= behind;
    if (i > 0 && !((&sibling)[-1].dot < sibling.dot)) return Corrupt("siblings out of order");
    sibling.type = static_cast<ValueType>(type);
    if (sibling.type == ValueType::kTombstone) continue;
    if (sibling.type != ValueType::kBytes) {
      return Fail(ErrorCode::kUnsupported,
                  "record: holds a value of a type that is not known here");
    }
    sibling.expiry.ms = static_cast<std::int64_t>(in.VarintAtMost(kWallTimeMsMax));
    sibling.checksum = in.U64();
    const std::uint64_t size = in.VarintAtMost(kValueBytesHardMax);
    if (!in.ok() || size > bytes.size() - value_at) return Corrupt("malformed sibling");
    sibling.value = bytes.Slice(value_at, size);
    value_at += size;
  }
  if (!in.done() || value_at != bytes.size()) return Corrupt("bytes are left over");
  return {};
}

}  // namespace gyre
