#include "storage/rocks_options.h"

#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/table_properties_collectors.h>

#include "storage/ring_memtable.h"
#include "storage/rocks_logger.h"

namespace gyre {
namespace {

constexpr std::size_t kMetaWriteBufferBytes = 1 << 20;
// Memtables are small, because an insert into one that has outgrown the processor's caches costs
// more, and flushed together, because small files at level 0 would be compacted more often.
constexpr int kMemtablesMax = 16;
constexpr int kMemtablesPerFlush = 8;
// At level 0, past which writes wait for compactions: of rows, and of the other families.
constexpr int kRowFilesMax = 256;
constexpr int kSmallFilesMax = 100'000;
// Of the other families: parts of EngineOptions::memtables_bytes. Two of each, beside the rows',
// are less than the ballast by default, so that a full disk that got it back can take them all.
constexpr int kHintShare = 16;
constexpr int kLeafShare = 32;
// A hint is written, sent and removed. Table files where so many of neighbouring entries are
// removals are compacted soon, or a scan of what is left would walk through them.
constexpr std::size_t kRemovalWindow = 1024;
constexpr std::size_t kRemovalsInWindowMax = 512;
// Blocks of leaf sums are written again and again: a merge of few files costs as much as of many.
constexpr int kLeafFilesPerCompaction = 8;

// Where compactions of rows take all the time there is, small files of a family (each flush and
// each group of runs leaves one) are no reason to hold up writes.
void LetFilesPileUp(rocksdb::ColumnFamilyOptions& family) {
  family.level0_slowdown_writes_trigger = kSmallFilesMax;
  family.level0_stop_writes_trigger = kSmallFilesMax;
}

std::shared_ptr<rocksdb::TableFactory> MakeTableFactory(
    const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Index and filters are charged to the block cache, so that memory is bounded by it.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;  // this and the checksum: as table_mask.cc knows them
  table.checksum = rocksdb::kXXH3;
  return std::shared_ptr<rocksdb::TableFactory>(rocksdb::NewBlockBasedTableFactory(table));
}

}  // namespace

rocksdb::DBOptions MakeDbOptions(const EngineOptions& options, rocksdb::Env* env) {
  rocksdb::DBOptions db;
  db.env = env;
  db.create_if_missing = true;
  db.create_missing_column_families = true;
  db.paranoid_checks = true;
  db.info_log = std::make_shared<RocksLogger>(options.log);
  db.info_log_level = rocksdb::InfoLogLevel::WARN_LEVEL;
  // The default (point in time) opens after a flip in mid-log and drops all that follows. This one
  // takes a torn tail, which a power cut leaves, and refuses anything else.
  db.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  db.max_open_files = options.open_files_max;
  // The families share the log, and a file of it stays until each has flushed what it has there.
  // One that is written rarely (hints, meta) would keep all of them: past this total RocksDB
  // flushes whichever family holds the oldest.
  db.max_total_wal_size = options.memtables_bytes;
  // A flush or compaction has no more than this under way to the disk: on one that is slower than
  // they are, each sync of the log would wait for all that they had written.
  db.bytes_per_sync = 1 << 20;
  db.strict_bytes_per_sync = true;
  db.max_background_jobs = 2;
  // How far writes are slowed down while flushes fall behind. Slower than a disk takes them, each
  // group would sleep for seconds.
  db.delayed_write_rate = 256 << 20;
  // One thread writes; what serves many only costs it.
  db.allow_concurrent_memtable_write = false;
  db.enable_write_thread_adaptive_yield = false;
  return db;
}

rocksdb::ColumnFamilyOptions MakeRowOptions(const EngineOptions& options,
                                            const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions rows;
  rows.table_factory = MakeTableFactory(cache);
  rows.write_buffer_size = options.memtables_bytes / kMemtablesMax;
  rows.max_write_buffer_number = kMemtablesMax;
  rows.min_write_buffer_number_to_merge = kMemtablesPerFlush;
  rows.memtable_factory = MakeRingMemtableFactory();
  // Late, as RocksDB slows down by a fifth with each memtable, to next to nothing within seconds.
  // Each file costs reads a look at its filter, and up to half a megabyte of the block cache.
  rows.level0_slowdown_writes_trigger = kRowFilesMax / 2;
  rows.level0_stop_writes_trigger = kRowFilesMax;
  // With so many memtables, a read of what is in none must not search each.
  rows.memtable_whole_key_filtering = true;
  rows.memtable_prefix_bloom_size_ratio = 0.02;
  // What is flushed is soon compacted: compressed then.
  rows.compression = rocksdb::kLZ4Compression;
  rows.compression_per_level = {rocksdb::kNoCompression, rocksdb::kLZ4Compression};
  rows.level_compaction_dynamic_level_bytes = true;
  return rows;
}

rocksdb::ColumnFamilyOptions MakeHintOptions(const EngineOptions& options,
                                             const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::ColumnFamilyOptions hints;
  hints.table_factory = MakeTableFactory(cache);
  hints.write_buffer_size = options.memtables_bytes / kHintShare;
  hints.max_write_buffer_number = 2;
  LetFilesPileUp(hints);
  hints.compression = rocksdb::kLZ4Compression;
  hints.level_compaction_dynamic_level_bytes = true;
  hints.table_properties_collector_factories.push_back(
      rocksdb::NewCompactOnDeletionCollectorFactory(kRemovalWindow, kRemovalsInWindowMax));
  return hints;
}

// Without a share of the block cache: it is read at open only.
rocksdb::ColumnFamilyOptions MakeLeafOptions(const EngineOptions& options) {
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions leaves;
  leaves.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  leaves.write_buffer_size = options.memtables_bytes / kLeafShare;
  leaves.max_write_buffer_number = 2;
  leaves.level0_file_num_compaction_trigger = kLeafFilesPerCompaction;
  LetFilesPileUp(leaves);
  leaves.compression = rocksdb::kNoCompression;  // sums are hashes
  return leaves;
}

rocksdb::ColumnFamilyOptions MakeMetaOptions() {
  rocksdb::ColumnFamilyOptions meta;
  meta.write_buffer_size = kMetaWriteBufferBytes;
  meta.max_write_buffer_number = 2;
  LetFilesPileUp(meta);
  return meta;
}

}  // namespace gyre
