// One address of a cluster: the connections to it, who answers there, and whether anybody does.
// Any thread may call.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "base/time.h"
#include "client/cluster_map.h"
#include "client/resp_client.h"

namespace gyre {

// An address that is down is asked again after this, then twice that, and so on to the maximum;
// each time shortened by chance to between half and all of it.
inline constexpr Duration kAskAgainFirst = Duration::Millis(100);
inline constexpr Duration kAskAgainMax = Duration::Seconds(5);

struct NodeAddress {
  std::string host;
  std::uint16_t port = 0;
};
// "host:port" or "[v6]:port". Errors: kInvalidArgument.
Result<NodeAddress> ParseNodeAddress(std::string_view text);

class Endpoint {
 public:
  struct Options {
    std::string address;              // as the user wrote it
    RespClientOptions to;             // the same, in parts; its timeout is that of one connect
    std::size_t connections_max = 1;  // that Take gives
    bool learned = false;             // from the ring, not from the user
  };
  // up: the last try worked. down: it did not. foreign: another cluster's node answers there, or
  // one that refuses us: nothing goes there until that has changed.
  enum class Standing : std::uint8_t { kDown, kUp, kForeign };
  struct State {
    Standing standing = Standing::kDown;
    std::string name;  // empty: not known yet
    std::optional<Error> problem;
  };

  Endpoint(Options options, ClusterMap& cluster);
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // A connection that is the caller's alone. It is closed with the lease unless given back.
  class Lease {
   public:
    Lease(Lease&& other) noexcept
        : from_(std::exchange(other.from_, nullptr)), connection_(std::move(other.connection_)) {}
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    RespClient& operator*() { return *connection_; }
    RespClient* operator->() { return &*connection_; }
    void GiveBack();

   private:
    friend class Endpoint;
    Lease(Endpoint& from, RespClient connection)
        : from_(&from), connection_(std::move(connection)) {}
    Endpoint* from_;
    std::optional<RespClient> connection_;
  };

  // An idle connection, or a new one whose node has said who it is. Nothing of the caller's has
  // been sent, so every error means: not applied.
  // Errors: kOverloaded (all are in use, until `deadline`), those of RespClient::Connect and
  // ClusterMap::Meet.
  Result<Lease> Take(Instant deadline);

  // A connection beside those of Take; the caller sees to their number. Errors: as of Take.
  Result<RespClient> OpenApart(Instant deadline);

  // What came of a connection shows that nobody is there.
  void MarkDown(Error why);
  // Tries to connect, if it is not up and the time to ask again has come.
  void AskIfDue(Instant now);
  // When to ask again; nullopt while it is up.
  std::optional<Instant> ask_at() const;
  State state() const;
  // At a glance: how it stands, and the place of its name among `names` (their number: none).
  std::pair<Standing, std::size_t> PlaceAmong(const std::vector<std::string_view>& names) const;
  const std::string& address() const { return options_.address; }
  bool learned() const { return options_.learned; }

 private:
  Result<RespClient> Open(Instant deadline);
  void NoteUp(std::string name);
  void CloseIdle();  // under mutex_

  const Options options_;
  ClusterMap& cluster_;
  mutable std::mutex mutex_;
  std::condition_variable freed_;
  std::vector<RespClient> idle_;
  std::size_t open_ = 0;  // idle and leased
  State state_;
  Instant ask_at_;
  Duration ask_again_ = kAskAgainFirst;
  Prng prng_;
};

}  // namespace gyre
