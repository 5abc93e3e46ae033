// One RESP connection: reads commands, hands them to the backend, and writes the replies in the
// order of the commands, whatever the order of the results.
//
// Commands of one connection run concurrently, unless they touch a key that one of them writes:
// then the later one waits, so that a pipelined GET sees the SET before it (KeyAccess says who
// waits for whom). Commands over all keys (SCAN, FLUSHALL, ...) run alone. What waits is not read:
// the connection is paused, and its input stays where it is.
//
// A reply goes straight to the connection's output if nothing before it is pending; else it is kept
// in its slot until its turn. After a protocol error or QUIT nothing more is read, what is pending
// is answered, and the connection closes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/config.h"
#include "net/connection.h"
#include "net/resp_parser.h"
#include "net/resp_writer.h"
#include "server/backend.h"
#include "server/resp/command_table.h"
#include "server/resp/key_conflicts.h"
#include "server/resp/multi_request.h"
#include "server/resp/reply_queue.h"
#include "server/resp/resp_service.h"

namespace gyre {

// What a client has set for its connection; RESET makes it fresh.
struct RespClientState {
  enum class ReplyMode : std::uint8_t { kOn, kOff, kSkipNext, kSkip };

  bool resp3 = false;
  bool authenticated = false;
  ReplyMode reply_mode = ReplyMode::kOn;
  KeyspaceId keyspace;  // `default`
  RequestOptions options;
  std::string name;
};

class RespSession final : public ConnectionHandler, public ResultSink, private RoomWaiter {
 public:
  RespSession(RespService& service, Connection& connection);
  ~RespSession() override;
  RespSession(const RespSession&) = delete;
  RespSession& operator=(const RespSession&) = delete;

  // ---- as ConnectionHandler and ResultSink
  std::size_t OnBytes(std::string_view bytes) override;
  void OnClosed() override;
  std::size_t pending() const override { return outstanding_; }
  void OnResult(std::uint64_t tag, ClientResult&& result) override;

  // What this slot awaited with AwaitRing.
  void AnswerRing(std::uint64_t sequence, const std::string& ring);

  // Nothing more is read; closes once all that was read is answered.
  void CloseWhenAnswered();
  Instant opened() const { return opened_; }

  // The service goes first: nothing of it is touched from here on.
  void Abandon();

  // ---- for the command handlers: each calls exactly one of Reply (or Error), Submit, Start,
  // AskCluster and AwaitRing; CLIENT REPLY alone may answer nothing.

  // For an answer that is known at once.
  RespWriter Reply();
  // `text` begins with its code word.
  void Error(std::string_view text) { Reply().Error(text); }
  // One request, whose outcome `finish` turns into the reply. Errors are answered from the table.
  void Submit(ClientRequest&& request, FinishFn finish, std::uint64_t param = 0);
  void Start(std::unique_ptr<MultiRequest> request);
  // Backend::ClusterCommand, whose answer is the reply. REQUIRES: the command runs alone.
  void AskCluster(std::string verb, std::string body);
  // The ring is the reply once its epoch is above `after`, or after `wait`. What comes behind runs.
  // Errors, as a reply: BUSY.
  void AwaitRing(RingEpoch after, Duration wait);
  // Nothing more is read; the connection closes after the answers that are due.
  void CloseAfterReplies() { closing_ = true; }

  // A key of the command as the backend wants it.
  RowKey Key(std::string_view key) const { return {state_.keyspace, Token(), Bytes(key)}; }
  // What KeyConflicts knows the command's n-th key by.
  std::uint64_t KeyHash(std::size_t n) const { return key_hashes_[n]; }
  // If `value` is too large answers the error and returns false.
  bool CheckValue(std::string_view value);
  // When a value expires that is written now without a time of its own.
  WallTime DefaultExpiry() const;

  RespService& service() { return service_; }
  Backend& backend() { return service_.backend(); }
  const ClusterView& view() const { return *service_.backend().view(); }
  Now now() const { return service_.backend().now(); }
  const CommandSpec& command() const { return *command_; }
  RespClientState& state() { return state_; }
  const RespClientState& state() const { return state_; }
  // The connection as it was at its start (RESET).
  void ResetState();
  void set_authenticated(bool authenticated);
  // From this command's reply on.
  void SetReplyMode(RespClientState::ReplyMode mode);
  std::uint64_t id() const { return id_; }
  std::string& lib_name() { return lib_name_; }
  std::string& lib_version() { return lib_version_; }
  // One line of CLIENT LIST, without its end.
  std::string Describe() const;

