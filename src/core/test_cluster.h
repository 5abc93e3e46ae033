// A few shards, driven by hand, for the core's unit tests: every message, read and write waits in a
// queue until the test delivers it. (The simulator has the real world; this has the microscope.)
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/ring/claim.h"
#include "core/ring/layout.h"
#include "core/shard.h"

namespace gyre::testing {

// Of all test nodes; see ShardOptions.
inline constexpr Duration kFoundingGrace = Duration::Millis(500);

class TestNode : private RowsAtHand {
 public:
  // `life`: 1 at first, higher after each restart; `stored`: what was left by the life before;
  // `fills`: as ShardOptions has it.
  TestNode(NodeId id, const ClusterViewPtr& view, const CoreConfig& config, std::uint64_t life = 1,
           const std::vector<LeafSum>& stored = {}, bool fills = false)
      : id_(id),
        leaf_bits_(LeafBitsOf(view->ring.section_bits())),
        shard_({id, ShardId(0), 1, ActorId((std::uint64_t{id.value} << 40) + life - 1), 1,
                id.value + 1'000 * (life - 1), config, stored, false, false, fills, kFoundingGrace},
               view, this) {}

  NodeId id() const { return id_; }
  Shard& shard() { return shard_; }
  std::map<RowKey, Row> rows;
  // As storage keeps them: the sum of every leaf_delta.
  std::map<LeafName, std::uint64_t> leaf_sums;
  std::set<RowKey> damaged;          // reads and scans that meet one of them fail, until rewritten
  std::optional<Error> read_error;   // reads fail with it
  std::optional<Error> write_error;  // writes fail with it
  bool rows_at_hand = false;         // reads and writes are done within the call
  bool hold_writes = false;          // writes stay in flight until ReleaseWrites
  bool hold_reads = false;           // reads stay in flight until ReleaseReads
  std::deque<WriteEffect> held_writes;
  std::deque<ReadEffect> held_reads;

  LeafName LeafOfKey(const RowKey& key) const {
    return {key.keyspace, LeafOf(key.token, leaf_bits_)};
  }
  void Store(const WriteEffect& write) {
    damaged.erase(write.key);
    leaf_sums[LeafOfKey(write.key)] += write.leaf_delta;
    if (write.row) {
      rows[write.key] = *write.row;
    } else {
      rows.erase(write.key);
    }
  }
  // Sees every write that was asked for, durable or not.
  Result<ScanPage> Scan(const ScanRange& range) const {
    Result<ScanPage> page;
    std::map<RowKey, Row> seen = rows;
    for (const WriteEffect& write : held_writes) {
      if (write.row) {
        seen[write.key] = *write.row;
      } else {
        seen.erase(write.key);
      }
    }
    for (const auto& [key, row] : seen) {
      if (key.owed_to != range.owed_to || key.keyspace != range.keyspace) continue;
      if (key.token < range.first || key.token > range.last) continue;
      if (range.after && key <= *range.after) continue;
      if (page->rows.size() == range.rows_max) return page;
      if (damaged.contains(key)) return Fail(ErrorCode::kCorruption, "a damaged block");
      page->rows.push_back({key, row});
    }
    page->done = true;
    return page;
  }
  Result<std::optional<Row>> Read(const RowKey& key) const {
    if (read_error) return Fail(*read_error);
    if (damaged.contains(key)) return Fail(ErrorCode::kCorruption, "a damaged block");
    const auto it = rows.find(key);
    return it == rows.end() ? std::nullopt : std::optional<Row>(it->second);
  }

 private:
  std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) override {
    if (!rows_at_hand) return std::nullopt;
    return Read(key);
  }
  bool WritesAtHand() override { return rows_at_hand; }
  void WriteAtHand(const RowKey& key, const std::optional<Row>& row,
                   std::uint64_t leaf_delta) override {
    Store({{}, key, row, leaf_delta});
  }

