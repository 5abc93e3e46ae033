// What a session and the engine's threads hand to each other. A job is owned by one side at a time.
#pragma once

#include <atomic>
#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "storage/engine.h"

namespace gyre {

// A session's half that outlives it: where its completions go.
class SessionLink;

// All writes of one turn of a loop. Filled by the session, answered by the commit thread: as soon
// as they are as durable as wanted, which may be before the database can be asked for them
// (SessionLink::SetOver).
struct WriteJob {
  std::shared_ptr<SessionLink> link;
  std::vector<WriteRequest> writes;
  std::size_t bytes = 0;           // RowCache::Charge of all
  bool patient = true;             // all are of runs: nobody waits for one of them
  std::uint64_t number_first = 0;  // the session's numbers of these writes, from 1
  std::uint64_t number_last = 0;
  // How many failures the session knew of when it asked for the first of these writes. If there
  // have been more, the writes may rest on one that failed, and fail too.
  std::uint64_t failures_seen = 0;
  Status status;
};

struct ReadJob {
  std::shared_ptr<SessionLink> link;
  RowKey key;
  Result<std::optional<Row>> row;
  // The session's own; the reading thread leaves them alone.
  boost::container::small_vector<RequestId, 2> waiters;
  bool overwritten = false;  // since it was asked: the row must not enter the cache
};

struct ScanJob {
  std::shared_ptr<SessionLink> link;
  RequestId id;
  ScanRange range;
  Result<ScanPage> page;
};

// Not asked for by anyone.
struct LossJob {
  std::shared_ptr<SessionLink> link;
  std::vector<LeafSum> leaves;
};

using Job = std::variant<std::unique_ptr<WriteJob>, std::unique_ptr<ReadJob>,
                         std::unique_ptr<ScanJob>, std::unique_ptr<LossJob>>;

// Bounded by what the session has asked for.
class SessionLink {
 public:
  explicit SessionLink(std::function<void()> wake) : wake_(std::move(wake)) {}

  // Any thread. Wakes the session if it had nothing to look at.
  void Complete(Job job) {
    bool wake = false;
    {
      const std::lock_guard lock(mutex_);
      wake = done_.empty();
      done_.push_back(std::move(job));
      any_.store(true, std::memory_order_release);
    }
    if (wake) Wake();
  }
  void Wake() {
    const std::lock_guard lock(wake_mutex_);
    if (!closed_) wake_();
  }
  // The session is going away: nobody is woken once this has returned, whatever is still under way.
  void Close() {
    const std::lock_guard lock(wake_mutex_);
    closed_ = true;
  }
  // The session's thread. Takes no lock if there is nothing.
  void TakeDone(std::vector<Job>& out) {
    if (!any_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(mutex_);
    out.swap(done_);
    any_.store(false, std::memory_order_relaxed);
  }

  // The commit thread: all writes up to `number` are in the database or have failed, `bytes` more
  // than at the last call.
  void SetOver(std::uint64_t number, std::size_t bytes) {
    over_.store(number);
    over_bytes_.fetch_add(bytes);
    if (number >= wake_when_over_) Wake();
  }
  // The session's thread; the number first is behind the bytes.
  std::uint64_t over_bytes() const { return over_bytes_; }
  std::uint64_t over() const { return over_; }
  static constexpr std::uint64_t kNever = UINT64_MAX;
  // The session's thread: wake it too once the writes up to `number` are over. They may be already,
  // and no wake-up come: it looks at over() after this.
  void WakeWhenOver(std::uint64_t number) { wake_when_over_ = number; }

  // Failed writes of this session. Of the commit thread until a failed job is handed back; see
  // WriteJob::failures_seen.
  std::atomic<std::uint64_t> failures{0};
  // Written by the session, read by Stats.
  std::atomic<std::uint64_t> cache_hits{0}, cache_misses{0}, cache_bytes{0};
  std::atomic<std::uint64_t> expected_misses{0};

 private:
  const std::function<void()> wake_;
  std::mutex wake_mutex_;
  bool closed_ = false;
  std::mutex mutex_;
  std::vector<Job> done_;
  std::atomic<bool> any_{false};
  std::atomic<std::uint64_t> over_{0}, over_bytes_{0};
  std::atomic<std::uint64_t> wake_when_over_{kNever};
};

// Hands a job back to its session. Breaks the ring job -> link -> job first.
template <typename JobType>
void HandBack(std::unique_ptr<JobType> job) {
  const std::shared_ptr<SessionLink> link = std::move(job->link);
  link->Complete(std::move(job));
}

}  // namespace gyre
