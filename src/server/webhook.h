// Posts notices, as JSON, to the one URL that an operator gave; in order, one at a time. A notice
// that is not answered with 2xx within `timeout` is sent again after a pause, for up to
// `give_up_after`. What waits is kept in memory: it is gone when the node stops.
//
//   kIdle -Post-> kResolving -> kAsked -2xx-> kIdle, or the next one
//   kResolving, kAsked -refused, closed, timeout-> kPausing -> kResolving
//
// On one loop's thread, all of it; nothing here waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "net/backoff.h"
#include "net/reactor.h"
#include "net/resolver.h"
#include "server/config.h"
#include "server/node_stats.h"

namespace gyre {

class WebhookPost;

struct WebhookOptions {
  WebhookUrl url;
  Duration timeout = Duration::Seconds(5);  // of one attempt: from the look-up to the answer
  Duration pause_first = Duration::Seconds(1);
  Duration pause_last = Duration::Seconds(60);
  Duration give_up_after = Duration::Seconds(3'600);  // of one notice
  std::size_t waiting_max = 100;                      // past it the oldest go; at least 2
  std::uint64_t seed = 0;                             // for jitter
};

class Webhook {
 public:
  // `reactor` and `log` must outlive this.
  Webhook(Reactor& reactor, Log& log, WebhookOptions options);
  // Drops what waits.
  ~Webhook();
  Webhook(const Webhook&) = delete;
  Webhook& operator=(const Webhook&) = delete;

  void Post(std::string json);

  const WebhookStats& stats() const { return stats_; }
  std::size_t waiting() const { return waiting_.size(); }

  // For WebhookPost: 200, or what went wrong.
  void OnAnswer(Result<int> status);

 private:
  enum class State : unsigned char { kIdle, kResolving, kAsked, kPausing };
  struct Waiting {
    std::string json;
    Instant since;
  };

  void Attempt();
  void Dial(const Result<SocketAddress>& address);
  void OnTimeout();
  void OnFailure(const std::string& problem);
  void LetGo(std::string_view reason);
  void DropOldest(const std::string& why);
  std::string RequestOf(const std::string& json) const;

  Reactor& reactor_;
  Log& log_;
  const WebhookOptions options_;
  Prng prng_;
  Backoff backoff_;
  Resolver resolver_;
  State state_ = State::kIdle;
  bool looking_up_ = false;      // may outlast the attempt that asked
  WebhookPost* post_ = nullptr;  // in kAsked; owned by its connection
  TimerId timer_ = 0;            // the attempt's timeout, or the end of the pause
  std::deque<Waiting> waiting_;  // the first is the one that is sent
  std::string last_problem_;     // empty after a success
  WebhookStats stats_;
};

// The status of an HTTP/1 answer that begins with `bytes`; nothing if its first line is not
// complete. Errors: kInvalidArgument (no HTTP, or a line too long).
Result<std::optional<int>> StatusOfAnswer(std::string_view bytes);

}  // namespace gyre
