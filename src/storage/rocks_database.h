// RocksDB as Gyre opens and asks it: the only file pair that knows its options, its errors and how
// a row lies in it. Any thread; reads and one writer at a time.
//
// Each of these closes a trap, with a test in rocks_traps_test.cc: an own Logger (its LOG file
// meeting a full disk aborts the process), WAL recovery that refuses damage in mid-log, iterator
// status after every scan, no retry after a failed fsync.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/sst_file_writer.h>
#include <rocksdb/write_batch.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "storage/damaged_tables.h"
#include "storage/doubt.h"
#include "storage/engine_options.h"
#include "storage/failed_log.h"
#include "storage/leaf_log.h"
#include "storage/log_watch.h"

namespace gyre {

class RocksDatabase {
 public:
  // Opens or creates `options.path`/db. A damaged one is renamed to `options.path`/quarantine-N,
  // the lowest N that is free, and an empty one created. Errors: kIoError.
  static Result<std::unique_ptr<RocksDatabase>> Open(const EngineOptions& options);
  ~RocksDatabase();
  RocksDatabase(const RocksDatabase&) = delete;
  RocksDatabase& operator=(const RocksDatabase&) = delete;

  // From memory and block cache only; the outer nullopt: the answer needs the disk.
  std::optional<Result<std::optional<Row>>> GetCached(const RowKey& key);
  // Errors: kCorruption, kUnsupported, kIoError.
  Result<std::optional<Row>> Get(const RowKey& key);
  // Errors: as Get; a page is never silently short.
  Result<ScanPage> Scan(const ScanRange& range);

  // Rows of a keyspace in the order of RowKey: for one key, the last counts. No hints.
  using Run = std::vector<const WriteRequest*>;
  // Would the run go into table files without more ado? O(memtables).
  bool TakesRun(const Run& run) const;
  // Writes runs, past the log, with what they do to the sums of their leaves: durable, and to be
  // read, when it returns. All or nothing. REQUIRES: TakesRun each; no two overlap; nothing was
  // added to a batch that is not written yet. Of the thread that writes.
  rocksdb::Status WriteRuns(std::span<const Run> runs);

  // Files that WriteRuns made, so far.
  std::uint64_t run_files() const { return run_files_.load(std::memory_order_relaxed); }

  // Is it sure, without a look at the disk, that there is no row from `first` to `last`, both
  // included? Cost: of an iterator. REQUIRES: they are of one owed_to.
  bool NothingBetween(const RowKey& first, const RowKey& last) const;

  // Makes one file of small ones of rows that lie beside each other; `merged`: of how many, 0 if
  // nothing is left to do. Any thread, one at a time; blocking, for what 64 MiB take. Errors: as of
  // RocksDB's own compactions, and Aborted where they are at the same files.
  rocksdb::Status MergeTables(std::size_t& merged);
  // MergeTables returns soon, and does nothing any more. Nothing may be written after it.
  void CutMergesShort();

  // Of the next batch to be written, and of no other. One thread adds and writes.
  void AddToBatch(const WriteRequest& write, rocksdb::WriteBatch& batch);
  // Adds what the rows do to the sums of their leaves. Not synced: outlives a crash of the process,
  // not a power cut. REQUIRES: durability is kInterval (log_ahead.h).
  rocksdb::Status Write(rocksdb::WriteBatch& batch);
  // The same, synced. `logged` is called once if the batch is durable: mostly before it can be
  // read, and always before the return. If it is called, the result is ok.
  rocksdb::Status WriteSynced(rocksdb::WriteBatch& batch, std::function<void()> logged);
  rocksdb::Status SyncWal() { return db_->SyncWAL(); }
  // After a full disk: takes up writing again, if there is room to flush.
  // After a full disk, by the thread that writes: RocksDB takes writes again, into a log of which
  // none has failed.
  rocksdb::Status Resume();
  // A synced write of no meaning: does the disk take writes?
  rocksdb::Status Probe();

  Result<std::optional<std::string>> GetMeta(const std::string& name);
  rocksdb::Status PutMeta(const std::string& name, const std::string& value);
  // As Engine::LoadLeaves. REQUIRES: nothing has been written.
  Result<std::vector<LeafSum>> LeafSums() const;

  // Is there a damaged table file, or something left of one, that Salvage can go on with? Of the
  // thread that writes.
  bool salvage_due() const { return damaged_->any() || (doubt_.any() && !doubt_stuck_); }
  // Makes damaged table files whole, without what is lost. Of the thread that writes; blocking, for
  // as long as it takes to read such a file.
  //   - Rows: each damaged block is emptied in its place, so that scans and compactions pass over
  //     it. What would show in its place, older versions, is removed before; what stays beside it
  //     loses its own writes, and the sums of the leaves are made those of the rows. From before
  //     the first removal until then reads there are refused (Doubt), and a note in `meta` lets the
  //     next open go on with it.
  //   - Leaf sums: written anew from memory.
  //   - What lies behind the rows of a file (index, filter, ...) and `meta`: nothing is done.
  // `lost`, if rows or hints may have been lost: what was added to the sums of which leaves.
  // REQUIRES: LeafSums has been read.
  // Errors: of a write, which must be treated as one.
  rocksdb::Status Salvage(std::optional<std::vector<LeafSum>>& lost);
  // Any thread may find damage: `wake` is called, and must be cheap.
  void SetSalvageWake(std::function<void()> wake) { damaged_->SetWake(std::move(wake)); }
  // At each turn of the thread that would salvage.
  void NoteSalvageTurn() { damaged_->NoteTurn(); }
  // The next Open sets the database aside: it has damage that it cannot go on with.
  void MarkDamaged();
  // Fills rows, bytes, hint_rows, read_errors, corruptions, quarantines, tables_salvaged,
  // blocks_lost, run_files, run_rows, tables and tables_merged.
  void AddStats(EngineStats& stats) const;
  // What was found damaged at Open; empty if nothing.
  const std::string& quarantine_problem() const { return quarantine_problem_; }
  Status Close();

