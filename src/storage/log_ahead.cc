#include "storage/log_ahead.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/codec.h"
#include "base/hash.h"
#include "storage/file_ops.h"

namespace gyre {
namespace {

constexpr std::array<char, kLogAheadBytes> kZeros{};

class FilledAhead final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  explicit FilledAhead(std::unique_ptr<rocksdb::FSWritableFile> log)
      : FSWritableFileOwnerWrapper(std::move(log)) {}

  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* context) override {
    PrepareFor(data.size(), options, context);
    return Appended(data, FSWritableFileOwnerWrapper::Append(data, options, context));
  }
  rocksdb::IOStatus Append(const rocksdb::Slice& data, const rocksdb::IOOptions& options,
                           const rocksdb::DataVerificationInfo& verification,
                           rocksdb::IODebugContext* context) override {
    PrepareFor(data.size(), options, context);
    return Appended(data, FSWritableFileOwnerWrapper::Append(data, options, verification, context));
  }
  rocksdb::IOStatus Close(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* context) override {
    // Not done: the zeros stay, which is no harm.
    if (filled_ > 0) (void)FSWritableFileOwnerWrapper::Truncate(size_, options, context);
    return FSWritableFileOwnerWrapper::Close(options, context);
  }
  std::uint64_t GetFileSize(const rocksdb::IOOptions& /*options*/,
                            rocksdb::IODebugContext* /*context*/) override {
    return size_;
  }

 private:
  void PrepareFor(std::size_t bytes, const rocksdb::IOOptions& options,
                  rocksdb::IODebugContext* context) {
    const std::uint64_t end = size_ + bytes;
    if (end < filled_ || bytes > kZeros.size() / 4 || given_up_) return;
    const rocksdb::IOStatus status =
        PositionedAppend({kZeros.data(), kZeros.size()}, end, options, context);
    given_up_ = !status.ok();
    filled_ = end + kZeros.size();
  }
  rocksdb::IOStatus Appended(const rocksdb::Slice& data, rocksdb::IOStatus status) {
    if (status.ok()) size_ += data.size();
    return status;
  }

  std::uint64_t size_ = 0;    // what was appended
  std::uint64_t filled_ = 0;  // where the zeros end
  bool given_up_ = false;
};

// RocksDB's log: blocks, each of fragments of writes, each of
//   checksum (4) | bytes (2) | type (1) | bytes
// A fragment lies in one block; what is too small for a header at a block's end is left out.
constexpr std::size_t kBlockBytes = 32 << 10;
constexpr std::size_t kHeaderBytes = 7;
constexpr std::size_t kSectorBytes = 512;
enum FragmentType : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };

struct Fragment {
  std::uint8_t type;
  std::size_t end;
};

std::size_t LeftOfBlock(std::size_t at) { return kBlockBytes - at % kBlockBytes; }

// Where the fragment at `at` would end, by its header. REQUIRES: a whole header.
std::size_t AnnouncedEnd(std::string_view log, std::size_t at) {
  return at + kHeaderBytes + Reader(log.substr(at + 4, 2)).U16();
}

// As RocksDB keeps it, so that a log within a log does not look like one.
std::uint32_t Masked(std::uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xA282EAD8; }

// nullopt: there is none, or not a whole one.
std::optional<Fragment> FragmentAt(std::string_view log, std::size_t at) {
  if (at + kHeaderBytes > log.size() || LeftOfBlock(at) < kHeaderBytes) return std::nullopt;
  const std::size_t end = AnnouncedEnd(log, at);
  if (end > log.size() || end - at > LeftOfBlock(at)) return std::nullopt;
  const std::uint32_t crc = Reader(log.substr(at, 4)).U32();
  if (crc != Masked(Crc32c(log.substr(at + 6, end - at - 6)))) return std::nullopt;
  return Fragment{static_cast<std::uint8_t>(log[at + 6]), end};
}

bool AllZeros(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// Is something of what should be at `at` not there?
bool HasHole(std::string_view log, std::size_t at) {
  if (at + kHeaderBytes > log.size()) return true;
  if (AllZeros(log.substr(at, kHeaderBytes))) return true;
  const std::size_t end = std::min(AnnouncedEnd(log, at), at + LeftOfBlock(at));
  if (end > log.size()) return true;
  for (std::size_t sector = at - at % kSectorBytes + kSectorBytes; sector < end;
       sector += kSectorBytes) {
    if (AllZeros(log.substr(sector, std::min(kSectorBytes, end - sector)))) return true;
  }
  return false;
}

// Does a write begin behind `at`, wherever?
bool WriteBehind(std::string_view log, std::size_t at) {
  const std::size_t last = log.find_last_not_of('\0');
  for (++at; last != std::string_view::npos && at < last; ++at) {
    if (at + kHeaderBytes > log.size()) return false;
    const char type = log[at + 6];
    if ((type == kFull || type == kFirst) && FragmentAt(log, at)) return true;
  }
  return false;
}

// Where the log should end; nullopt: where it does.
std::optional<std::size_t> EndOfWhole(std::string_view log) {
  std::size_t whole = 0;
  bool within_write = false;
  for (std::size_t at = 0; at < log.size();) {
    if (LeftOfBlock(at) < kHeaderBytes) {
      at += LeftOfBlock(at);
      continue;
    }
    const std::optional<Fragment> fragment = FragmentAt(log, at);
    if (!fragment) {
      if (HasHole(log, at) && !WriteBehind(log, at)) return whole;
      return std::nullopt;
    }
    const bool begins = fragment->type == kFull || fragment->type == kFirst;
    const bool ends = fragment->type == kFull || fragment->type == kLast;
    // Of no form that this RocksDB writes.
    if (fragment->type > kLast || begins == within_write) return std::nullopt;
    within_write = !ends;
    at = fragment->end;
    if (ends) whole = at;
  }
  return std::nullopt;
}

// Empty: there is none.
std::string NewestLog(const std::string& folder) {
  std::string newest;
  unsigned long long highest = 0;
  std::error_code failed;  // shows when RocksDB opens the folder
  for (const auto& entry : std::filesystem::directory_iterator(folder, failed)) {
    if (entry.path().extension() != ".log") continue;
    const unsigned long long number = std::strtoull(entry.path().stem().c_str(), nullptr, 10);
    if (number < highest) continue;
    highest = number;
    newest = entry.path();
  }
  return newest;
}

Status CutFile(const std::string& path, std::size_t size) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return FailErrno("cannot open", path);
  Status status;
  if (::ftruncate(file, static_cast<off_t>(size)) != 0 || ::fsync(file) != 0) {
    status = FailErrno("cannot cut", path);
  }
  ::close(file);
  return status;
}

}  // namespace

std::unique_ptr<rocksdb::FSWritableFile> FillAhead(std::unique_ptr<rocksdb::FSWritableFile> log) {
  return std::make_unique<FilledAhead>(std::move(log));
}

Status CutTornTail(rocksdb::Env& env, const std::string& folder) {
  const std::string path = NewestLog(folder);
  if (path.empty()) return {};
  std::string log;
  const rocksdb::Status read = rocksdb::ReadFileToString(&env, path, &log);
  if (!read.ok()) return Fail(ErrorCode::kIoError, "cannot read " + path + ": " + read.ToString());
  const std::optional<std::size_t> end = EndOfWhole(log);
  return end ? CutFile(path, *end) : Status{};
}

}  // namespace gyre
