#include "storage/rocks_database.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <utility>

#include "storage/file_ops.h"
#include "storage/key_layout.h"
#include "storage/ring_memtable.h"
#include "storage/rocks_logger.h"
#include "storage/row_codec.h"

#if defined(__SANITIZE_THREAD__)
// Debian's RocksDB is not built for the thread sanitizer, which sees its memory but not the atomics
// that order it. So what runs inside it is not looked at; its calls of us are.
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
#endif

namespace gyre {
namespace {

constexpr int kOpenFilesMax = 512;
constexpr std::size_t kMetaWriteBufferBytes = 1 << 20;
// Memtables are small, because an insert into one that has outgrown the processor's caches costs
// more, and flushed together, because small files at level 0 would be compacted more often.
constexpr int kMemtablesMax = 16;
constexpr int kMemtablesPerFlush = 8;
constexpr int kQuarantinesMax = 10'000;

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
rocksdb::Slice SliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  db.info_log = std::make_shared<RocksLogger>(options.log);
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  // The default (point in time) opens after a flip in mid-log and drops all that follows. This one
  // takes a torn tail, which a power cut leaves, and refuses anything else.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_open_files = kOpenFilesMax;
  db.max_total_wal_size = options.memtables_bytes;
  db.bytes_per_sync = 1 << 20;
  db.max_background_jobs = 2;
  // One thread writes; what serves many only costs it.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  return db;
}

rocksdb::ColumnFamilyOptions MakeRowOptions(const EngineOptions& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Index and filters are charged to the block cache, so that memory is bounded by it.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions rows;
  rows.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  rows.write_buffer_size = options.memtables_bytes / kMemtablesMax;
  rows.max_write_buffer_number = kMemtablesMax;
  rows.min_write_buffer_number_to_merge = kMemtablesPerFlush;
  rows.memtable_factory = MakeRingMemtableFactory();
  // With so many memtables, a read of what is in none must not search each.
  rows.memtable_whole_key_filtering = true;
  rows.memtable_prefix_bloom_size_ratio = 0.02;
  // What is flushed is soon compacted: compressed then.
  rows.compression = rocksdb::kLZ4Compression;
  rows.compression_per_level = {rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  rows.level_compaction_dynamic_level_bytes = true;
  return rows;
}

}  // namespace

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::Open(const EngineOptions& options) {
  std::unique_ptr<RocksDatabase> database(new RocksDatabase(options.env));
  const std::string path = options.path + "/db";
  std::error_code error;
  if (!std::filesystem::is_directory(options.path, error)) {
    return Fail(ErrorCode::kIoError, "there is no data folder " + options.path);
  }
  rocksdb::Status status = database->OpenOnce(options, path);
  // A file that is listed and not there is damage too; that the folder is there was seen above.
  if (status.IsCorruption() || status.IsPathNotFound()) {
    database->quarantine_problem_ = "the database is damaged: " + status.ToString();
    std::string aside;
    for (int n = 1; n <= kQuarantinesMax; ++n) {
      aside = options.path + "/quarantine-" + std::to_string(n);
      if (!std::filesystem::exists(aside, error)) break;
    }
    std::filesystem::rename(path, aside, error);
    if (error) {
      return Fail(ErrorCode::kIoError, database->quarantine_problem_ + "; it cannot be moved to " +
                                           aside + ": " + error.message());
    }
    if (Status synced = SyncFolder(options.path); !synced) return Fail(synced.error());
    database->quarantine_problem_ += "; it was set aside as " + aside + " and an empty one begun";
    database->quarantines_ = 1;
    if (options.log != nullptr) {
      options.log->Write(LogLevel::kError, "storage_quarantined", database->quarantine_problem_,
                         {{"path", aside}});
    }
    status = database->OpenOnce(options, path);
  }
  if (!status.ok()) {
    return Fail(ErrorCode::kIoError, "cannot open " + path + ": " + status.ToString());
  }
  return database;
}

rocksdb::Status RocksDatabase::OpenOnce(const EngineOptions& options, const std::string& path) {
  // RocksDB would make it, and log an error that it was not there.
  std::error_code failed;  // shows in Open
  std::filesystem::create_directory(path, failed);
  block_cache_ = rocksdb::NewLRUCache(options.block_cache_bytes);
  const rocksdb::DBOptions db_options = MakeDbOptions(options, log_watch_.env());
  rocksdb::ColumnFamilyOptions meta_options;
  meta_options.write_buffer_size = kMetaWriteBufferBytes;
  meta_options.max_write_buffer_number = 2;
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, MakeRowOptions(options, block_cache_)},
      {"meta", meta_options}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(db_options, path, families, &handles, &db);
  if (!status.ok()) return status;
  db_.reset(db);
  rows_ = handles[0];
  meta_ = handles[1];
  return status;
}

