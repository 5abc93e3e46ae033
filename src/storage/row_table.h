// The rows of one keyspace in one shard's memory, in ring order. Used by memory_engine from one
// thread.
//
// The token is a hash already, so its top bits both find a row and order it: a directory indexed by
// the token's first bits points to leaves, each a short sorted array of rows (extendible hashing
// whose order is the ring's). A full leaf splits into halves of its arc; nothing is ever rehashed
// as a whole, so no put is slow, and a scan just walks the leaves.
//
// Memory beyond key and record: one block per row (8 bytes of Bytes header, 20 of row header, 24 of
// own writes if there are any) and about 13 for the leaf. Beside it the allocator rounds up.
// Invariants: leaves are sorted by (token, key); a leaf at depth d holds exactly one arc of 2^-d
// and fills 2^(global depth - d) entries of the directory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "core/key.h"
#include "storage/engine.h"

namespace gyre {

class RowTable {
 public:
  RowTable();
  ~RowTable();
  RowTable(const RowTable&) = delete;
  RowTable& operator=(const RowTable&) = delete;

  // The record is a slice of the stored block: no allocation. About 4 cache misses when cold.
  std::optional<Row> Find(Token token, std::string_view key) const;

  // The same, with a borrowed record: it holds until the next Put or Remove. Spares the two turns
  // of an atomic count, which cost as much as the rest of a warm search.
  std::optional<Row> Peek(Token token, std::string_view key) const;

  // Starts to fetch the rows of these tokens into the processor's caches, the misses of all at once
  // instead of one after the other.
  void Prefetch(std::span<const Token> tokens) const;

  // The record's bytes; a large one's as the end of a block that holds the whole row, which Put
  // takes as it is.
  static Bytes Encode(Token token, std::string_view key, const OwnWrites& own,
                      const Record& record);
  struct PutOutcome {
    bool inserted = false;              // false: replaced
    std::int64_t bytes_difference = 0;  // of row blocks
  };
  // Key and record are in one block, so that a small slice never pins a large buffer: the one that
  // Encode made for this row, or else a new one.
  PutOutcome Put(Token token, std::string_view key, const OwnWrites& own, const Bytes& record);
  PutOutcome Put(Token token, std::string_view key, const OwnWrites& own, const Record& record);

  struct RemoveOutcome {
    bool removed = false;               // false: there was none
    std::int64_t bytes_difference = 0;  // of row blocks; not above 0
  };
  // A leaf that is a quarter full takes a smaller block; one that is empty stays, as the directory
  // does. What is left then is at most a leaf of 8 places for each arc that was once full.
  RemoveOutcome Remove(Token token, std::string_view key);

  // Appends rows with tokens in [first, last], after `after` if given, in order, until `page` holds
  // rows_max rows or bytes_max bytes (at least one row). True if the range is exhausted.
  // Cost: O(log) to find the start, then O(1) a row, whatever came before.
  bool Scan(const ScanRange& range, std::vector<ScannedRow>& page) const;

  std::size_t rows() const { return rows_; }
  // Bytes of directory and leaves; the row blocks are the caller's to count (PutOutcome).
  std::size_t index_bytes() const { return leaf_bytes_ + directory_.capacity() * sizeof(Leaf*); }

 private:
  struct Leaf;
  struct Place {
    std::uint32_t at;  // first row that is not before (token, key)
    bool found;
  };

  PutOutcome Put(Token token, std::string_view key, Bytes::Handle handle);
  static std::uint32_t FirstWithTag(const Leaf& leaf, std::uint16_t tag);
  static Leaf* NewLeaf(std::uint32_t capacity, std::uint32_t depth);
  static Place Search(const Leaf& leaf, Token token, std::string_view key);
  std::size_t IndexOf(Token token) const {
    return depth_ == 0 ? 0 : static_cast<std::size_t>(token.high >> (64 - depth_));
  }
  Leaf* MakeRoom(Leaf* leaf, Token token);
  Leaf* Resize(Leaf* leaf, Token token, std::uint32_t capacity);
  void Split(Leaf* leaf, Token token);
  void PointAt(Leaf* leaf, Token token);
  void Free(Leaf* leaf);

  std::uint32_t depth_ = 0;  // the directory has 2^depth_ entries
  std::vector<Leaf*> directory_;
  std::size_t leaves_ = 0;
  std::size_t rows_ = 0;
  std::size_t leaf_bytes_ = 0;
};

}  // namespace gyre
