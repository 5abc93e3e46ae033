// Small table files of rows, made few and large again. A file that runs were written into is of
// about a megabyte, and lies where RocksDB's own compactions never come: on the last level, with
// nothing above it. A large disk would be 100,000 of them, of which few are open at a time.
#include <rocksdb/convenience.h>

#include <algorithm>
#include <string>
#include <vector>

#include "storage/rocks_database.h"

namespace gyre {
namespace {

// Of one step: as large as RocksDB's own, and soon over.
constexpr std::uint64_t kBytesMax = 64 << 20;
constexpr std::uint64_t kSmallBytesMax = kBytesMax / 4;
// So that a row is rewritten a few times at the most, however small the first files were.
constexpr std::size_t kTablesMin = 8;

// The first small files of a level that lie beside each other, or none.
std::vector<std::string> SmallTables(const rocksdb::LevelMetaData& level) {
  std::vector<std::string> names;
  std::uint64_t bytes = 0;
  for (const rocksdb::SstFileMetaData& file : level.files) {
    const bool small = file.size <= kSmallBytesMax && !file.being_compacted;
    if (small && bytes + file.size <= kBytesMax) {
      names.push_back(file.name);
      bytes += file.size;
      continue;
    }
    if (names.size() >= kTablesMin) return names;
    names.clear();
    bytes = 0;
    if (!small) continue;
    names.push_back(file.name);
    bytes = file.size;
  }
  if (names.size() < kTablesMin) names.clear();
  return names;
}

}  // namespace

rocksdb::Status RocksDatabase::MergeTables(std::size_t& merged) {
  merged = 0;
  rocksdb::ColumnFamilyMetaData meta;
  db_->GetColumnFamilyMetaData(rows_, &meta);
  // Above the last level RocksDB merges by itself, and may cut files by those below.
  const auto last = std::find_if(meta.levels.rbegin(), meta.levels.rend(),
                                 [](const auto& level) { return !level.files.empty(); });
  if (last == meta.levels.rend() || last->level == 0) return {};
  const std::vector<std::string> names = SmallTables(*last);
  if (names.empty()) return {};
  rocksdb::CompactionOptions options;
  options.compression = rocksdb::kDisableCompressionOption;  // that is: as the family says
  options.output_file_size_limit = kBytesMax;
  std::vector<std::string> made;
  const rocksdb::Status status =
      db_->CompactFiles(options, rows_, names, last->level, /*output_path_id=*/-1, &made);
  // Else it would be done again and again.
  if (!status.ok() || made.size() > names.size() / 2) return status;
  merged = names.size();
  tables_merged_.fetch_add(merged, std::memory_order_relaxed);
  return status;
}

void RocksDatabase::CutMergesShort() {
  rocksdb::CancelAllBackgroundWork(db_.get(), /*wait=*/false);
}

}  // namespace gyre
