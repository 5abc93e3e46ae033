#include "storage/commit_thread.h"

#include <algorithm>
#include <utility>

#include "base/thread_name.h"

namespace gyre {
namespace {

// Past this a group is cut: one write must not hold up the acknowledgements of thousands.
constexpr std::size_t kGroupBytesMax = 16 << 20;
// A run of less is cheaper in the log than as a file.
constexpr std::size_t kRunBytesMin = 256 << 10;
// Files cost a few syncs, however long they are. So where only runs are to be written, as many
// bytes of them are awaited, for so long: a stream brings them meanwhile.
constexpr std::size_t kRunsBytesWanted = 3 << 20;
constexpr std::chrono::milliseconds kRunsPatience{5};

bool MeansDiskFull(const rocksdb::Status& status) {
  return status.IsNoSpace() || status.subcode() == rocksdb::Status::kSpaceLimit;
}

}  // namespace

CommitThread::CommitThread(const EngineOptions& options, RocksDatabase& database, Ballast ballast,
                           std::function<void(const std::vector<LeafSum>&)> rows_lost)
    : options_(options),
      database_(database),
      ballast_(std::move(ballast)),
      rows_lost_(std::move(rows_lost)) {
  recovery_due_ = Clock::now();
  database_.SetSalvageWake([this] { AskForSalvage(); });
  thread_ = std::thread([this] { Run(); });
}

void CommitThread::Submit(std::unique_ptr<WriteJob> job) {
  bool wake = false;
  {
    const std::lock_guard lock(queue_mutex_);
    // Else the thread has been woken for what is there, or is busy.
    wake = queue_.empty() || awaiting_;
    queued_bytes_ += job->bytes;
    patient_ = patient_ && job->patient;
    queue_.push_back(std::move(job));
  }
  if (wake) queue_ready_.notify_one();
}

Status CommitThread::Stop() {
  {
    const std::lock_guard lock(queue_mutex_);
    stopping_ = true;
  }
  queue_ready_.notify_one();
  if (thread_.joinable()) thread_.join();
  database_.SetSalvageWake({});
  const std::lock_guard lock(state_mutex_);
  if (state_ == State::kWritable || state_ == State::kNearlyFull) return {};
  return Fail(ErrorCode::kIoError, problem_);
}

void CommitThread::Run() {
  NameThisThread("gyre-commit");
  Jobs jobs;
  while (WaitForWork(jobs)) {
    CommitAll(jobs);
    jobs.clear();
    // To a loop that waits for this core: it brings the next writes of those just answered.
    std::this_thread::yield();
    SyncIfDue(/*now=*/false);
    if (Clock::now() >= recovery_due_) TryToRecover();
    SalvageIfDue();
  }
  SyncIfDue(/*now=*/true);
}

// Takes what is queued; returns with nothing when something else is due. False: stopped and
// drained.
bool CommitThread::WaitForWork(Jobs& jobs) {
  const Clock::time_point wake_at = NextWake();
  std::unique_lock lock(queue_mutex_);
  const auto ready = [this] { return stopping_ || !queue_.empty() || salvage_asked_; };
  if (wake_at == Clock::time_point::max()) {
    queue_ready_.wait(lock, ready);
  } else {
    queue_ready_.wait_until(lock, wake_at, ready);
  }
  AwaitLongerRuns(lock);
  jobs.swap(queue_);
  queued_bytes_ = 0;
  patient_ = true;
  salvage_asked_ = false;
  return !jobs.empty() || !stopping_;
}

// Nobody waits for a row of a run, and the longer it is the better.
void CommitThread::AwaitLongerRuns(std::unique_lock<std::mutex>& lock) {
  if (queue_.empty()) return;
  awaiting_ = true;
  queue_ready_.wait_for(lock, kRunsPatience, [this] {
    return !patient_ || queued_bytes_ >= kRunsBytesWanted || stopping_ || salvage_asked_;
  });
  awaiting_ = false;
}

CommitThread::Clock::time_point CommitThread::NextWake() const {
  Clock::time_point at = Clock::time_point::max();
  if (unsynced_ && state_ == State::kWritable) at = sync_due_;
  const bool needs_ballast = options_.ballast_bytes > 0 && !ballast_.present();
  if (state_ == State::kNearlyFull || state_ == State::kFull ||
      (needs_ballast && state_ == State::kWritable)) {
    at = std::min(at, recovery_due_);
  }
  return at;
}

void CommitThread::CommitAll(Jobs& jobs) {
  std::size_t begin = 0;
  while (begin < jobs.size()) {
    std::size_t bytes = 0;
    std::size_t end = begin;
    do {
      bytes += jobs[end++]->bytes;
    } while (end < jobs.size() && bytes + jobs[end]->bytes <= kGroupBytesMax);
    CommitGroup(std::span(jobs).subspan(begin, end - begin));
    begin = end;
  }
}

// Commits what can be, answers all of `jobs`, and tells their sessions what is over.
void CommitThread::CommitGroup(std::span<std::unique_ptr<WriteJob>> jobs) {
  if (state_ == State::kWritable && !SpaceAboveFloor()) {
    Enter(State::kNearlyFull, "less free disk space than the floor of " +
                                  std::to_string(options_.free_space_floor_bytes) + " bytes");
    recovery_due_ = Clock::now() + std::chrono::microseconds(options_.recovery_interval.us);
  }
  ended_.clear();
  group_.clear();
  bool patient = true;
  for (std::unique_ptr<WriteJob>& job : jobs) {
    ended_.push_back({job->link, job->number_last, job->bytes});
    if (state_ != State::kWritable) {
      const bool full = state_ == State::kNearlyFull;
      FailJob(std::move(job),
              {full ? ErrorCode::kOverloaded : ErrorCode::kUnavailable, "storage: " + problem_});
    } else if (job->failures_seen != job->link->failures.load(std::memory_order_relaxed)) {
      // No new failure: were it one, a session that always has a batch under way would never
      // recover.
      job->status = Fail(ErrorCode::kUnavailable, "storage: an earlier write of this shard failed");
      HandBack(std::move(job));
    } else {
      patient = patient && job->patient;
      for (const WriteRequest& write : job->writes) {
        group_.push_back({write.key.token.high, group_.size(), &write});
      }
    }
  }
  if (!group_.empty()) Commit(jobs, patient);
  for (const Ended& each : ended_) each.link->SetOver(each.number_last, each.bytes);
}

// Writes `group_`, which is what those of `jobs` want that are not answered yet. `patient`: all is
// of runs; whoever waits for a single write does not wait for files.
void CommitThread::Commit(std::span<std::unique_ptr<WriteJob>> jobs, bool patient) {
  const std::uint64_t rows = group_.size();
  // In the order of the ring, so that each insert finds the way of the last one still in the
  // processor's caches. Writes of one key stay in their order.
  std::sort(group_.begin(), group_.end(), [](const GroupedWrite& a, const GroupedWrite& b) {
    return std::pair(a.place, a.number) < std::pair(b.place, b.number);
  });
  runs_.clear();
  if (patient) TakeRuns();
  const Clock::time_point start = Clock::now();
  const auto answer = [&] {
    const Clock::time_point done = Clock::now();
    if (options_.durability == Durability::kInterval && !unsynced_) {
      unsynced_ = true;
      sync_due_ = done + std::chrono::microseconds(options_.sync_interval.us);
    }
    commits_.fetch_add(1, std::memory_order_relaxed);
    commit_rows_.fetch_add(rows, std::memory_order_relaxed);
    commit_us_total_.fetch_add(
        static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::microseconds>(done - start).count()),
        std::memory_order_relaxed);
    for (std::unique_ptr<WriteJob>& job : jobs) {
      if (job != nullptr) HandBack(std::move(job));
    }
  };
  rocksdb::Status status;
  if (!runs_.empty()) status = database_.WriteRuns(runs_);
  // Else a part of what these jobs want is there, whatever becomes of the rest.
  const bool untouched = runs_.empty() || !status.ok();
  if (status.ok()) status = CommitBatch(answer);
  if (status.ok()) return;
  OnFailure(status, untouched);
  for (std::unique_ptr<WriteJob>& job : jobs) {
    if (job != nullptr) FailJob(std::move(job), {ErrorCode::kIoError, "storage: " + problem_});
  }
}

