#include "storage/leaf_log.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rocksdb/db.h>

#include <map>
#include <optional>

#include "base/prng.h"
#include "storage/storage_test_util.h"

namespace gyre {
namespace {

constexpr int kLeafBits = 14;  // four blocks

using Leaf = std::pair<std::uint32_t, std::uint32_t>;  // keyspace, leaf
using Model = std::map<Leaf, std::uint64_t>;

Token TokenOf(std::uint32_t leaf, int leaf_bits = kLeafBits) {
  return {std::uint64_t{leaf} << (64 - leaf_bits) | 5, 7};
}

// A log on a database of its own, as RocksDatabase has it.
class LogOnDisk {
 public:
  explicit LogOnDisk(int leaf_bits = kLeafBits) : leaf_bits_(leaf_bits) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.write_buffer_size = 256 << 10;  // so that much of it is in table files
    rocksdb::DB* db = nullptr;
    GYRE_CHECK(rocksdb::DB::Open(options, folder_.path() + "/db", &db).ok());
    db_.reset(db);
    log_.emplace(leaf_bits);
  }

  void Add(std::uint32_t keyspace, std::uint32_t leaf, std::uint64_t delta) {
    log_->Add(KeyspaceId(keyspace), TokenOf(leaf, leaf_bits_), delta);
  }
  // False: as a failed write.
  void Commit(bool succeeds = true) {
    rocksdb::WriteBatch batch;
    log_->AppendTo(batch, db_->DefaultColumnFamily());
    if (!succeeds) return log_->Failed();
    GYRE_CHECK(db_->Write({}, &batch).ok());
    log_->Committed();
  }
  // Before what is added goes into a note.
  void CatchUp() {
    if (log_->owes_entry()) Commit();
    GYRE_CHECK(!log_->owes_entry());
  }
  void CommitAside(bool succeeds = true) {
    const std::optional<std::string> note = log_->AppendAside();
    if (!succeeds) return log_->Failed();
    if (note) note_ = note;
    log_->Committed();
  }
  Status Reload(int leaf_bits = kLeafBits) {
    log_.emplace(leaf_bits);
    const std::unique_ptr<rocksdb::Iterator> all(db_->NewIterator({}));
    return log_->Load(*all, note_);
  }
  Model Sums() const {
    Model sums;
    Leaf last{0, 0};
    for (const LeafSum& each : log_->Sums()) {
      const Leaf leaf{each.keyspace.value, each.leaf};
      GYRE_CHECK(each.sum != 0 && (sums.empty() || last < leaf));
      sums[leaf] = each.sum;
      last = leaf;
    }
    return sums;
  }
  // Bytes of the entries (kLeafEntryKind) or blocks, and how many there are.
  std::pair<std::size_t, std::size_t> Stored(char kind) const {
    const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
    std::pair<std::size_t, std::size_t> stored{0, 0};
    for (at->SeekToFirst(); at->Valid(); at->Next()) {
      if (at->key()[0] != kind) continue;
      stored.first += at->key().size() + at->value().size();
      ++stored.second;
    }
    return stored;
  }
  rocksdb::DB& db() { return *db_; }
  const LeafLog& log() const { return *log_; }
  void SetNote(std::string note) { note_ = std::move(note); }

