#include "storage/read_pool.h"

#include <utility>

#include "base/thread_name.h"

namespace gyre {

ReadPool::ReadPool(RocksDatabase& database, int threads) : database_(database) {
  for (int i = 0; i < threads; ++i) threads_.emplace_back([this] { Run(); });
}

template <typename JobPtr>
bool ReadPool::Push(JobPtr& job) {
  {
    const std::lock_guard lock(mutex_);
    if (queue_.size() >= kQueuedMax) return false;
    queue_.emplace_back(std::move(job));
  }
  ready_.notify_one();
  return true;
}
template bool ReadPool::Push(std::unique_ptr<ReadJob>&);
template bool ReadPool::Push(std::unique_ptr<ScanJob>&);

void ReadPool::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReadPool::Run() {
  NameThisThread("gyre-read");
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
      if (queue_.empty()) return;
      job = std::move(queue_.front());
      queue_.pop_front();
    }
    if (auto* read = std::get_if<std::unique_ptr<ReadJob>>(&job)) {
      (*read)->row = database_.Get((*read)->key);
      HandBack(std::move(*read));
    } else if (auto* scan = std::get_if<std::unique_ptr<ScanJob>>(&job)) {
      (*scan)->page = database_.Scan((*scan)->range);
      HandBack(std::move(*scan));
    }
  }
}

}  // namespace gyre