// Writes `group_`, and calls `answer` once that is as durable as it must be.
rocksdb::Status CommitThread::CommitBatch(const std::function<void()>& answer) {
  rocksdb::Status status;
  if (!group_.empty()) {
    batch_.Clear();
    for (const GroupedWrite& each : group_) database_.AddToBatch(*each.write, batch_);
    if (options_.durability == Durability::kSync) return database_.WriteSynced(batch_, answer);
    status = database_.Write(batch_);
  }
  if (status.ok()) answer();
  return status;
}

// Moves what goes into table files from `group_` to `runs_`.
void CommitThread::TakeRuns() {
  std::size_t kept = 0;
  for (std::size_t begin = 0, end = 0; begin < group_.size(); begin = end) {
    const RequestId run = group_[begin].write->run;
    while (end < group_.size() && group_[end].write->run == run) ++end;
    if (run != RequestId{} && TakeRun(begin, end)) continue;
    for (std::size_t i = begin; i < end; ++i) group_[kept++] = group_[i];
  }
  group_.resize(kept);
}

// Those from `begin` to `end`, which nothing else of the group lies between.
bool CommitThread::TakeRun(std::size_t begin, std::size_t end) {
  // Two writes of one place, in two runs: what is asked for last must come last.
  if (begin > 0 && group_[begin - 1].place == group_[begin].place) return false;
  if (end < group_.size() && group_[end - 1].place == group_[end].place) return false;
  std::size_t bytes = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const WriteRequest& write = *group_[i].write;
    bytes += write.key.key.size() + (write.row ? write.row->record.size() : 0);
  }
  if (bytes < kRunBytesMin) return false;
  RocksDatabase::Run run;
  run.reserve(end - begin);
  for (std::size_t i = begin; i < end; ++i) run.push_back(group_[i].write);
  // Those of one key are in the order asked, and stay so.
  std::stable_sort(run.begin(), run.end(),
                   [](const WriteRequest* a, const WriteRequest* b) { return a->key < b->key; });
  // Runs of two sessions may have one number by chance.
  if (run.front()->key.keyspace != run.back()->key.keyspace) return false;
  if (!database_.TakesRun(run)) return false;
  runs_.push_back(std::move(run));
  return true;
}

