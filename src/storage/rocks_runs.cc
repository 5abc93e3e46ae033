// Runs: rows that come in the order of their keys and by the thousand (WriteRequest::run). They go
// past the log and the memtables, as table files that RocksDB takes in: each row is written once,
// instead of to the log, by a flush and by compactions (docs/adr/0005-storage.md).
//
// What they add to the sums of the leaves is in no batch with them, but in a file that RocksDB
// takes in together with theirs: a note in `meta`, which counts as an entry of the leaves' log
// until that has it too.
#include <rocksdb/file_system.h>

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "storage/key_layout.h"
#include "storage/rocks_database.h"
#include "storage/row_codec.h"

namespace gyre {
namespace {

// RocksDB syncs each file when it takes it in, so that a writer need not wait for that. A sync of
// this one starts the writing, which goes on while the next file is made.
class RunFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit RunFile(std::unique_ptr<rocksdb::FSWritableFile>&& file)
      : FSWritableFileOwnerWrapper(std::move(file)) {}

  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* context) override {
    return RangeSync(0, GetFileSize(options, context), options, context);
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* context) override {
    return Sync(options, context);
  }
};

class RunFiles final : public rocksdb::FileSystemWrapper {
 public:
  using FileSystemWrapper::FileSystemWrapper;
  const char* Name() const override { return "RunFiles"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, context);
    if (status.ok()) *file = std::make_unique<RunFile>(std::move(*file));
    return status;
  }
};

std::string StoredKey(const RowKey& key) {
  std::string stored;
  AppendRowKey(key, stored);
  return stored;
}

}  // namespace

std::unique_ptr<rocksdb::Env> RocksDatabase::MakeRunEnv(rocksdb::Env* below) {
  return rocksdb::NewCompositeEnv(std::make_shared<RunFiles>(below->GetFileSystem()));
}

rocksdb::SstFileWriter RocksDatabase::RunFileWriter(rocksdb::ColumnFamilyHandle* family) const {
  rocksdb::Options options = db_->GetOptions(family);
  options.env = run_env_.get();
  options.strict_bytes_per_sync = false;  // nothing of it waits for the disk before the end
  return {rocksdb::EnvOptions(options), options, family, /*invalidate_page_cache=*/false};
}

bool RocksDatabase::TakesRun(const Run& run) const {
  if (!leaf_bits_stored_) return false;
  // RocksDB would flush the memtables first, and small files at level 0 are compacted soon.
  rocksdb::ReadOptions in_memory;
  in_memory.read_tier = rocksdb::kMemtableTier;
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(in_memory, rows_));
  rows->Seek(StoredKey(run.front()->key));
  if (!rows->Valid()) return rows->status().ok();
  return rows->key().compare(StoredKey(run.back()->key)) > 0;
}

rocksdb::Status RocksDatabase::WriteRuns(std::span<const Run> runs) {
  rocksdb::Status status = CloseLog();
  if (!status.ok()) return status;
  for (const Run& run : runs) {
    for (const WriteRequest* write : run) {
      leaf_log_->Add(write->key.keyspace, write->key.token, write->leaf_delta);
    }
  }
  status = TakeIn(runs);
  SettleLeaves(status.ok());
  return status;
}

// What was written before is durable, and the note may be replaced.
rocksdb::Status RocksDatabase::CloseLog() {
  if (!leaf_log_->owes_entry()) return db_->SyncWAL();
  rocksdb::WriteBatch nothing_else;
  return WriteSynced(nothing_else, [] {});
}

// Of what failed, or was cut off. The folder itself stays: a file system without journal looks long
// for the inode of a file in a folder that has just been made. Errors show when a file is written.
void RocksDatabase::MakeRunFolderEmpty() const {
  std::error_code failed;
  std::filesystem::create_directory(RunFolder(), failed);
  std::filesystem::directory_iterator left(RunFolder(), failed);
  while (left != std::filesystem::directory_iterator()) {
    std::filesystem::remove(left->path(), failed);
    left.increment(failed);
  }
}

rocksdb::Status RocksDatabase::TakeIn(std::span<const Run> runs) {
  MakeRunFolderEmpty();
  std::vector<rocksdb::IngestExternalFileArg> families(1);
  std::vector<std::string>& files = families[0].external_files;
  families[0].column_family = rows_;
  std::size_t rows = 0;
  for (const Run& run : runs) {
    files.push_back(RunFolder() + "/" + std::to_string(files.size()) + ".sst");
    const rocksdb::Status status = WriteRunFile(run, files.back());
    if (!status.ok()) return status;
    rows += run.size();
  }
  if (const std::optional<std::string> note = leaf_log_->AppendAside()) {
    families.emplace_back().column_family = meta_;
    families[1].external_files.push_back(RunFolder() + "/leaves.sst");
    const rocksdb::Status status = WriteNoteFile(*note, families[1].external_files.back());
    if (!status.ok()) return status;
  }
  for (rocksdb::IngestExternalFileArg& family : families) {
    family.options.move_files = true;
    family.options.write_global_seqno = false;
  }
  const rocksdb::Status status = db_->IngestExternalFiles(families);
  if (!status.ok()) return status;
  run_files_.fetch_add(runs.size(), std::memory_order_relaxed);
  run_rows_.fetch_add(rows, std::memory_order_relaxed);
  return status;
}

rocksdb::Status RocksDatabase::WriteRunFile(const Run& run, const std::string& file) {
  rocksdb::SstFileWriter writer = RunFileWriter(rows_);
  rocksdb::Status status = writer.Open(file);
  std::string value;
  for (std::size_t i = 0; i < run.size() && status.ok(); ++i) {
    const WriteRequest& write = *run[i];
    if (i + 1 < run.size() && run[i + 1]->key == write.key) continue;
    const std::string key = StoredKey(write.key);
    if (!write.row) {
      status = writer.Delete(key);
      continue;
    }
    const RowEnvelope envelope = SealRow(key, {}, *write.row);
    value.assign(envelope.head_view());
    value.append(write.row->record.view());
    value.append(envelope.tail_view());
    status = writer.Put(key, value);
  }
  return status.ok() ? writer.Finish() : status;
}

rocksdb::Status RocksDatabase::WriteNoteFile(const std::string& note, const std::string& file) {
  rocksdb::SstFileWriter writer = RunFileWriter(meta_);
  rocksdb::Status status = writer.Open(file);
  if (status.ok()) status = writer.Put(kRunLeaves, SealMeta(kRunLeaves, note));
  return status.ok() ? writer.Finish() : status;
}

}  // namespace gyre
