// A cluster, one of its keys, and layouts that move the key's partition: for tests.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/test_cluster.h"

namespace gyre::testing {

// Nothing but requests and hints brings rows anywhere.
inline CoreConfig WithoutExchange() {
  CoreConfig config;
  config.request_timeout = Duration::Seconds(1);
  config.exchange_sessions_max = 0;
  return config;
}
inline CoreConfig Quick() {
  CoreConfig config;
  config.request_timeout = Duration::Millis(500);
  config.hint_after = Duration::Millis(400);
  config.hint_replay_retry = Duration::Millis(50);
  config.exchange_settle = Duration::Millis(10);
  config.exchange_retry = Duration::Millis(50);
  config.repair_cycle = Duration::Seconds(1);
  config.scrub_cycle = Duration::Seconds(1);
  config.purge_after = Duration::Millis(500);
  config.purge_pause = Duration::Millis(100);
  return config;
}

inline PutRequest PutW(const RowKey& key, std::string_view value, std::uint8_t w,
                       std::optional<VersionVector> context = VersionVector{}) {
  PutRequest put = Put(key, value, std::move(context));
  put.options.write_quorum = QuorumSpec::Number(w);
  return put;
}
inline GetRequest GetR(const RowKey& key, std::uint8_t r) {
  GetRequest get = Get(key);
  get.options.read_quorum = QuorumSpec::Number(r);
  return get;
}
inline PutOutcome OutcomeOf(const ClientResult& result) {
  return std::get<PutOutcome>(result.value());
}
inline ErrorCode CodeOf(const ClientResult& result) { return result.error().code; }
inline std::vector<std::string> ValuesOf(const ClientResult& result) {
  return ValuesOf(std::get<GetOutcome>(result.value()).record);
}

// Seven nodes, N = 3. Places are of the key's preference list at the founding: 0 to 2 are its
// owners, from 3 on come the others.
class MovingScene {
 public:
  explicit MovingScene(const CoreConfig& config)
      : cluster(7, KeyspaceConfig{}, config),
        key(cluster.Key("cart")),
        partition(cluster.ring().PartitionOf(key.token)),
        founded(Layout::Found({}, cluster.ring(), kReplicas)) {
    for (const NodeId node : cluster.ring().OwnersOf(partition, kReplicas)) Add(node);
    for (const NodeId node : cluster.ring().FallbacksOf(partition, kReplicas)) Add(node);
  }

  // ---- layouts ----
  // The key's partition is to go to these places; `after`: of which it is the next.
  Layout To(const std::vector<int>& places, const Layout& after) const {
    std::vector<NodeId> owners = after.ring().owners();
    for (std::size_t i = 0; i < places.size(); ++i) {
      owners[(partition.value + i) % owners.size()] = IdOf(places[i]);
    }
    return *after.ChangeTo(RingOf(after.ring().members(), std::move(owners)), {});
  }
  Layout To(const std::vector<int>& places) const { return To(places, founded); }
  Layout Settled(const Layout& layout) const { return layout.Settle(std::vector{partition}); }
  // This place leaves, or is removed dead, and another is to be what it was.
  Layout Left(int place, int by, const Layout& after, bool removed = false) const {
    std::vector<NodeId> owners = after.ring().owners();
    std::replace(owners.begin(), owners.end(), IdOf(place), IdOf(by));
    std::vector<Member> members = after.ring().members();
    std::erase_if(members, [&](const Member& member) { return member.id == IdOf(place); });
    std::vector<NodeId> gone;
    if (removed) gone.push_back(IdOf(place));
    return *after.ChangeTo(RingOf(std::move(members), std::move(owners)), gone);
  }
  Layout Removed(int dead, int by, const Layout& after) const {
    return Left(dead, by, after, /*removed=*/true);
  }
  void Take(int place, const Layout& layout) { cluster.TakeView(Index(place), layout); }
  void TakeAll(const Layout& layout) {
    for (int place = 0; place < cluster.size(); ++place) Take(place, layout);
  }

  // ---- nodes ----
  int Index(int place) const { return indexes_[static_cast<std::size_t>(place)]; }
  NodeId IdOf(int place) const { return NodeId(static_cast<std::uint32_t>(Index(place)) + 1); }
  TestNode& At(int place) { return cluster.node(Index(place)); }
  const ShardCounters& CountersOf(int place) { return At(place).shard().counters(); }
  void Isolate(int place) { cluster.Isolate(Index(place)); }
  void Rejoin(int place) { cluster.Rejoin(Index(place)); }
  // Messages are lost on the way, and the link stays up.
  void Cut(int from, int to) { cluster.cuts.emplace_back(Index(from), Index(to)); }
  void Heal(int from, int to) { std::erase(cluster.cuts, std::pair(Index(from), Index(to))); }
  void ReleaseWrites(int place) {
    cluster.ReleaseWrites(Index(place));
    cluster.DeliverAll();
  }

  // ---- requests ----
  // So many keys of the partition, each at all owners of the founding.
  std::vector<RowKey> Fill(std::size_t count) {
    std::vector<RowKey> keys;
    for (int i = 0; keys.size() < count; ++i) {
      RowKey other = cluster.Key("k" + std::to_string(i));
      if (cluster.ring().PartitionOf(other.token) != partition) continue;
      EXPECT_TRUE(Run(0, PutW(other, "v" + std::to_string(i), 3)).has_value());
      keys.push_back(std::move(other));
    }
    return keys;
  }
  ClientResult Run(int place, ClientRequest request) {
    return cluster.Run(Index(place), std::move(request));
  }
  std::uint64_t Start(int place, ClientRequest request) {
    return cluster.Start(Index(place), std::move(request));
  }
  bool Answered(std::uint64_t number) const { return cluster.answers.contains(number); }
  const ClientResult& AnswerOf(std::uint64_t number) const { return cluster.answers.at(number); }

  // What `place` holds of the key: as its own, or for the owner at `target`.
  std::optional<Bytes> Own(int place) { return RowAt(place, key); }
  std::optional<Bytes> Hint(int place, int target) {
    return RowAt(place, key.OwedTo(IdOf(target)));
  }
  // Has the key's partition arrived at `place`, by this layout?
  bool Arrived(int place, const Layout& layout) {
    const std::vector<Shard::Arrival> arrivals = At(place).shard().arrivals();
    const Shard::Arrival arrival{partition, layout.moves().EpochOf(partition)};
    return std::find(arrivals.begin(), arrivals.end(), arrival) != arrivals.end();
  }

  static constexpr int kReplicas = 3;
  TestCluster cluster;
  const RowKey key;
  const PartitionId partition;
  const Layout founded;

 private:
  void Add(NodeId node) { indexes_.push_back(static_cast<int>(node.value) - 1); }
  Ring RingOf(std::vector<Member> members, std::vector<NodeId> owners) const {
    return *Ring::Create(RingEpoch(1), cluster.ring().partitioner(), std::move(members),
                         std::move(owners));
  }
  std::optional<Bytes> RowAt(int place, const RowKey& row) {
    const auto it = At(place).rows.find(row);
    if (it == At(place).rows.end()) return std::nullopt;
    return it->second.record;
  }
  std::vector<int> indexes_;
};

}  // namespace gyre::testing
