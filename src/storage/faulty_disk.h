// For tests: a disk under RocksDB whose log syncs can be counted, held and failed, whose table
// reads can be held, and that knows what a power cut would leave.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <utility>

#include "base/check.h"

namespace gyre {

class FaultyDisk {
 public:
  FaultyDisk() : env_(rocksdb::NewCompositeEnv(std::make_shared<Files>(*this))) {}

  rocksdb::Env* env() { return env_.get(); }
  std::uint64_t log_syncs() const {
    const std::lock_guard lock(mutex_);
    return log_syncs_;
  }
  void FailLogSyncs(bool fail) {
    const std::lock_guard lock(mutex_);
    fail_ = fail;
  }
  // From now on a sync of the log waits for ReleaseLogSyncs.
  void HoldLogSyncs() {
    const std::lock_guard lock(mutex_);
    hold_ = true;
  }
  void ReleaseLogSyncs() {
    const std::lock_guard lock(mutex_);
    hold_ = false;
    changed_.notify_all();
  }
  void AwaitHeldSync() {
    Await([&] { return held_syncs_ > 0; });
  }
  void AwaitLogSyncs(std::uint64_t count) {
    Await([&] { return log_syncs_ >= count; });
  }
  // The same for reads of table files.
  void HoldTableReads() {
    const std::lock_guard lock(mutex_);
    hold_reads_ = true;
  }
  void ReleaseTableReads() {
    const std::lock_guard lock(mutex_);
    hold_reads_ = false;
    changed_.notify_all();
  }
  void AwaitHeldRead() {
    Await([&] { return held_reads_ > 0; });
  }
  // The same for writes into table files that are there already; and such writes fail half done.
  void HoldTableWrites() {
    const std::lock_guard lock(mutex_);
    hold_writes_ = true;
  }
  void ReleaseTableWrites() {
    const std::lock_guard lock(mutex_);
    hold_writes_ = false;
    changed_.notify_all();
  }
  void AwaitHeldTableWrite() {
    Await([&] { return held_writes_ > 0; });
  }
  void TearTableWrites() {
    const std::lock_guard lock(mutex_);
    tear_writes_ = true;
  }
  // Copies `from` as it would be after a power cut now: what was not synced of a file is zeros. The
  // database may be at work; its files stay as they are meanwhile.
  void CopyAfterPowerCut(const std::string& from, const std::string& to) {
    const std::lock_guard still(files_);
    std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
    const std::lock_guard lock(mutex_);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(to)) {
      if (!entry.is_regular_file()) continue;
      const auto name = std::filesystem::path(from) / entry.path().lexically_relative(to);
      const std::optional<std::uintmax_t> kept = KeptOf(name);
      const std::uintmax_t size = entry.file_size();
      if (!kept || *kept >= size) continue;
      std::filesystem::resize_file(entry.path(), *kept);
      std::filesystem::resize_file(entry.path(), size);
    }
  }

 private:
  template <typename Condition>
  void Await(Condition condition) {
    std::unique_lock lock(mutex_);
    GYRE_CHECK(changed_.wait_for(lock, std::chrono::seconds(60), condition));
  }

  // How much of a file a power cut leaves; nullopt: all of it, as RocksDB did not write it here.
  std::optional<std::uintmax_t> KeptOf(const std::string& name) const {
    const auto known = synced_.find(name);
    if (known == synced_.end()) return std::nullopt;
    return known->second;
  }
  // The file has another name, too.
  void CopyName(const std::string& from, const std::string& to) {
    const std::lock_guard lock(mutex_);
    if (const std::optional<std::uintmax_t> kept = KeptOf(from)) {
      synced_[to] = *kept;
    } else {
      synced_.erase(to);
    }
  }
  // False: it is to fail.
  bool BeginLogSync(std::unique_lock<std::mutex>& lock) {
    ++held_syncs_;
    changed_.notify_all();
    changed_.wait(lock, [&] { return !hold_; });
    --held_syncs_;
    ++log_syncs_;
    changed_.notify_all();
    return !fail_;
  }

