// A stretch of rows as storage holds them, and a page of it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/causality/record.h"
#include "core/ids.h"
#include "core/key.h"

namespace gyre {

struct ScanRange {
  NodeId owed_to;  // 0: rows of this node's own; else the hints of this target
  KeyspaceId keyspace;
  Token first;                  // inclusive
  Token last;                   // inclusive
  std::optional<RowKey> after;  // exclusive; must lie in the range
  std::size_t rows_max = 100;
  std::size_t bytes_max = 4 * 1024 * 1024;
};
struct ScannedRow {
  RowKey key;
  Row row;
};
struct ScanPage {
  std::vector<ScannedRow> rows;
  bool done = false;  // the range is exhausted
};

// All tokens of an arc: the `bits` upper bits are `index`. REQUIRES: bits <= 64, index < 2^bits.
struct TokenSpan {
  Token first;  // inclusive
  Token last;   // inclusive
};
constexpr TokenSpan SpanOf(std::uint64_t index, int bits) {
  const std::uint64_t low = bits == 0 ? 0 : index << (64 - bits);
  const std::uint64_t rest = bits == 0    ? ~std::uint64_t{0}
                             : bits == 64 ? 0
                                          : ~std::uint64_t{0} >> bits;
  return {{low, 0}, {low | rest, ~std::uint64_t{0}}};
}

}  // namespace gyre
