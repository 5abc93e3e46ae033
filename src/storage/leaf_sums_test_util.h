// For tests of leaf sums in RocksDB: rows written with what they add, and the sums that they make.
#pragma once

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/ledger/merkle_tree.h"
#include "storage/faulty_disk.h"
#include "storage/rocks_options.h"
#include "storage/storage_test_util.h"

namespace gyre {

using Sums = std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t>;

// What a row adds to its leaf in these tests.
inline std::uint64_t HashOf(const RowKey& key, const std::optional<Row>& row) {
  return row ? RowDigest(key, row->record.view()) : 0;
}

class LeafSumsTest : public ::testing::Test {
 protected:
  LeafSumsTest() : options_(SmallOptions(folder_.path())) {
    options_.env = disk_.env();
    options_.log = &log_;
    options_.leaf_bits = 14;
  }
  std::unique_ptr<Engine> Open() {
    auto engine = OpenRocksEngine(options_);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return *std::move(engine);
  }
  std::unique_ptr<Engine> OpenAt(const std::string& path) {
    EngineOptions options = SmallOptions(path);
    options.leaf_bits = options_.leaf_bits;
    options.log = &log_;
    auto engine = OpenRocksEngine(options);
    EXPECT_TRUE(engine.has_value()) << engine.error().message;
    return *std::move(engine);
  }
  // Writes it and what it does to the sum, as a replica does.
  RequestId Write(TestSession& session, const RowKey& key, const std::optional<Row>& row,
                  RequestId run = {}) {
    return session.Write(key, row, HashOf(key, row) - HashOf(key, session.Read(key)), run);
  }
  Sums SumsOf(TestSession& session, std::initializer_list<std::uint32_t> keyspaces = {0}) {
    Sums sums;
    for (const std::uint32_t keyspace : keyspaces) {
      const auto rows = session.ScanAll(keyspace, 1000).value();
      for (const ScannedRow& each : rows) {
        const std::uint64_t leaf = each.key.token.high >> (64 - options_.leaf_bits);
        sums[{keyspace, static_cast<std::uint32_t>(leaf)}] += HashOf(each.key, each.row);
      }
    }
    return sums;
  }
  static Sums Loaded(Engine& engine) {
    Sums sums;
    const auto leaves = engine.LoadLeaves();
    EXPECT_TRUE(leaves.has_value()) << leaves.error().message;
    if (!leaves) return sums;
    for (const LeafSum& each : *leaves) sums[{each.keyspace.value, each.leaf}] = each.sum;
    return sums;
  }
  // What is in the family `leaves` of a database that no engine has open; `use` may change it.
  template <typename Use>
  void WithFamilies(const Use& use) {
    const auto cache = rocksdb::NewLRUCache(1 << 20);
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
        {"default", MakeRowOptions(options_, cache)},
        {"meta", MakeMetaOptions()},
        {"hints", MakeHintOptions(options_, cache)},
        {"leaves", MakeLeafOptions(options_)}};
    std::vector<rocksdb::ColumnFamilyHandle*> handles;
    rocksdb::DB* raw = nullptr;
    const auto status = rocksdb::DB::Open(MakeDbOptions(options_, rocksdb::Env::Default()),
                                          folder_.path() + "/db", families, &handles, &raw);
    ASSERT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<rocksdb::DB> db(raw);
    use(*db, handles);
    for (rocksdb::ColumnFamilyHandle* handle : handles) db->DestroyColumnFamilyHandle(handle);
  }

  TempFolder folder_;
  CapturedLog log_;
  FaultyDisk disk_;
  EngineOptions options_;
};

}  // namespace gyre
