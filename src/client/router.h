// Whom a client asks: the nodes of the options and those that the ring tells of, which of them are
// up, and in which order they are asked for a key. Any thread may call.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/prng.h"
#include "client/cluster_map.h"
#include "client/endpoint.h"
#include "client/tries.h"
#include "gyre/client.h"

namespace gyre {

// The options' addresses and the learned ones together; past it members are not learned, and
// requests for what they own are forwarded.
inline constexpr std::size_t kEndpointsMax = 1'024;

class Router final : public Tries::Source {
 public:
  using Candidates = Tries::Candidates;

  // REQUIRES: the options have been checked; one of `addresses` for each of options.addresses.
  Router(const ClientOptions& options, const std::vector<NodeAddress>& addresses);
  ~Router() override;
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;

  // Asks all addresses at once, and from then on those that are down, and new ones, again and
  // again.
  void Start();
  // Owners of the key first, best first (RingView::BestFor); others then; what is down last.
  // Foreign ones not at all.
  Candidates CandidatesFor(std::string_view key) override;
  Duration Shortened(Duration pause) override;
  const Tries::Limits& limits() const { return limits_; }
  Duration connect_timeout() const { return endpoint_.to.timeout; }

  // A node was found to be down: when to ask it again has changed.
  void Wake();
  ClusterMap& cluster() { return cluster_; }
  // Another one after each change of Endpoints().
  std::uint64_t version() const { return version_.load(std::memory_order_acquire); }
  // Those of the options, in their order, then the learned ones.
  Candidates Endpoints() const;
  // Up; each time another one. Null: none is.
  std::shared_ptr<Endpoint> AnyUp();

 private:
  using Shared = std::shared_ptr<const Candidates>;

  Shared Snapshot() const;
  std::shared_ptr<Endpoint> Make(const std::string& address, const NodeAddress& parsed,
                                 bool learned);
  // The ring has changed: those of its members that tell an address are learned, others forgotten.
  void FollowRing();
  std::size_t TakeTurn();
  void AskAgainLoop();

  const Tries::Limits limits_;
  const bool learns_;
  const std::string home_region_;
  Endpoint::Options endpoint_;  // what all have in common
  ClusterMap cluster_;
  Candidates seeds_;          // of the options
  mutable std::mutex mutex_;  // of what follows
  Shared endpoints_;
  std::atomic<std::uint64_t> version_ = 0;
  Prng prng_;
  std::size_t turn_ = 0;  // which of those that do not own a key is asked first
  bool stopping_ = false;
  bool woken_ = false;
  std::condition_variable wake_;
  std::thread asker_;
};

}  // namespace gyre