 private:
  explicit RocksDatabase(const EngineOptions& options)
      : options_(options),
        path_(options.path),
        log_watch_(options.env, /*filled_ahead=*/options.durability == Durability::kSync),
        run_env_(MakeRunEnv(log_watch_.env())),
        leaf_bits_(options.leaf_bits),
        leaf_log_(options.leaf_bits) {}
  rocksdb::Status OpenOnce(const EngineOptions& options, const std::string& path);
  Status OpenLeaves(const EngineOptions& options);
  Status LoadLeaves();
  rocksdb::Status DropLeaves();
  rocksdb::Status DropLeafFamily();
  Status LoadDoubt();
  std::optional<Result<std::optional<Row>>> GetFrom(rocksdb::ReadTier tier, const RowKey& key,
                                                    const std::string& stored_key);
  Result<ScanPage> ScanFrom(const ScanRange& range, const std::string& start,
                            const std::string& end);
  // What is to be written where rows are in doubt.
  struct Settlement {
    std::vector<WriteRequest> rows;
    std::map<std::pair<KeyspaceId, std::uint32_t>, std::uint64_t> leaves;  // added to their sums
  };
  rocksdb::Status SalvageTable(const std::string& file);
  rocksdb::Status Bury(rocksdb::SstFileReader& file, const DamagedBlock& block,
                       const DoubtfulSpan& stretch);
  rocksdb::Status Assess(Settlement& settlement);
  rocksdb::Status Settle(const Settlement& settlement, std::optional<std::vector<LeafSum>>& lost);
  rocksdb::Status RewriteLeaves();
  void GiveUp(const std::string& file, const std::string& why);
  void LogSalvage(LogLevel level, std::string_view event, const std::string& message,
                  const std::string& path) const;
  void AddLeavesToBatch(rocksdb::WriteBatch& batch);
  void SettleLeaves(bool committed);
  rocksdb::Status CloseLog();
  rocksdb::Status TakeIn(std::span<const Run> runs);
  void MakeRunFolderEmpty() const;
  rocksdb::Status WriteRunFile(const Run& run, const std::string& file);
  rocksdb::Status WriteNoteFile(const std::string& note, const std::string& file);
  static std::unique_ptr<rocksdb::Env> MakeRunEnv(rocksdb::Env* below);
  rocksdb::SstFileWriter RunFileWriter(rocksdb::ColumnFamilyHandle* family) const;
  std::string RunFolder() const { return path_ + "/runs"; }
  bool IsEmpty(rocksdb::ColumnFamilyHandle* family) const;
  std::uint64_t TablesOfRows() const;
  rocksdb::ColumnFamilyHandle* FamilyOf(NodeId owed_to) const {
    return owed_to.value == 0 ? rows_ : hints_;
  }
  Result<Row> Decode(std::string_view stored_key, std::string_view value);
  Error ToError(const rocksdb::Status& status);

  static constexpr const char* kProbe = "probe";           // in meta: nothing
  static constexpr const char* kLeafBits = "leaf_bits";    // in meta: what the sums are of
  static constexpr const char* kDoubt = "doubt";           // in meta: what Salvage has in hand
  static constexpr const char* kRunLeaves = "run_leaves";  // in meta: what the last runs added

  const EngineOptions options_;
  const std::string path_;
  LogWatch log_watch_;
  const std::unique_ptr<rocksdb::Env> run_env_;  // of the files of runs while they are written
  std::shared_ptr<rocksdb::Cache> block_cache_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::ColumnFamilyHandle* rows_ = nullptr;
  rocksdb::ColumnFamilyHandle* hints_ = nullptr;
  rocksdb::ColumnFamilyHandle* leaves_ = nullptr;
  rocksdb::ColumnFamilyHandle* meta_ = nullptr;
  std::uint64_t quarantines_ = 0;
  std::string quarantine_problem_;
  // Of Open, then of the thread that writes.
  const int leaf_bits_;
  std::optional<LeafLog> leaf_log_;
  bool leaf_bits_stored_ = false;
  std::string leaves_problem_;  // why the sums were dropped at Open; empty if they were not
  Doubt doubt_;
  bool doubt_stuck_ = false;  // until another file is mended, what is in doubt cannot be settled
  const std::shared_ptr<FailedLog> failed_log_ = std::make_shared<FailedLog>();
  const std::shared_ptr<DamagedTables> damaged_ = std::make_shared<DamagedTables>();
  std::atomic<std::uint64_t> tables_salvaged_{0}, blocks_lost_{0};
  std::atomic<std::uint64_t> run_files_{0}, run_rows_{0}, tables_merged_{0};
  std::atomic<std::uint64_t> read_errors_{0}, corruptions_{0};
};

}  // namespace gyre
