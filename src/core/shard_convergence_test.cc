// Hints, exchange and scrub together, under faults of all kinds: what was acknowledged stays, and
// in the end all owners hold the same. Paper 4.6, 4.7. (The simulator does this at length; here a
// failure is small, and in one process step by step.)
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "core/test_cluster.h"

namespace gyre::testing {
namespace {

constexpr int kNodes = 5;
constexpr int kKeys = 6;

class Storm {
 public:
  explicit Storm(std::uint64_t seed) : prng_(seed), cluster_(kNodes, {}, ConfigOf(prng_)) {
    for (int i = 0; i < kNodes; ++i) cluster_.node(i).rows_at_hand = prng_.Chance(300'000);
  }

  void Run(int steps) {
    for (int i = 0; i < steps; ++i) Step();
  }
  void Heal() {
    cluster_.cuts.clear();
    for (int i = 0; i < kNodes; ++i) cluster_.node(i).write_error.reset();
    // All in reach before any is back: Rejoin leaves out those that are not.
    for (int i = 0; i < kNodes; ++i) cluster_.Rejoin(i);
    cluster_.RunFor(Duration::Seconds(60));
  }
  void Check() {
    for (const auto& [number, put] : puts_) {
      const auto answer = cluster_.answers.find(number);
      if (answer != cluster_.answers.end() && answer->second.has_value()) {
        acknowledged_[put.first].insert(put.second);
      }
    }
    int acknowledged = 0;
    for (int k = 0; k < kKeys; ++k) {
      const RowKey key = KeyOf(k);
      const Ring& ring = cluster_.ring();
      const Ring::Owners owners = ring.OwnersOf(ring.PartitionOf(key.token), 3);
      const std::map<RowKey, Row>& first = NodeOf(owners.data[0]).rows;
      if (!first.contains(key)) {
        EXPECT_TRUE(acknowledged_[k].empty()) << k;
        continue;
      }
      const auto values = ValuesOf(Record::Decode(first.at(key).record).value());
      const std::set<std::string> found(values.begin(), values.end());
      for (const std::string& value : acknowledged_[k]) {
        ++acknowledged;
        EXPECT_TRUE(found.contains(value)) << "lost: " << value << " of key " << k;
      }
      for (const NodeId owner : owners) {
        ASSERT_TRUE(NodeOf(owner).rows.contains(key)) << k << " at " << owner.value;
        EXPECT_EQ(NodeOf(owner).rows.at(key).record, first.at(key).record) << k;
      }
    }
    EXPECT_GT(acknowledged, 0);
    for (int at = 0; at < kNodes; ++at) CheckNode(at);
  }

 private:
  static CoreConfig ConfigOf(Prng& prng) {
    CoreConfig config;
    config.hint_after = Duration::Millis(static_cast<std::int64_t>(20 + prng.Below(200)));
    config.hint_replay_retry = Duration::Millis(static_cast<std::int64_t>(20 + prng.Below(200)));
    config.hint_replay_window = 1 + prng.Below(4);
    if (prng.Chance(300'000)) config.hint_bytes_max = 2'000;
    if (prng.Chance(300'000)) config.sync_lag = Duration::Millis(300);
    config.repair_cycle = Duration::Millis(static_cast<std::int64_t>(200 + prng.Below(5'000)));
    config.exchange_settle = Duration::Millis(20);
    config.exchange_rows_max = 2 + prng.Below(3);
    config.scrub_cycle = Duration::Seconds(static_cast<std::int64_t>(1 + prng.Below(10)));
    config.request_timeout = Duration::Millis(500);
    config.storage_retry_after = Duration::Millis(100);
    return config;
  }
  RowKey KeyOf(int k) const { return cluster_.Key("key" + std::to_string(k)); }
  TestNode& NodeOf(NodeId id) { return cluster_.node(static_cast<int>(id.value) - 1); }
  int AnyNode() { return static_cast<int>(prng_.Below(kNodes)); }

  void Step() {
    const int at = AnyNode();
    switch (prng_.Below(12)) {
      case 0:
        return cluster_.Isolate(at);
      case 1:
      case 2:
        return cluster_.Rejoin(at);
      case 3: {
        const int other = AnyNode();
        if (other != at) cluster_.cuts.emplace_back(at, other);
        return;
      }
      case 4:
        cluster_.cuts.clear();
        return;
      case 5:
        cluster_.Restart(at);
        cluster_.node(at).write_error.reset();
        return;
      case 6:
        cluster_.node(at).write_error = Error{ErrorCode::kIoError, "EIO"};
        return;
      case 7:
        for (int i = 0; i < kNodes; ++i) cluster_.node(i).write_error.reset();
        return;
      case 8:
        cluster_.RunFor(Duration::Millis(static_cast<std::int64_t>(10 + prng_.Below(1'000))));
        return;
      default: {
        const int key = static_cast<int>(prng_.Below(kKeys));
        const std::string value = "v" + std::to_string(++last_value_);
        PutRequest put = Put(KeyOf(key), value);
        put.options.write_quorum =
            QuorumSpec::Number(static_cast<std::uint8_t>(1 + prng_.Below(3)));
        puts_[cluster_.Start(at, std::move(put))] = {key, value};
        if (prng_.Chance(700'000)) cluster_.DeliverAll();
      }
    }
  }
  void CheckNode(int at) {
    const TestNode& node = cluster_.node(at);
    std::map<LeafName, std::uint64_t> sums;
    for (const auto& [key, row] : node.rows) {
      EXPECT_FALSE(key.is_hint()) << "left at " << at << " for " << key.owed_to.value;
      if (!key.is_hint()) sums[node.LeafOfKey(key)] += RowDigest(key, row.record.view());
    }
    std::map<LeafName, std::uint64_t> stored = node.leaf_sums;
    std::erase_if(stored, [](const auto& leaf) { return leaf.second == 0; });
    EXPECT_EQ(stored, sums) << at;
    const Shard& shard = cluster_.node(at).shard();
    EXPECT_EQ(shard.counters().leaves_corrected, 0u) << at;
    EXPECT_TRUE(shard.ledger().hints().empty()) << at;
    EXPECT_EQ(shard.requests_in_flight(), 0u) << at;
  }

  Prng prng_;
  TestCluster cluster_;
  std::map<std::uint64_t, std::pair<int, std::string>> puts_;  // key and value, by request
  std::map<int, std::set<std::string>> acknowledged_;
  int last_value_ = 0;
};

// Goal: nothing that was acknowledged is lost, all owners of a key end with the same bytes, no hint
// is left anywhere, and no sum was ever wrong.
TEST(ShardConvergenceTest, AcknowledgedWritesSurviveAndOwnersEndEqual) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    Storm storm(seed);
    storm.Run(200);
    storm.Heal();
    storm.Check();
    if (::testing::Test::HasFailure()) FAIL() << "seed " << seed;
  }
}

}  // namespace
}  // namespace gyre::testing
