// How a row lies under its key on disk (docs/disk-format.md, "Row"): a version byte, the shard's
// own writes, the record as it came, and a CRC32C over the stored key and all of these.
//
// Why a CRC beside the record's own checksums: those cover the values only, this covers the
// record's clock, the own writes and the key that the row lies under, so a row found in the wrong
// place is damage too. It costs about 0.13 us per KiB and no decoding; whoever decodes the record
// checks the values again, end to end.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "core/causality/record.h"

namespace gyre {

inline constexpr std::size_t kRowHeadBytesMax = 1 + 3 * 10;
inline constexpr std::size_t kRowTailBytes = 4;

// What stands before and after the record. In parts, so that a record of megabytes is not copied to
// be written.
struct RowEnvelope {
  std::array<char, kRowHeadBytesMax> head;
  std::size_t head_bytes;
  std::array<char, kRowTailBytes> tail;

  std::string_view head_view() const { return {head.data(), head_bytes}; }
  std::string_view tail_view() const { return {tail.data(), tail.size()}; }
};

// `key_prefix` and `key` together are the stored key.
RowEnvelope SealRow(std::string_view key_prefix, std::string_view key, const Row& row);
// Errors: kCorruption, kUnsupported (written by a newer version).
Result<Row> OpenRow(std::string_view stored_key, std::string_view bytes);

// The same care for the small named values of Engine::PutMeta: a CRC32C over name and value before
// the value. Errors: kCorruption.
std::string SealMeta(std::string_view name, std::string_view value);
Result<std::string> OpenMeta(std::string_view name, std::string_view bytes);

}  // namespace gyre
