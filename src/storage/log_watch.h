// When does the log hold a write? RocksDB says so only once it has also inserted the write into its
// memtable, which takes as long again as a good disk's fsync. So it gets a file system that notices
// when the log file which took the write has been synced. And whether a write into it has failed,
// which RocksDB forgets.
#pragma once

#include <rocksdb/env.h>
#include <rocksdb/file_system.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>

namespace gyre {

class LogWatch {
 public:
  // RocksDB is opened with env(); `below` (null: the system's) does the work. Must outlive the
  // database. `filled_ahead`: so are its logs (log_ahead.h).
  explicit LogWatch(rocksdb::Env* below, bool filled_ahead = false);

  rocksdb::Env* env() { return env_.get(); }
  // A write into the newest of the logs that are open has failed. Any thread.
  bool newest_failed() const { return logs_->NewestFailed(); }

  // One call of DB::Write on this thread, with WriteOptions::sync. `logged` is called once, when a
  // power cut can no longer take the write: within it, or by Succeeded if the write is the first
  // into its log file. RocksDB then syncs the file's name as well, and only its return tells.
  class Write {
   public:
    explicit Write(std::function<void()> logged);
    ~Write();
    Write(const Write&) = delete;
    Write& operator=(const Write&) = delete;

    // The write has returned well.
    void Succeeded();
    bool logged() const { return logged_ == nullptr; }

   private:
    friend class LogWatch;
    std::function<void()> logged_;       // null once called
    std::shared_ptr<bool> name_synced_;  // of the file that took the write; null: none yet
  };

 private:
  class LogFile;
  class Files;
  // The logs that are open, in the order they were made: has a write failed?
  class OpenLogs {
   public:
    std::uint64_t Add();
    void Remove(std::uint64_t log);
    void SetFailed(std::uint64_t log);
    bool NewestFailed() const;

   private:
    mutable std::mutex mutex_;
    std::uint64_t last_ = 0;
    std::map<std::uint64_t, bool> failed_;
  };

  const std::shared_ptr<OpenLogs> logs_ = std::make_shared<OpenLogs>();
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace gyre
