#include "storage/file_ops.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <system_error>

namespace gyre {
namespace {

constexpr std::size_t kSmallFileBytesMax = 16 << 20;

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

tl::unexpected<Error> FailErrno(std::string_view what, const std::string& path) {
  const std::string reason = std::error_code(errno, std::generic_category()).message();
  return Fail(ErrorCode::kIoError, std::string(what) + " " + path + ": " + reason);
}

Result<std::optional<std::string>> ReadSmallFile(const std::string& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return FailErrno("cannot open", path);
  }
  std::string bytes;
  char buffer[4096];
  while (true) {
    const ssize_t n = ::read(file.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno("cannot read", path);
    if (n == 0) return bytes;
    bytes.append(buffer, static_cast<std::size_t>(n));
    if (bytes.size() > kSmallFileBytesMax) {
      errno = EFBIG;
      return FailErrno("cannot read", path);
    }
  }
}

Status WriteFileDurably(const std::string& folder, const std::string& name,
                        std::string_view bytes) {
  const std::string path = folder + "/" + name;
  const std::string part = path + ".part";
  const Descriptor file(::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (file.get() < 0) return FailErrno("cannot create", part);
  while (!bytes.empty()) {
    const ssize_t n = ::write(file.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return FailErrno("cannot write", part);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fsync(file.get()) != 0) return FailErrno("cannot sync", part);
  if (::rename(part.c_str(), path.c_str()) != 0) return FailErrno("cannot rename", part);
  return SyncFolder(folder);
}

Status RemoveFileDurably(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  if (::unlink(path.c_str()) != 0) {
    if (errno == ENOENT) return {};
    return FailErrno("cannot remove", path);
  }
  return SyncFolder(folder);
}

Status SyncFolder(const std::string& folder) {
  const Descriptor directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0) return FailErrno("cannot open", folder);
  if (::fsync(directory.get()) != 0) return FailErrno("cannot sync", folder);
  return {};
}

}  // namespace gyre