 private:
  const int leaf_bits_;
  TempFolder folder_;
  std::unique_ptr<rocksdb::DB> db_;
  std::optional<LeafLog> log_;
  std::optional<std::string> note_;
};

void Add(Model& model, Leaf leaf, std::uint64_t delta) {
  if ((model[leaf] += delta) == 0) model.erase(leaf);
}

// Goal: whatever is added, in the log or in a note, fails or is read again from disk, the sums are
// those of what succeeded.
TEST(LeafLogTest, SumsAreWhatAMapHolds) {
  std::size_t blocks = 0;
  std::size_t reloads = 0;
  std::size_t notes_loaded = 0;  // that the log lacked
  EXPECT_TRUE(rc::check([&] {
    LogOnDisk log;
    Model model;
    const int rounds = *rc::gen::inRange(1, 60);
    for (int round = 0; round < rounds; ++round) {
      Prng prng(*rc::gen::arbitrary<std::uint64_t>());
      Model after = model;
      const bool aside = prng.Below(3) == 0;
      if (aside) log.CatchUp();
      const std::uint64_t count = prng.Below(300);
      for (std::uint64_t i = 0; i < count; ++i) {
        const Leaf leaf{static_cast<std::uint32_t>(prng.Below(2)),
                        static_cast<std::uint32_t>(prng.Below(1 << kLeafBits))};
        // Some go back to 0, and some are of the leaf that the one before was.
        const auto it = model.lower_bound(leaf);
        const bool back = it != model.end() && prng.Below(3) == 0;
        const Leaf chosen = back ? it->first : leaf;
        const std::uint64_t delta = back ? 0 - it->second : prng.Next();
        for (int part = 0; part < 2; ++part) {
          const std::uint64_t half = part == 0 ? delta / 2 : delta - delta / 2;
          log.Add(chosen.first, chosen.second, half);
          Add(after, chosen, half);
        }
      }
      const bool succeeds = prng.Below(4) != 0;
      aside ? log.CommitAside(succeeds) : log.Commit(succeeds);
      if (succeeds) model = std::move(after);
      if (prng.Below(5) == 0) {
        RC_ASSERT(log.Reload().has_value());
        ++reloads;
        notes_loaded += log.log().owes_entry();
      }
      RC_ASSERT(log.Sums() == model);
    }
    RC_ASSERT(log.Reload().has_value());
    RC_ASSERT(log.Sums() == model);
    blocks += log.Stored(kLeafBlockKind).second;
  }));
  EXPECT_GT(blocks, 50u);
  EXPECT_GT(reloads, 50u);
  EXPECT_GT(notes_loaded, 50u);
}

// Goal: a note that the log has taken in counts once, also when all blocks have taken the entry in
// and it is deleted; one that is damaged is told.
TEST(LeafLogTest, ANoteCountsOnce) {
  LogOnDisk log;
  log.Add(0, 3, 10);
  log.CommitAside();
  EXPECT_EQ(log.Stored(kLeafEntryKind).second, 0u);
  ASSERT_TRUE(log.Reload().has_value());
  EXPECT_EQ(log.Sums(), (Model{{{0, 3}, 10}}));
  log.Add(0, 3, 1);
  log.Commit();
  EXPECT_GE(log.Stored(kLeafEntryKind).second, 1u);
  for (int life = 0; life < 200; ++life) {
    ASSERT_TRUE(log.Reload().has_value());
    EXPECT_FALSE(log.log().owes_entry());
    ASSERT_EQ(log.Sums(), (Model{{{0, 3}, 11u + static_cast<std::uint64_t>(life)}}));
    log.Add(0, 3, 1);
    log.Commit();
  }
  EXPECT_LT(log.Stored(kLeafEntryKind).second, 200u) << "nothing was deleted";
  for (const char* damaged : {"", "L", "L\0\0\0\0\0\0\1"}) {
    log.SetNote(damaged);
    const Status loaded = log.Reload();
    ASSERT_FALSE(loaded.has_value());
    EXPECT_EQ(loaded.error().code, ErrorCode::kCorruption);
  }
}

// Goal: the log is bounded, whatever is written; blocks take their turns, and those that are
// written last are not always the same.
TEST(LeafLogTest, BlocksKeepTheLogShort) {
  LogOnDisk log;
  Model model;
  Prng prng(1);
  std::size_t entry_bytes_max = 0;
  const std::size_t bound = 4 * LeafBlockBytes(kLeavesPerBlock);
  std::size_t longest = 0;
  for (int group = 0; group < 4000; ++group) {
    const std::uint64_t count = 1 + prng.Below(60);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto leaf = static_cast<std::uint32_t>(prng.Below(1 << kLeafBits));
      const std::uint64_t delta = prng.Next();
      log.Add(0, leaf, delta);
      Add(model, {0, leaf}, delta);
    }
    log.Commit();
    entry_bytes_max = std::max<std::size_t>(entry_bytes_max, 9 + 5 + 16 * count);
    if (group % 100 == 0) {
      longest = std::max(longest, log.Stored(kLeafEntryKind).first);
      ASSERT_LE(longest, bound + entry_bytes_max);
    }
    if (group % 500 == 499) {
      ASSERT_TRUE(log.Reload().has_value());
      ASSERT_EQ(log.Sums(), model);
    }
  }
  EXPECT_GT(longest, bound / 4);  // and blocks are not written more often than wanted
  EXPECT_EQ(log.Stored(kLeafBlockKind).second, 4u);
}

