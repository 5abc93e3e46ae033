// A few shards, driven by hand, for the core's unit tests: every message, read and write waits in a
// queue until the test delivers it. (The simulator has the real world; this has the microscope.)
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/ring/claim.h"
#include "core/shard.h"

namespace gyre::testing {

class TestNode : private RowsAtHand {
 public:
  TestNode(NodeId id, const ClusterViewPtr& view, const CoreConfig& config)
      : id_(id),
        shard_({id, ShardId(0), 1, ActorId(std::uint64_t{id.value} << 40), 1, id.value, config},
               view, this) {}

  NodeId id() const { return id_; }
  Shard& shard() { return shard_; }
  std::map<RowKey, Row> rows;
  std::optional<Error> read_error;   // reads fail with it
  std::optional<Error> write_error;  // writes fail with it
  bool rows_at_hand = false;         // reads and writes are done within the call
  bool hold_writes = false;          // writes stay in flight until ReleaseWrites
  bool hold_reads = false;           // reads stay in flight until ReleaseReads
  std::deque<WriteEffect> held_writes;
  std::deque<ReadEffect> held_reads;

 private:
  std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) override {
    if (!rows_at_hand) return std::nullopt;
    const auto it = rows.find(key);
    return Result<std::optional<Row>>(it == rows.end() ? std::nullopt
                                                       : std::optional<Row>(it->second));
  }
  bool WritesAtHand() override { return rows_at_hand; }
  void WriteAtHand(const RowKey& key, const Row& row) override { rows[key] = row; }

  NodeId id_;
  Shard shard_;
};

// Nodes A, B, C, ... with equal weights; N and quorums as given. Links are up from the start.
class TestCluster {
 public:
  explicit TestCluster(int nodes, KeyspaceConfig keyspace = {}, CoreConfig config = {}) {
    std::vector<Member> members;
    for (int i = 0; i < nodes; ++i) {
      members.push_back({NodeId(static_cast<std::uint32_t>(i + 1)),
                         std::string(1, static_cast<char>('A' + i)), 1, "", ""});
    }
    Ring ring =
        FoundRing(RingEpoch(1), members, {4, keyspace.replicas, PartitionerKind::kMd5}).value();
    ring.PrepareOwners(keyspace.replicas);
    auto view = std::make_shared<ClusterView>(ClusterView{std::move(ring), {}});
    view->keyspaces[KeyspaceId(0)] = std::move(keyspace);
    view_ = std::move(view);
    for (const Member& member : members) {
      nodes_.push_back(std::make_unique<TestNode>(member.id, view_, config));
    }
    for (auto& from : nodes_) {
      for (auto& to : nodes_) {
        if (from != to) from->shard().OnPeerUp(to->id(), now_, effects_);
      }
    }
  }

  TestNode& node(int index) { return *nodes_[static_cast<std::size_t>(index)]; }
  RowKey Key(std::string_view key) const {
    return {KeyspaceId(0), view_->ring.TokenOf(key), Bytes(key)};
  }
  const Ring& ring() const { return view_->ring; }
  Now now() const { return now_; }

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

  void Deliver() {
    Flight flight = std::move(flights.front());
    flights.pop_front();
    for (const auto& [from, to] : cuts) {
      if (flight.from == from && flight.to == to) return;
    }
    node(flight.to).shard().OnMessage(node(flight.from).id(), ShardId(0), std::move(flight.message),
                                      now_, effects_);
    Carry(flight.to);
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
      node(at).shard().OnPeerUp(node(peer).id(), now_, effects_);
    } else {
      node(at).shard().OnPeerDown(node(peer).id(), now_, effects_);
    }
    Carry(at);
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
  void ReleaseWrites(int at) {
    while (!node(at).held_writes.empty()) {
      WriteEffect write = std::move(node(at).held_writes.front());
      node(at).held_writes.pop_front();
      node(at).rows[write.key] = write.row;
      node(at).shard().OnWriteDone(write.id, {}, now_, effects_);
      Carry(at);
    }
  }

 private:
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
      Result<std::optional<Row>> row{std::nullopt};
      if (self.read_error) {
        row = Fail(*self.read_error);
      } else if (const auto it = self.rows.find(read->key); it != self.rows.end()) {
        row = it->second;
      }
      self.shard().OnReadDone(read->id, std::move(row), now_, effects_);
    } else if (auto* write = std::get_if<WriteEffect>(&effect)) {
      if (self.hold_writes) {
        self.held_writes.push_back(std::move(*write));
      } else if (self.write_error) {
        self.shard().OnWriteDone(write->id, Fail(*self.write_error), now_, effects_);
      } else {
        self.rows[write->key] = write->row;
        self.shard().OnWriteDone(write->id, {}, now_, effects_);
      }
    } else if (auto* scan = std::get_if<ScanEffect>(&effect)) {
      ScanOutcome outcome;
      for (const auto& [key, row] : self.rows) {
        if (view_->ring.PartitionOf(key.token) == scan->request.partition) {
          outcome.keys.push_back({key.key, ValueType::kBytes});
        }
      }
      self.shard().OnScanDone(scan->id, std::move(outcome), now_, effects_);
    } else {
      auto& reply = std::get<ReplyEffect>(effect);
      answers.emplace(reply.client.value, std::move(reply.result));
    }
  }

  ClusterViewPtr view_;
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
