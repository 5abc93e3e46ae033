#include "storage/rocks_database.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "storage/background_priority.h"
#include "storage/file_ops.h"
#include "storage/key_layout.h"
#include "storage/log_ahead.h"
#include "storage/rocks_options.h"
#include "storage/row_codec.h"

#if defined(__SANITIZE_THREAD__)
// Debian's RocksDB is not built for the thread sanitizer, which sees its memory but not the atomics
// that order it. So what runs inside it is not looked at; its calls of us are.
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
#endif

namespace gyre {
namespace {

constexpr int kQuarantinesMax = 10'000;
constexpr const char* kDamageMark = "/damaged";
constexpr const char* kLeaves = "leaves";

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }
rocksdb::Slice SliceOf(std::string_view bytes) { return {bytes.data(), bytes.size()}; }

}  // namespace

Result<std::unique_ptr<RocksDatabase>> RocksDatabase::Open(const EngineOptions& options) {
  std::unique_ptr<RocksDatabase> database(new RocksDatabase(options));
  const std::string path = options.path + "/db";
  std::error_code error;
  if (!std::filesystem::is_directory(options.path, error)) {
    return Fail(ErrorCode::kIoError, "there is no data folder " + options.path);
  }
  const std::string mark = options.path + kDamageMark;
  const bool marked = std::filesystem::exists(mark, error);
  rocksdb::Status status =
      marked
          ? rocksdb::Status::Corruption("a compaction or flush met damage in it, at the last run")
          : database->OpenOnce(options, path);
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
    if (marked) std::filesystem::remove(mark, error);
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
  if (Status leaves = database->OpenLeaves(options); !leaves) return Fail(leaves.error());
  if (Status doubt = database->LoadDoubt(); !doubt) return Fail(doubt.error());
  return database;
}

rocksdb::Status RocksDatabase::OpenOnce(const EngineOptions& options, const std::string& path) {
  // RocksDB would make it, and log an error that it was not there.
  std::error_code failed;  // shows in Open
  std::filesystem::create_directory(path, failed);
  if (Status cut = CutTornTail(*log_watch_.env(), path); !cut) {
    return rocksdb::Status::IOError(cut.error().message);
  }
  block_cache_ = rocksdb::NewLRUCache(options.block_cache_bytes);
  rocksdb::DBOptions db_options = MakeDbOptions(options, log_watch_.env());
  if (!options.salvages) damaged_->LeaveAsTheyAre();
  db_options.listeners.push_back(failed_log_);
  db_options.listeners.push_back(damaged_);
  db_options.listeners.push_back(std::make_shared<BackgroundPriority>());
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, MakeRowOptions(options, block_cache_)},
      {"meta", MakeMetaOptions()},
      {"hints", MakeHintOptions(options, block_cache_)},
      {kLeaves, MakeLeafOptions(options)}};
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(db_options, path, families, &handles, &db);
  if (!status.ok()) return status;
  db_.reset(db);
  rows_ = handles[0];
  meta_ = handles[1];
  hints_ = handles[2];
  leaves_ = handles[3];
  return status;
}

RocksDatabase::~RocksDatabase() { Close(); }

Status RocksDatabase::Close() {
  if (db_ == nullptr) return {};
  for (rocksdb::ColumnFamilyHandle* family : {rows_, meta_, hints_, leaves_}) {
    if (family != nullptr) db_->DestroyColumnFamilyHandle(family);
  }
  const rocksdb::Status status = db_->Close();
  db_.reset();
  if (!status.ok()) return Fail(ErrorCode::kIoError, "cannot close: " + status.ToString());
  return {};
}

