// The sums of the leaves (LeafSum), kept so that they are those of the rows after any crash, at the
// cost of one small entry for each commit group (docs/adr/0007-leaf-sums.md).
//
// What a group adds to the sums is written in the same batch as its rows, as one entry of a log. So
// that the log stays short, the sums themselves are written too, block by block: a batch whose
// turn it is also takes the block that is out of date for longest, and deletes the entries that all
// blocks have taken in. Sums at open: the blocks, and on top of each the entries that are newer.
//
// Bounded: blocks are written at the log's pace, so the log holds no more than what all blocks
// would take on disk (at least kBlockChargeMin each), and one entry: with 2^20 leaves 8 MiB for
// each keyspace.
//
// Rows that get into the database without a batch (rocks_runs.cc) bring their entry in a note
// beside them, of which there is one: it stands in for the entry until the next batch, which must
// come before the next note, has brought that into the log.
//
// One group at a time: Add, AppendTo or AppendAside, then Committed or Failed. The sums in memory
// change only in Committed. One thread. Invariant: the queue holds exactly the blocks that the
// stored ones are behind of, each once, in the order of the first entry that is not in the stored
// one.
#pragma once

#include <rocksdb/iterator.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/key.h"
#include "storage/engine.h"
#include "storage/leaf_codec.h"

namespace gyre {

class LeafLog {
 public:
  // REQUIRES: 1 <= leaf_bits <= kLeafBitsMax.
  explicit LeafLog(int leaf_bits);

  // Takes in what a column family holds, and the note, if there is one. REQUIRES: nothing has been
  // added. Errors: kCorruption, kIoError; this object is of no use then.
  Status Load(rocksdb::Iterator& all, const std::optional<std::string>& note = std::nullopt);
  // Those that are not 0, by (keyspace, leaf). O(leaves).
  std::vector<LeafSum> Sums() const;

  // Of the next group. Deltas of one leaf are joined if they come one after the other, as they do
  // in the order of the ring.
  void Add(KeyspaceId keyspace, Token token, std::uint64_t delta);
  // What was added, for a note; nullopt if nothing was. REQUIRES: !owes_entry().
  std::optional<std::string> AppendAside();
  // The log lacks the entry of a note.
  bool owes_entry() const { return owed_.has_value(); }
  // Writes what was added, if anything, the entry that is owed, and what else is due.
  void AppendTo(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* family);
  // The batch is in the database.
  void Committed();
  // It is not. (Or may be after a restart, as a whole.)
  void Failed();
  // All sums, into an empty family. REQUIRES: nothing was added. If that batch fails, this object
  // is of no use any more.
  void AppendAll(rocksdb::WriteBatch& batch, rocksdb::ColumnFamilyHandle* family);

  // What a block counts for at least, when the pace of blocks is kept: one costs an entry of the
  // database, however few its sums are.
  static constexpr std::size_t kBlockChargeMin = 4096;

 private:
  struct Entry {  // as it is stored
    std::string key, bytes;
  };
  struct Block {
    explicit Block(LeafBlockId of) : id(of) {}

    const LeafBlockId id;
    std::uint32_t nonzero = 0;
    // The first entry that the stored block has not taken in. 0: it has all, and is not queued.
    std::uint64_t first_missing = 0;
    std::uint64_t upto = 0;  // of the stored block, while loading
    LeafBlockSums sums{};

    std::size_t charge() const { return std::max(LeafBlockBytes(nonzero), kBlockChargeMin); }
  };
  using Keyspace = std::vector<std::unique_ptr<Block>>;  // by block number; null: all 0, not stored

  Block& BlockOf(KeyspaceId keyspace, std::uint32_t leaf);
  Status LoadBlock(std::string_view key, std::string_view bytes);
  Status LoadEntry(std::string_view key, std::string_view bytes);
  Entry NumberEntry();
  void ApplyGroup();
  void Apply(Block& block, const LeafDelta& delta, std::uint64_t sequence);

  const int leaf_bits_;
  std::map<KeyspaceId, Keyspace> keyspaces_;
  KeyspaceId last_id_;
  Keyspace* last_ = nullptr;  // most nodes have one keyspace that is hot

  std::uint64_t sequence_ = 0;  // of the last entry, or of one that failed
  // All up to here are in the sums.
  std::uint64_t committed_ = 0;
  std::uint64_t deleted_below_ = 0;  // entries below this are gone
  std::deque<Block*> queue_;
  // Bytes of blocks that may be written. Begins with a whole block, so that a node that is started
  // again and again after few writes gets on as well.
  std::size_t credit_;

  std::optional<Entry> owed_;  // in the note, and not in the log

  // Of the group.
  std::vector<LeafDelta> deltas_;
  std::optional<Entry> aside_;
  bool owed_written_ = false;
  std::size_t blocks_written_ = 0;  // the first so many of the queue
  std::size_t credit_after_ = 0;
  std::uint64_t delete_below_ = 0;
  std::string block_bytes_;  // kept for its memory
};

}  // namespace gyre
