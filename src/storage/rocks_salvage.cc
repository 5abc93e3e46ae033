// How RocksDatabase goes on with a damaged table file: see Salvage in rocks_database.h, and
// docs/adr/0005-storage.md.
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <map>
#include <utility>

#include "storage/key_layout.h"
#include "storage/rocks_database.h"
#include "storage/rocks_options.h"
#include "storage/row_codec.h"
#include "storage/table_mask.h"

namespace gyre {
namespace {

// Of one file, at one go. One with more is beyond this: RocksDB stops at it, as it did before.
constexpr int kBlocksMax = 256;
constexpr int kRoundsMax = 64;
constexpr std::size_t kBatchBytesMax = 16 << 20;

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

using LeafName = std::pair<KeyspaceId, std::uint32_t>;

}  // namespace

rocksdb::Status RocksDatabase::Salvage(std::optional<std::vector<LeafSum>>& lost) {
  const auto lock = doubt_.Lock();
  doubt_stuck_ = false;
  for (int round = 0; round < kRoundsMax; ++round) {
    while (const auto file = damaged_->Next()) {
      const rocksdb::Status status = SalvageTable(*file);
      if (!status.ok()) return status;
    }
    if (!doubt_.any()) return {};
    Settlement settlement;
    const rocksdb::Status read = Assess(settlement);
    if (read.ok()) return Settle(settlement, lost);
    if (!damaged_->Report(read)) break;  // of a file that nothing can be done for
  }
  doubt_stuck_ = true;
  LogSalvage(LogLevel::kError, "storage_rows_in_doubt",
             "Rows beside a lost block cannot be read either, and are refused", path_);
  return {};
}

// Empties the damaged blocks of one file. What that leaves in doubt is noted first, durably.
// Errors: of the note, and of the write to the file.
rocksdb::Status RocksDatabase::SalvageTable(const std::string& file) {
  std::vector<rocksdb::LiveFileMetaData> live;
  db_->GetLiveFilesMetaData(&live);
  const auto meta = std::find_if(live.begin(), live.end(),
                                 [&](const auto& each) { return each.name == "/" + file; });
  if (meta == live.end()) return {};  // compacted away, so it was read
  if (meta->column_family_name == leaves_->GetName()) return RewriteLeaves();
  const bool hints = meta->column_family_name == hints_->GetName();
  if (!hints && meta->column_family_name != rows_->GetName()) {
    GiveUp(file, "it is of the family " + meta->column_family_name);
    return {};
  }
  rocksdb::BlockBasedTableOptions uncached;
  uncached.no_block_cache = true;
  rocksdb::Options options;
  options.env = log_watch_.env();
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(uncached));
  rocksdb::SstFileReader reader(options);
  const std::string path = meta->db_path + meta->name;
  rocksdb::Status status = reader.Open(path);
  if (!status.ok()) {
    GiveUp(file, status.ToString());
    return {};
  }
  const auto properties = reader.GetTableProperties();
  const std::uint64_t rows_end = properties->data_size;
  const bool compressed = properties->compression_name != "NoCompression";

  std::string last = meta->smallestkey;  // the last key before the next damage
  bool ends_next = false;                // the last span: with the next key that can be read
  std::optional<DamagedBlock> emptied;
  int blocks = 0;
  std::unique_ptr<rocksdb::Iterator> rows(reader.NewIterator({}));
  for (rows->SeekToFirst();; rows->Valid() ? rows->Next() : rows->Seek(last)) {
    if (rows->Valid()) {
      if (ends_next && View(rows->key()) > last) {
        doubt_.spans().back().last = View(rows->key());
        ends_next = false;
        if (doubt_.spans().back().older) {  // a crash must not cost the rest of the file
          status = PutMeta(kDoubt, EncodeDoubt(doubt_.spans()));
          if (!status.ok()) return status;
        }
      }
      last = View(rows->key());
      continue;
    }
    if (rows->status().ok()) break;
    const auto block = DamagedBlockOf(rows->status());
    // Behind the rows lie the index and the like: without them nothing of the file can be found.
    const bool mends = block && block->file == file && block->offset + block->size <= rows_end &&
                       (!emptied || emptied->offset < block->offset) && blocks < kBlocksMax;
    if (!mends) {
      GiveUp(file, rows->status().ToString());
      break;
    }
    if (!EmptyBlockOf(block->size, compressed)) {
      GiveUp(file, "a block of " + std::to_string(block->size) + " bytes cannot be emptied");
      break;
    }
    const bool neighbour = ends_next;  // of a block that was lost: the same span
    if (!neighbour) {
      doubt_.Add({hints, last, meta->largestkey});
      status = PutMeta(kDoubt, EncodeDoubt(doubt_.spans()));
    }
    if (status.ok()) status = Bury(reader, *block, {hints, last, meta->largestkey});
    if (status.ok()) status = MaskBlock(*log_watch_.env(), path, *block, compressed);
    if (status.IsCorruption() || status.IsNotSupported()) {  // untouched
      if (!neighbour) doubt_.Withdraw();
      GiveUp(file, status.ToString());
      break;
    }
    if (!status.ok()) return status;
    ++blocks;
    emptied = block;
    ends_next = true;
    // A new one: that one may have read ahead.
    rows.reset(reader.NewIterator({}));
  }
  if (blocks == 0) return {};
  tables_salvaged_.fetch_add(1, std::memory_order_relaxed);
  blocks_lost_.fetch_add(static_cast<std::uint64_t>(blocks), std::memory_order_relaxed);
  LogSalvage(LogLevel::kError, "storage_table_salvaged",
             "A table file was damaged: of its rows those of " + std::to_string(blocks) +
                 " blocks are lost here, and come from the other owners",
             path);
  return {};
}

