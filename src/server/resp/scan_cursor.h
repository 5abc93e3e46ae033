// SCAN's cursor: stateless, so that any node can go on from one that another gave. It is the upper
// 63 bits of the token to go on from, included; the partition is its top bits. 0 begins and ends.
//
// A page therefore must not end between two keys whose tokens agree in 63 bits: the rows at its end
// that share those bits with the last row visited are left to the next page, unless that would
// leave nothing (then reading goes on). So nothing is ever skipped, and without writes nothing
// repeated.
#pragma once

#include <cstdint>
#include <optional>

#include "core/key.h"
#include "core/ring/ring.h"

namespace gyre {

// Where a page begins. `after` is exclusive, as ScanRequest has it.
struct ScanPosition {
  PartitionId partition;
  std::optional<RowKey> after;
};

constexpr std::uint64_t ScanPrefixOf(Token token) { return token.high >> 1; }

// The cursor at the start of `partition`. REQUIRES: in range.
constexpr std::uint64_t CursorOfPartition(PartitionId partition, int partition_bits) {
  return partition_bits == 0 ? 0 : (std::uint64_t{partition.value} << (64 - partition_bits)) >> 1;
}

// Any number is a position: bits that no cursor has are ignored.
inline ScanPosition PositionOfCursor(std::uint64_t cursor, const Ring& ring, KeyspaceId keyspace) {
  const Token token{cursor << 1, 0};
  ScanPosition position{ring.PartitionOf(token), std::nullopt};
  if (CursorOfPartition(position.partition, ring.partition_bits()) != ScanPrefixOf(token)) {
    // No key is empty, so this is before every key of this token.
    position.after = RowKey{keyspace, token, Bytes()};
  }
  return position;
}

}  // namespace gyre
