// Free space of the disk that holds a database, and the ballast: a file that is given back to a
// full disk, so that RocksDB finds room to flush its memtables and goes on by itself.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace gyre {

// Bytes that an unprivileged process may still write to the file system of `path`.
// Errors: kIoError.
Result<std::uint64_t> FreeSpaceBytes(const std::string& path);

class Ballast {
 public:
  Ballast(std::string path, std::uint64_t bytes);

  // Is the whole file there?
  bool present() const { return present_; }
  std::uint64_t bytes() const { return bytes_; }
  // Reserves its blocks without writing them. Removes what it could not finish.
  // Errors: kIoError.
  Status Create();
  void Release();

 private:
  const std::string path_;
  const std::uint64_t bytes_;
  bool present_ = false;
};

}  // namespace gyre
