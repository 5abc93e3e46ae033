#include "sim/sim_storage.h"

#include <utility>

namespace gyre::sim {

SimStorage::SimStorage(EventQueue& events, std::uint64_t seed, const StorageProfile& profile,
                       int leaf_bits)
    : events_(events), prng_(seed), profile_(profile), leaf_bits_(leaf_bits) {}

std::int64_t SimStorage::DrawDelay(std::int64_t low, std::int64_t high) {
  std::int64_t delay = prng_.Between(low, high);
  if (prng_.Chance(profile_.slow_per_million)) delay += prng_.Between(0, profile_.slow_us_max);
  return delay;
}

// ---- reads -----------------------------------------------------------------------------------

void SimStorage::Read(const RowKey& key, ReadCallback done) {
  ++counters_.reads;
  const Row* row = Latest(key);
  std::optional<Row> seen = row == nullptr ? std::nullopt : std::optional<Row>(*row);
  if (!IsRotten(key) && prng_.Chance(profile_.cached_reads_per_million)) {
    events_.At(events_.now(), [this, life = life_, seen = std::move(seen), done] {
      if (life == life_) done(std::move(seen));
    });
    return;
  }
  // A slower read sees the row as it was asked for, or as it has become by the end; but never a
  // later write that is not durable yet.
  const bool snapshot = prng_.Chance(500'000) || Unacknowledged(key);
  const std::int64_t due =
      std::max(events_.now() + DrawDelay(1, profile_.read_us_max), stalled_until_);
  events_.At(due, [this, life = life_, key, snapshot, seen = std::move(seen), done] {
    if (life == life_) FinishRead(key, snapshot, seen, done);
  });
}

std::optional<Result<std::optional<Row>>> SimStorage::ReadAtHand(const RowKey& key) {
  if (IsRotten(key) || !prng_.Chance(profile_.reads_at_hand_per_million)) return std::nullopt;
  ++counters_.reads;
  ++counters_.at_hand;
  const Row* row = Latest(key);
  return Result<std::optional<Row>>(row == nullptr ? std::nullopt : std::optional<Row>(*row));
}

void SimStorage::FinishRead(const RowKey& key, bool snapshot, std::optional<Row> row,
                            const ReadCallback& done) {
  if (events_.now() < stalled_until_) {
    events_.At(stalled_until_, [this, life = life_, key, snapshot, row = std::move(row), done] {
      if (life == life_) FinishRead(key, snapshot, row, done);
    });
    return;
  }
  if (prng_.Chance(read_errors_per_million_)) {
    ++counters_.read_errors;
    return done(Fail(ErrorCode::kIoError, "simulated read error"));
  }
  if (IsRotten(key)) {
    ++counters_.corrupt_reads;
    return done(Fail(ErrorCode::kCorruption, "simulated bit rot"));
  }
  if (!snapshot) {
    row = Acknowledged(key);
  }
  done(std::move(row));
}

void SimStorage::Scan(const ScanRange& range, ScanCallback done) {
  ++counters_.scans;
  const std::int64_t due =
      std::max(events_.now() + DrawDelay(1, profile_.read_us_max), stalled_until_);
  events_.At(due, [this, life = life_, range, done] {
    if (life != life_) return;
    RowKey first(range.keyspace, range.first, {});
    first.owed_to = range.owed_to;
    ScanPage page;
    auto it = range.after ? latest_.upper_bound(*range.after) : latest_.lower_bound(first);
    for (; it != latest_.end(); ++it) {
      const auto& [key, row] = *it;
      if (key.owed_to != range.owed_to || key.keyspace != range.keyspace ||
          key.token > range.last) {
        break;
      }
      if (IsRotten(key)) {
        ++counters_.corrupt_reads;
        return done(Fail(ErrorCode::kCorruption, "simulated bit rot"));
      }
      if (page.rows.size() == range.rows_max) return done(std::move(page));
      page.rows.push_back({key, row});
    }
    page.done = true;
    done(std::move(page));
  });
}

const Row* SimStorage::Latest(const RowKey& key) const {
  if (IsRotten(key)) return nullptr;
  const auto it = latest_.find(key);
  return it == latest_.end() ? nullptr : &it->second;
}

bool SimStorage::Unacknowledged(const RowKey& key) const {
  return std::any_of(pending_.begin(), pending_.end(), [&](const PendingWrite& write) {
    return !write.acknowledged && write.key == key;
  });
}

std::optional<Row> SimStorage::Acknowledged(const RowKey& key) const {
  for (auto it = pending_.rbegin(); it != pending_.rend(); ++it) {
    if (it->acknowledged && it->key == key) return it->row;
  }
  const auto durable = durable_.find(key);
  return durable == durable_.end() ? std::nullopt : std::optional<Row>(durable->second);
}

// ---- writes ----------------------------------------------------------------------------------

void SimStorage::Set(std::map<RowKey, Row>& rows, const RowKey& key,
                     const std::optional<Row>& row) {
  if (row) {
    rows[key] = *row;
  } else {
    rows.erase(key);
  }
}

void SimStorage::MakeDurable(const PendingWrite& write) {
  Set(durable_, write.key, write.row);
  if (write.leaf_delta == 0) return;
  leaves_[{write.key.keyspace, LeafOf(write.key.token, leaf_bits_)}] += write.leaf_delta;
}

std::vector<LeafSum> SimStorage::Leaves() const {
  std::vector<LeafSum> leaves;
  for (const auto& [name, sum] : leaves_) {
    if (sum != 0) leaves.push_back({name.first, name.second, sum});
  }
  return leaves;
}

void SimStorage::Write(const RowKey& key, std::optional<Row> row, std::uint64_t leaf_delta,
                       WriteCallback done) {
  ++counters_.writes;
  rotten_.erase(key);
  Set(latest_, key, row);
  PendingWrite write{key, std::move(row), leaf_delta, std::move(done)};
  if (acknowledges_before_sync && !failing_) {
    events_.After(1, [life = life_, this, early = std::exchange(write.done, nullptr)] {
      if (life == life_) early({});
    });
  }
  pending_.push_back(std::move(write));
  last_write_due_ =
      std::max({last_write_due_, stalled_until_,
                events_.now() + DrawDelay(profile_.write_us_min, profile_.write_us_max)});
  // One such event a write; each completes whichever write is next, so that a stall keeps the
  // order.
  events_.At(last_write_due_, [this, life = life_] {
    if (life == life_) CompleteNextWrite();
  });
}

// Never past writes that wait, nor while nothing is written.
bool SimStorage::DrawWriteAtHand() {
  return profile_.sync && pending_.empty() && !failing_ && !acknowledges_before_sync &&
         events_.now() >= stalled_until_ && prng_.Chance(profile_.writes_at_hand_per_million);
}

void SimStorage::WriteAtHand(const RowKey& key, const std::optional<Row>& row,
                             std::uint64_t leaf_delta) {
  ++counters_.writes;
  ++counters_.at_hand;
  rotten_.erase(key);
  Set(latest_, key, row);
  MakeDurable({key, row, leaf_delta, nullptr});
  if (on_durable) on_durable(key, row);
}

void SimStorage::CompleteNextWrite() {
  if (events_.now() < stalled_until_) {
    events_.At(stalled_until_, [this, life = life_] {
      if (life == life_) CompleteNextWrite();
    });
    return;
  }
  std::size_t next = 0;
  while (next < pending_.size() && pending_[next].acknowledged) ++next;
  if (next == pending_.size()) return;
  if (failing_ || pending_[next].doomed) return FailPending(next);
  PendingWrite& write = pending_[next];
  write.acknowledged = true;
  const WriteCallback done = std::exchange(write.done, nullptr);
  if (on_durable) on_durable(write.key, write.row);
  if (profile_.sync) {
    MakeDurable(write);
    pending_.pop_front();
  } else if (!interval_running_) {
    interval_running_ = true;
    events_.After(profile_.sync_interval_us, [this, life = life_] {
      if (life == life_) SyncInterval();
    });
  }
  if (done) done({});
}

void SimStorage::FailPending(std::size_t index) {
  ++counters_.write_errors;
  PendingWrite write = std::move(pending_[index]);
  pending_.erase(pending_.begin() + static_cast<std::ptrdiff_t>(index));
  const WriteCallback done = std::exchange(write.done, nullptr);
  RestoreLatest(write.key);
  // What was queued behind the failure and fails after the recovery was never in the new log.
  if (!write.doomed) failed_.push_back(std::move(write));
  if (done) done(Fail(ErrorCode::kIoError, "simulated write error"));
}

void SimStorage::RestoreLatest(const RowKey& key) {
  for (auto it = pending_.rbegin(); it != pending_.rend(); ++it) {
    if (it->key == key) {
      Set(latest_, key, it->row);
      return;
    }
  }
  const auto durable = durable_.find(key);
  if (durable == durable_.end()) {
    latest_.erase(key);
  } else {
    latest_[key] = durable->second;
  }
}

void SimStorage::SyncInterval() {
  interval_running_ = false;
  while (!pending_.empty() && pending_.front().acknowledged) {
    MakeDurable(pending_.front());
    pending_.pop_front();
  }
}

// ---- faults ----------------------------------------------------------------------------------

void SimStorage::Recover() {
  if (!failing_) return;
  failing_ = false;
  for (PendingWrite& write : pending_) write.doomed = !write.acknowledged;
  failed_.clear();  // the log that held them is not used any more
}

bool SimStorage::Rot(const RowKey& key) {
  if (Latest(key) == nullptr) return false;
  rotten_.insert(key);
  return true;
}

bool SimStorage::Lose(const RowKey& key) {
  const auto written = [&](const PendingWrite& write) { return write.key == key; };
  if (std::any_of(pending_.begin(), pending_.end(), written)) return false;
  latest_.erase(key);
  durable_.erase(key);
  return true;
}

void SimStorage::Keep(const PendingWrite& write) {
  MakeDurable(write);
  if (!write.acknowledged && on_durable) on_durable(write.key, write.row);
}

void SimStorage::ReplayFailedWrites() {
  if (!failed_.empty() && prng_.Chance(500'000)) {
    const std::size_t count = 1 + prng_.Below(failed_.size());
    for (std::size_t i = 0; i < count; ++i) Keep(failed_[i]);
    counters_.reappeared_writes += count;
  }
  failed_.clear();
}

SimStorage::RowList SimStorage::Crash(CrashKind kind) {
  ++life_;
  std::size_t kept = 0;
  if (kind == CrashKind::kProcess) {
    while (kept < pending_.size() && pending_[kept].acknowledged) ++kept;
  }
  kept += prng_.Below(pending_.size() - kept + 1);
  for (std::size_t i = 0; i < kept; ++i) Keep(pending_[i]);
  RowList lost;
  for (std::size_t i = kept; i < pending_.size(); ++i) {
    ++counters_.lost_writes;
    if (!pending_[i].acknowledged) continue;
    ++counters_.lost_acknowledged;
    if (pending_[i].row) lost.emplace_back(pending_[i].key, *pending_[i].row);
  }
  pending_.clear();
  ReplayFailedWrites();
  latest_ = durable_;
  failing_ = false;
  interval_running_ = false;
  stalled_until_ = 0;
  last_write_due_ = 0;
  return lost;
}

void SimStorage::Close() {
  ++life_;
  for (const PendingWrite& write : pending_) {
    if (write.acknowledged || !failing_) Keep(write);
  }
  pending_.clear();
  ReplayFailedWrites();
  latest_ = durable_;
  failing_ = false;
  interval_running_ = false;
  stalled_until_ = 0;
  last_write_due_ = 0;
}

void SimStorage::DropDamaged(const RowKey& key) {
  if (rotten_.erase(key) == 0) return;
  latest_.erase(key);
  durable_.erase(key);
}

SimStorage::RowList SimStorage::Wipe() {
  RowList rows(latest_.begin(), latest_.end());
  latest_.clear();
  durable_.clear();
  leaves_.clear();
  rotten_.clear();
  return rows;
}

SimStorage::RowList SimStorage::Restore(const DiskImage& image) {
  RowList lost;
  for (const auto& [key, row] : latest_) {
    const auto kept = image.rows.find(key);
    if (kept == image.rows.end() || kept->second != row) lost.emplace_back(key, row);
  }
  latest_ = durable_ = image.rows;
  leaves_ = image.leaves;
  rotten_ = image.rotten;
  return lost;
}

void SimStorage::LoseNotes() {
  const auto is_note = [](const auto& row) { return IsNote(row.first); };
  std::erase_if(latest_, is_note);
  std::erase_if(durable_, is_note);
}

void SimStorage::Calm() {
  Recover();
  stalled_until_ = 0;
  read_errors_per_million_ = 0;
  profile_.slow_per_million = 0;
}

}  // namespace gyre::sim