  NodeId id_;
  int leaf_bits_;
  Shard shard_;
};

// Nodes A, B, C, ... with equal weights; N and quorums as given. Links are up from the start.
class TestCluster {
 public:
  // `zones`, `regions`: of the nodes; empty: all in one.
  explicit TestCluster(int nodes, KeyspaceConfig keyspace = {}, CoreConfig config = {},
                       const std::vector<std::string>& zones = {},
                       const std::vector<std::string>& regions = {})
      : config_(config), keyspace_(std::move(keyspace)) {
    std::vector<Member> members;
    for (int i = 0; i < nodes; ++i) {
      members.push_back({NodeId(static_cast<std::uint32_t>(i + 1)),
                         std::string(1, static_cast<char>('A' + i)), 1,
                         zones.empty() ? "" : zones[static_cast<std::size_t>(i)],
                         regions.empty() ? "" : regions[static_cast<std::size_t>(i)]});
    }
    const int listed =
        keyspace_.regions.empty() ? keyspace_.replicas : static_cast<int>(kReplicasMax);
    Ring ring = FoundRing(RingEpoch(1), members, {4, listed, PartitionerKind::kMd5}).value();
    view_ = ViewOf(Layout::Found({}, std::move(ring), listed));
    for (const Member& member : members) {
      nodes_.push_back(std::make_unique<TestNode>(member.id, view_, config));
      views_.push_back(view_);
    }
    for (int i = 0; i < nodes; ++i) {
      node(i).shard().OnStart(now_, effects_);
      Carry(i);
    }
    for (int from = 0; from < nodes; ++from) {
      for (int to = 0; to < nodes; ++to) {
        if (from != to) SetLink(from, to, true);
      }
    }
    DeliverAll();  // all compare what they have: nothing
  }

  TestNode& node(int index) { return *nodes_[static_cast<std::size_t>(index)]; }
  RowKey Key(std::string_view key) const {
    return {KeyspaceId(0), view_->ring.TokenOf(key), Bytes(key)};
  }
  const Ring& ring() const { return view_->ring; }  // of the founding
  int size() const { return static_cast<int>(nodes_.size()); }
  Now now() const { return now_; }

  // This node takes this view, and starts with it from now on.
  void TakeView(int at, const Layout& layout) {
    views_[static_cast<std::size_t>(at)] = ViewOf(layout);
    node(at).shard().OnView(views_[static_cast<std::size_t>(at)], now_, effects_);
    Carry(at);
  }

  // The layout that it will start with, as its disk had it.
  void RestoreView(int at, const Layout& layout) {
    views_[static_cast<std::size_t>(at)] = ViewOf(layout);
  }

  // Starts a request; its answer is in `answers` under the returned number once it has come.
  std::uint64_t Start(int at, ClientRequest request) {
    const std::uint64_t number = ++last_client_;
    Shard& shard = node(at).shard();
    ClientResult result;
    if (shard.AnswerAtOnce(request, now_, result)) {
      answers[number] = std::move(result);
    } else {
      shard.OnClientRequest(ClientId(number), std::move(request), now_, effects_);
      Carry(at);
    }
    return number;
  }
  // Starts a request and delivers everything until nothing moves.
  ClientResult Run(int at, ClientRequest request) {
    const std::uint64_t number = Start(at, std::move(request));
    DeliverAll();
    return answers.at(number);
  }

  // Messages in flight, oldest first. Tests may drop, reorder or double them.
  struct Flight {
    int from, to;
    Message message;
  };
  std::deque<Flight> flights;
  std::map<std::uint64_t, ClientResult> answers;
  // Messages between these are lost (index pairs, one way).
  std::vector<std::pair<int, int>> cuts;
  // Sees each message, if set, also those that are lost.
  std::function<void(const Flight&)> on_flight;
  LinkTerms link_terms;  // of all links that come up from now on

