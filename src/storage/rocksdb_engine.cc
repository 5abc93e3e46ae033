// Rows in RocksDB. A session answers from its row cache, then from RocksDB's memory; the rest goes
// to the read pool. All writes of a turn go to the commit thread in one job. Both answer through
// the session's link.
#include <deque>
#include <unordered_map>
#include <utility>

#include "storage/commit_thread.h"
#include "storage/disk_space.h"
#include "storage/engine_options.h"
#include "storage/read_pool.h"
#include "storage/rocks_database.h"
#include "storage/row_cache.h"
#include "storage/table_merger.h"

namespace gyre {
namespace {

constexpr std::size_t kSpareJobsMax = 8;

void Increment(std::atomic<std::uint64_t>& counter) {  // one writer
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

class RocksSession final : public EngineSession {
 public:
  RocksSession(RocksDatabase& database, CommitThread& commit, ReadPool& pool,
               std::shared_ptr<SessionLink> link, std::size_t cache_bytes,
               std::size_t pending_bytes_max)
      : database_(database),
        commit_(commit),
        pool_(pool),
        link_(std::move(link)),
        pending_bytes_max_(pending_bytes_max),
        cache_(cache_bytes) {}
  // What is still under way is carried out all the same.
  ~RocksSession() override {
    Flush();
    link_->Close();
  }

  std::optional<Result<std::optional<Row>>> Read(RequestId id, const RowKey& key) override;
  std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) override;
  void Prefetch(std::span<const RowKey* const> keys) override { cache_.Prefetch(keys); }
  void ExpectReads(const RowKey& first, const RowKey& last) override;
  bool WritesAtHand() const override { return false; }
  void WriteAtHand(const RowKey& /*key*/, const Row& /*row*/) override { GYRE_CHECK(false); }
  void RemoveAtHand(const RowKey& /*key*/) override { GYRE_CHECK(false); }
  void Write(WriteRequest write) override;
  void Flush() override;
  void Scan(RequestId id, const ScanRange& range) override;
  void Poll(std::vector<Completion>& out) override;

 private:
  struct DeferredScan {
    std::unique_ptr<ScanJob> job;
    std::uint64_t after;  // the last write that the scan must see
  };

  bool InGap(const RowKey& key) const;
  void NoteOver();
  void Submit(std::unique_ptr<ScanJob> scan);
  void Finish(std::unique_ptr<WriteJob> job, std::vector<Completion>& out);
  void Finish(std::unique_ptr<ReadJob> job, std::vector<Completion>& out);
  void Finish(std::unique_ptr<ScanJob> job, std::vector<Completion>& out);
  void Finish(std::unique_ptr<LossJob> job, std::vector<Completion>& out);

  RocksDatabase& database_;
  CommitThread& commit_;
  ReadPool& pool_;
  const std::shared_ptr<SessionLink> link_;
  const std::size_t pending_bytes_max_;

  RowCache cache_;
  std::uint64_t asked_ = 0;  // writes asked for; each has its number
  std::uint64_t over_ = 0;   // all writes up to here are in the database or have failed
  std::uint64_t over_bytes_ = 0;
  std::uint64_t failures_seen_ = 0;
  bool refusing_ = false;  // a write was refused, and the shard has not heard of it yet
  std::unique_ptr<WriteJob> gathering_;
  std::vector<std::unique_ptr<WriteJob>> spare_jobs_;
  // The database has no row from the first to the second key, both included. It holds while `over_`
  // stays what it is: what was not in the database then is in the cache.
  std::optional<std::pair<RowKey, RowKey>> gap_;
  // Keys being read from disk, unless written since: later reads of the same key join.
  std::unordered_map<RowKey, ReadJob*, RowKeyHash> reading_;
  std::deque<DeferredScan> deferred_scans_;
  std::vector<Completion> done_;
  std::vector<Job> taken_;
};

std::optional<Result<std::optional<Row>>> RocksSession::ReadAtHand(const RowKey& key) {
  const std::optional<Row>* const row = cache_.Find(key);
  if (row == nullptr) return std::nullopt;
  Increment(link_->cache_hits);
  return Result<std::optional<Row>>(*row);
}

std::optional<Result<std::optional<Row>>> RocksSession::Read(RequestId id, const RowKey& key) {
  if (auto row = ReadAtHand(key)) return row;
  Increment(link_->cache_misses);
  if (InGap(key)) {
    Increment(link_->expected_misses);
    return Result<std::optional<Row>>(std::nullopt);
  }
  if (auto answer = database_.GetCached(key)) {
    if (answer->has_value() && answer->value().has_value()) cache_.PutRead(key, ***answer);
    return answer;
  }
  if (const auto it = reading_.find(key); it != reading_.end()) {
    it->second->waiters.push_back(id);
    return std::nullopt;
  }
  auto job = std::make_unique<ReadJob>();
  job->link = link_;
  job->key = key;
  job->key.key = key.key.Compact();
  job->waiters.push_back(id);
  ReadJob* const raw = job.get();
  const RowKey own_key = job->key;
  if (!pool_.Submit(job)) {
    return Result<std::optional<Row>>(
        Fail(ErrorCode::kOverloaded, "storage: too many reads wait for the disk"));
  }
  reading_.emplace(own_key, raw);
  return std::nullopt;
}

void RocksSession::ExpectReads(const RowKey& first, const RowKey& last) {
  gap_.reset();
  if (first.owed_to != last.owed_to || !database_.NothingBetween(first, last)) return;
  gap_.emplace(first, last);
}

bool RocksSession::InGap(const RowKey& key) const {
  return gap_ && gap_->first <= key && key <= gap_->second;
}

void RocksSession::Write(WriteRequest write) {
  const std::size_t bytes = RowCache::Charge(write.key, write.row);
  if (refusing_ || cache_.pending_bytes() + bytes > pending_bytes_max_) {
    refusing_ = true;
    done_.emplace_back(WriteDone{
        write.id, Fail(ErrorCode::kOverloaded, "storage: too many writes wait for the disk")});
    link_->Wake();
    return;
  }
  // The message that brought it must not stay for it; one that passes is soon gone.
  const bool passing = write.run != RequestId{};
  if (!passing) {
    write.key.key = write.key.key.Compact();
    if (write.row) write.row->record = write.row->record.Compact();
  }
  ++asked_;
  cache_.PutWrite(write.key, write.row, asked_, passing);
  if (!reading_.empty()) {
    if (const auto it = reading_.find(write.key); it != reading_.end()) {
      it->second->overwritten = true;
      reading_.erase(it);
    }
  }
  if (gathering_ == nullptr) {
    if (spare_jobs_.empty()) {
      gathering_ = std::make_unique<WriteJob>();
    } else {
      gathering_ = std::move(spare_jobs_.back());
      spare_jobs_.pop_back();
    }
    gathering_->link = link_;
    gathering_->number_first = asked_;
    gathering_->failures_seen = failures_seen_;
  }
  gathering_->bytes += bytes;
  if (write.run == RequestId{}) gathering_->patient = false;
  gathering_->number_last = asked_;
  gathering_->writes.push_back(std::move(write));
}

void RocksSession::Flush() {
  if (gathering_ != nullptr) commit_.Submit(std::move(gathering_));
}

void RocksSession::Scan(RequestId id, const ScanRange& range) {
  auto job = std::make_unique<ScanJob>();
  job->link = link_;
  job->id = id;
  job->range = range;
  deferred_scans_.push_back({std::move(job), asked_});
  link_->WakeWhenOver(deferred_scans_.front().after);
  NoteOver();
}

// Unpins what the database has by now, and submits the scans that waited for it.
void RocksSession::NoteOver() {
  const std::uint64_t bytes = link_->over_bytes();
  const std::uint64_t over = link_->over();
  if (over != over_) gap_.reset();
  over_ = over;
  cache_.SetCommitted(over_, bytes - std::exchange(over_bytes_, bytes));
  if (deferred_scans_.empty()) return;
  while (!deferred_scans_.empty() && deferred_scans_.front().after <= over_) {
    Submit(std::move(deferred_scans_.front().job));
    deferred_scans_.pop_front();
  }
  link_->WakeWhenOver(deferred_scans_.empty() ? SessionLink::kNever
                                              : deferred_scans_.front().after);
}

void RocksSession::Submit(std::unique_ptr<ScanJob> scan) {
  if (pool_.Submit(scan)) return;
  done_.emplace_back(ScanDone{
      scan->id, Fail(ErrorCode::kOverloaded, "storage: too many reads wait for the disk")});
  link_->Wake();
}

void RocksSession::Poll(std::vector<Completion>& out) {
  link_->TakeDone(taken_);
  for (Job& job : taken_) {
    std::visit([&](auto& each) { Finish(std::move(each), out); }, job);
  }
  taken_.clear();
  NoteOver();
  for (Completion& completion : done_) out.push_back(std::move(completion));
  done_.clear();
  refusing_ = false;
  link_->cache_bytes.store(cache_.bytes(), std::memory_order_relaxed);
}

void RocksSession::Finish(std::unique_ptr<WriteJob> job, std::vector<Completion>& out) {
  if (!job->status) {
    failures_seen_ = link_->failures.load(std::memory_order_relaxed);
    // All that was asked for since fails as well; what the disk holds is what counts now.
    cache_.DropWritesAfter(job->number_first - 1);
    gap_.reset();
  }
  for (const WriteRequest& write : job->writes) out.emplace_back(WriteDone{write.id, job->status});
  if (spare_jobs_.size() < kSpareJobsMax) {
    job->writes.clear();
    job->bytes = 0;
    job->patient = true;
    job->status = {};
    spare_jobs_.push_back(std::move(job));
  }
}

void RocksSession::Finish(std::unique_ptr<ReadJob> job, std::vector<Completion>& out) {
  if (!job->overwritten) {
    reading_.erase(job->key);
    if (job->row.has_value() && job->row->has_value()) cache_.PutRead(job->key, **job->row);
  }
  for (const RequestId id : job->waiters) out.emplace_back(ReadDone{id, job->row});
}

void RocksSession::Finish(std::unique_ptr<ScanJob> job, std::vector<Completion>& out) {
  out.emplace_back(ScanDone{job->id, std::move(job->page)});
}

void RocksSession::Finish(std::unique_ptr<LossJob> job, std::vector<Completion>& out) {
  // Nobody would write again, to the disk that lost it, what seems to be there.
  cache_.DropCommitted();
  out.emplace_back(RowsLost{{}, std::move(job->leaves)});
}

class RocksEngine final : public Engine {
 public:
  RocksEngine(const EngineOptions& options, std::unique_ptr<RocksDatabase> database,
              Ballast ballast)
      : options_(options),
        database_(std::move(database)),
        commit_(options, *database_, std::move(ballast),
                [this](const std::vector<LeafSum>& leaves) { TellOfLoss(leaves); }),
        pool_(*database_, options.read_threads),
        merger_(*database_, options.merge_interval) {}
  ~RocksEngine() override { Close(); }

