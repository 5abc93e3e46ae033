#include "net/resolver.h"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

namespace gyre {

// Outlives the Resolver for as long as a lookup is under way.
struct Resolver::Shared {
  struct Job {
    std::string text;
    Done done;
  };
  std::mutex mutex;
  std::condition_variable wake;
  std::deque<Job> jobs;        // guarded by mutex
  Reactor* reactor = nullptr;  // guarded by mutex; null once the resolver is gone
  // For answers that are posted and not yet run.
  std::atomic<bool> gone{false};
};

Resolver::~Resolver() {
  if (shared_ == nullptr) return;
  shared_->gone.store(true);
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->reactor = nullptr;
  shared_->jobs.clear();
  shared_->wake.notify_all();
}

void Resolver::Resolve(std::string text, Done done) {
  if (shared_ == nullptr) {
    shared_ = std::make_shared<Shared>();
    shared_->reactor = &reactor_;
    std::thread([shared = shared_] {
      std::unique_lock<std::mutex> lock(shared->mutex);
      while (true) {
        shared->wake.wait(lock,
                          [&] { return shared->reactor == nullptr || !shared->jobs.empty(); });
        if (shared->reactor == nullptr) return;
        Shared::Job job = std::move(shared->jobs.front());
        shared->jobs.pop_front();
        lock.unlock();
        Result<SocketAddress> address = SocketAddress::Resolve(job.text);
        lock.lock();
        if (shared->reactor == nullptr) return;
        shared->reactor->Post([shared, done = std::move(job.done), address = std::move(address)] {
          if (!shared->gone.load()) done(address);
        });
      }
    }).detach();
  }
  const std::lock_guard<std::mutex> lock(shared_->mutex);
  shared_->jobs.push_back({std::move(text), std::move(done)});
  shared_->wake.notify_one();
}

}  // namespace gyre
