// The thread that merges the small table files that runs leave (RocksDatabase::MergeTables), when
// no more come for a while, so that a move of partitions does not write twice what it brings; and
// slowly, as nobody waits for it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "base/time.h"
#include "storage/rocks_database.h"

namespace gyre {

class TableMerger {
 public:
  // Looks for files each `interval`. `database` must outlive it.
  TableMerger(RocksDatabase& database, Duration interval);
  ~TableMerger() { Stop(); }
  // REQUIRES: nothing is written to the database any more.
  void Stop();

  // New files beyond this are not waited out.
  static constexpr std::uint64_t kBacklogMax = 2048;

 private:
  using Clock = std::chrono::steady_clock;

  void Run();
  Clock::duration Look();

  RocksDatabase& database_;
  const std::chrono::microseconds interval_;
  std::uint64_t seen_ = 0;     // run files, at the last look
  std::uint64_t backlog_ = 0;  // of them not merged; what is from before the start is not counted
  bool clean_ = false;         // since then nothing has come, and there was nothing to do
  std::mutex mutex_;
  std::condition_variable stop_asked_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace gyre