// Later batches that the session asked for before it hears of this fail too.
void CommitThread::FailJob(std::unique_ptr<WriteJob> job, Error error) {
  job->status = Fail(std::move(error));
  job->link->failures.fetch_add(1, std::memory_order_relaxed);
  HandBack(std::move(job));
}

void CommitThread::SyncIfDue(bool now) {
  if (!unsynced_ || state_ == State::kFailed) return;
  if (!now && Clock::now() < sync_due_) return;
  const rocksdb::Status status = database_.SyncWal();
  unsynced_ = false;
  if (!status.ok()) OnFailure(status);
}

// `untouched`: nothing of what failed is in the database. If some is, only a restart shows its
// shards what.
void CommitThread::OnFailure(const rocksdb::Status& status, bool untouched) {
  write_errors_.fetch_add(1, std::memory_order_relaxed);
  if (MeansDiskFull(status) && untouched) {
    ballast_.Release();
    recovery_due_ = Clock::now() + std::chrono::microseconds(options_.recovery_interval.us);
    Enter(State::kFull, "the disk is full: " + status.ToString());
  } else if (status.IsCorruption()) {
    // RocksDB cannot compact over a damaged block, now or later.
    database_.MarkDamaged();
    Enter(State::kFailed,
          "a table file is damaged, and nothing is written until the node is restarted, which sets "
          "the database aside and fills it up from the other nodes: " +
              status.ToString());
  } else {
    Enter(State::kFailed, "a write failed, and nothing is written until the node is restarted: " +
                              status.ToString());
  }
}

bool CommitThread::SpaceAboveFloor() {
  if (options_.free_space_floor_bytes == 0) return true;
  const Result<std::uint64_t> free = FreeSpaceBytes(options_.path);
  return !free || *free >= options_.free_space_floor_bytes;  // a real fault shows in the write
}

void CommitThread::TryToRecover() {
  recovery_due_ = Clock::now() + std::chrono::microseconds(options_.recovery_interval.us);
  if (state_ == State::kFailed) return;
  if (state_ == State::kNearlyFull && SpaceAboveFloor()) Enter(State::kWritable, "");
  if (state_ == State::kFull && SpaceAboveFloor()) {
    // Busy: RocksDB's own recovery is at it; ask again later.
    rocksdb::Status status = database_.Resume();
    if (status.ok()) status = database_.Probe();
    if (status.ok()) {
      Enter(State::kWritable, "");
    } else if (!MeansDiskFull(status) && !status.IsBusy() && !status.IsShutdownInProgress()) {
      OnFailure(status);
    }
  }
  if (state_ == State::kWritable && options_.ballast_bytes > 0 && !ballast_.present()) {
    const Result<std::uint64_t> free = FreeSpaceBytes(options_.path);
    if (free && *free >= options_.free_space_floor_bytes + options_.ballast_bytes) {
      (void)ballast_.Create();  // not there: tried again at the next turn
    }
  }
}

void CommitThread::AllowSalvage() {
  salvage_allowed_ = true;
  AskForSalvage();
}

void CommitThread::AskForSalvage() {
  {
    const std::lock_guard lock(queue_mutex_);
    salvage_asked_ = true;
  }
  queue_ready_.notify_one();
}

void CommitThread::SalvageIfDue() {
  database_.NoteSalvageTurn();
  if (state_ != State::kWritable || !salvage_allowed_ || !database_.salvage_due()) return;
  std::optional<std::vector<LeafSum>> lost;
  const rocksdb::Status status = database_.Salvage(lost);
  if (lost) rows_lost_(*lost);
  if (!status.ok()) OnFailure(status);
}

void CommitThread::Enter(State state, std::string problem) {
  {
    const std::lock_guard lock(state_mutex_);
    state_ = state;
    problem_ = std::move(problem);
  }
  if (options_.log == nullptr) return;
  if (state == State::kWritable) {
    options_.log->Write(LogLevel::kInfo, "storage_writable", "Writes are taken again", {});
  } else {
    options_.log->Write(LogLevel::kError, "storage_not_writable", problem_,
                        {{"path", options_.path}});
  }
}

void CommitThread::AddStats(EngineStats& stats) const {
  stats.commits += commits_.load(std::memory_order_relaxed);
  stats.commit_rows += commit_rows_.load(std::memory_order_relaxed);
  stats.commit_us_total += commit_us_total_.load(std::memory_order_relaxed);
  stats.write_errors += write_errors_.load(std::memory_order_relaxed);
  const std::lock_guard lock(state_mutex_);
  stats.writable = state_ == State::kWritable;
  if (!stats.writable) stats.problem = problem_;
}

}  // namespace gyre