// Before a block is emptied: removes, durably, what would show in its place, older versions of its
// rows in other files. What they were replaced by, or that they were deleted, this node may have
// told others (docs/adr/0006-safe-deletes.md), so none may be read ever again, after a crash
// neither. Removals are newer than all files, whatever is compacted meanwhile.
//
// Which rows these are is asked of RocksDB while the damage is still there. What it reads without a
// look into the block (newer files answer before, or the filter of the damaged one says that it has
// no such row) is not touched by the loss. Where it would need the block, the row may have been in
// it. `file` is the damaged one, `stretch` begins before the block and ends with the file.
// Errors: of the writes.
rocksdb::Status RocksDatabase::Bury(rocksdb::SstFileReader& file, const DamagedBlock& block,
                                    const DoubtfulSpan& stretch) {
  rocksdb::ColumnFamilyHandle* const family = stretch.hints ? hints_ : rows_;
  const auto damaged = file.GetTableProperties();
  bool sure = !damaged->db_session_id.empty() && damaged->orig_file_number != 0;
  const std::string end = stretch.last + '\0';
  const rocksdb::Slice upper_bound(end);
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.iterate_upper_bound = &upper_bound;
  options.table_filter = [&](const rocksdb::TableProperties& table) {
    return table.db_session_id != damaged->db_session_id ||
           table.orig_file_number != damaged->orig_file_number;
  };
  rocksdb::ReadOptions get;
  get.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> others(db_->NewIterator(options, family));
  const std::unique_ptr<rocksdb::Iterator> inside(file.NewIterator({}));
  rocksdb::WriteBatch batch;
  for (others->Seek(stretch.first); sure && others->Valid(); others->Next()) {
    inside->Seek(others->key());
    if (inside->Valid()) {
      if (View(inside->key()) > stretch.first) break;  // behind the block
      continue;                                        // the neighbour before it
    }
    if (inside->status().ok()) break;
    const auto met = DamagedBlockOf(inside->status());
    sure = met.has_value();
    if (!met || met->offset != block.offset) break;  // another one has its own turn
    std::string value;
    const rocksdb::Status now = db_->Get(get, family, others->key(), &value);
    if (now.ok() && View(others->value()) == value) continue;
    if (now.ok()) {
      batch.Put(family, others->key(), value);  // from a cache, which still has the block
    } else {
      batch.Delete(family, others->key());
    }
    if (batch.GetDataSize() < kBatchBytesMax) continue;
    const rocksdb::Status status = WriteSynced(batch, [] {});
    if (!status.ok()) return status;
    batch.Clear();
  }
  if (!sure || !others->status().ok()) {
    // Another file is damaged there as well. What shows when both are whole again cannot be told
    // apart then: none of it stays.
    doubt_.spans().back().older = true;
    batch.Put(meta_, kDoubt, SealMeta(kDoubt, EncodeDoubt(doubt_.spans())));
  }
  if (batch.Count() == 0) return {};
  return WriteSynced(batch, [] {});
}