RocksDatabase::~RocksDatabase() { Close(); }

Status RocksDatabase::Close() {
  if (db_ == nullptr) return {};
  db_->DestroyColumnFamilyHandle(rows_);
  db_->DestroyColumnFamilyHandle(meta_);
  const rocksdb::Status status = db_->Close();
  db_.reset();
  if (!status.ok()) return Fail(ErrorCode::kIoError, "cannot close: " + status.ToString());
  return {};
}

Error RocksDatabase::ToError(const rocksdb::Status& status) {
  if (status.IsCorruption()) {
    corruptions_.fetch_add(1, std::memory_order_relaxed);
    return {ErrorCode::kCorruption, "the database is damaged here: " + status.ToString()};
  }
  read_errors_.fetch_add(1, std::memory_order_relaxed);
  return {ErrorCode::kIoError, "the database cannot be read: " + status.ToString()};
}

Result<Row> RocksDatabase::Decode(std::string_view stored_key, std::string_view value) {
  Result<Row> row = OpenRow(stored_key, value);
  if (!row) {
    (row.error().code == ErrorCode::kCorruption ? corruptions_ : read_errors_)
        .fetch_add(1, std::memory_order_relaxed);
  }
  return row;
}

std::optional<Result<std::optional<Row>>> RocksDatabase::GetCached(const RowKey& key) {
  thread_local std::string stored_key;
  stored_key.clear();
  AppendRowKey(key, stored_key);
  rocksdb::ReadOptions options;
  options.read_tier = rocksdb::kBlockCacheTier;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = db_->Get(options, rows_, stored_key, &value);
  if (status.IsIncomplete()) return std::nullopt;
  if (status.IsNotFound()) return Result<std::optional<Row>>(std::nullopt);
  if (!status.ok()) return Result<std::optional<Row>>(Fail(ToError(status)));
  Result<Row> row = Decode(stored_key, View(value));
  if (!row) return Result<std::optional<Row>>(Fail(row.error()));
  return Result<std::optional<Row>>(*std::move(row));
}

Result<std::optional<Row>> RocksDatabase::Get(const RowKey& key) {
  std::string stored_key;
  AppendRowKey(key, stored_key);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), rows_, stored_key, &value);
  if (status.IsNotFound()) return std::optional<Row>();
  if (!status.ok()) return Fail(ToError(status));
  Result<Row> row = Decode(stored_key, View(value));
  if (!row) return Fail(row.error());
  return std::optional<Row>(*std::move(row));
}

