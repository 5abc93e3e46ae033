// A node's storage, as the server's shards see it. One engine serves all shards of a node; each
// shard talks to it through its own EngineSession from its own thread. The same contract suite
// (engine_contract_test.cc) runs on every engine.
//
// Contract:
// - Read sees every write the same session asked for before it, whether durable yet or not.
// - Writes of one session are applied in the order asked. A completion comes once the write is as
//   durable as configured, never before; after a failed write every later one fails too, until the
//   engine has recovered (docs: "never retry an fsync and go on").
// - Scan is ordered by RowKey, sees a consistent state with every write the same session asked for
//   before it, and reports damage: corrupt is not absent.
// - A row whose bytes are damaged is never returned: kCorruption. An engine on a disk may then let
//   go of what it cannot read, so that it is missing, or an older version of it is there; no row
//   there has own writes any more (a stale count of them would give a dot twice), and each session
//   hears RowsLost.
// - Hints (RowKey::owed_to) lie apart: no read or scan of rows meets one, and none of theirs a row.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "core/causality/record.h"
#include "core/ids.h"
#include "core/key.h"
#include "core/ledger/merkle_tree.h"
#include "core/scan_range.h"

namespace gyre {

enum class Durability : std::uint8_t { kSync, kInterval };

struct WriteRequest {
  RequestId id;
  RowKey key;
  std::optional<Row> row;  // nullopt: the row goes, if there is one
  // Added, modulo 2^64, to the sum of the leaf that the key's token lies in, in the same batch: so
  // after a crash the sums are those of the rows that are there. Ignored for a hint.
  std::uint64_t leaf_delta = 0;
  // Not 0: the row is one of many that are asked for in the order of their keys, nearly all that
  // lie there, and so have the same number here. They may go another way to the disk. Of no meaning
  // otherwise. REQUIRES: no hint.
  RequestId run{};
};

struct ReadDone {
  RequestId id;
  Result<std::optional<Row>> row;
};
struct WriteDone {
  RequestId id;
  Status status;
};
struct ScanDone {
  RequestId id;
  Result<ScanPage> page;
};
// Rows were lost to damage of the disk, hints among them, and the sums of these leaves changed with
// them: `sum` was added to each, by storage itself. What was read is not what is there. (No answer:
// its id is 0.)
struct RowsLost {
  RequestId id;
  std::vector<LeafSum> leaves;  // of all shards
};
using Completion = std::variant<ReadDone, WriteDone, ScanDone, RowsLost>;

// Used by one shard's thread.
class EngineSession {
 public:
  virtual ~EngineSession() = default;

  // Answers at once if that needs no disk (memory, hot-row cache, block cache); otherwise returns
  // nullopt and a ReadDone follows through Poll.
  virtual std::optional<Result<std::optional<Row>>> Read(RequestId id, const RowKey& key) = 0;
  // These rows will be asked for next. A hint: fetches into the processor's caches what it can.
  virtual void Prefetch(std::span<const RowKey* const> /*keys*/) {}
  // Many rows from `first` to `last` will be asked for next. A hint: where storage has none of
  // them, it sees so once for all.
  virtual void ExpectReads(const RowKey& /*first*/, const RowKey& /*last*/) {}
  // The row if it is in the session's own memory (memory engine, hot-row cache), with the promises
  // of Read; nullopt otherwise, and nothing follows.
  virtual std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) = 0;
  // The same, but the record may be borrowed: it holds until the session's next write.
  virtual std::optional<Result<std::optional<Row>>> PeekAtHand(const RowKey& key) {
    return ReadAtHand(key);
  }
  // Is a write complete within its call (no disk)? Then WriteAtHand and RemoveAtHand do it, and no
  // completion follows. REQUIRES of both: WritesAtHand(), no write of this key is in flight.
  virtual bool WritesAtHand() const = 0;
  // The record's bytes; where that pays, such that WriteAtHand of a row of them for this key need
  // not copy them.
  virtual Bytes EncodeAtHand(const RowKey& /*key*/, const OwnWrites& /*own*/,
                             const Record& record) {
    return record.Encode();
  }
  virtual void WriteAtHand(const RowKey& key, const Row& row) = 0;
  virtual void WriteAtHand(const RowKey& key, const OwnWrites& own, const Record& record) {
    WriteAtHand(key, Row{own, record.Encode()});
  }
  virtual void RemoveAtHand(const RowKey& key) = 0;
  // Gathers the write; it is sent off by Flush. WriteDone follows through Poll.
  virtual void Write(WriteRequest write) = 0;
  // End of a loop turn: hands everything gathered to the commit thread as one batch.
  virtual void Flush() = 0;
  virtual void Scan(RequestId id, const ScanRange& range) = 0;
  // Appends what has completed since the last call. Never blocks. The session calls the wake
  // function given at OpenSession when there is something new; except for a write that is complete
  // when Write returns (memory engine): who writes polls in the same turn.
  virtual void Poll(std::vector<Completion>& out) = 0;
};

struct EngineStats {
  std::uint64_t rows = 0;       // approximate; this node's own, without hints
  std::uint64_t bytes = 0;      // approximate, of these rows at rest
  std::uint64_t hint_rows = 0;  // approximate
  std::uint64_t cache_hits = 0, cache_misses = 0, cache_bytes = 0;
  std::uint64_t expected_misses = 0;            // of cache_misses: ExpectReads had seen no row
  std::uint64_t commits = 0, commit_rows = 0;   // group commits, and the writes in them
  std::uint64_t commit_us_total = 0;            // from their start until they are answered
  std::uint64_t run_files = 0, run_rows = 0;    // of commit_rows: written straight into table files
  std::uint64_t tables = 0, tables_merged = 0;  // files of rows now; small ones that became few
  std::uint64_t read_errors = 0, write_errors = 0, corruptions = 0;
  // Damaged databases set aside at this open: if any, local state went back and the node must write
  // as fresh actors (core/causality/actor.h), whatever its clean stop says.
  std::uint64_t quarantines = 0;
  // Damaged table files that were made whole in place, without the rows of so many blocks: how many
  // rows that were is not known.
  std::uint64_t tables_salvaged = 0, blocks_lost = 0;
  bool writable = true;
  std::string problem;  // one sentence if not writable, or after a quarantine
};

class Engine {
 public:
  virtual ~Engine() = default;
  // `wake` is called from any thread, must be cheap, and may be called once more after the session
  // is gone. One session per shard, opened before its thread runs.
  virtual std::unique_ptr<EngineSession> OpenSession(std::function<void()> wake) = 0;
  // What survives a restart beside the rows: small named blobs (actors, cluster id, ring digest),
  // durable when PutMeta returns. Blocking; for start and stop only.
  virtual Result<std::optional<std::string>> GetMeta(const std::string& name) = 0;
  virtual Status PutMeta(const std::string& name, const std::string& value) = 0;
  // The leaves with a sum that is not 0, by (keyspace, leaf). Before sessions are opened. The
  // memory engine keeps none: its rows are gone as well. Errors: kCorruption: the sums do not tell
  // what the rows are (they were damaged, or of another leaf_bits, or the database is from before
  // there were any) and have been dropped as a whole. The caller begins with none and lets a scrub
  // fill them. It is told at each open until the first write is committed, and then no more; so it
  // notes by PutMeta, before it opens sessions, that the scrub is due.
  virtual Result<std::vector<LeafSum>> LoadLeaves() = 0;
  virtual EngineStats Stats() const = 0;
  // Everything asked for is completed and durable. Sessions must be gone.
  virtual Status Close() = 0;
};

}  // namespace gyre
