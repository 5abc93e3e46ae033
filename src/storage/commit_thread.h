// The one thread that writes to the database: all sessions' batches that wait become one WriteBatch
// and, with kSync, one fsync. They are answered as soon as the log holds them; the database inserts
// them into its memtable after that, while their clients ask again and the next group gathers. So
// the more is asked, the more each fsync carries. Long runs of rows (WriteRequest::run) go another
// way, straight into table files. It also owns what follows a failed write:
//
//   kWritable --free space below the floor--> kNearlyFull --space is back--> kWritable
//   kWritable --"no space" from the disk--> kFull: gives the ballast back; --resumed, floor and a
//       synced probe fine--> kWritable
//   kWritable --any other failure--> kFailed, until the database is opened again: after a failed
//       fsync nobody knows what the disk holds, and the next fsync may say "fine" of lost pages.
//
// While not kWritable every write fails untried. Reads go on.
//
// And it makes damaged table files whole, as nothing must be written meanwhile.
#pragma once

#include <rocksdb/write_batch.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "storage/disk_space.h"
#include "storage/engine_options.h"
#include "storage/jobs.h"
#include "storage/rocks_database.h"

namespace gyre {

class CommitThread {
 public:
  // `database` must outlive the thread. `rows_lost` is called on it when table files were damaged:
  // what was added to the sums of which leaves.
  CommitThread(
      const EngineOptions& options, RocksDatabase& database, Ballast ballast,
      std::function<void(const std::vector<LeafSum>&)> rows_lost = [](const auto&) {});
  ~CommitThread() { Stop(); }

  // Any thread. Wakes the commit thread only if it sleeps. Batches of one session commit in the
  // order submitted.
  void Submit(std::unique_ptr<WriteJob> job);
  // Commits what was submitted, syncs, ends the thread. REQUIRES: no Submit after it.
  // Errors: what keeps the engine from writing.
  Status Stop();

  // From now on damaged table files are made whole, between groups (RocksDatabase::Salvage). Once.
  void AllowSalvage();

  void AddStats(EngineStats& stats) const;

 private:
  enum class State { kWritable, kNearlyFull, kFull, kFailed };
  using Clock = std::chrono::steady_clock;
  using Jobs = std::vector<std::unique_ptr<WriteJob>>;

  struct GroupedWrite {
    std::uint64_t place;  // on the ring: the upper half of the token
    std::size_t number;   // in the order asked
    const WriteRequest* write;
  };

  // What of a session ends with a group.
  struct Ended {
    std::shared_ptr<SessionLink> link;
    std::uint64_t number_last;
    std::size_t bytes;
  };

  void Run();
  bool WaitForWork(Jobs& jobs);
  void AwaitLongerRuns(std::unique_lock<std::mutex>& lock);
  Clock::time_point NextWake() const;
  void CommitAll(Jobs& jobs);
  void CommitGroup(std::span<std::unique_ptr<WriteJob>> jobs);
  void Commit(std::span<std::unique_ptr<WriteJob>> jobs, bool patient);
  rocksdb::Status CommitBatch(const std::function<void()>& answer);
  void TakeRuns();
  bool TakeRun(std::size_t begin, std::size_t end);
  void SyncIfDue(bool now);
  void TryToRecover();
  void AskForSalvage();
  void SalvageIfDue();
  bool SpaceAboveFloor();
  void OnFailure(const rocksdb::Status& status, bool untouched = true);
  void Enter(State state, std::string problem);
  static void FailJob(std::unique_ptr<WriteJob> job, Error error);

  const EngineOptions options_;
  RocksDatabase& database_;
  Ballast ballast_;
  const std::function<void(const std::vector<LeafSum>&)> rows_lost_;

  // Of the commit thread alone.
  std::vector<Ended> ended_;
  std::vector<GroupedWrite> group_;
  std::vector<RocksDatabase::Run> runs_;
  rocksdb::WriteBatch batch_;
  bool unsynced_ = false;
  Clock::time_point sync_due_;
  Clock::time_point recovery_due_;

  std::mutex queue_mutex_;
  std::condition_variable queue_ready_;
  Jobs queue_;
  std::size_t queued_bytes_ = 0;
  bool patient_ = true;    // all that is queued is
  bool awaiting_ = false;  // more, so that each submission wakes
  bool stopping_ = false;
  bool salvage_asked_ = false;
  std::atomic<bool> salvage_allowed_ = false;

  mutable std::mutex state_mutex_;
  State state_ = State::kWritable;  // written by the commit thread only
  std::string problem_;

  std::atomic<std::uint64_t> commits_{0}, commit_rows_{0}, commit_us_total_{0}, write_errors_{0};
  std::thread thread_;
};

}  // namespace gyre
