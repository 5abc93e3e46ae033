// A connection and a backend for tests of the RESP room: no sockets, no node. The backend keeps
// real records and applies real mutations, at once or when and in the order that the test says.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "core/causality/merge.h"
#include "core/ring/claim.h"
#include "net/connection.h"
#include "server/backend.h"
#include "server/config.h"
#include "server/resp/resp_service.h"
#include "server/resp/resp_session.h"

namespace gyre {

inline ClusterViewPtr TestView(int partition_bits = 3, RingEpoch epoch = RingEpoch(1)) {
  auto ring = FoundRing(epoch, {Member{.id = NodeIdOf("n1"), .name = "n1"}},
                        {.partition_bits = partition_bits});
  GYRE_CHECK(ring.has_value());
  auto view = std::make_shared<ClusterView>(ClusterView{*ring, {}});
  view->keyspaces[KeyspaceIdOf("default")] = KeyspaceConfig{.name = "default"};
  view->keyspaces[KeyspaceIdOf("brief")] =
      KeyspaceConfig{.name = "brief", .default_ttl = Duration::Seconds(60)};
  view->ring.PrepareOwners(3);
  return view;
}

class FakeBackend final : public Backend {
 public:
  explicit FakeBackend(ClusterViewPtr view = TestView()) : view_(std::move(view)) {}

  const ClusterViewPtr& view() const override { return view_; }
  const ServerConfig& config() const override { return config_; }
  Now now() const override { return now_; }
  NodeStats Stats() const override { return {}; }
  std::optional<Drain> drain() const override { return draining; }
  std::size_t Room() const override {
    return in_flight_wanted > waiting_.size() ? in_flight_wanted - waiting_.size() : 0;
  }
  std::size_t ValueRoom() const override { return value_room; }
  void RecordLatency(Operation operation, Duration) override {
    ++recorded[static_cast<std::size_t>(operation)];
  }
  void Submit(ClientRequest&& request, ResultSink* sink, std::uint64_t tag) override {
    ++submitted;
    if (RowKey* key = KeyOf(request)) key->token = view_->ring.TokenOf(key->key.view());
    if (!deferred) return sink->OnResult(tag, Execute(request));
    waiting_.push_back({std::move(request), sink, tag});
    waiting_max = std::max(waiting_max, waiting_.size());
  }
  void ClusterCommand(std::string verb, std::string body,
                      std::function<void(Result<std::string>)> done) override {
    cluster_commands.emplace_back(std::move(verb), std::move(body));
    if (!deferred) return done(cluster_answer);
    cluster_waiting.push_back(std::move(done));
  }

