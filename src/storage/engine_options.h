// How a node's storage is opened. Plain data; limits with their units last.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/log.h"
#include "base/result.h"
#include "base/time.h"
#include "storage/engine.h"

namespace rocksdb {
class Env;
}

namespace gyre {

struct EngineOptions {
  // The node's data folder (data_folder.h), which must exist. The engine keeps `db/`, `ballast` and
  // `quarantine-N/` in it. RocksDB only.
  std::string path;
  // One session per shard; OpenSession may be called so many times, in the order of the shards.
  std::uint16_t session_count = 1;
  // Outlives the engine. Called from the engine's own threads too.
  Log* log = nullptr;

  // ---- RocksDB only ----
  // A leaf is an arc of the ring: all tokens with the same so many upper bits (LeafSum). From 1 to
  // 24. Sums kept with another value are dropped at open (Engine::LoadLeaves).
  int leaf_bits = 20;
  // Other nodes have copies of the rows: what is lost in a damaged block of a table file comes
  // back, so the block is emptied and all goes on. If not, it stays, and its rows are errors: what
  // cannot be read is not "absent".
  bool salvages = true;
  Durability durability = Durability::kSync;
  Duration sync_interval = Duration::Seconds(1);  // kInterval: at most so much can be lost
  std::size_t row_cache_bytes = 64 << 20;         // hot rows, split over the sessions
  std::size_t block_cache_bytes = 256 << 20;
  // All memtables of rows together. Those of the other families are at most a fifth of it and 2
  // MiB.
  std::size_t memtables_bytes = 64 << 20;
  // Rows asked for and not yet committed, per session; past it writes are refused (kOverloaded).
  std::size_t pending_bytes_max = 256 << 20;
  // Less free space than this turns writes away (kOverloaded) while RocksDB itself still has room.
  std::uint64_t free_space_floor_bytes = 256 << 20;
  // Given back to a full disk, so that RocksDB can flush its memtables and go on. Larger than all
  // memtables.
  std::uint64_t ballast_bytes = 80 << 20;
  Duration recovery_interval = Duration::Millis(500);  // how often a full disk is looked at again
  int read_threads = 2;
  int open_files_max = 512;                         // table files kept open; at least 20
  Duration merge_interval = Duration::Seconds(10);  // how often TableMerger looks
  rocksdb::Env* env = nullptr;  // tests put a faulty one here; must outlive the engine
};

// Rows in memory only. `path`, `durability` and the like are ignored.
std::unique_ptr<Engine> OpenMemoryEngine(const EngineOptions& options);

// Rows in RocksDB under `options.path`. A damaged database is set aside as `quarantine-N` and an
// empty one begun: Stats().quarantines says so, and the node must then write as fresh actors and
// fetch its rows from its peers.
// Errors: kIoError (disk, or another process holds the database), kInvalidArgument.
Result<std::unique_ptr<Engine>> OpenRocksEngine(const EngineOptions& options);

}  // namespace gyre
