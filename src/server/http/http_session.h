// One client's HTTP connection: requests in, replies out in the order of the requests.
//
// Pipelined requests run side by side as long as all of them only read; a write waits for what came
// before it and all behind it waits, so that a client which pipelines sees its own order (RFC 9112,
// section 9.3.2). What waits is left in the connection's buffer: at most one parsed request and
// kPipelineMax open ones are held. A request for data also waits while the shard has no room for it
// (Backend::Room, ValueRoom), in turn; one that has waited longer than `unread_max` by then is
// refused (503).
//
// A request that takes longer than http_request_timeout from its first byte to its last is answered
// 408; one that stops sending altogether is the reactor's to cut (idle_timeout).
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string_view>

#include "net/connection.h"
#include "net/http_parser.h"
#include "server/backend.h"
#include "server/http/http_reply.h"
#include "server/http/kv_api.h"

namespace gyre {

class HttpSession final : public ConnectionHandler, private ResultSink, private RoomWaiter {
 public:
  static constexpr std::size_t kPipelineMax = 64;

  // Both must outlive the session.
  HttpSession(Connection& connection, Backend& backend);

  std::size_t OnBytes(std::string_view bytes) override;
  void OnClosed() override;
  std::size_t pending() const override { return in_flight_ + (room_ticket_ ? 1 : 0); }
  // For an owner that has a timer: the 408 of a client that sends nothing any more.
  void OnTick(Instant now);

 private:
  // A request whose reply is not yet on its way.
  struct Slot {
    std::optional<KvCall> call;  // while a request to the core runs
    ReplyFraming framing;
    bool reads_only = true;
    bool ready = false;
    HttpReply reply;
    Instant started;
  };

  // The order of requests lets the held one start; the shard has room for it, or it lines up.
  bool MayStart(const HttpRequest& request) const;
  bool HasRoom(const HttpRequest& request);
  bool TryStartHeld();
  void StartHeld();
  void TakeTurn() override;
  // After an answer, or a turn, that came from outside OnBytes.
  void GoOn();
  Slot& OpenSlot(const HttpRequest& request);
  void Start(HttpRequest request);
  void AnswerAtOnce(Slot& slot, HttpReply&& reply);
  // An answer without the core, or nullopt for the data API and what the cluster is asked.
  std::optional<HttpReply> AnswerHere(const HttpRequest& request, const HttpTarget& target);
  std::optional<HttpReply> CheckPassword(const HttpRequest& request) const;
  void FailConnection(int status, std::string_view message);
  // For the slot that was opened last.
  void AskCluster(const char* verb, std::string body);
  void OnResult(std::uint64_t tag, ClientResult&& result) override;
  Slot& SlotOf(std::uint64_t tag);
  // The reply of a request that had to wait is known.
  void Finish(Slot& slot, HttpReply&& reply);
  void FlushReady();

  Connection& connection_;
  Backend& backend_;
  HttpParser parser_;
  std::deque<Slot> slots_;
  std::uint64_t first_tag_ = 0;                   // of slots_.front()
  std::optional<HttpRequest> held_;               // parsed, waits for its turn
  std::optional<RoomQueue::Ticket> room_ticket_;  // held_ waits for room
  Instant waits_since_;                           // of room_ticket_
  std::optional<Instant> request_begun_;  // first byte of the request that is being received
  std::size_t in_flight_ = 0;
  bool owes_continue_ = false;  // the present request's client waits for "100 Continue"
  bool paused_ = false;
  bool ending_ = false;  // no more requests are taken
  bool closed_ = false;
  bool receiving_ = false;  // within OnBytes: output is flushed by the loop
};

}  // namespace gyre