  // A log, or any other file, that is being written.
  class WrittenFile final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    // `bytes`: are there, of before.
    WrittenFile(std::unique_ptr<rocksdb::FSWritableFile>&& file, FaultyDisk& disk, std::string name,
                std::uintmax_t bytes)
        : FSWritableFileOwnerWrapper(std::move(file)),
          disk_(disk),
          name_(std::move(name)),
          is_log_(std::filesystem::path(name_).extension() == ".log"),
          written_(bytes) {}

    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* context) override {
      const std::shared_lock moving(disk_.files_);
      Count(data);
      return FSWritableFileOwnerWrapper::Append(data, options, context);
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                             const rocksdb::DataVerificationInfo& verification,
                             rocksdb::IODebugContext* context) override {
      const std::shared_lock moving(disk_.files_);
      Count(data);
      return FSWritableFileOwnerWrapper::Append(data, options, verification, context);
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
      std::uintmax_t upto = 0;
      {
        std::unique_lock lock(disk_.mutex_);
        upto = written_;
        if (is_log_ && !disk_.BeginLogSync(lock)) {
          return rocksdb::IOStatus::IOError("the sync failed, as the test wants");
        }
      }
      const rocksdb::IOStatus status = FSWritableFileOwnerWrapper::Sync(options, context);
      const std::lock_guard lock(disk_.mutex_);
      if (status.ok()) disk_.synced_[name_] = upto;
      return status;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
      return Sync(options, context);
    }

   private:
    // Before it is written: what is being written may be there or not.
    void Count(const rocksdb::Slice& data) {
      const std::lock_guard lock(disk_.mutex_);
      written_ += data.size();
    }

    FaultyDisk& disk_;
    const std::string name_;
    const bool is_log_;
    std::uintmax_t written_;
  };

  class TableFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    TableFile(std::unique_ptr<rocksdb::FSRandomAccessFile>&& file, FaultyDisk& disk)
        : FSRandomAccessFileOwnerWrapper(std::move(file)), disk_(disk) {}
    rocksdb::IOStatus Read(std::uint64_t offset, std::size_t size,
                           const rocksdb::IOOptions& options, rocksdb::Slice* result, char* scratch,
                           rocksdb::IODebugContext* context) const override {
      {
        std::unique_lock lock(disk_.mutex_);
        ++disk_.held_reads_;
        disk_.changed_.notify_all();
        disk_.changed_.wait(lock, [&] { return !disk_.hold_reads_; });
        --disk_.held_reads_;
      }
      return FSRandomAccessFileOwnerWrapper::Read(offset, size, options, result, scratch, context);
    }

   private:
    FaultyDisk& disk_;
  };

  class WrittenTable final : public rocksdb::FSRandomRWFileOwnerWrapper {
   public:
    WrittenTable(std::unique_ptr<rocksdb::FSRandomRWFile>&& file, FaultyDisk& disk)
        : FSRandomRWFileOwnerWrapper(std::move(file)), disk_(disk) {}
    rocksdb::IOStatus Write(std::uint64_t offset, const rocksdb::Slice& data,
                            const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* context) override {
      bool tear = false;
      {
        std::unique_lock lock(disk_.mutex_);
        ++disk_.held_writes_;
        disk_.changed_.notify_all();
        disk_.changed_.wait(lock, [&] { return !disk_.hold_writes_; });
        --disk_.held_writes_;
        tear = disk_.tear_writes_;
      }
      const std::shared_lock moving(disk_.files_);
      if (!tear) return FSRandomRWFileOwnerWrapper::Write(offset, data, options, context);
      const rocksdb::Slice half(data.data(), data.size() / 2);
      (void)FSRandomRWFileOwnerWrapper::Write(offset, half, options, context);
      return rocksdb::IOStatus::IOError("the write failed half done, as the test wants");
    }

   private:
    FaultyDisk& disk_;
  };

  class Files final : public rocksdb::FileSystemWrapper {
   public:
    explicit Files(FaultyDisk& disk)
        : FileSystemWrapper(rocksdb::FileSystem::Default()), disk_(disk) {}
    const char* Name() const override { return "FaultyDisk"; }
    rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSWritableFile>* file,
                                      rocksdb::IODebugContext* context) override {
      const std::shared_lock moving(disk_.files_);
      const rocksdb::IOStatus status =
          FileSystemWrapper::NewWritableFile(name, options, file, context);
      if (!status.ok()) return status;
      const std::lock_guard lock(disk_.mutex_);
      disk_.synced_[name] = 0;
      *file = std::make_unique<WrittenFile>(std::move(*file), disk_, name, /*bytes=*/0);
      return status;
    }
    // Of files that are taken in.
    rocksdb::IOStatus ReopenWritableFile(const std::string& name,
                                         const rocksdb::FileOptions& options,
                                         std::unique_ptr<rocksdb::FSWritableFile>* file,
                                         rocksdb::IODebugContext* context) override {
      const rocksdb::IOStatus status =
          FileSystemWrapper::ReopenWritableFile(name, options, file, context);
      if (status.ok()) {
        const std::uintmax_t bytes = std::filesystem::file_size(name);
        *file = std::make_unique<WrittenFile>(std::move(*file), disk_, name, bytes);
      }
      return status;
    }
    rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
      const std::shared_lock moving(disk_.files_);
      return FileSystemWrapper::DeleteFile(name, options, context);
    }
    rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                                 const rocksdb::IOOptions& options,
                                 rocksdb::IODebugContext* context) override {
      const std::shared_lock moving(disk_.files_);
      disk_.CopyName(from, to);
      return FileSystemWrapper::RenameFile(from, to, options, context);
    }
    rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* context) override {
      const std::shared_lock moving(disk_.files_);
      disk_.CopyName(from, to);
      return FileSystemWrapper::LinkFile(from, to, options, context);
    }
    rocksdb::IOStatus NewRandomAccessFile(const std::string& name,
                                          const rocksdb::FileOptions& options,
                                          std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                          rocksdb::IODebugContext* context) override {
      const rocksdb::IOStatus status =
          FileSystemWrapper::NewRandomAccessFile(name, options, file, context);
      if (status.ok() && std::filesystem::path(name).extension() == ".sst") {
        *file = std::make_unique<TableFile>(std::move(*file), disk_);
      }
      return status;
    }
    rocksdb::IOStatus NewRandomRWFile(const std::string& name, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSRandomRWFile>* file,
                                      rocksdb::IODebugContext* context) override {
      const rocksdb::IOStatus status =
          FileSystemWrapper::NewRandomRWFile(name, options, file, context);
      if (status.ok()) *file = std::make_unique<WrittenTable>(std::move(*file), disk_);
      return status;
    }

   private:
    FaultyDisk& disk_;
  };

  std::shared_mutex files_;  // shared: by whoever changes them
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t log_syncs_ = 0;
  int held_syncs_ = 0;
  int held_reads_ = 0;
  bool hold_reads_ = false;
  bool hold_ = false;
  int held_writes_ = 0;
  bool hold_writes_ = false;
  bool tear_writes_ = false;
  bool fail_ = false;
  std::map<std::string, std::uintmax_t> synced_;  // bytes of each file that RocksDB has made here
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace gyre
