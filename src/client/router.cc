#include "client/router.h"

#include <algorithm>
#include <random>
#include <utility>

#include "base/thread_name.h"
#include "client/steady_clock.h"

namespace gyre {
namespace {

Instant HalfWay(Instant deadline) {
  const Instant now = SteadyNow();
  return now + Duration{(deadline - now).us / 2};
}

}  // namespace

Router::Router(const ClientOptions& options, const std::vector<NodeAddress>& addresses)
    : timeout_(Duration::Millis(options.timeout.count())),
      tries_max_(options.retries + 1),
      cluster_(options.keyspace),
      prng_(std::random_device{}()) {
  for (std::size_t i = 0; i < addresses.size(); ++i) {
    Endpoint::Options endpoint;
    endpoint.address = options.addresses[i];
    endpoint.to.host = addresses[i].host;
    endpoint.to.port = addresses[i].port;
    endpoint.to.password = options.password;
    endpoint.to.keyspace = options.keyspace;
    endpoint.to.timeout = Duration::Millis(options.connect_timeout.count());
    endpoint.connections_max = options.connections_per_node_max;
    endpoints_.push_back(std::make_unique<Endpoint>(std::move(endpoint), cluster_));
  }
}

Router::~Router() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (asker_.joinable()) asker_.join();
}

void Router::Start() {
  std::vector<std::thread> askers;
  for (const auto& endpoint : endpoints_) {
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
    lock.unlock();
    Instant next = Instant::Max();
    for (const auto& endpoint : endpoints_) {
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

std::vector<Endpoint*> Router::Candidates(std::string_view key) {
  std::vector<std::string_view> owners;
  const std::shared_ptr<const RingView> ring = cluster_.ring();  // the names' owner
  if (ring != nullptr) owners = ring->OwnersOf(key);
  std::size_t turn = 0;
  {
    const std::lock_guard lock(mutex_);
    turn = turn_++;
  }
  struct Ranked {
    std::size_t rank;
    Endpoint* endpoint;
  };
  std::vector<Ranked> ranked;
  for (std::size_t i = 0; i < endpoints_.size(); ++i) {
    Endpoint& endpoint = *endpoints_[(turn + i) % endpoints_.size()];
    const Endpoint::State state = endpoint.state();
    if (state.standing == Endpoint::Standing::kForeign) continue;
    const auto owner = std::find(owners.begin(), owners.end(), state.name);
    const std::size_t place = static_cast<std::size_t>(owner - owners.begin());
    const bool up = state.standing == Endpoint::Standing::kUp;
    ranked.push_back({up ? place : owners.size() + 1 + place, &endpoint});
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const Ranked& a, const Ranked& b) { return a.rank < b.rank; });
  std::vector<Endpoint*> candidates;
  for (const Ranked& each : ranked) candidates.push_back(each.endpoint);
  return candidates;
}

Outcome<RespValue> Router::Run(const Request& request) {
  const Instant deadline = SteadyNow() + timeout_;
  ClientError error{ErrorKind::kNotConnected, "no address leads to a node of the cluster"};
  Duration pause = kPauseFirst;
  int tries = 0;
  for (;;) {
    const std::vector<Endpoint*> candidates = Candidates(request.key);
    const int tries_before = tries;
    for (std::size_t i = 0; i < candidates.size() && SteadyNow() < deadline; ++i) {
      // Nothing is sent yet: one that is slow to connect must leave time for the others.
      const bool is_last = i + 1 == candidates.size();
      Result<Endpoint::Lease> lease = candidates[i]->Take(is_last ? deadline : HalfWay(deadline));
      if (!lease) {
        Wake();
        if (tries == 0) error = AfterNoConnection(lease.error()).error;
        continue;
      }
      if (SteadyNow() >= deadline) {  // what is not sent is surely not applied
        lease->GiveBack();
        break;
      }
      ++tries;
      // A write that is not answered is not tried again, so it gets all the time there is.
      const bool may_retry = request.is_read && tries < tries_max_;
      const Instant until = may_retry ? HalfWay(deadline) : deadline;
      RespValue reply;
      Verdict verdict = Ask(*candidates[i], std::move(*lease), request, until - SteadyNow(), reply);
      if (!reply.is_error()) return reply;
      error = std::move(verdict.error);
      if (verdict.step == NextStep::kGiveUp || tries >= tries_max_) return error;
      if (verdict.step == NextStep::kPauseNext && !Pause(pause, deadline)) return error;
    }
    if (tries == tries_before || !Pause(pause, deadline)) return error;
  }
}

// An answer is left in `reply`; else it holds an error.
Verdict Router::Ask(Endpoint& endpoint, Endpoint::Lease lease, const Request& request,
                    Duration limit, RespValue& reply) {
  Result<RespValue> got = lease->Call(request.command, limit);
  if (got && !got->is_error() && !request.is_answer(*got)) {
    got = Fail(ErrorCode::kCorruption,
               "the node at " + endpoint.address() + " does not answer as Gyre does");
  }
  if (got) {
    reply = std::move(*got);
    lease.GiveBack();
    return reply.is_error() ? AfterRefusal(ErrorOfReply(reply.text), request.is_read) : Verdict{};
  }
  reply.kind = RespValue::Kind::kError;
  Verdict verdict = AfterLostCall(got.error(), request.is_read);
  verdict.error.message += " (" + endpoint.address() + ")";
  endpoint.MarkDown({ErrorCode::kUnavailable, got.error().message});
  Wake();
  return verdict;
}

bool Router::Pause(Duration& pause, Instant deadline) {
  Instant until;
  {
    const std::lock_guard lock(mutex_);
    until = SteadyNow() + Duration{prng_.Between(pause.us / 2, pause.us)};
  }
  if (until >= deadline) return false;
  pause = std::min(pause * 2, kPauseMax);
  std::this_thread::sleep_until(ToTimePoint(until));
  return true;
}

std::vector<Endpoint::State> Router::States() const {
  std::vector<Endpoint::State> states;
  for (const auto& endpoint : endpoints_) states.push_back(endpoint->state());
  return states;
}

}  // namespace gyre
