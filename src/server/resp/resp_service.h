// What the RESP connections of one shard's thread share: settings, counters, the list of clients.
// One per thread; everything here is called on that thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/prng.h"
#include "core/cluster_view.h"
#include "core/request.h"
#include "net/connection.h"
#include "net/resp_parser.h"
#include "server/backend.h"

namespace gyre {

class RespSession;

// KV.RING WAIT: for how long, and how many on one thread. They are answered all at once, with up to
// half a megabyte each (65,536 partitions).
inline constexpr Duration kRingWaitMax = Duration::Seconds(60);
inline constexpr std::size_t kRingWaitsMax = 256;

struct RespOptions {
  std::string password;  // empty: none is asked for
  std::size_t value_bytes_max = 8 * 1024 * 1024;
  std::uint32_t scan_rows_max = 1'000;
  std::string gyre_version = "0.1.0";
  std::string node_name = "n1";
  std::uint16_t port = 7379;
  // How durable an acknowledged write is, in Redis' words for CONFIG GET: always, everysec, or no
  // (memory only).
  std::string appendfsync = "no";
  // Client ids of this thread: first, first + step, ... so that threads do not meet.
  std::uint64_t client_id_first = 1;
  std::uint64_t client_id_step = 1;
  // Per connection: past these no further command is read until some are answered.
  std::size_t in_flight_max = 1'024;
  std::size_t in_flight_bytes_max = 64 * 1024 * 1024;  // commands, and answers out of order
  // A command that lay unread for longer is refused, not run; zero: never.
  Duration unread_max;
  // KEYS answers an error instead of a larger list.
  std::size_t keys_bytes_max = 64 * 1024 * 1024;
  std::uint64_t seed = 1;  // RANDOMKEY
};

// The JSON documents behind KV.STATUS and its kin; made by the server room, which this one must
// not include.
class AdminDocuments {
 public:
  virtual ~AdminDocuments() = default;
  virtual std::string Status(const Backend& backend) const = 0;
  virtual std::string Ring(const ClusterView& view) const = 0;
  virtual std::string Keyspaces(const ClusterView& view) const = 0;
  virtual std::string Explain(const ClusterView& view, std::string_view keyspace, const RowKey& key,
                              const ExplainOutcome& outcome, WallTime now) const = 0;
};

struct RespCounters {
  std::uint64_t connections = 0;  // open now
  std::uint64_t connections_total = 0;
  std::uint64_t commands = 0;
  std::uint64_t protocol_errors = 0;
  std::uint64_t refused_unread = 0;  // past unread_max
};

class RespService {
 public:
  // `backend` and `documents` must outlive this. Sessions may outlive it (when a node stops): they
  // take no further input then.
  RespService(Backend& backend, const AdminDocuments& documents, RespOptions options);
  ~RespService();
  RespService(const RespService&) = delete;
  RespService& operator=(const RespService&) = delete;

  std::unique_ptr<ConnectionHandler> NewSession(Connection& connection);

  // At the end of each turn of the loop, and a few times a second at least: those who wait for
  // another ring, or have waited long enough, get theirs.
  void OnTurnEnd();

  // Those that were connected when the drain began.
  std::uint64_t ClientsToGo() const;

  Backend& backend() { return backend_; }
  const AdminDocuments& documents() const { return documents_; }
  const RespOptions& options() const { return options_; }
  // What a command past unread_max is answered.
  const std::string& overdue_text() const { return overdue_text_; }
  const RespLimits& limits() const { return limits_; }
  RespCounters& counters() { return counters_; }
  const RespCounters& counters() const { return counters_; }
  Prng& prng() { return prng_; }
  const std::map<std::uint64_t, RespSession*>& sessions() const { return sessions_; }

 private:
  friend class RespSession;
  std::uint64_t Register(RespSession* session);
  bool HasRoomToAwaitRing() const { return ring_waits_.size() < kRingWaitsMax; }
  // The slot `sequence` of session `id` gets its AnswerRing. REQUIRES: there is room.
  void AwaitRing(std::uint64_t id, std::uint64_t sequence, RingEpoch after, Instant until);
  void Unregister(std::uint64_t id);
  void AnswerRingWaits();
  void SendAway(const Drain& drain);

  Backend& backend_;
  const AdminDocuments& documents_;
  RespOptions options_;
  RespLimits limits_;
  const std::string overdue_text_;
  RespCounters counters_;
  Prng prng_;
  std::uint64_t next_id_;
  std::map<std::uint64_t, RespSession*> sessions_;  // open ones, by id
  struct RingWait {
    RingEpoch after;
    Instant until;
  };
  std::map<std::pair<std::uint64_t, std::uint64_t>, RingWait> ring_waits_;  // by session, slot
  RingEpoch epoch_answered_;                 // nobody waits for it or for less
  Instant ring_wait_ends_ = Instant::Max();  // the first of them, or earlier
};

}  // namespace gyre
