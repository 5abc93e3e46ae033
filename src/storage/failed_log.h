// Leaves a log whose write failed. After a full disk RocksDB recovers by flushing what is in
// memory, and with that goes on to a new log; but where nothing is in memory, as the write that
// failed was the first into its log, it goes on with that one, and its next write is an assertion
// that ends the process (7.8.3 with its assertions, as Debian builds it).
//
// So something is put into memory, past the log, and flushed. RocksDB would end a failed log's
// buffer first, cannot, and takes that for fatal. Here it is not: the listener says that one may
// recover from it, and while RocksDB recovers it leaves the log.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/listener.h>

#include <atomic>

namespace gyre {

class FailedLog final : public rocksdb::EventListener {
 public:
  // Writes `key` into `family`. REQUIRES: `db` has recovered, nobody else writes, and this is one
  // of its listeners. Errors: RocksDB's; with the disk full again, a later Resume goes on.
  rocksdb::Status Leave(rocksdb::DB& db, rocksdb::ColumnFamilyHandle* family,
                        const rocksdb::Slice& key, const rocksdb::Slice& value) {
    rocksdb::WriteOptions unlogged;
    unlogged.disableWAL = true;
    const rocksdb::Status status = db.Put(unlogged, family, key, value);
    if (!status.ok()) return status;
    leaving_ = true;
    const rocksdb::Status flushed = db.Flush(rocksdb::FlushOptions(), family);
    leaving_ = false;
    return flushed.ok() ? flushed : db.Resume();
  }

  static rocksdb::Status NotLeft() {
    return rocksdb::Status::IOError("a write into the log failed, and it is not left yet");
  }

  void OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status* error) override {
    if (!leaving_ || reason != rocksdb::BackgroundErrorReason::kMemTable) return;
    *error = rocksdb::Status(*error, rocksdb::Status::Severity::kHardError);
  }

 private:
  std::atomic<bool> leaving_ = false;
};

}  // namespace gyre