Error RocksDatabase::ToError(const rocksdb::Status& status) {
  if (status.IsCorruption()) {
    corruptions_.fetch_add(1, std::memory_order_relaxed);
    damaged_->Report(status);
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
  auto answer =
      doubt_.AskAtOnce([&] { return GetFrom(rocksdb::kBlockCacheTier, key, stored_key); });
  if (!answer) return std::nullopt;
  return *std::move(answer);
}

Result<std::optional<Row>> RocksDatabase::Get(const RowKey& key) {
  std::string stored_key;
  AppendRowKey(key, stored_key);
  return doubt_.Ask(key.is_hint(), stored_key, stored_key,
                    [&] { return *GetFrom(rocksdb::kReadAllTier, key, stored_key); });
}

// nullopt: only of a tier that cannot answer.
std::optional<Result<std::optional<Row>>> RocksDatabase::GetFrom(rocksdb::ReadTier tier,
                                                                 const RowKey& key,
                                                                 const std::string& stored_key) {
  rocksdb::ReadOptions options;
  options.read_tier = tier;
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = db_->Get(options, FamilyOf(key.owed_to), stored_key, &value);
  if (status.IsIncomplete()) return std::nullopt;
  // So it is where a table file is not open: RocksDB takes "perhaps" for "found". No row is empty.
  if (status.ok() && value.empty() && tier == rocksdb::kBlockCacheTier) return std::nullopt;
  if (status.IsNotFound()) return Result<std::optional<Row>>(std::nullopt);
  if (!status.ok()) return Result<std::optional<Row>>(Fail(ToError(status)));
  Result<Row> row = Decode(stored_key, View(value));
  if (!row) return Result<std::optional<Row>>(Fail(row.error()));
  return Result<std::optional<Row>>(*std::move(row));
}

bool RocksDatabase::NothingBetween(const RowKey& first, const RowKey& last) const {
  std::string begin, end;
  AppendRowKey(first, begin);
  AppendRowKey(last, end);
  end.push_back('\0');  // the least key behind it
  const rocksdb::Slice upper_bound(end);
  rocksdb::ReadOptions options;
  options.read_tier = rocksdb::kBlockCacheTier;
  options.iterate_upper_bound = &upper_bound;
  const auto nothing = doubt_.AskAtOnce([&] {
    const std::unique_ptr<rocksdb::Iterator> rows(
        db_->NewIterator(options, FamilyOf(first.owed_to)));
    rows->Seek(begin);
    return !rows->Valid() && rows->status().ok();
  });
  return nothing.value_or(false);
}

Result<ScanPage> RocksDatabase::Scan(const ScanRange& range) {
  std::string start;
  if (range.after) {
    AppendRowKey(*range.after, start);
    start.push_back('\0');  // the least key behind it
  } else {
    start = EncodeRowKeyPrefix(range.owed_to, range.keyspace, range.first).view();
  }
  const auto successor =
      PrefixSuccessor(EncodeRowKeyPrefix(range.owed_to, range.keyspace, range.last));
  const std::string end = successor ? std::string(successor->view()) : std::string();
  return doubt_.Ask(range.owed_to.value != 0, start, end,
                    [&] { return ScanFrom(range, start, end); });
}

// `end` is not included; empty: there is none.
Result<ScanPage> RocksDatabase::ScanFrom(const ScanRange& range, const std::string& start,
                                         const std::string& end) {
  const rocksdb::Slice upper_bound(end);
  rocksdb::ReadOptions options;
  options.fill_cache = false;  // a scan must not throw out what is hot
  if (!end.empty()) options.iterate_upper_bound = &upper_bound;
  const std::unique_ptr<rocksdb::Iterator> iterator(
      db_->NewIterator(options, FamilyOf(range.owed_to)));
  ScanPage page;
  std::size_t bytes = 0;
  for (iterator->Seek(start); iterator->Valid(); iterator->Next()) {
    if (page.rows.size() >= range.rows_max || (bytes >= range.bytes_max && !page.rows.empty())) {
      return page;
    }
    const std::string_view stored_key = View(iterator->key());
    const std::string_view value = View(iterator->value());
    Result<RowKey> key =
        range.owed_to.value == 0 ? DecodeRowKey(stored_key) : DecodeHintKey(stored_key);
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
  const RowKeyPrefix prefix = EncodeRowKeyPrefix(write.key);
  const rocksdb::Slice key[] = {SliceOf(prefix.view()), SliceOf(write.key.key.view())};
  rocksdb::ColumnFamilyHandle* const family = FamilyOf(write.key.owed_to);
  if (!write.key.is_hint()) {
    leaf_log_->Add(write.key.keyspace, write.key.token, write.leaf_delta);
  }
  if (!write.row) {
    batch.Delete(family, rocksdb::SliceParts(key, 2));
    return;
  }
  const RowEnvelope envelope = SealRow(prefix.view(), write.key.key.view(), *write.row);
  const rocksdb::Slice value[] = {SliceOf(envelope.head_view()), SliceOf(write.row->record.view()),
                                  SliceOf(envelope.tail_view())};
  batch.Put(family, rocksdb::SliceParts(key, 2), rocksdb::SliceParts(value, 3));
}

rocksdb::Status RocksDatabase::Write(rocksdb::WriteBatch& batch) {
  AddLeavesToBatch(batch);
  rocksdb::Status status = db_->Write(rocksdb::WriteOptions(), &batch);
  SettleLeaves(status.ok());
  return status;
}

rocksdb::Status RocksDatabase::WriteSynced(rocksdb::WriteBatch& batch,
                                           std::function<void()> logged) {
  rocksdb::WriteOptions options;
  options.sync = true;
  AddLeavesToBatch(batch);
  LogWatch::Write watched(std::move(logged));
  rocksdb::Status status = db_->Write(options, &batch);
  SettleLeaves(status.ok());
  if (status.ok()) watched.Succeeded();
  // The log holds what the memtable does not take: only a restart can show it again.
  GYRE_CHECK(status.ok() || !watched.logged());
  return status;
}

void RocksDatabase::MarkDamaged() {
  std::ofstream(path_ + kDamageMark) << "set aside at the next start\n";
  (void)SyncFolder(path_);  // without the mark the next start meets the damage again
}

rocksdb::Status RocksDatabase::Resume() {
  rocksdb::Status status = db_->Resume();
  if (!status.ok() || !log_watch_.newest_failed()) return status;
  status = failed_log_->Leave(*db_, meta_, kProbe, SealMeta(kProbe, ""));
  if (!status.ok() || !log_watch_.newest_failed()) return status;
  return FailedLog::NotLeft();
}

rocksdb::Status RocksDatabase::Probe() { return PutMeta(kProbe, ""); }

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
  if (log_watch_.newest_failed()) return FailedLog::NotLeft();
  rocksdb::WriteOptions options;
  options.sync = true;
  return db_->Put(options, meta_, name, SealMeta(name, value));
}

// Damage of the sums costs the sums and not the rows, which tell what the sums are. (A table file
// that RocksDB does not open at all is damage of the database: that was seen before this.)
// Errors: kIoError.
Status RocksDatabase::OpenLeaves(const EngineOptions& options) {
  const Status loaded = LoadLeaves();
  if (loaded || loaded.error().code == ErrorCode::kIoError) return loaded;
  leaves_problem_ = loaded.error().message;
  if (options.log != nullptr) {
    options.log->Write(LogLevel::kError, "storage_leaves_dropped",
                       "The sums of the leaves are begun anew: " + leaves_problem_,
                       {{"path", options.path}});
  }
  if (const rocksdb::Status dropped = DropLeaves(); !dropped.ok()) {
    return Fail(ErrorCode::kIoError, "cannot drop the sums of leaves: " + dropped.ToString());
  }
  return {};
}

// Errors: kIoError; kCorruption: what is there is not the sums of what rows there are.
Status RocksDatabase::LoadLeaves() {
  const Result<std::optional<std::string>> stored = GetMeta(kLeafBits);
  if (!stored) return Fail(stored.error());
  if (!*stored) {
    // The first group writes it, so that there are no rows yet, or some from before sums were kept.
    if (IsEmpty(rows_) && IsEmpty(leaves_)) return {};
    return Fail(ErrorCode::kCorruption, "the rows were written before sums were kept");
  }
  if (**stored != std::to_string(leaf_bits_)) {
    return Fail(ErrorCode::kCorruption, "they were kept with leaf_bits " + **stored +
                                            ", and it is now " + std::to_string(leaf_bits_));
  }
  leaf_bits_stored_ = true;
  const Result<std::optional<std::string>> note = GetMeta(kRunLeaves);
  if (!note) return Fail(note.error());
  const std::unique_ptr<rocksdb::Iterator> all(db_->NewIterator({}, leaves_));
  const Status loaded = leaf_log_->Load(*all, *note);
  if (!loaded && loaded.error().code == ErrorCode::kCorruption) {
    corruptions_.fetch_add(1, std::memory_order_relaxed);
  }
  return loaded;
}

rocksdb::Status RocksDatabase::DropLeaves() {
  leaf_log_.emplace(leaf_bits_);
  leaf_bits_stored_ = false;
  return DropLeafFamily();
}

// The whole family goes: a table file that is damaged would stop RocksDB when it is compacted.
// First goes the mark that there are sums, so that a crash in between is seen at the next open.
rocksdb::Status RocksDatabase::DropLeafFamily() {
  rocksdb::WriteOptions synced;
  synced.sync = true;
  rocksdb::WriteBatch marks;
  rocksdb::Status status = marks.Delete(meta_, kLeafBits);
  if (status.ok()) status = marks.Delete(meta_, kRunLeaves);
  if (status.ok()) status = db_->Write(synced, &marks);
  if (status.ok()) status = db_->DropColumnFamily(leaves_);
  if (!status.ok()) return status;
  db_->DestroyColumnFamilyHandle(std::exchange(leaves_, nullptr));
  return db_->CreateColumnFamily(MakeLeafOptions(options_), kLeaves, &leaves_);
}

// A run that ended between losing rows and settling what is left of them left a note.
// Errors: kIoError.
Status RocksDatabase::LoadDoubt() {
  const Result<std::optional<std::string>> note = GetMeta(kDoubt);
  if (!note && note.error().code == ErrorCode::kIoError) return Fail(note.error());
  if (note && !*note) return {};
  const auto spans = note ? DecodeDoubt(**note) : Fail(note.error());
  if (!spans) {
    // That run did not end cleanly, so the shards write as fresh actors. A scrub counts the leaves.
    LogSalvage(LogLevel::kError, "storage_note_damaged", spans.error().message, path_);
    return {};
  }
  for (const DoubtfulSpan& span : *spans) doubt_.Add(span);
  return {};
}

bool RocksDatabase::IsEmpty(rocksdb::ColumnFamilyHandle* family) const {
  const std::unique_ptr<rocksdb::Iterator> first(db_->NewIterator({}, family));
  first->SeekToFirst();
  return !first->Valid() && first->status().ok();
}

Result<std::vector<LeafSum>> RocksDatabase::LeafSums() const {
  if (!leaves_problem_.empty()) return Fail(ErrorCode::kCorruption, leaves_problem_);
  return leaf_log_->Sums();
}

void RocksDatabase::AddLeavesToBatch(rocksdb::WriteBatch& batch) {
  if (!leaf_bits_stored_) {
    batch.Put(meta_, kLeafBits, SealMeta(kLeafBits, std::to_string(leaf_bits_)));
  }
  leaf_log_->AppendTo(batch, leaves_);
}

void RocksDatabase::SettleLeaves(bool committed) {
  if (!committed) return leaf_log_->Failed();
  leaf_log_->Committed();
  leaf_bits_stored_ = true;
}

std::uint64_t RocksDatabase::TablesOfRows() const {
  std::uint64_t tables = 0;
  std::string count;
  for (int level = 0; level < db_->NumberLevels(rows_); ++level) {
    const std::string name =
        rocksdb::DB::Properties::kNumFilesAtLevelPrefix + std::to_string(level);
    if (db_->GetProperty(rows_, name, &count)) tables += std::stoull(count);
  }
  return tables;
}

void RocksDatabase::AddStats(EngineStats& stats) const {
  std::uint64_t value = 0;
  if (db_->GetIntProperty(rows_, rocksdb::DB::Properties::kEstimateNumKeys, &value)) {
    stats.rows = value;
  }
  if (db_->GetIntProperty(hints_, rocksdb::DB::Properties::kEstimateNumKeys, &value)) {
    stats.hint_rows = value;
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
  stats.tables_salvaged += tables_salvaged_.load(std::memory_order_relaxed);
  stats.blocks_lost += blocks_lost_.load(std::memory_order_relaxed);
  stats.run_files += run_files_.load(std::memory_order_relaxed);
  stats.run_rows += run_rows_.load(std::memory_order_relaxed);
  stats.tables += TablesOfRows();
  stats.tables_merged += tables_merged_.load(std::memory_order_relaxed);
}

}  // namespace gyre