  void Deliver() {
    Flight flight = std::move(flights.front());
    flights.pop_front();
    if (on_flight) on_flight(flight);
    if (!IsCut(flight)) Hand(std::move(flight));
  }
  void DeliverAll() {
    while (!flights.empty()) Deliver();
  }
  // Lets time pass in one step and wakes every shard.
  void Advance(Duration by) {
    now_.instant = now_.instant + by;
    now_.wall.ms += by.ms();
    for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
      node(i).shard().OnTick(now_, effects_);
      Carry(i);
    }
  }
  void SetLink(int at, int peer, bool up) {
    if (up) {
      node(at).shard().OnPeerUp(node(peer).id(), link_terms, now_, effects_);
    } else {
      node(at).shard().OnPeerDown(node(peer).id(), now_, effects_);
    }
    Carry(at);
    DeliverGreetings();
  }
  // Greetings overtake all else, and are not among what a test sees.
  void DeliverGreetings() {
    for (std::size_t i = 0; i < flights.size();) {
      if (!std::holds_alternative<Greeting>(flights[i].message)) {
        ++i;
        continue;
      }
      Flight flight = std::move(flights[i]);
      flights.erase(flights.begin() + static_cast<std::ptrdiff_t>(i));
      if (!IsCut(flight)) Hand(std::move(flight));
      i = 0;
    }
  }
  // The node goes out of everybody's reach, or comes back into that of all who are not out of it.
  void Isolate(int at) {
    isolated_.insert(at);
    for (int other = 0; other < static_cast<int>(nodes_.size()); ++other) {
      if (other == at) continue;
      cuts.insert(cuts.end(), {{at, other}, {other, at}});
      SetLink(at, other, false);
      SetLink(other, at, false);
    }
  }
  // Storage lost the row, adds so to its sum, and says so.
  void LoseRow(int at, const RowKey& key) {
    const std::uint64_t digest = RowDigest(key, node(at).rows.at(key).record.view());
    const LeafName leaf = node(at).LeafOfKey(key);
    node(at).rows.erase(key);
    node(at).leaf_sums[leaf] -= digest;
    node(at).shard().OnRowsLost({{leaf.first, leaf.second, -digest}}, now_, effects_);
    Carry(at);
  }
  // The same of the note of a section, which is in no sum.
  void LoseNote(int at, SectionId section) {
    node(at).rows.erase(node(at).shard().ledger().ballots().KeyOf(section));
    node(at).shard().OnRowsLost({}, now_, effects_);
    Carry(at);
  }
  void Rejoin(int at) {
    isolated_.erase(at);
    for (int other = 0; other < static_cast<int>(nodes_.size()); ++other) {
      if (other == at || isolated_.contains(other)) continue;
      std::erase(cuts, std::pair(at, other));
      std::erase(cuts, std::pair(other, at));
      SetLink(at, other, true);
      SetLink(other, at, true);
    }
  }
  // The node ends, and another begins on what it stored; its links are down until Rejoin.
  void Restart(int at, bool fills = false) {
    Isolate(at);
    TestNode& old = node(at);
    std::vector<LeafSum> stored;
    for (const auto& [leaf, sum] : old.leaf_sums) {
      if (sum != 0) stored.push_back({leaf.first, leaf.second, sum});
    }
    auto next = std::make_unique<TestNode>(old.id(), views_[static_cast<std::size_t>(at)], config_,
                                           ++lives_, stored, fills);
    next->rows = std::move(old.rows);
    next->leaf_sums = std::move(old.leaf_sums);
    next->damaged = std::move(old.damaged);
    nodes_[static_cast<std::size_t>(at)] = std::move(next);
    node(at).shard().OnStart(now_, effects_);
    Carry(at);
  }
  // Lets time pass in small steps, and delivers everything at each.
  void RunFor(Duration time) {
    constexpr Duration kStep = Duration::Millis(10);
    for (std::int64_t us = 0; us < time.us; us += kStep.us) {
      Advance(kStep);
      DeliverAll();
    }
  }
  // Carries out the oldest read: storage answers with the newest write asked for, durable or not.
  void ReleaseRead(int at) {
    const ReadEffect read = std::move(node(at).held_reads.front());
    node(at).held_reads.pop_front();
    std::optional<Row> row;
    if (const auto it = node(at).rows.find(read.key); it != node(at).rows.end()) row = it->second;
    for (const WriteEffect& write : node(at).held_writes) {
      if (write.key == read.key) row = write.row;
    }
    node(at).shard().OnReadDone(read.id, row, now_, effects_);
    Carry(at);
  }
  // The oldest write fails.
  void FailWrite(int at) {
    const WriteEffect write = std::move(node(at).held_writes.front());
    node(at).held_writes.pop_front();
    node(at).shard().OnWriteDone(write.id, Fail(ErrorCode::kIoError, "EIO"), now_, effects_);
    Carry(at);
  }
  void ReleaseWrites(int at, std::size_t count = SIZE_MAX) {
    for (; count > 0 && !node(at).held_writes.empty(); --count) {
      WriteEffect write = std::move(node(at).held_writes.front());
      node(at).held_writes.pop_front();
      node(at).Store(write);
      node(at).shard().OnWriteDone(write.id, {}, now_, effects_);
      Carry(at);
    }
  }