Result<ScanPage> RocksDatabase::Scan(const ScanRange& range) {
  std::string start;
  if (range.after) {
    AppendRowKey(*range.after, start);
    start.push_back('\0');  // the least key behind it
  } else {
    const RowKeyPrefix prefix = EncodeRowKeyPrefix(range.keyspace, range.first);
    start.assign(prefix.data(), prefix.size());
  }
  const auto end = PrefixSuccessor(EncodeRowKeyPrefix(range.keyspace, range.last));
  const rocksdb::Slice upper_bound =
      end ? rocksdb::Slice(end->data(), end->size()) : rocksdb::Slice();
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // a scan must not throw out what is hot
  if (end) options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options, rows_));
  ScanPage page;
  std::size_t bytes = 0;
  for (iterator->Seek(start); iterator->Valid(); iterator->Next()) {
    if (page.rows.size() >= range.rows_max || (bytes >= range.bytes_max && !page.rows.empty())) {
      return page;
    }
    const std::string_view stored_key = View(iterator->key());
    const std::string_view value = View(iterator->value());
    Result<RowKey> key = DecodeRowKey(stored_key);
    if (!key) {
      corruptions_.fetch_add(1, std::memory_order_relaxed);
      return Fail(key.error());
    }
    Result<Row> row = Decode(stored_key, value);
    if (!row) return Fail(row.error());
    bytes += stored_key.size() + value.size();
    page.rows.push_back({*std::move(key), *std::move(row)});
  }
  // Damage ends the iteration just as the end of the range does; only the status tells.
  if (!iterator->status().ok()) return Fail(ToError(iterator->status()));
  page.done = true;
  return page;
}

void RocksDatabase::AddToBatch(const WriteRequest& write, rocksdb::WriteBatch& batch) {
  const RowKeyPrefix prefix = EncodeRowKeyPrefix(write.key.keyspace, write.key.token);
  const std::string_view prefix_view(prefix.data(), prefix.size());
  const RowEnvelope envelope = SealRow(prefix_view, write.key.key.view(), write.row);
  const rocksdb::Slice key[] = {SliceOf(prefix_view), SliceOf(write.key.key.view())};
  const rocksdb::Slice value[] = {SliceOf(envelope.head_view()), SliceOf(write.row.record.view()),
                                  SliceOf(envelope.tail_view())};
  batch.Put(rocksdb::SliceParts(key, 2), rocksdb::SliceParts(value, 3));
}

rocksdb::Status RocksDatabase::Write(rocksdb::WriteBatch& batch) {
  return db_->Write(rocksdb::WriteOptions(), &batch);
}

rocksdb::Status RocksDatabase::WriteSynced(rocksdb::WriteBatch& batch,
                                           std::function<void()> logged) {
  rocksdb::WriteOptions options;
  options.sync = true;
  LogWatch::Write watched(std::move(logged));
  rocksdb::Status status = db_->Write(options, &batch);
  if (status.ok()) watched.Succeeded();
  // The log holds what the memtable does not take: only a restart can show it again.
  GYRE_CHECK(status.ok() || !watched.logged());
  return status;
}

rocksdb::Status RocksDatabase::Probe() { return PutMeta("probe", ""); }

Result<std::optional<std::string>> RocksDatabase::GetMeta(const std::string& name) {
  std::string bytes;
  const rocksdb::Status status = db_->Get(rocksdb::ReadOptions(), meta_, name, &bytes);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return Fail(ToError(status));
  Result<std::string> value = OpenMeta(name, bytes);
  if (!value) {
    corruptions_.fetch_add(1, std::memory_order_relaxed);
    return Fail(value.error());
  }
  return std::optional<std::string>(*std::move(value));
}

rocksdb::Status RocksDatabase::PutMeta(const std::string& name, const std::string& value) {
  rocksdb::WriteOptions options;
  options.sync = true;
  return db_->Put(options, meta_, name, SealMeta(name, value));
}

void RocksDatabase::AddStats(EngineStats& stats) const {
  std::uint64_t value = 0;
  if (db_->GetIntProperty(rows_, rocksdb::DB::Properties::kEstimateNumKeys, &value)) {
    stats.rows = value;
  }
  if (db_->GetIntProperty(rows_, rocksdb::DB::Properties::kLiveSstFilesSize, &value)) {
    stats.bytes += value;
  }
  if (db_->GetIntProperty(rows_, rocksdb::DB::Properties::kSizeAllMemTables, &value)) {
    stats.bytes += value;
  }
  stats.read_errors += read_errors_.load(std::memory_order_relaxed);
  stats.corruptions += corruptions_.load(std::memory_order_relaxed) + quarantines_;
  stats.quarantines += quarantines_;
}

}  // namespace gyre
