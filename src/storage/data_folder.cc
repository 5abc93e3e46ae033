#include "storage/data_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <utility>

#include "storage/file_ops.h"

namespace gyre {
namespace {

constexpr const char* kMarker = "marker";
constexpr const char* kCleanStop = "clean-stop";

std::string PlaceAndChange(const struct stat& info) {
  return "device=" + std::to_string(info.st_dev) + " inode=" + std::to_string(info.st_ino) +
         " changed=" + std::to_string(info.st_ctim.tv_sec) + "." +
         std::to_string(info.st_ctim.tv_nsec);
}

// A restored database is another folder, or the same with files made or removed; its CURRENT is
// another file. Either shows here.
std::string DatabaseStamp(const std::string& folder) {
  std::string stamp = "database";
  for (const char* name : {"/db", "/db/CURRENT"}) {
    struct stat info;
    stamp += " " + (::stat((folder + name).c_str(), &info) == 0 ? PlaceAndChange(info) : "absent");
  }
  return stamp;
}

Result<std::string> MakeFingerprint(const std::string& folder) {
  const std::string marker = folder + "/" + kMarker;
  struct stat info;
  if (::stat(marker.c_str(), &info) != 0) {
    if (errno != ENOENT) return FailErrno("cannot look at", marker);
    const Status written = WriteFileDurably(
        folder, kMarker, "Names this folder by its inode. Do not copy, move or restore it.\n");
    if (!written) return Fail(written.error());
    if (::stat(marker.c_str(), &info) != 0) return FailErrno("cannot look at", marker);
  }
  const auto boot = ReadSmallFile("/proc/sys/kernel/random/boot_id");
  if (!boot) return Fail(boot.error());
  if (!*boot) return Fail(ErrorCode::kIoError, "the kernel does not tell its boot id");
  std::string boot_id = **boot;
  while (!boot_id.empty() && boot_id.back() == '\n') boot_id.pop_back();
  return "boot=" + boot_id + " " + PlaceAndChange(info);
}

}  // namespace

Result<DataFolder> DataFolder::Open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) {
    return Fail(ErrorCode::kIoError, "cannot create the folder " + path + ": " + error.message());
  }
  const std::string lock = path + "/LOCK";
  const int fd = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return FailErrno("cannot open", lock);
  DataFolder folder(path, fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return FailErrno("cannot lock", lock);
    return Fail(ErrorCode::kUnavailable,
                "another process uses the data folder " + path + "; each node needs its own");
  }
  Result<std::string> fingerprint = MakeFingerprint(path);
  if (!fingerprint) return Fail(fingerprint.error());
  folder.fingerprint_ = *std::move(fingerprint);
  folder.database_stamp_ = DatabaseStamp(path);
  return folder;
}

DataFolder::DataFolder(DataFolder&& other) noexcept
    : path_(std::move(other.path_)),
      fingerprint_(std::move(other.fingerprint_)),
      database_stamp_(std::move(other.database_stamp_)),
      lock_fd_(std::exchange(other.lock_fd_, -1)) {}

DataFolder::~DataFolder() {
  if (lock_fd_ >= 0) ::close(lock_fd_);
}

Result<std::optional<std::string>> DataFolder::TakeCleanStop() {
  const Result<std::optional<std::string>> text = ReadSmallFile(path_ + "/" + kCleanStop);
  const Status removed = RemoveFileDurably(path_, kCleanStop);
  if (!removed) return Fail(removed.error());
  if (!text || !*text) return text;
  const std::string stamp = database_stamp_ + "\n";
  if (!(*text)->starts_with(stamp)) return std::optional<std::string>();
  return (*text)->substr(stamp.size());
}

Status DataFolder::WriteCleanStop(std::string_view bytes) {
  return WriteFileDurably(path_, kCleanStop, DatabaseStamp(path_) + "\n" + std::string(bytes));
}

}  // namespace gyre
