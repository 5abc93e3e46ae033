#include "storage/table_merger.h"

#include <algorithm>
#include <utility>

#include "base/thread_name.h"

namespace gyre {
namespace {

// Of the time, a quarter: reads and writes of clients share the disk.
constexpr int kPausesPerStep = 3;

}  // namespace

TableMerger::TableMerger(RocksDatabase& database, Duration interval)
    : database_(database), interval_(interval.us) {
  thread_ = std::thread([this] { Run(); });
}

void TableMerger::Stop() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stop_asked_.notify_one();
  database_.CutMergesShort();
  thread_.join();
}

void TableMerger::Run() {
  NameThisThread("gyre-merge");
  Clock::duration pause = interval_;
  std::unique_lock lock(mutex_);
  while (!stop_asked_.wait_for(lock, pause, [this] { return stopping_; })) {
    lock.unlock();
    pause = Look();
    lock.lock();
  }
}

// Returns how long to wait for the next look. A step that fails is taken again: it is over what
// ends RocksDB's own compactions too, and they tell of it.
TableMerger::Clock::duration TableMerger::Look() {
  const std::uint64_t files = database_.run_files();
  const std::uint64_t fresh = files - std::exchange(seen_, files);
  backlog_ += fresh;
  clean_ = clean_ && fresh == 0;
  if (clean_ || (fresh > 0 && backlog_ < kBacklogMax)) return interval_;
  const Clock::time_point began = Clock::now();
  std::size_t merged = 0;
  if (!database_.MergeTables(merged).ok()) return interval_;
  backlog_ -= std::min<std::uint64_t>(backlog_, merged);
  clean_ = merged == 0;
  return clean_ ? Clock::duration(interval_) : (Clock::now() - began) * kPausesPerStep;
}

}  // namespace gyre