 private:
  enum class Block : std::uint8_t {
    kNone,
    kKey,       // until nothing conflicts with blocked_hash_
    kDrained,   // until everything pending is answered
    kCapacity,  // until less is pending
    kRoom,      // until the shard has less in flight, and it is this connection's turn
  };
  enum class Next : std::uint8_t { kGoOn, kNeedMore, kBlocked };

  // The first `overdue` of the bytes lay unread for too long.
  Next ReadOne(std::string_view bytes, std::size_t overdue, std::size_t* consumed);
  // False: it must wait, block_ says for what.
  bool Dispatch(const RespArgs& args, bool overdue);
  void RefuseOverdue();
  bool RefusedByDrain(const CommandSpec& command);
  const CommandSpec* Look(const RespArgs& args);
  // Sizes and hashes of the command's keys. False: answered with an error.
  bool TakeKeys(const CommandSpec& command, const RespArgs& args);
  bool MustWait();
  bool NothingConflicts() const;
  bool RunsAlone() const;
  bool OverCapacity() const;
  bool StillBlocked() const;
  void Wait(Block block) { block_ = block; }
  bool TooLargeForNow(std::size_t command_bytes);
  void AwaitRoom(std::size_t value_bytes);
  void TakeTurn() override;
  void LeaveRoomQueue();
  void AnswerError(const std::string& text);

  ReplySlot& Open(std::uint64_t* sequence);
  // Counts a slot that waits for results.
  void Await(ReplySlot& slot);
  void AnswerText(std::uint64_t sequence, const Result<std::string>& answer);
  OutputBuffer& TargetOf(std::uint64_t sequence, ReplySlot& slot);
  void OnMultiResult(std::uint64_t sequence, std::uint32_t index, ClientResult&& result);
  void Pump(std::uint64_t sequence);
  void RegisterPending();
  void RegisterKeys(std::uint64_t sequence);
  void ForgetKeys(ReplySlot& slot);
  void Complete(std::uint64_t sequence);
  // Outside OnBytes: shows the connection what is new, and goes on reading if that is possible.
  void AfterResult();

  RespService& service_;
  Connection& connection_;
  std::uint64_t id_;
  Instant opened_;
  Instant last_command_;
  RespParser parser_;
  RespClientState state_;
  std::string lib_name_;
  std::string lib_version_;

  // The command being dispatched.
  const CommandSpec* command_ = nullptr;
  const CommandSpec* previous_command_ = nullptr;
  // The last command looked up that has no subcommands, by the name as the client wrote it.
  const CommandSpec* found_ = nullptr;
  std::string found_name_;
  KeyAccess access_ = KeyAccess::kNone;
  std::vector<std::uint64_t> key_hashes_;
  std::size_t command_bytes_ = 0;
  bool silent_ = false;
  bool opened_slot_ = false;
  std::uint64_t parked_sequence_ = 0;

  ReplyQueue queue_;
  KeyConflicts keys_;
  std::uint64_t registered_ = 0;  // sequence numbers below it are in keys_, or done
  std::array<std::uint32_t, kKeyAccessCount> pending_{};  // slots that wait for results
  std::size_t alone_ = 0;  // slots in flight that must be alone: 0 or 1
  std::size_t in_flight_bytes_ = 0;
  std::size_t parked_bytes_ = 0;  // in slots' replies
  std::size_t outstanding_ = 0;   // requests with the backend

  Block block_ = Block::kNone;
  RoomQueue::Ticket room_ticket_ = 0;  // of the last wait for room
  std::uint64_t blocked_hash_ = 0;
  KeyAccess blocked_access_ = KeyAccess::kNone;
  bool in_on_bytes_ = false;
  bool closing_ = false;
  bool closed_ = false;
  OutputBuffer discarded_;  // where silent replies go
};

// Writes the core's error as RESP wants it (server/error_map.h).
void WriteError(RespWriter& out, const Error& error);

// The outcome as the kind that the request asked for.
template <typename Outcome>
Outcome& As(ClientOutcome& outcome) {
  Outcome* const typed = std::get_if<Outcome>(&outcome);
  GYRE_CHECK(typed != nullptr);
  return *typed;
}

}  // namespace gyre