  void SetView(ClusterViewPtr view) { view_ = std::move(view); }
  void Advance(Duration by) {
    now_.instant = now_.instant + by;
    now_.wall.ms += by.ms();
  }
  void EndTurn() { GiveTurns(); }
  std::size_t waiting() const { return waiting_.size(); }
  // Carries out and answers the i-th of those waiting (plain SETs of one key in their order, as
  // their coordinator does).
  void Release(std::size_t i) {
    for (std::size_t earlier = 0; earlier < i; ++earlier) {
      if (SameKeySets(waiting_[earlier].request, waiting_[i].request)) {
        i = earlier;
        break;
      }
    }
    Waiting chosen = std::move(waiting_[i]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
    chosen.sink->OnResult(chosen.tag, Execute(chosen.request));
  }
  void ReleaseAll() {
    while (!waiting_.empty()) Release(0);
  }
  Record* Find(std::string_view key, std::string_view keyspace = "default") {
    const auto found = rows_.find({KeyspaceIdOf(keyspace), view_->ring.TokenOf(key), Bytes(key)});
    return found == rows_.end() ? nullptr : &found->second.record;
  }
  // A row under a token of the test's choice, for ties.
  void PutRow(RowKey key) {
    Record record;
    const Dot dot{ActorId(9), 1, 1};
    record.clock.Add(dot, now_.wall);
    Sibling sibling;
    sibling.dot = dot;
    sibling.value = Bytes("v");
    record.siblings.push_back(sibling);
    rows_[std::move(key)].record = record;
  }
  std::size_t rows() const { return rows_.size(); }

  bool deferred = false;
  std::optional<Error> failure;  // answers everything
  std::optional<Drain> draining;
  std::size_t submitted = 0;
  std::size_t waiting_max = 0;
  std::size_t in_flight_wanted = SIZE_MAX;  // past it there is no room
  std::size_t value_room = SIZE_MAX;
  std::size_t page_rows_max = SIZE_MAX;
  std::array<std::uint64_t, kOperationCount> recorded{};
  std::optional<RequestOptions> last_options;
  // What every put comes to.
  std::uint8_t put_copies = 1, put_hints = 0, put_zones = 1;
  bool put_strict = false;
  // What operators said to the cluster, what it answers, and, if deferred, who waits for that.
  std::vector<std::pair<std::string, std::string>> cluster_commands;
  Result<std::string> cluster_answer = std::string("{}");
  std::vector<std::function<void(Result<std::string>)>> cluster_waiting;

 private:
  struct Stored {
    Record record;
    std::optional<OwnWrites> own;
  };
  struct Waiting {
    ClientRequest request;
    ResultSink* sink;
    std::uint64_t tag;
  };

  static bool SameKeySets(const ClientRequest& a, const ClientRequest& b) {
    const auto* first = std::get_if<PutRequest>(&a);
    const auto* second = std::get_if<PutRequest>(&b);
    return first != nullptr && second != nullptr && first->key == second->key &&
           !first->read_first && !second->read_first;
  }

  ClientResult Execute(const ClientRequest& request) {
    if (failure.has_value()) return Fail(*failure);
    return std::visit([&](const auto& typed) { return Run(typed); }, request);
  }
  ClientResult Run(const GetRequest& get) {
    last_options = get.options;
    const auto found = rows_.find(get.key);
    return GetOutcome{found == rows_.end() ? Record() : found->second.record};
  }
  ClientResult Run(const PutRequest& put) {
    last_options = put.options;
    const auto found = rows_.find(put.key);
    Stored stored = found == rows_.end() ? Stored() : found->second;
    PutOutcome outcome;
    if (const Sibling* newest = stored.record.NewestLive(now_.wall)) outcome.before = *newest;
    const Result<Applied> applied =
        Apply(put.mutation, stored.record, stored.own, dots_, clock_, now_.wall,
              {.siblings_max = 100, .clock_entries_max = 10, .clock_entry_age_safe = {}});
    if (!applied.has_value()) return Fail(applied.error());
    outcome.changed = applied->changed;
    outcome.context = stored.record.clock;
    outcome.copies = put_copies;
    outcome.hints = put_hints;
    outcome.zones = put_zones;
    outcome.strict = put_strict;
    if (applied->changed) rows_[put.key] = {std::move(stored.record), applied->own};
    return outcome;
  }
  ClientResult Run(const ScanRequest& scan) {
    ScanOutcome outcome;
    std::size_t visited = 0;
    const std::size_t limit = std::min<std::size_t>(scan.limit, page_rows_max);
    GYRE_CHECK(scan.limit > 0);
    auto row = scan.after.has_value() ? rows_.upper_bound(*scan.after) : rows_.begin();
    const RowKey* last = nullptr;
    for (; row != rows_.end(); ++row) {
      if (row->first.keyspace != scan.keyspace ||
          view_->ring.PartitionOf(row->first.token) != scan.partition) {
        continue;
      }
      const bool live = row->second.record.AnyLiveAt(now_.wall);
      if (visited == limit) {
        outcome.next = *last;
        break;
      }
      ++visited;
      last = &row->first;
      if (live) ++outcome.live_count;
      if (live && !scan.count_only) outcome.keys.push_back({row->first.key, ValueType::kBytes});
    }
    return outcome;
  }
  ClientResult Run(const ExplainRequest& explain) {
    const auto found = rows_.find(explain.key);
    ExplainOutcome outcome;
    outcome.copies.push_back(
        {NodeIdOf("n1"), std::nullopt, found == rows_.end() ? Record() : found->second.record});
    return outcome;
  }

  ClusterViewPtr view_;
  ServerConfig config_;
  Now now_{Instant{1'000'000}, WallTime{1'700'000'000'000}};
  std::map<RowKey, Stored> rows_;
  DotSource dots_{ActorId(7), 1};
  HybridClock clock_{Duration::Seconds(60)};
  std::deque<Waiting> waiting_;
};

class FakeDocuments final : public AdminDocuments {
 public:
  std::string Status(const Backend&) const override { return "{\"status\":1}"; }
  std::string Ring(const ClusterView&) const override { return "{\"ring\":1}"; }
  std::string Keyspaces(const ClusterView&) const override { return "{\"keyspaces\":1}"; }
  std::string Explain(const ClusterView&, std::string_view keyspace, const RowKey& key,
                      const ExplainOutcome& outcome, WallTime) const override {
    return "{\"" + std::string(keyspace) + "\":\"" + key.key.ToString() +
           "\",\"copies\":" + std::to_string(outcome.copies.size()) + "}";
  }
};

// Feeds a session as a socket would: keeps what was not consumed, honours pauses.
class FakeConnection final : public Connection {
 public:
  explicit FakeConnection(RespService& service) : handler_(service.NewSession(*this)) {}
  ~FakeConnection() override {
    if (!told_closed_) handler_->OnClosed();
  }

