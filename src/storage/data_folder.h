// A node's data folder: opened by one process at a time, and named in a way that no copy of it can
// claim. Beside the engine's files it holds
//   LOCK        held with flock while a node runs; the kernel lets go of it whatever ends the
//   process marker      made once; where it lies and when its inode last changed is the folder's
//   name clean-stop  what a clean stop leaves behind (core/causality/actor.h), gone once it was
//   taken
// Blocking; for start and stop only.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace gyre {

class DataFolder {
 public:
  // Creates the folder, its parents and its files where missing.
  // Errors: kUnavailable if another process holds it, kIoError.
  static Result<DataFolder> Open(const std::string& path);
  DataFolder(DataFolder&& other) noexcept;
  DataFolder& operator=(DataFolder&&) = delete;
  ~DataFolder();

  const std::string& path() const { return path_; }
  // Boot id, and device, inode and change time of the marker: equal only for the same folder in the
  // same boot. A folder that was copied, restored or moved to another disk has another one.
  const std::string& fingerprint() const { return fingerprint_; }
  // What the last clean stop wrote, if nothing has started since and db/ was as it had left it when
  // this folder was opened. It is durably gone before this returns, so call it before the first
  // dot. Errors: kIoError; then no old actor may be used.
  Result<std::optional<std::string>> TakeCleanStop();
  // At a clean stop. Durable. Errors: kIoError.
  // REQUIRES: Engine::Close returned without error.
  Status WriteCleanStop(std::string_view bytes);

 private:
  DataFolder(std::string path, int lock_fd) : path_(std::move(path)), lock_fd_(lock_fd) {}

  std::string path_;
  std::string fingerprint_;
  std::string database_stamp_;  // when this was opened, so before the engine was
  int lock_fd_;
};

}  // namespace gyre
