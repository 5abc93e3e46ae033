// Functions posted to a loop from any thread. Coalesced: only the first post since the loop went to
// sleep asks for a wake-up. The lock is held for a push or a swap and never while a function runs;
// a loop that got no posts takes no lock at all.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace gyre {

class Mailbox {
 public:
  using Task = std::function<void()>;

  // Any thread. True: the loop may be asleep, the caller must wake it.
  bool Push(Task task) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      inbox_.push_back(std::move(task));
      filled_.store(true, std::memory_order_seq_cst);
    }
    // Either this load sees the loop asleep, or the loop's PrepareSleep sees filled_.
    return asleep_.load(std::memory_order_seq_cst) &&
           asleep_.exchange(false, std::memory_order_seq_cst);
  }

  // The loop's thread, before it blocks. False: there are tasks, do not block.
  bool PrepareSleep() {
    asleep_.store(true, std::memory_order_seq_cst);
    if (!filled_.load(std::memory_order_seq_cst)) return true;
    asleep_.store(false, std::memory_order_relaxed);
    return false;
  }
  void Awake() { asleep_.store(false, std::memory_order_relaxed); }

  // The loop's thread: runs what was posted before the call. Returns how many.
  std::size_t RunAll() {
    if (!filled_.load(std::memory_order_acquire)) return 0;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      running_.swap(inbox_);
      filled_.store(false, std::memory_order_seq_cst);
    }
    for (Task& task : running_) task();
    const std::size_t count = running_.size();
    running_.clear();
    return count;
  }
  bool filled() const { return filled_.load(std::memory_order_acquire); }

 private:
  std::mutex mutex_;
  std::vector<Task> inbox_;    // guarded by mutex_
  std::vector<Task> running_;  // the loop's own
  std::atomic<bool> filled_{false};
  std::atomic<bool> asleep_{false};
};

}  // namespace gyre
