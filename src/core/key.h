// Where a key lives: its keyspace and its token on the ring, beside the key itself. The token is
// computed once per request, by the first node, and travels with it.
#pragma once

#include <cstring>

#include "base/bytes.h"
#include "base/hash.h"
#include "core/ids.h"

namespace gyre {

// A point on the ring (paper 4.2).
using Token = Hash128;

// The partition that holds `token`: its top `partition_bits` bits. REQUIRES: bits <= 16.
constexpr PartitionId PartitionOf(Token token, int partition_bits) {
  return PartitionId(
      partition_bits == 0 ? 0 : static_cast<std::uint32_t>(token.high >> (64 - partition_bits)));
}

// Ordered by (keyspace, token, key), so that a partition of a keyspace is one range. The order of
// the key bytes is that of unsigned bytes.
struct RowKey {
  KeyspaceId keyspace;
  Token token;
  Bytes key;

  bool operator==(const RowKey&) const = default;
  auto operator<=>(const RowKey&) const = default;
};

// For lookups only; nothing may iterate a table that uses it. The token is a hash already.
struct RowKeyHash {
  std::size_t operator()(const RowKey& key) const noexcept {
    return static_cast<std::size_t>(key.token.low ^ (key.token.high << 1) ^
                                    (std::uint64_t{key.keyspace.value} * 0x9E3779B97F4A7C15u));
  }
};

}  // namespace gyre
