// What one shard counts. Plain integers, read on the shard's own thread; the server publishes them.
#pragma once

#include <cstdint>

namespace gyre {

struct ShardCounters {
  std::uint64_t gets = 0, puts = 0, scans = 0, forwards = 0;            // client requests
  std::uint64_t replica_gets = 0, replica_puts = 0, replica_scans = 0;  // from peers
  std::uint64_t read_repairs = 0;             // records sent to stale owners
  std::uint64_t reads_blocked_on_repair = 0;  // gets that waited for a write-back
  std::uint64_t unavailable = 0, outcome_unknown = 0, overloaded = 0;
  std::uint64_t siblings_created = 0;  // puts that left more than one live sibling
  std::uint64_t clock_entries_truncated = 0;
  std::uint64_t corrupt_rows = 0, corrupt_messages = 0, wrong_epoch = 0, storage_errors = 0;
  std::uint64_t actors_retired = 0;
};

}  // namespace gyre
