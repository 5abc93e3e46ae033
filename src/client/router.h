// Carries one request to a node that holds its key, or failing that to any, within one deadline.
// Any thread may call.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "client/cluster_map.h"
#include "client/endpoint.h"
#include "client/resp_value.h"
#include "client/verdict.h"
#include "gyre/client.h"

namespace gyre {

// The pause after BUSY, or after every candidate has refused: this, then twice that, and so on to
// the maximum; each time shortened by chance to between half and all of it.
inline constexpr Duration kPauseFirst = Duration::Millis(10);
inline constexpr Duration kPauseMax = Duration::Millis(500);

class Router {
 public:
  struct Request {
    std::string_view key;
    std::vector<std::string_view> command;
    bool is_read = false;
    bool (*is_answer)(const RespValue&);  // is this an answer to the command?
  };

  // REQUIRES: the options have been checked; one of `addresses` for each of options.addresses.
  Router(const ClientOptions& options, const std::vector<NodeAddress>& addresses);
  ~Router();
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Asks all addresses at once, and from then on those that are down again and again.
  void Start();
  Outcome<RespValue> Run(const Request& request);
  std::vector<Endpoint::State> States() const;

 private:
  // Owners of the key first, best first; others then; what is down last. Foreign ones not at all.
  std::vector<Endpoint*> Candidates(std::string_view key);
  Verdict Ask(Endpoint& endpoint, Endpoint::Lease lease, const Request& request, Duration limit,
              RespValue& reply);
  // False, at once, if the pause would end behind the deadline.
  bool Pause(Duration& pause, Instant deadline);
  void Wake();
  void AskAgainLoop();

  const Duration timeout_;
  const int tries_max_;
  ClusterMap cluster_;
  std::vector<std::unique_ptr<Endpoint>> endpoints_;
  std::mutex mutex_;  // of what follows
  Prng prng_;
  std::size_t turn_ = 0;  // which of those that do not own a key is asked first
  bool stopping_ = false;
  bool woken_ = false;
  std::condition_variable wake_;
  std::thread asker_;
};

}  // namespace gyre
