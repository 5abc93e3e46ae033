#include "server/webhook.h"

#include <fmt/format.h>

#include <memory>
#include <utility>

#include "base/check.h"
#include "server/version.h"

namespace gyre {
namespace {

constexpr std::size_t kStatusLineMax = 1024;
// More than the first line of an answer is not looked at.
constexpr std::size_t kAnswerBytesMax = 16 * 1024;

}  // namespace

// One attempt: its connection. Gone from the Webhook's view once it has said how it ended.
class WebhookPost final : public ConnectionHandler {
 public:
  WebhookPost(Webhook& webhook, Connection& its_connection, std::string_view request)
      : connection(its_connection), webhook_(&webhook) {
    connection.out().Append(request);
    connection.ScheduleFlush();
  }

  std::size_t OnBytes(std::string_view bytes) override {
    if (webhook_ == nullptr) return bytes.size();
    const Result<std::optional<int>> status = StatusOfAnswer(bytes);
    if (status && !*status) return 0;
    connection.CloseAfterFlush();
    End(status ? Result<int>(**status) : Fail(status.error()));
    return bytes.size();
  }
  void OnClosed() override {
    if (webhook_ == nullptr) return;
    const std::string_view reason = connection.close_reason();
    End(Fail(ErrorCode::kUnavailable,
             reason.empty() ? "it closed the connection without an answer" : std::string(reason)));
  }
  std::size_t pending() const override { return 0; }

  void Orphan() { webhook_ = nullptr; }

  Connection& connection;

 private:
  void End(Result<int> status) { std::exchange(webhook_, nullptr)->OnAnswer(std::move(status)); }

  Webhook* webhook_;
};

Webhook::Webhook(Reactor& reactor, Log& log, WebhookOptions options)
    : reactor_(reactor),
      log_(log),
      options_(std::move(options)),
      prng_(options_.seed),
      backoff_(options_.pause_first, options_.pause_last),
      resolver_(reactor) {
  GYRE_CHECK(options_.waiting_max >= 2);
}

Webhook::~Webhook() {
  reactor_.CancelTimer(timer_);
  LetGo("this node is stopping");
}

void Webhook::Post(std::string json) {
  waiting_.push_back({std::move(json), reactor_.now().instant});
  if (waiting_.size() > options_.waiting_max) DropOldest("too many wait");
  if (state_ == State::kIdle) Attempt();
}

// REQUIRES: something waits.
void Webhook::Attempt() {
  state_ = State::kResolving;
  timer_ = reactor_.AddTimer(reactor_.now().instant + options_.timeout, [this] { OnTimeout(); });
  const std::string address = options_.url.address.ToString();
  if (const Result<SocketAddress> literal = SocketAddress::Parse(address)) return Dial(literal);
  // Looked up for each attempt: the receiver may have moved. One that takes longer than an attempt
  // serves the next.
  if (std::exchange(looking_up_, true)) return;
  resolver_.Resolve(address, [this](const Result<SocketAddress>& found) {
    looking_up_ = false;
    if (state_ == State::kResolving) Dial(found);
  });
}

void Webhook::Dial(const Result<SocketAddress>& address) {
  if (!address) return OnFailure(address.error().message);
  state_ = State::kAsked;
  ConnectionLimits limits;
  limits.read_bytes = kStatusLineMax;
  limits.input_bytes_max = kAnswerBytesMax;
  reactor_.Dial(*address, limits, [&](Connection& connection) {
    auto post = std::make_unique<WebhookPost>(*this, connection, RequestOf(waiting_.front().json));
    post_ = post.get();
    return post;
  });
}

std::string Webhook::RequestOf(const std::string& json) const {
  const HostPort& address = options_.url.address;
  return fmt::format(
      "POST {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: gyre/{}\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\nConnection: close\r\n\r\n{}",
      options_.url.path, address.ToString(), kGyreVersion, json.size(), json);
}

void Webhook::OnAnswer(Result<int> status) {
  post_ = nullptr;
  if (!status) return OnFailure(status.error().message);
  if (*status < 200 || *status > 299) return OnFailure(fmt::format("it answered {}", *status));
  reactor_.CancelTimer(timer_);
  ++stats_.ok;
  backoff_.Reset();
  if (!std::exchange(last_problem_, {}).empty()) {
    log_.Write(LogLevel::kInfo, "webhook_works", "the webhook takes notices again",
               {{"webhook", options_.url.address.ToString()}});
  }
  waiting_.pop_front();
  state_ = State::kIdle;
  if (!waiting_.empty()) Attempt();
}

void Webhook::OnTimeout() {
  LetGo("no answer in time");
  OnFailure("no answer in time");
}

void Webhook::OnFailure(const std::string& problem) {
  reactor_.CancelTimer(timer_);
  ++stats_.failed;
  state_ = State::kPausing;
  if (problem != last_problem_) {  // one line for each, not for each attempt
    last_problem_ = problem;
    log_.Write(LogLevel::kWarning, "webhook_failed",
               "a notice could not be posted; it is tried again",
               {{"webhook", options_.url.address.ToString()},
                {"problem", problem},
                {"waiting", waiting_.size()}});
  }
  const Instant now = reactor_.now().instant;
  while (!waiting_.empty() && now - waiting_.front().since >= options_.give_up_after) {
    DropOldest("it was tried for too long");
  }
  timer_ = reactor_.AddTimer(now + backoff_.Next(prng_), [this] {
    state_ = State::kIdle;
    if (!waiting_.empty()) Attempt();
  });
}

void Webhook::LetGo(std::string_view reason) {
  if (post_ == nullptr) return;
  post_->Orphan();
  reactor_.Abort(std::exchange(post_, nullptr)->connection, reason);
}

// But the one that is on its way.
void Webhook::DropOldest(const std::string& why) {
  const bool sending = state_ == State::kResolving || state_ == State::kAsked;
  waiting_.erase(waiting_.begin() + (sending ? 1 : 0));
  ++stats_.dropped;
  log_.Write(LogLevel::kWarning, "webhook_notice_dropped", "a notice was given up: " + why,
             {{"webhook", options_.url.address.ToString()}, {"waiting", waiting_.size()}});
}

Result<std::optional<int>> StatusOfAnswer(std::string_view bytes) {
  constexpr std::string_view kNoHttp = "its answer is not HTTP";
  const std::size_t end = bytes.find('\n');
  if (end == std::string_view::npos) {
    if (bytes.size() > kStatusLineMax)
      return Fail(ErrorCode::kInvalidArgument, std::string(kNoHttp));
    return std::optional<int>();
  }
  // "HTTP/1.1 204" and, but for the line's end, anything after a space.
  constexpr std::string_view kStart = "HTTP/1.";
  const auto digit = [&](std::size_t i) { return bytes[i] >= '0' && bytes[i] <= '9'; };
  const bool http = end >= 12 && end <= kStatusLineMax && bytes.starts_with(kStart) && digit(7) &&
                    bytes[8] == ' ' && digit(9) && digit(10) && digit(11) &&
                    (bytes[12] == ' ' || bytes[12] == '\r' || bytes[12] == '\n');
  if (!http) return Fail(ErrorCode::kInvalidArgument, std::string(kNoHttp));
  return std::optional<int>((bytes[9] - '0') * 100 + (bytes[10] - '0') * 10 + (bytes[11] - '0'));
}

}  // namespace gyre
