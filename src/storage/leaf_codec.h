// How leaf sums lie in RocksDB (docs/disk-format.md, "Leaf sums"): log entries, one for each commit
// group, and blocks of sums. Each is under a CRC32C over the stored key and all of its value.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/ids.h"

namespace gyre {

inline constexpr int kLeafBitsMax = 24;
inline constexpr int kLeafBlockBits = 12;
inline constexpr std::uint32_t kLeavesPerBlock = 1u << kLeafBlockBits;
using LeafBlockSums = std::array<std::uint64_t, kLeavesPerBlock>;

struct LeafDelta {
  KeyspaceId keyspace;
  std::uint32_t leaf = 0;
  std::uint64_t delta = 0;

  bool operator==(const LeafDelta&) const = default;
};

// Blocks come before log entries; these lie in the order of their numbers.
inline constexpr char kLeafBlockKind = 'B';
inline constexpr char kLeafEntryKind = 'L';

struct LeafBlockId {
  KeyspaceId keyspace;
  std::uint32_t number = 0;  // leaf >> kLeafBlockBits

  auto operator<=>(const LeafBlockId&) const = default;
};
std::string EncodeLeafBlockKey(LeafBlockId id);
std::string EncodeLeafEntryKey(std::uint64_t sequence);
inline constexpr std::size_t kLeafKeyBytes = 1 + 8;  // of either
// Errors: kCorruption.
Result<LeafBlockId> DecodeLeafBlockKey(std::string_view key);
Result<std::uint64_t> DecodeLeafEntryKey(std::string_view key);

// `out` is replaced. REQUIRES: deltas is not empty.
void EncodeLeafEntry(std::string_view key, std::span<const LeafDelta> deltas, std::string& out);
// Errors: kCorruption, also of a form that is not known.
Result<std::vector<LeafDelta>> DecodeLeafEntry(std::string_view key, std::string_view bytes);

struct LeafBlock {
  std::uint64_t upto = 0;  // the log's entries up to this sequence number are in the sums
  LeafBlockSums sums{};
};
// Bytes of a block with so many sums that are not 0: those alone, or all, whichever is shorter.
std::size_t LeafBlockBytes(std::uint32_t nonzero);
// `out` is replaced. REQUIRES: `nonzero` of the sums are not 0.
void EncodeLeafBlock(std::string_view key, std::uint64_t upto, const LeafBlockSums& sums,
                     std::uint32_t nonzero, std::string& out);
// Errors: kCorruption, also of a form that is not known.
Result<LeafBlock> DecodeLeafBlock(std::string_view key, std::string_view bytes);

}  // namespace gyre
