#include "storage/ring_memtable.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <rocksdb/write_batch.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include "storage/storage_test_util.h"

namespace gyre {
namespace {

using Rows = std::map<std::string, std::string>;

class RingMemtableTest : public ::testing::Test {
 protected:
  RingMemtableTest() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.allow_concurrent_memtable_write = false;
    options.memtable_factory = MakeRingMemtableFactory();
    rocksdb::DB* db = nullptr;
    GYRE_CHECK(rocksdb::DB::Open(options, folder_.path() + "/db", &db).ok());
    db_.reset(db);
  }

  std::optional<std::string> Get(const std::string& key) {
    std::string value;
    const rocksdb::Status status = db_->Get({}, key, &value);
    EXPECT_TRUE(status.ok() || status.IsNotFound());
    return status.ok() ? std::optional(value) : std::nullopt;
  }
  Rows Forward(const rocksdb::ReadOptions& options = {}) {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator(options));
    Rows rows;
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      EXPECT_TRUE(rows.empty() || rows.rbegin()->first < at->key().ToString());
      rows.emplace(at->key().ToString(), at->value().ToString());
    }
    return rows;
  }
  Rows Backward() {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    Rows rows;
    for (at->SeekToLast(); at->Valid(); at->Prev()) {
      EXPECT_TRUE(rows.empty() || rows.begin()->first > at->key().ToString());
      rows.emplace(at->key().ToString(), at->value().ToString());
    }
    return rows;
  }
  // What lies at or behind `key`, and at or before it.
  void ExpectNeighbours(const Rows& rows, const std::string& key) {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    at->Seek(key);
    const auto next = rows.lower_bound(key);
    ASSERT_EQ(at->Valid(), next != rows.end());
    if (at->Valid()) {
      EXPECT_EQ(at->key().ToString(), next->first);
    }
    at->SeekForPrev(key);
    const auto behind = rows.upper_bound(key);
    ASSERT_EQ(at->Valid(), behind != rows.begin());
    if (at->Valid()) {
      EXPECT_EQ(at->key().ToString(), std::prev(behind)->first);
    }
  }

  TempFolder folder_;
  std::unique_ptr<rocksdb::DB> db_;
};

// Keys of all lengths from none to 40 bytes, many of which share their first 16 or more, with
// zeros among their bytes: what a prefix filled up with zeros could mistake.
std::string DrawKey(std::mt19937_64& random) {
  std::string key(random() % 41, '\0');
  for (char& byte : key) {
    if (random() % 8 == 0) byte = static_cast<char>(random() % 3 == 0 ? 0xFF : random() % 3);
  }
  return key;
}

// Goal: it holds what a map holds, in its order, whatever the order of the inserts: groups sorted
// as the commit thread's, and singly at random; overwritten and deleted keys among them.
TEST_F(RingMemtableTest, HoldsWhatAMapHolds) {
  std::mt19937_64 random(1);
  Rows rows;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> keys(1 + random() % 60);
    for (std::string& key : keys) key = DrawKey(random);
    if (round % 3 != 0) std::sort(keys.begin(), keys.end());
    rocksdb::WriteBatch batch;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (random() % 4 == 0) {
        ASSERT_TRUE(batch.Delete(keys[i]).ok());
        rows.erase(keys[i]);
      } else {
        rows[keys[i]] = std::to_string(round) + ":" + std::to_string(i);
        ASSERT_TRUE(batch.Put(keys[i], rows[keys[i]]).ok());
      }
    }
    ASSERT_TRUE(db_->Write({}, &batch).ok());
    const std::string key = DrawKey(random);
    ASSERT_EQ(Get(key), rows.contains(key) ? std::optional(rows[key]) : std::nullopt);
    ExpectNeighbours(rows, key);
    if (round % 30 == 0) {
      ASSERT_EQ(Forward(), rows);
    }
  }
  ASSERT_GT(rows.size(), 1000u);
  EXPECT_EQ(Forward(), rows);
  EXPECT_EQ(Backward(), rows);
  for (const auto& [key, value] : rows) ASSERT_EQ(Get(key), value);
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_EQ(Forward(), rows);
}

