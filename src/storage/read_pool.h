// The few threads that read from disk what no cache holds. Jobs go back through their SessionLink.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "storage/jobs.h"
#include "storage/rocks_database.h"

namespace gyre {

class ReadPool {
 public:
  // `database` must outlive the pool.
  ReadPool(RocksDatabase& database, int threads);
  ~ReadPool() { Stop(); }

  // False if kQueuedMax jobs wait already; the job is then still the caller's. Any thread.
  bool Submit(std::unique_ptr<ReadJob>& job) { return Push(job); }
  bool Submit(std::unique_ptr<ScanJob>& job) { return Push(job); }
  // Finishes what is queued. REQUIRES: no Submit after it.
  void Stop();

  static constexpr std::size_t kQueuedMax = 65'536;

 private:
  template <typename JobPtr>
  bool Push(JobPtr& job);
  void Run();

  RocksDatabase& database_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Job> queue_;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gyre