  std::unique_ptr<EngineSession> OpenSession(std::function<void()> wake) override {
    auto link = std::make_shared<SessionLink>(std::move(wake));
    {
      const std::lock_guard lock(links_mutex_);
      GYRE_CHECK(links_.size() < options_.session_count);
      links_.push_back(link);
      // By then the leaves have been read, and everybody hears of what is lost.
      if (links_.size() == options_.session_count) commit_.AllowSalvage();
    }
    return std::make_unique<RocksSession>(*database_, commit_, pool_, std::move(link),
                                          options_.row_cache_bytes / options_.session_count,
                                          options_.pending_bytes_max);
  }

  Result<std::optional<std::string>> GetMeta(const std::string& name) override {
    return database_->GetMeta(name);
  }
  Status PutMeta(const std::string& name, const std::string& value) override {
    const rocksdb::Status status = database_->PutMeta(name, value);
    if (!status.ok()) return Fail(ErrorCode::kIoError, "cannot store: " + status.ToString());
    return {};
  }

  Result<std::vector<LeafSum>> LoadLeaves() override { return database_->LeafSums(); }

  EngineStats Stats() const override {
    EngineStats stats;
    {
      const std::lock_guard lock(links_mutex_);
      for (const auto& link : links_) {
        stats.cache_hits += link->cache_hits.load(std::memory_order_relaxed);
        stats.cache_misses += link->cache_misses.load(std::memory_order_relaxed);
        stats.expected_misses += link->expected_misses.load(std::memory_order_relaxed);
        stats.cache_bytes += link->cache_bytes.load(std::memory_order_relaxed);
      }
    }
    stats.problem = database_->quarantine_problem();
    commit_.AddStats(stats);
    if (!closed_) database_->AddStats(stats);
    return stats;
  }

