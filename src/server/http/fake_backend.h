// A node in memory for tests of the front ends: one copy, the core's own Apply, answers at once or
// when the test says so.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/causality/merge.h"
#include "server/backend.h"
#include "server/config.h"

namespace gyre {

class FakeBackend final : public Backend {
 public:
  FakeBackend() {
    keyspace.name = "short";
    keyspace.default_ttl = Duration::Seconds(60);
    config_.keyspaces.push_back(keyspace);
    SetConfig([](ServerConfig&) {});
  }
  // Changes the config and makes the view anew.
  template <typename Change>
  void SetConfig(Change&& change) {
    change(config_);
    const Status status = FinishConfig(config_);
    GYRE_CHECK(status.has_value());
    view_ = MakeClusterView(config_).value();
  }

  const ClusterViewPtr& view() const override { return view_; }
  const ServerConfig& config() const override { return config_; }
  Now now() const override { return now_; }
  void Submit(ClientRequest&& request, ResultSink* sink, std::uint64_t tag) override {
    requests.push_back(request);
    ClientResult result = fail_with ? ClientResult(Fail(*fail_with)) : Carry(request);
    if (deferred) {
      waiting_.push_back({sink, tag, std::move(result)});
    } else {
      sink->OnResult(tag, std::move(result));
    }
  }
  void ClusterCommand(std::string verb, std::string body,
                      std::function<void(Result<std::string>)> done) override {
    cluster_commands.emplace_back(std::move(verb), std::move(body));
    if (!deferred) return done(cluster_answer);
    cluster_waiting.push_back(std::move(done));
  }
  std::size_t Room() const override { return room; }
  std::size_t ValueRoom() const override { return value_room; }
  NodeStats Stats() const override { return stats; }
  void RecordLatency(Operation operation, Duration elapsed) override {
    latencies.emplace_back(operation, elapsed);
  }

  void Advance(Duration elapsed) {
    now_.instant = now_.instant + elapsed;
    now_.wall.ms += elapsed.ms();
  }
  void EndTurn() { GiveTurns(); }
  // Answers the `index`-th of the requests that wait.
  void Answer(std::size_t index = 0) {
    Waiting waiting = std::move(waiting_[index]);
    waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(index));
    waiting.sink->OnResult(waiting.tag, std::move(waiting.result));
  }
  std::size_t waiting() const { return waiting_.size(); }

  // What every put comes to.
  std::uint8_t put_copies = 1, put_hints = 0, put_zones = 1;
  bool put_strict = true;
  bool deferred = false;
  std::size_t room = SIZE_MAX, value_room = SIZE_MAX;
  std::optional<Error> fail_with;
  NodeStats stats;
  std::vector<ClientRequest> requests;
  std::vector<std::pair<Operation, Duration>> latencies;
  // What operators said to the cluster, what it answers, and, if deferred, who waits for that.
  std::vector<std::pair<std::string, std::string>> cluster_commands;
  Result<std::string> cluster_answer = std::string("{}");
  std::vector<std::function<void(Result<std::string>)>> cluster_waiting;
  KeyspaceConfig keyspace;

 private:
  struct Waiting {
    ResultSink* sink;
    std::uint64_t tag;
    ClientResult result;
  };
  struct Kept {
    Record record;
    std::optional<OwnWrites> own;
  };

  ClientResult Carry(const ClientRequest& request) {
    if (const auto* get = std::get_if<GetRequest>(&request)) {
      return ClientOutcome(GetOutcome{rows_[get->key].record});
    }
    if (const auto* explain = std::get_if<ExplainRequest>(&request)) {
      ExplainOutcome outcome;
      outcome.copies.push_back(
          {NodeIdOf(config_.node_name), std::nullopt, rows_[explain->key].record});
      return ClientOutcome(std::move(outcome));
    }
    const auto* put = std::get_if<PutRequest>(&request);
    if (put == nullptr) return Fail(ErrorCode::kUnsupported, "not in the fake");
    Kept& kept = rows_[put->key];
    const ApplyLimits limits{config_.core.siblings_max, config_.core.clock_entries_max,
                             config_.core.clock_entry_age_safe};
    const Result<Applied> applied =
        Apply(put->mutation, kept.record, kept.own, dots_, clock_, now_.wall, limits);
    if (!applied) return Fail(applied.error());
    if (applied->changed) kept.own = applied->own;
    PutOutcome outcome;
    outcome.context = kept.record.clock;
    outcome.changed = applied->changed;
    outcome.copies = put_copies;
    outcome.hints = put_hints;
    outcome.zones = put_zones;
    outcome.strict = put_strict;
    return ClientOutcome(std::move(outcome));
  }

  ServerConfig config_;
  ClusterViewPtr view_;
  Now now_{Instant{1'000'000}, WallTime{1'700'000'000'000}};
  std::map<RowKey, Kept> rows_;
  DotSource dots_{ActorId(std::uint64_t{NodeIdOf("n1").value} << 40 | 77), 1};
  HybridClock clock_{Duration::Seconds(60)};
  std::deque<Waiting> waiting_;
};

}  // namespace gyre