// Goal: a node that is stopped after each of its writes still gets rid of its log.
TEST(LeafLogTest, TheLogIsBoundedOverManyStarts) {
  LogOnDisk log;
  for (std::uint32_t start = 0; start < 200; ++start) {
    log.Add(0, start * 4099 % (1 << kLeafBits), 1);
    log.Commit();
    ASSERT_TRUE(log.Reload().has_value());
    ASSERT_LE(log.Stored(kLeafEntryKind).second, 8u);
  }
  EXPECT_EQ(log.Sums().size(), 200u);
}

// Goal: one entry for a group, one delta for a leaf: the cost that the design is for.
TEST(LeafLogTest, AGroupIsOneEntry) {
  LogOnDisk log;
  for (int i = 0; i < 60; ++i) {
    log.Add(static_cast<std::uint32_t>(i % 2), 9, 1);
  }
  log.Commit();
  EXPECT_EQ(log.Stored(kLeafEntryKind), (std::pair<std::size_t, std::size_t>(9 + 5 + 2 * 16, 1)));
  log.Commit();  // with nothing
  log.Add(0, 9, 0);
  log.Commit();
  EXPECT_EQ(log.Stored(kLeafEntryKind).second, 1u);
  EXPECT_EQ(log.Sums(), (Model{{{0, 9}, 30}, {{1, 9}, 30}}));
}

// Goal: a failed group leaves no trace in the sums, nor in what the next one writes; also one that
// was to write blocks.
TEST(LeafLogTest, AFailedGroupChangesNothing) {
  LogOnDisk log;
  log.Add(0, 1, 10);
  log.Commit();
  for (std::uint32_t i = 0; i < 4000; ++i) log.Add(0, i, 1);
  log.Commit(/*succeeds=*/false);
  EXPECT_EQ(log.Sums(), (Model{{{0, 1}, 10}}));
  log.Commit(/*succeeds=*/false);
  log.Commit();
  log.Add(0, 2, 20);
  log.Commit();
  const Model expected{{{0, 1}, 10}, {{0, 2}, 20}};
  EXPECT_EQ(log.Sums(), expected);
  ASSERT_TRUE(log.Reload().has_value());
  EXPECT_EQ(log.Sums(), expected);
}

// Goal: the first and the last leaf, with the fewest and the most bits.
TEST(LeafLogTest, AnyNumberOfLeavesWorks) {
  for (const int bits : {1, 5, 12, 13, 20, 24}) {
    LogOnDisk log(bits);
    const std::uint32_t last = (1u << bits) - 1;
    log.Add(UINT32_MAX, 0, 1);
    log.Add(UINT32_MAX, last, 2);
    log.Commit();
    ASSERT_TRUE(log.Reload(bits).has_value());
    EXPECT_EQ(log.Sums(), (Model{{{UINT32_MAX, 0}, 1}, {{UINT32_MAX, last}, 2}})) << bits;
    if (bits < 5) continue;
    EXPECT_EQ(log.Reload(bits - 1).error().code, ErrorCode::kCorruption) << "beyond the last leaf";
  }
}

// Goal: anything in the family that is not as it was written is damage of the whole.
TEST(LeafLogTest, DamageIsSeenAtLoad) {
  for (const char kind : {kLeafBlockKind, kLeafEntryKind}) {
    LogOnDisk log;
    for (std::uint32_t group = 0; group < 50; ++group) {
      for (std::uint32_t i = 0; i < 100; ++i) log.Add(0, (group * 100 + i) * 3, i + 1);
      log.Commit();
    }
    ASSERT_TRUE(log.Reload().has_value());
    const std::unique_ptr<rocksdb::Iterator> at(log.db().NewIterator({}));
    at->Seek(std::string(1, kind));
    ASSERT_TRUE(at->Valid() && at->key()[0] == kind);
    std::string damaged = at->value().ToString();
    damaged[damaged.size() / 2] ^= 1;
    ASSERT_TRUE(log.db().Put({}, at->key(), damaged).ok());
    EXPECT_EQ(log.Reload().error().code, ErrorCode::kCorruption);
    ASSERT_TRUE(log.db().Put({}, at->key(), at->value()).ok());
    EXPECT_TRUE(log.Reload().has_value());
    ASSERT_TRUE(log.db().Put({}, std::string("?") + "12345678", "what is this").ok());
    EXPECT_EQ(log.Reload().error().code, ErrorCode::kCorruption);
  }
}

}  // namespace
}  // namespace gyre