 private:
  ClusterViewPtr ViewOf(const Layout& layout) const {
    auto view = std::make_shared<ClusterView>(ClusterView{
        layout.ring(), {}, layout.moves(), layout.leaving(), layout.former(), layout.replicas()});
    view->ring.PrepareOwners(view->ListLengthOf(keyspace_));
    view->keyspaces[KeyspaceId(0)] = keyspace_;
    return view;
  }
  bool IsCut(const Flight& flight) const {
    return std::find(cuts.begin(), cuts.end(), std::pair(flight.from, flight.to)) != cuts.end();
  }
  void Hand(Flight&& flight) {
    node(flight.to).shard().OnMessage(node(flight.from).id(), ShardId(0), std::move(flight.message),
                                      now_, effects_);
    Carry(flight.to);
  }
  // Carries out the effects of node `at` until there are none.
  void Carry(int at) {
    while (!effects_.empty()) {
      Effects todo;
      todo.swap(effects_);
      for (Effect& effect : todo) Carry(at, effect);
    }
  }
  void Carry(int at, Effect& effect) {
    TestNode& self = node(at);
    if (auto* send = std::get_if<SendEffect>(&effect)) {
      for (int i = 0; i < static_cast<int>(nodes_.size()); ++i) {
        if (send->to.Contains(node(i).id())) flights.push_back({at, i, send->message});
      }
    } else if (auto* read = std::get_if<ReadEffect>(&effect)) {
      if (self.hold_reads) return self.held_reads.push_back(std::move(*read));
      self.shard().OnReadDone(read->id, self.Read(read->key), now_, effects_);
    } else if (auto* write = std::get_if<WriteEffect>(&effect)) {
      if (self.hold_writes) {
        self.held_writes.push_back(std::move(*write));
      } else if (self.write_error) {
        self.shard().OnWriteDone(write->id, Fail(*self.write_error), now_, effects_);
      } else {
        self.Store(*write);
        self.shard().OnWriteDone(write->id, {}, now_, effects_);
      }
    } else if (auto* scan = std::get_if<ScanEffect>(&effect)) {
      self.shard().OnScanDone(scan->id, self.Scan(scan->range), now_, effects_);
    } else {
      auto& reply = std::get<ReplyEffect>(effect);
      answers.emplace(reply.client.value, std::move(reply.result));
    }
  }

  const CoreConfig config_;
  const KeyspaceConfig keyspace_;
  ClusterViewPtr view_;                // of the founding
  std::vector<ClusterViewPtr> views_;  // by node: the present one
  std::uint64_t lives_ = 1;
  std::set<int> isolated_;
  std::vector<std::unique_ptr<TestNode>> nodes_;
  Effects effects_;
  Now now_{Instant{1'000'000}, WallTime{1'700'000'000'000}};
  std::uint64_t last_client_ = 0;
};

// ---- shorthand -----------------------------------------------------------------------------

inline PutRequest Put(const RowKey& key, std::string_view value,
                      std::optional<VersionVector> context = VersionVector{}) {
  WriteValue write;
  write.context = std::move(context);
  write.value = Bytes(value);
  write.checksum = Xxh3_64(value);
  return {key, std::move(write), false, {}};
}
inline GetRequest Get(const RowKey& key) { return {key, {}}; }

inline std::vector<std::string> ValuesOf(const Record& record) {
  std::vector<std::string> values;
  for (const Sibling& sibling : record.siblings) {
    if (sibling.type != ValueType::kTombstone) values.push_back(sibling.value.ToString());
  }
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace gyre::testing