// Reads what the spans in doubt hold now. No row there keeps its own writes: one that was replaced
// would be counted on from where it stood then, and give a dot twice. The next write of it begins
// an epoch (docs/adr/0004-dots-and-epochs.md, rule 1). All are written again, as they may be in
// the block cache only. And the sums of the leaves are counted again.
rocksdb::Status RocksDatabase::Assess(Settlement& settlement) {
  const auto older = [this](bool hints, std::string_view key) {
    return std::any_of(doubt_.spans().begin(), doubt_.spans().end(), [&](const auto& span) {
      return span.older && span.hints == hints && span.first <= key && key <= span.last;
    });
  };
  std::map<LeafName, std::uint64_t> stored;
  for (const LeafSum& leaf : leaf_log_->Sums()) stored[{leaf.keyspace, leaf.leaf}] = leaf.sum;
  for (const DoubtfulSpan& span : doubt_.spans()) {
    std::string first = span.first;
    std::string end = span.last + '\0';
    std::map<LeafName, std::uint64_t> counted;
    std::optional<std::pair<LeafName, LeafName>> leaves;
    if (!span.hints) {  // whole leaves are counted
      const Result<RowKey> low = DecodeRowKey(span.first);
      const Result<RowKey> high = DecodeRowKey(span.last);
      if (!low || !high) return rocksdb::Status::Corruption("a key of a table file is damaged");
      leaves = {{low->keyspace, LeafOf(low->token, leaf_bits_)},
                {high->keyspace, LeafOf(high->token, leaf_bits_)}};
      first = EncodeRowKeyPrefix({}, low->keyspace, SpanOf(leaves->first.second, leaf_bits_).first)
                  .view();
      const auto successor = PrefixSuccessor(
          EncodeRowKeyPrefix({}, high->keyspace, SpanOf(leaves->second.second, leaf_bits_).last));
      end = successor ? std::string(successor->view()) : std::string();
    }
    const rocksdb::Slice upper_bound(end);
    rocksdb::ReadOptions options;
    options.fill_cache = false;
    if (!end.empty()) options.iterate_upper_bound = &upper_bound;
    const std::unique_ptr<rocksdb::Iterator> rows(
        db_->NewIterator(options, span.hints ? hints_ : rows_));
    for (rows->Seek(first); rows->Valid(); rows->Next()) {
      const std::string_view stored_key = View(rows->key());
      Result<RowKey> key = span.hints ? DecodeHintKey(stored_key) : DecodeRowKey(stored_key);
      Result<Row> row = OpenRow(stored_key, View(rows->value()));
      if (!key || !row) continue;  // damage of its own: a read says so, and a repair replaces it
      const bool inside = stored_key >= span.first && stored_key <= span.last;
      if (older(span.hints, stored_key)) {
        if (inside) settlement.rows.push_back({RequestId(), *std::move(key), std::nullopt});
        continue;
      }
      if (leaves && !IsNote(*key)) {  // notes are in no sum
        counted[{key->keyspace, LeafOf(key->token, leaf_bits_)}] +=
            RowDigest(*key, row->record.view());
      }
      if (!inside) continue;
      row->own = {};
      settlement.rows.push_back({RequestId(), *std::move(key), *std::move(row)});
    }
    if (!rows->status().ok()) return rows->status();
    if (!leaves) continue;
    // Spans may share a leaf, and count the same for it.
    for (auto it = stored.lower_bound(leaves->first);
         it != stored.end() && it->first <= leaves->second; ++it) {
      settlement.leaves[it->first] = -it->second;
    }
    for (const auto& [leaf, sum] : counted) {
      const auto it = stored.find(leaf);
      settlement.leaves[leaf] = sum - (it == stored.end() ? 0 : it->second);
    }
  }
  return {};
}

// With the last batch nothing is in doubt any more, and the sums are those of the rows.
rocksdb::Status RocksDatabase::Settle(const Settlement& settlement,
                                      std::optional<std::vector<LeafSum>>& lost) {
  std::vector<LeafSum> changed;
  rocksdb::WriteBatch batch;
  for (const WriteRequest& row : settlement.rows) {
    AddToBatch(row, batch);
    if (batch.GetDataSize() < kBatchBytesMax) continue;
    const rocksdb::Status status = WriteSynced(batch, [] {});
    if (!status.ok()) return status;
    batch.Clear();
  }
  for (const auto& [leaf, delta] : settlement.leaves) {
    if (delta == 0) continue;
    leaf_log_->Add(leaf.first, SpanOf(leaf.second, leaf_bits_).first, delta);
    changed.push_back({leaf.first, leaf.second, delta});
  }
  batch.Delete(meta_, kDoubt);
  const rocksdb::Status status = WriteSynced(batch, [] {});
  if (!status.ok()) return status;
  doubt_.Settled();
  lost = std::move(changed);
  return status;
}

// The sums are all in memory, so a damaged file of theirs costs nothing: all are written anew.
rocksdb::Status RocksDatabase::RewriteLeaves() {
  // Whatever fails here: without the family no row may be written.
  const auto failed = [](const rocksdb::Status& status) {
    return rocksdb::Status::Aborted("the leaf sums cannot be written anew: " + status.ToString());
  };
  rocksdb::Status status = DropLeafFamily();
  if (!status.ok()) return failed(status);
  rocksdb::WriteBatch batch;
  leaf_log_->AppendAll(batch, leaves_);
  batch.Put(meta_, kLeafBits, SealMeta(kLeafBits, std::to_string(leaf_bits_)));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  status = db_->Write(synced, &batch);
  if (!status.ok()) return failed(status);
  leaf_bits_stored_ = true;
  tables_salvaged_.fetch_add(1, std::memory_order_relaxed);
  LogSalvage(LogLevel::kError, "storage_leaves_rewritten",
             "A table file of leaf sums was damaged; nothing is lost: they were written anew",
             path_);
  return {};
}

void RocksDatabase::GiveUp(const std::string& file, const std::string& why) {
  if (!damaged_->GiveUp(file)) return;
  LogSalvage(LogLevel::kError, "storage_table_damaged",
             "A table file is damaged where it cannot be mended in place; when it is to be "
             "compacted nothing more is written until a restart, which sets the database aside: " +
                 why,
             path_ + "/db/" + file);
}

void RocksDatabase::LogSalvage(LogLevel level, std::string_view event, const std::string& message,
                               const std::string& path) const {
  if (options_.log != nullptr) options_.log->Write(level, event, message, {{"path", path}});
}

}  // namespace gyre
