// One node's disk, seen through what engine.h promises: reads see every write asked for before,
// writes complete in order and only when as durable as configured, after a failed write all later
// ones fail until recovery, damaged rows are errors and never served.
// What a crash may do: power loss forgets what was not synced but for a prefix that happened to be
// written; a killed process leaves at least what was acknowledged; a failed write may turn up again
// when the log is replayed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "core/causality/record.h"
#include "core/key.h"
#include "core/ledger/merkle_tree.h"
#include "core/scan_range.h"
#include "sim/event_queue.h"

namespace gyre::sim {

struct StorageProfile {
  bool sync = true;  // false: acknowledged from memory, synced every sync_interval_us
  std::int64_t sync_interval_us = 1'000'000;
  std::uint64_t cached_reads_per_million = 700'000;  // answered without delay
  // Done within the call that asks (RowsAtHand).
  std::uint64_t reads_at_hand_per_million = 300'000;
  std::uint64_t writes_at_hand_per_million = 0;
  std::int64_t read_us_max = 2'000;
  std::int64_t write_us_min = 200;
  std::int64_t write_us_max = 3'000;
  std::uint64_t slow_per_million = 2'000;  // an operation that takes up to slow_us_max
  std::int64_t slow_us_max = 300'000;
};

struct StorageCounters {
  std::uint64_t reads = 0, writes = 0, scans = 0;
  std::uint64_t at_hand = 0;  // of the reads and writes: done within the call
  std::uint64_t read_errors = 0, corrupt_reads = 0, write_errors = 0;
  std::uint64_t lost_writes = 0;        // asked for, and gone in a crash
  std::uint64_t lost_acknowledged = 0;  // of them: acknowledged (interval durability only)
  std::uint64_t reappeared_writes = 0;  // failed, and found again after a crash
};

enum class CrashKind { kProcess, kPower };

// A backup of a disk: what was durable at one moment.
struct DiskImage {
  std::map<RowKey, Row> rows;
  std::map<std::pair<KeyspaceId, std::uint32_t>, std::uint64_t> leaves;
  std::set<RowKey> rotten;
};

class SimStorage {
 public:
  using ReadCallback = std::function<void(Result<std::optional<Row>>)>;
  using WriteCallback = std::function<void(Status)>;
  using RowList = std::vector<std::pair<RowKey, Row>>;
  using ScanCallback = std::function<void(Result<ScanPage>)>;

  SimStorage(EventQueue& events, std::uint64_t seed, const StorageProfile& profile, int leaf_bits);

  // Callbacks come later, never from within the call, and never after a crash.
  void Read(const RowKey& key, ReadCallback done);
  // nullopt: the row goes.
  void Write(const RowKey& key, std::optional<Row> row, std::uint64_t leaf_delta,
             WriteCallback done);
  // As RowsAtHand wants them.
  std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key);
  // May a write be done at hand now? If so, it is to be.
  bool DrawWriteAtHand();
  void WriteAtHand(const RowKey& key, const std::optional<Row>& row, std::uint64_t leaf_delta);
  void Scan(const ScanRange& range, ScanCallback done);

  // ---- faults ----
  // Nothing completes before this time.
  void StallUntil(std::int64_t time) { stalled_until_ = std::max(stalled_until_, time); }
  void SetReadErrors(std::uint64_t per_million) { read_errors_per_million_ = per_million; }
  // The next write fails, and all after it until Recover.
  void FailWrites() { failing_ = true; }
  void Recover();
  bool failing() const { return failing_; }
  // Reads of the row give kCorruption until it is written again. False if there is none.
  bool Rot(const RowKey& key);
  bool IsRotten(const RowKey& key) const { return rotten_.contains(key); }
  // The row is gone, and nothing that was kept beside it knows. False if it is being written.
  bool Lose(const RowKey& key);
  // The stored sum of the key's leaf is another one.
  void RotLeaf(const RowKey& key, std::uint64_t by) {
    leaves_[{key.keyspace, LeafOf(key.token, leaf_bits_)}] += by;
  }
  // What an operator does with a row that no copy is left of.
  void DropDamaged(const RowKey& key);
  // Everything under way is gone. Rows that had been acknowledged and are not there any more.
  RowList Crash(CrashKind kind);
  // A clean stop: everything asked for becomes durable.
  void Close();
  // An empty disk. Returns the rows that were there.
  RowList Wipe();
  DiskImage BackUp() const { return {durable_, leaves_, rotten_}; }
  // The disk is as it was then. Returns the rows that are gone or other ones now, as they were.
  RowList Restore(const DiskImage& image);
  // Planted bug: no note of a ballot is left.
  void LoseNotes();
  // No errors, no stalls; rot stays.
  void Calm();

  // ---- for checkers ----
  // Called when a row has become as durable as configured, just before the acknowledgement.
  std::function<void(const RowKey&, const std::optional<Row>&)> on_durable;
  // What a read would see; null if absent or rotten.
  const Row* Latest(const RowKey& key) const;
  // What power loss would leave; null if absent or rotten.
  const Row* Durable(const RowKey& key) const {
    const auto it = durable_.find(key);
    return it == durable_.end() || IsRotten(key) ? nullptr : &it->second;
  }
  const std::map<RowKey, Row>& rows() const { return latest_; }
  // The sums of leaves that power loss would leave: changed together with the rows.
  std::vector<LeafSum> Leaves() const;
  std::size_t writes_under_way() const { return pending_.size(); }
  const StorageCounters& counters() const { return counters_; }
  StorageProfile& profile() { return profile_; }

  // Planted bug: acknowledges before the sync.
  bool acknowledges_before_sync = false;

 private:
  struct PendingWrite {
    RowKey key;
    std::optional<Row> row;  // nullopt: it goes
    std::uint64_t leaf_delta = 0;
    WriteCallback done;
    bool acknowledged = false;
    bool doomed = false;  // queued behind a write that failed
  };

  std::int64_t DrawDelay(std::int64_t low, std::int64_t high);
  void FinishRead(const RowKey& key, bool snapshot, std::optional<Row> row,
                  const ReadCallback& done);
  bool Unacknowledged(const RowKey& key) const;
  std::optional<Row> Acknowledged(const RowKey& key) const;
  void CompleteNextWrite();
  void FailPending(std::size_t index);
  void SyncInterval();
  void Keep(const PendingWrite& write);
  void MakeDurable(const PendingWrite& write);
  static void Set(std::map<RowKey, Row>& rows, const RowKey& key, const std::optional<Row>& row);
  void RestoreLatest(const RowKey& key);
  void ReplayFailedWrites();

  EventQueue& events_;
  Prng prng_;
  StorageProfile profile_;
  const int leaf_bits_;
  std::map<RowKey, Row> latest_;   // with everything asked for
  std::map<RowKey, Row> durable_;  // what power loss leaves
  std::map<std::pair<KeyspaceId, std::uint32_t>, std::uint64_t> leaves_;  // likewise
  std::deque<PendingWrite> pending_;  // in order; the acknowledged ones come first
  std::vector<PendingWrite> failed_;  // may turn up again after a crash
  std::set<RowKey> rotten_;
  std::uint64_t life_ = 0;
  std::int64_t stalled_until_ = 0;
  std::int64_t last_write_due_ = 0;
  std::uint64_t read_errors_per_million_ = 0;
  bool failing_ = false;
  bool interval_running_ = false;
  StorageCounters counters_;
};

}  // namespace gyre::sim
