#include "storage/log_watch.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "storage/log_ahead.h"

namespace gyre {
namespace {

// RocksDB writes and syncs the log on the thread that asks, if it leads the group; if not, the
// watch sees nothing, and the return of the write is what tells.
thread_local LogWatch::Write* current_write = nullptr;

}  // namespace

class LogWatch::LogFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  LogFile(std::unique_ptr<rocksdb::FSWritableFile>&& file, std::shared_ptr<OpenLogs> logs)
      : FSWritableFileOwnerWrapper(std::move(file)),
        logs_(std::move(logs)),
        number_(logs_->Add()) {}
  ~LogFile() override { logs_->Remove(number_); }

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    return NoteAppend([&] { return FSWritableFileOwnerWrapper::Append(data, options, context); });
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& verification,
                           rocksdb::IODebugContext* context) override {
    return NoteAppend(
        [&] { return FSWritableFileOwnerWrapper::Append(data, options, verification, context); });
  }
  rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                         rocksdb::IODebugContext* context) override {
    return NoteSync(FSWritableFileOwnerWrapper::Sync(options, context));
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* context) override {
    return NoteSync(FSWritableFileOwnerWrapper::Fsync(options, context));
  }

 private:
  template <typename Append>
  rocksdb::IOStatus NoteAppend(const Append& append) {
    if (current_write != nullptr) current_write->name_synced_ = name_synced_;
    rocksdb::IOStatus status = append();
    if (!status.ok()) logs_->SetFailed(number_);
    return status;
  }
  // An older log may be synced within the write too: it does not count.
  rocksdb::IOStatus NoteSync(rocksdb::IOStatus status) {
    if (status.ok() && *name_synced_ && current_write != nullptr &&
        current_write->name_synced_ == name_synced_) {
      if (const auto logged = std::exchange(current_write->logged_, nullptr)) logged();
    }
    return status;
  }

  const std::shared_ptr<OpenLogs> logs_;
  const std::uint64_t number_;
  const std::shared_ptr<bool> name_synced_ = std::make_shared<bool>(false);
};

class LogWatch::Files final : public rocksdb::FileSystemWrapper {
 public:
  Files(const std::shared_ptr<rocksdb::FileSystem>& below, bool filled_ahead,
        std::shared_ptr<OpenLogs> logs)
      : FileSystemWrapper(below), filled_ahead_(filled_ahead), logs_(std::move(logs)) {}
  const char* Name() const override { return "LogWatch"; }
  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* context) override {
    rocksdb::IOStatus status = FileSystemWrapper::NewWritableFile(name, options, file, context);
    if (status.ok() && std::string_view(name).ends_with(".log")) {
      if (filled_ahead_) *file = FillAhead(std::move(*file));
      *file = std::make_unique<LogFile>(std::move(*file), logs_);
    }
    return status;
  }

 private:
  const bool filled_ahead_;
  const std::shared_ptr<OpenLogs> logs_;
};

std::uint64_t LogWatch::OpenLogs::Add() {
  const std::lock_guard lock(mutex_);
  failed_[++last_] = false;
  return last_;
}

void LogWatch::OpenLogs::Remove(std::uint64_t log) {
  const std::lock_guard lock(mutex_);
  failed_.erase(log);
}

void LogWatch::OpenLogs::SetFailed(std::uint64_t log) {
  const std::lock_guard lock(mutex_);
  failed_[log] = true;
}

bool LogWatch::OpenLogs::NewestFailed() const {
  const std::lock_guard lock(mutex_);
  return !failed_.empty() && failed_.rbegin()->second;
}

LogWatch::LogWatch(rocksdb::Env* below, bool filled_ahead) {
  if (below == nullptr) below = rocksdb::Env::Default();
  env_ = rocksdb::NewCompositeEnv(
      std::make_shared<Files>(below->GetFileSystem(), filled_ahead, logs_));
}

LogWatch::Write::Write(std::function<void()> logged) : logged_(std::move(logged)) {
  GYRE_CHECK(logged_ != nullptr && current_write == nullptr);
  current_write = this;
}

LogWatch::Write::~Write() { current_write = nullptr; }

void LogWatch::Write::Succeeded() {
  if (name_synced_ != nullptr) *name_synced_ = true;
  if (const auto logged = std::exchange(logged_, nullptr)) logged();
}

}  // namespace gyre