  OutputBuffer& out() override { return out_; }
  void ScheduleFlush() override { ++flushes; }
  void CloseAfterFlush() override { closing_ = true; }
  void PauseReading() override {
    paused_ = true;
    ++pauses;
  }
  void ResumeReading() override {
    paused_ = false;
    resume_ = true;
  }
  std::string_view peer_address() const override { return "127.0.0.1:5555"; }
  int fd() const override { return 8; }
  bool OutputFull() const override { return out_.size() > output_pause; }
  std::size_t BytesOlderThan(Duration age) const override {
    return age <= input_age ? std::min(old_bytes, in_.size()) : 0;
  }

  void Send(std::string_view bytes) {
    in_ += bytes;
    if (!paused_ && !closing_) Present();
    Turn();
  }
  // What a loop does after results came from elsewhere.
  void Turn() {
    while (std::exchange(resume_, false)) {
      if (!in_.empty() && !closing_ && !paused_) Present();
    }
  }
  std::string Take() {
    std::string all;
    std::string_view pieces[64];
    while (const std::size_t count = out_.Peek(pieces, 64)) {
      std::size_t bytes = 0;
      for (std::size_t i = 0; i < count; ++i) {
        all += pieces[i];
        bytes += pieces[i].size();
      }
      out_.Consume(bytes);
    }
    return all;
  }
  // Output was taken: the rest of the input comes again.
  void Drained() {
    if (!in_.empty() && !paused_ && !closing_) Present();
  }
  void Close() {
    told_closed_ = true;
    handler_->OnClosed();
  }
  bool closing() const { return closing_; }
  bool paused() const { return paused_; }
  std::size_t unread() const { return in_.size(); }
  ConnectionHandler& handler() { return *handler_; }

  std::size_t output_pause = SIZE_MAX;
  std::size_t old_bytes = 0;  // of the next input that is presented: so many came `input_age` ago
  Duration input_age;
  int flushes = 0;
  int pauses = 0;

 private:
  // A fresh copy each time, so that a view kept too long is seen by the sanitizer.
  void Present() {
    const std::string copy = in_;
    const std::size_t used = handler_->OnBytes(copy);
    GYRE_CHECK(used <= copy.size());
    in_.erase(0, used);
  }

  OutputBuffer out_;
  std::string in_;
  bool paused_ = false;
  bool resume_ = false;
  bool closing_ = false;
  bool told_closed_ = false;
  std::unique_ptr<ConnectionHandler> handler_;
};

// "SET a b" as an array of bulks; words in single blanks, "''" is the empty word.
inline std::string Command(std::string_view line) {
  std::vector<std::string_view> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    words.push_back(line.substr(0, end) == "''" ? std::string_view() : line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words) {
    bytes += "$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
  }
  return bytes;
}

struct RespWorld {
  explicit RespWorld(RespOptions options = {}, ClusterViewPtr view = TestView())
      : backend(std::move(view)), service(backend, documents, std::move(options)) {}

  FakeBackend backend;
  FakeDocuments documents;
  RespService service;
  FakeConnection client{service};

  std::string Ask(std::string_view line) {
    client.Send(Command(line));
    return client.Take();
  }
};

}  // namespace gyre
