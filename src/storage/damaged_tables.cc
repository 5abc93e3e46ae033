#include "storage/damaged_tables.h"

#include <charconv>
#include <string_view>
#include <utility>

namespace gyre {
namespace {

constexpr std::string_view kMismatch = "block checksum mismatch";

// Takes "`word`<number>" off the front.
std::optional<std::uint64_t> TakeNumber(std::string_view word, std::string_view& text) {
  if (!text.starts_with(word)) return std::nullopt;
  text.remove_prefix(word.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

}  // namespace

// "...block checksum mismatch: stored = 1, computed = 2, type = 4  in PATH.sst offset 3 size 4".
std::optional<DamagedBlock> DamagedBlockOf(const rocksdb::Status& status) {
  if (!status.IsCorruption()) return std::nullopt;
  const std::string message = status.ToString();
  const std::size_t mismatch = message.find(kMismatch);
  if (mismatch == std::string::npos) return std::nullopt;
  constexpr std::string_view kSuffix = ".sst offset ";
  const std::size_t suffix = message.find(kSuffix, mismatch);
  if (suffix == std::string::npos) return std::nullopt;
  const std::size_t slash = message.rfind('/', suffix);
  if (slash == std::string::npos || slash < mismatch) return std::nullopt;
  const std::size_t end = suffix + std::string_view(".sst").size();
  DamagedBlock block;
  block.file = message.substr(slash + 1, end - slash - 1);
  std::string_view rest = std::string_view(message).substr(end);
  const auto offset = TakeNumber(" offset ", rest);
  const auto size = offset ? TakeNumber(" size ", rest) : std::nullopt;
  if (!size) return std::nullopt;
  block.offset = *offset;
  block.size = *size;
  return block;
}

bool DamagedTables::Report(const rocksdb::Status& status) {
  if (!mends_) return false;
  std::optional<DamagedBlock> block = DamagedBlockOf(status);
  if (!block) return false;
  std::function<void()> wake;
  {
    const std::lock_guard lock(mutex_);
    const BlockName name{std::move(block->file), block->offset};
    if (given_up_.contains(name.first)) return false;
    if (const auto it = looks_.find(name); it != looks_.end() && it->second >= kLooksMax) {
      return false;
    }
    if (waiting_.insert(name).second) wake = wake_;
  }
  if (wake) wake();
  return true;
}

void DamagedTables::SetWake(std::function<void()> wake) {
  const std::lock_guard lock(mutex_);
  wake_ = std::move(wake);
}

bool DamagedTables::any() const {
  const std::lock_guard lock(mutex_);
  return !waiting_.empty();
}

std::optional<std::string> DamagedTables::Next() {
  const std::lock_guard lock(mutex_);
  if (waiting_.empty()) return std::nullopt;
  std::string file = waiting_.begin()->first;
  while (!waiting_.empty() && waiting_.begin()->first == file) {
    ++looks_[*waiting_.begin()];
    waiting_.erase(waiting_.begin());
  }
  return file;
}

bool DamagedTables::GiveUp(const std::string& file) {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [&](const BlockName& name) { return name.first == file; });
  return given_up_.insert(file).second;
}

void DamagedTables::NoteTurn() {
  const std::lock_guard lock(mutex_);
  forgiven_ = 0;
}

void DamagedTables::OnBackgroundError(rocksdb::BackgroundErrorReason reason,
                                      rocksdb::Status* error) {
  if (reason != rocksdb::BackgroundErrorReason::kCompaction || !Report(*error)) return;
  const std::lock_guard lock(mutex_);
  if (++forgiven_ <= kForgivenMax) *error = rocksdb::Status::OK();
}

}  // namespace gyre