// Goal: a removal in the memtable hides what a table file has, and the newest of a key's entries
// counts, whatever their order in a batch: entries of one key differ in number and type only.
TEST_F(RingMemtableTest, ARemovalHidesWhatIsOlder) {
  Rows rows;
  for (int i = 0; i < 200; ++i) {
    rows["key" + std::to_string(i)] = "old";
    ASSERT_TRUE(db_->Put({}, "key" + std::to_string(i), "old").ok());
  }
  ASSERT_TRUE(db_->Flush({}).ok());
  rocksdb::WriteBatch batch;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "key" + std::to_string(i);
    if (i % 3 == 0) {
      ASSERT_TRUE(batch.Delete(key).ok());
      rows.erase(key);
    } else if (i % 3 == 1) {
      ASSERT_TRUE(batch.Delete(key).ok());
      ASSERT_TRUE(batch.Put(key, "new").ok());
      rows[key] = "new";
    } else if (i % 2 == 0) {
      ASSERT_TRUE(batch.Put(key, "shortly").ok());
      ASSERT_TRUE(batch.Delete(key).ok());
      rows.erase(key);
    }
  }
  ASSERT_TRUE(batch.Delete("never there").ok());
  ASSERT_TRUE(db_->Write({}, &batch).ok());
  for (int flushed = 0; flushed < 2; ++flushed) {
    EXPECT_EQ(Forward(), rows);
    EXPECT_EQ(Backward(), rows);
    for (int i = 0; i < 200; ++i) {
      const std::string key = "key" + std::to_string(i);
      ASSERT_EQ(Get(key), rows.contains(key) ? std::optional(rows[key]) : std::nullopt) << key;
      ExpectNeighbours(rows, key);
    }
    EXPECT_EQ(Get("never there"), std::nullopt);
    ASSERT_TRUE(db_->Flush({}).ok());
  }
}

// Goal: a snapshot goes on showing what it saw.
TEST_F(RingMemtableTest, ASnapshotStays) {
  for (const char* key : {"a", "b", "c"}) ASSERT_TRUE(db_->Put({}, key, "old").ok());
  rocksdb::ManagedSnapshot snapshot(db_.get());
  ASSERT_TRUE(db_->Put({}, "b", "new").ok());
  ASSERT_TRUE(db_->Delete({}, "c").ok());
  rocksdb::ReadOptions options;
  options.snapshot = snapshot.snapshot();
  EXPECT_EQ(Forward(options), (Rows{{"a", "old"}, {"b", "old"}, {"c", "old"}}));
  EXPECT_EQ(Forward(), (Rows{{"a", "old"}, {"b", "new"}}));
}

// Goal: who reads while rows are inserted sees every row that was there before, whole and in order.
// Each new row comes right before the one that is asked for most.
TEST_F(RingMemtableTest, InsertsHideNothingFromReaders) {
  constexpr int kRows = 50'000;
  std::atomic<int> written{0};
  const auto key_of = [](int i) { return std::to_string(999'999 - i) + " and on"; };
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 2; ++reader) {
    readers.emplace_back([&, reader] {
      std::mt19937_64 random(static_cast<std::uint64_t>(reader));
      for (int seen = 0; seen < kRows; seen = written.load()) {
        if (seen == 0) continue;
        const int back = static_cast<int>(random() % static_cast<unsigned>(std::min(seen, 3)));
        const std::string key = key_of(seen - 1 - back);
        ASSERT_EQ(Get(key), key);
        const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
        at->SeekForPrev(key);
        ASSERT_TRUE(at->Valid());
        ASSERT_EQ(at->key(), key);
        at->Seek(key);
        for (int i = seen - 1 - back; i >= std::max(0, seen - 20); --i, at->Next()) {
          ASSERT_TRUE(at->Valid());
          ASSERT_EQ(at->key(), key_of(i));
          ASSERT_EQ(at->value(), key_of(i));
        }
      }
    });
  }
  for (int i = 0; i < kRows; ++i) {
    ASSERT_TRUE(db_->Put({}, key_of(i), key_of(i)).ok());
    written.store(i + 1);
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(Forward().size(), static_cast<std::size_t>(kRows));
}

}  // namespace
}  // namespace gyre