  Status Close() override {
    if (closed_) return {};
    closed_ = true;
    const Status committed = commit_.Stop();
    pool_.Stop();
    merger_.Stop();
    const Status closed = database_->Close();
    return committed ? closed : committed;
  }

 private:
  void TellOfLoss(const std::vector<LeafSum>& leaves) {
    const std::lock_guard lock(links_mutex_);
    for (const auto& link : links_) {
      auto job = std::make_unique<LossJob>();
      job->leaves = leaves;
      link->Complete(std::move(job));
    }
  }

  const EngineOptions options_;
  mutable std::mutex links_mutex_;
  std::vector<std::shared_ptr<SessionLink>> links_;
  const std::unique_ptr<RocksDatabase> database_;
  CommitThread commit_;
  ReadPool pool_;
  TableMerger merger_;
  bool closed_ = false;
};

}  // namespace

Result<std::unique_ptr<Engine>> OpenRocksEngine(const EngineOptions& options) {
  if (options.session_count == 0 || options.read_threads < 1) {
    return Fail(ErrorCode::kInvalidArgument, "storage needs at least one session and read thread");
  }
  if (options.leaf_bits < 1 || options.leaf_bits > kLeafBitsMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "storage: leaf_bits is from 1 to " + std::to_string(kLeafBitsMax));
  }
  Ballast ballast(options.path + "/ballast", options.ballast_bytes);
  Result<std::uint64_t> free = FreeSpaceBytes(options.path);
  if (!free) return Fail(free.error());
  // Opening writes out what the log holds: on a full disk that needs the ballast's room.
  if (*free < options.free_space_floor_bytes + options.memtables_bytes) ballast.Release();
  Result<std::unique_ptr<RocksDatabase>> database = RocksDatabase::Open(options);
  if (!database) return Fail(database.error());
  free = FreeSpaceBytes(options.path);
  if (free && *free >= options.free_space_floor_bytes + options.ballast_bytes) {
    (void)ballast.Create();  // else the commit thread goes on trying
  }
  return std::make_unique<RocksEngine>(options, *std::move(database), std::move(ballast));
}

}  // namespace gyre
