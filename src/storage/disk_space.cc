#include "storage/disk_space.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <utility>

#include "storage/file_ops.h"

namespace gyre {

Result<std::uint64_t> FreeSpaceBytes(const std::string& path) {
  struct statvfs info;
  if (::statvfs(path.c_str(), &info) != 0)
    return FailErrno("cannot look at the free space of", path);
  return std::uint64_t{info.f_bavail} * info.f_frsize;
}

Ballast::Ballast(std::string path, std::uint64_t bytes) : path_(std::move(path)), bytes_(bytes) {
  struct stat info;
  present_ = bytes_ > 0 && ::stat(path_.c_str(), &info) == 0 &&
             static_cast<std::uint64_t>(info.st_size) == bytes_ &&
             static_cast<std::uint64_t>(info.st_blocks) * 512 >= bytes_;
}

Status Ballast::Create() {
  if (bytes_ == 0 || present_) return {};
  const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return FailErrno("cannot create", path_);
  const int error = ::posix_fallocate(fd, 0, static_cast<off_t>(bytes_));
  ::close(fd);
  if (error != 0) {
    ::unlink(path_.c_str());
    errno = error;
    return FailErrno("cannot reserve the blocks of", path_);
  }
  present_ = true;
  return {};
}

void Ballast::Release() {
  ::unlink(path_.c_str());
  present_ = false;
}

}  // namespace gyre
