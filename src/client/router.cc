#include "client/router.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>

#include "base/thread_name.h"
#include "client/steady_clock.h"

namespace gyre {

Router::Router(const ClientOptions& options, const std::vector<NodeAddress>& addresses)
    : limits_{Duration::Millis(options.timeout.count()), options.retries + 1},
      learns_(options.learn_nodes),
      home_region_(options.region),
      cluster_(options.keyspace),
      prng_(std::random_device{}()) {
  endpoint_.to.password = options.password;
  endpoint_.to.keyspace = options.keyspace;
  endpoint_.to.timeout = Duration::Millis(options.connect_timeout.count());
  endpoint_.connections_max = options.connections_per_node_max;
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    seeds_.push_back(Make(options.addresses[i], addresses[i], /*learned=*/false));
  }
  endpoints_ = std::make_shared<const Candidates>(seeds_);
  cluster_.SetRingHook([this] { FollowRing(); });
}

Router::~Router() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (asker_.joinable()) asker_.join();
}

std::shared_ptr<Endpoint> Router::Make(const std::string& address, const NodeAddress& parsed,
                                       bool learned) {
  Endpoint::Options options = endpoint_;
  options.address = address;
  options.to.host = parsed.host;
  options.to.port = parsed.port;
  options.learned = learned;
  return std::make_shared<Endpoint>(std::move(options), cluster_);
}

void Router::Start() {
  std::vector<std::thread> askers;
  for (const auto& endpoint : seeds_) {
    askers.emplace_back([&each = *endpoint] { each.AskIfDue(SteadyNow()); });
  }
  for (std::thread& asker : askers) asker.join();
  asker_ = std::thread([this] { AskAgainLoop(); });
}

void Router::AskAgainLoop() {
  NameThisThread("gyre-client");
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    woken_ = false;
    const Shared endpoints = endpoints_;
    lock.unlock();
    Instant next = Instant::Max();
    for (const auto& endpoint : *endpoints) {
      endpoint->AskIfDue(SteadyNow());
      if (const std::optional<Instant> due = endpoint->ask_at()) next = std::min(next, *due);
      const std::lock_guard relock(mutex_);
      if (stopping_) return;
    }
    lock.lock();
    const auto called = [this] { return stopping_ || woken_; };
    if (next == Instant::Max()) {
      wake_.wait(lock, called);
    } else {
      wake_.wait_until(lock, ToTimePoint(next), called);
    }
  }
}

void Router::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  wake_.notify_one();
}

void Router::FollowRing() {
  if (!learns_) return;
  {
    const std::lock_guard lock(mutex_);
    std::map<std::string_view, const std::shared_ptr<Endpoint>*> known;
    for (const auto& endpoint : *endpoints_) known.emplace(endpoint->address(), &endpoint);
    Candidates now = seeds_;
    // Under the lock, so that the last to come here has the last ring.
    const std::shared_ptr<const RingView> ring = cluster_.ring();
    for (const Member& member : ring->members()) {
      if (now.size() >= kEndpointsMax) break;
      const auto it = known.find(member.resp);
      if (it != known.end()) {
        if ((*it->second)->learned()) now.push_back(*it->second);
      } else if (const Result<NodeAddress> parsed = ParseNodeAddress(member.resp)) {
        now.push_back(Make(member.resp, *parsed, /*learned=*/true));
      }
    }
    endpoints_ = std::make_shared<const Candidates>(std::move(now));
    version_.fetch_add(1, std::memory_order_release);
  }
  Wake();
}

Router::Shared Router::Snapshot() const {
  const std::lock_guard lock(mutex_);
  return endpoints_;
}

std::size_t Router::TakeTurn() {
  const std::lock_guard lock(mutex_);
  return turn_++;
}

Router::Candidates Router::Endpoints() const { return *Snapshot(); }

std::shared_ptr<Endpoint> Router::AnyUp() {
  const Shared endpoints = Snapshot();
  const std::size_t turn = TakeTurn();
  for (std::size_t i = 0; i < endpoints->size(); ++i) {
    const auto& endpoint = (*endpoints)[(turn + i) % endpoints->size()];
    if (endpoint->state().standing == Endpoint::Standing::kUp) return endpoint;
  }
  return nullptr;
}

Router::Candidates Router::CandidatesFor(std::string_view key) {
  std::vector<std::string_view> best;
  const std::shared_ptr<const RingView> ring = cluster_.ring();  // the names' owner
  if (ring != nullptr) best = ring->BestFor(key, home_region_);
  const Shared endpoints = Snapshot();
  const std::size_t turn = TakeTurn();
  struct Ranked {
    std::size_t rank;
    const std::shared_ptr<Endpoint>* endpoint;
  };
  std::vector<Ranked> ranked;
  ranked.reserve(endpoints->size());
  for (std::size_t i = 0; i < endpoints->size(); ++i) {
    const auto& endpoint = (*endpoints)[(turn + i) % endpoints->size()];
    const auto [standing, place] = endpoint->PlaceAmong(best);
    if (standing == Endpoint::Standing::kForeign) continue;
    const std::size_t rank = standing == Endpoint::Standing::kUp ? place : best.size() + 1 + place;
    // A node known by two addresses is asked at the one that it tells: the options' may be one that
    // leads to many nodes.
    ranked.push_back({2 * rank + (endpoint->learned() ? 0 : 1), &endpoint});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  Candidates candidates;
  candidates.reserve(ranked.size());
  for (const Ranked& each : ranked) candidates.push_back(*each.endpoint);
  return candidates;
}

Duration Router::Shortened(Duration pause) {
  const std::lock_guard lock(mutex_);
  return {prng_.Between(pause.us / 2, pause.us)};
}

}  // namespace gyre
