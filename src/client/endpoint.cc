#include "client/endpoint.h"

#include <algorithm>
#include <charconv>
#include <random>
#include <utility>

#include "client/steady_clock.h"

namespace gyre {
namespace {

bool IsForeign(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kUnsupported;
}

}  // namespace

Result<NodeAddress> ParseNodeAddress(std::string_view text) {
  const auto wrong = [&] {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + std::string(text.substr(0, 128)) + "' is not an address such as host:7379");
  };
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return wrong();
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return wrong();  // an IPv6 address whose last group would be taken for the port
  }
  NodeAddress parsed{std::string(host), 0};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (host.empty() || error != std::errc() || end != port.data() + port.size() ||
      parsed.port == 0) {
    return wrong();
  }
  return parsed;
}

Endpoint::Endpoint(Options options, ClusterMap& cluster)
    : options_(std::move(options)), cluster_(cluster), prng_(std::random_device{}()) {}

Endpoint::Lease::~Lease() {
  if (from_ == nullptr) return;
  connection_.reset();
  const std::lock_guard lock(from_->mutex_);
  --from_->open_;
  from_->freed_.notify_one();
}

void Endpoint::Lease::GiveBack() {
  Endpoint* const to = std::exchange(from_, nullptr);
  const std::lock_guard lock(to->mutex_);
  to->idle_.push_back(std::move(*connection_));
  to->freed_.notify_one();
}

Result<Endpoint::Lease> Endpoint::Take(Instant deadline) {
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      while (!idle_.empty()) {
        RespClient connection = std::move(idle_.back());
        idle_.pop_back();
        if (connection.Quiet()) return Lease(*this, std::move(connection));
        --open_;  // the node has hung up meanwhile
      }
      if (open_ < options_.connections_max) break;
      if (SteadyNow() >= deadline) {
        return Fail(ErrorCode::kOverloaded,
                    "all connections to " + options_.address + " are in use");
      }
      freed_.wait_until(lock, ToTimePoint(deadline));
    }
    ++open_;  // ours, while it is being made
  }
  Result<RespClient> opened = OpenApart(deadline);
  if (opened) return Lease(*this, std::move(*opened));
  const std::lock_guard lock(mutex_);
  --open_;
  freed_.notify_one();
  return Fail(std::move(opened.error()));
}

Result<RespClient> Endpoint::OpenApart(Instant deadline) {
  Result<RespClient> opened = Open(deadline);
  if (!opened) MarkDown(opened.error());
  return opened;
}

Result<RespClient> Endpoint::Open(Instant deadline) {
  const Instant until = std::min(deadline, SteadyNow() + options_.to.timeout);
  RespClientOptions to = options_.to;
  to.timeout = until - SteadyNow();
  Result<RespClient> connection = RespClient::Connect(to);
  if (!connection) return connection;
  Result<NodeFacts> facts = cluster_.Meet(*connection, until);
  if (!facts) return Fail(std::move(facts.error()));
  NoteUp(std::move(facts->name));
  return connection;
}

void Endpoint::NoteUp(std::string name) {
  const std::lock_guard lock(mutex_);
  // Another node answers here than before: what is open leads to the one that has moved.
  if (name != state_.name) CloseIdle();
  state_ = State{Standing::kUp, std::move(name), std::nullopt};
  ask_again_ = kAskAgainFirst;
}

void Endpoint::MarkDown(Error why) {
  const std::lock_guard lock(mutex_);
  CloseIdle();
  // One death is noticed on many connections; only the first puts the next question off.
  const bool is_news = state_.standing == Standing::kUp || SteadyNow() >= ask_at_;
  state_.standing = IsForeign(why) ? Standing::kForeign : Standing::kDown;
  state_.problem = std::move(why);
  if (!is_news) return;
  ask_at_ = SteadyNow() + Duration{prng_.Between(ask_again_.us / 2, ask_again_.us)};
  ask_again_ = std::min(ask_again_ * 2, kAskAgainMax);
}

void Endpoint::CloseIdle() {
  open_ -= idle_.size();
  idle_.clear();
  freed_.notify_all();
}

void Endpoint::AskIfDue(Instant now) {
  const std::optional<Instant> due = ask_at();
  if (!due || *due > now) return;
  if (Result<Lease> lease = Take(now + options_.to.timeout); lease) lease->GiveBack();
}

std::optional<Instant> Endpoint::ask_at() const {
  const std::lock_guard lock(mutex_);
  if (state_.standing == Standing::kUp) return std::nullopt;
  return ask_at_;
}

Endpoint::State Endpoint::state() const {
  const std::lock_guard lock(mutex_);
  return state_;
}

std::pair<Endpoint::Standing, std::size_t> Endpoint::PlaceAmong(
    const std::vector<std::string_view>& names) const {
  const std::lock_guard lock(mutex_);
  const auto place = std::find(names.begin(), names.end(), state_.name);
  return {state_.standing, static_cast<std::size_t>(place - names.begin())};
}

}  // namespace gyre
