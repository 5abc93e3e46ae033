// Where a key lives: its keyspace and its token on the ring, beside the key itself. The token is
// computed once per request, by the first node, and travels with it.
#pragma once

#include <cstring>
#include <utility>

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

// The section that holds it, as above.
constexpr SectionId SectionOf(Token token, int section_bits) {
  return SectionId(PartitionOf(token, section_bits).value);
}

// Where a row lies. Ordered by (owed_to, keyspace, token, key), so that a partition of a keyspace
// is one range, and so are the hints of a target. The order of the key bytes is that of unsigned
// bytes.
struct RowKey {
  // Not 0: a hint, the copy that is kept here for this owner, which could not be reached (paper
  // 4.6). A key's own row and each of its hints are rows of their own.
  NodeId owed_to;
  KeyspaceId keyspace;
  Token token;
  Bytes key;

  RowKey() = default;
  RowKey(KeyspaceId of_keyspace, Token of_token, Bytes bytes)
      : keyspace(of_keyspace), token(of_token), key(std::move(bytes)) {}

  bool is_hint() const { return owed_to.value != 0; }
  // Where the same key lies as a hint for `target`; NodeId{}: as a row of this node's own.
  RowKey OwedTo(NodeId target) const {
    RowKey other = *this;
    other.owed_to = target;
    return other;
  }

  bool operator==(const RowKey&) const = default;
  auto operator<=>(const RowKey&) const = default;
};

// A note of this node's own (ledger/ballot_book.h), which is no row of a client's.
inline bool IsNote(const RowKey& key) { return key.keyspace == kNotesKeyspace; }

// For lookups only; nothing may iterate a table that uses it. The token is a hash already.
struct RowKeyHash {
  std::size_t operator()(const RowKey& key) const noexcept {
    return static_cast<std::size_t>(
        key.token.low ^ (key.token.high << 1) ^
        ((std::uint64_t{key.keyspace.value} ^ (std::uint64_t{key.owed_to.value} << 32)) *
         0x9E3779B97F4A7C15u));
  }
};

}  // namespace gyre
