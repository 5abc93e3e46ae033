#include "server/resp/resp_session.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "server/error_map.h"
#include "server/resp/arguments.h"
#include "server/resp/commands.h"

namespace gyre {
namespace {

// Requests of one slot carry its sequence number above their index.
constexpr int kIndexBits = 20;
constexpr std::uint64_t kIndexMask = (1u << kIndexBits) - 1;
// A command with more keys runs alone, so that the table of keys in flight stays small.
constexpr std::size_t kConcurrentKeysMax = 256;
constexpr std::size_t kKeptKeysMax = 1024;

// What fits into an error line, as Redis cuts it.
constexpr std::size_t kQuotedMax = 128;

std::string_view AsCString(std::string_view text) { return text.substr(0, text.find('\0')); }

// SET with GET or KEEPTTL depends on what is there.
bool ReadsBeforeItSets(const CommandSpec& command, const RespArgs& args) {
  if (command.handler != SetCommand) return false;
  for (std::size_t i = 3; i < args.size(); ++i) {
    if (EqualsWord(args[i], "get") || EqualsWord(args[i], "keepttl")) return true;
  }
  return false;
}

std::string UnknownCommand(const RespArgs& args) {
  std::string quoted;
  for (std::size_t i = 1; i < args.size() && quoted.size() < kQuotedMax; ++i) {
    quoted += '\'';
    quoted += AsCString(args[i]).substr(0, kQuotedMax - (quoted.size() - 1));
    quoted += "' ";
  }
  return "ERR unknown command '" + std::string(AsCString(args[0]).substr(0, kQuotedMax)) +
         "', with args beginning with: " + quoted;
}

std::string UnknownSubcommand(const CommandSpec& container, std::string_view name) {
  std::string upper(container.name);
  for (char& c : upper) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  return "ERR unknown subcommand '" + std::string(AsCString(name).substr(0, kQuotedMax)) +
         "'. Try " + upper + " HELP.";
}

}  // namespace

void WriteError(RespWriter& out, const Error& error) {
  const ErrorMapping& mapping = MappingOf(error.code);
  std::string text(mapping.resp_prefix);
  text += ' ';
  if (error.code == ErrorCode::kOutcomeUnknown) text += "outcome: ";
  text += error.message.empty() ? mapping.meaning : std::string_view(error.message);
  out.Error(text);
}

RespSession::RespSession(RespService& service, Connection& connection)
    : service_(service),
      connection_(connection),
      id_(service.Register(this)),
      opened_(service.backend().now().instant),
      last_command_(opened_),
      parser_(service.limits(), service.options().password.empty()) {
  state_.authenticated = service.options().password.empty();
}

RespSession::~RespSession() { OnClosed(); }

// ---- input ------------------------------------------------------------------------------------

std::size_t RespSession::OnBytes(std::string_view bytes) {
  if (closing_ || closed_) return bytes.size();
  if (block_ != Block::kNone) {
    if (StillBlocked()) return 0;
    block_ = Block::kNone;
  }
  in_on_bytes_ = true;
  const Duration unread_max = service_.options().unread_max;
  const std::size_t overdue = unread_max.us > 0 ? connection_.BytesOlderThan(unread_max) : 0;
  std::size_t consumed = 0;
  Next next = Next::kGoOn;
  while (next == Next::kGoOn && !closing_) {
    if (consumed == bytes.size() || connection_.OutputFull()) break;
    if (OverCapacity()) {
      Wait(Block::kCapacity);
      next = Next::kBlocked;
      break;
    }
    if (consumed >= overdue && backend().Room() == 0) {
      AwaitRoom(0);
      next = Next::kBlocked;
      break;
    }
    std::size_t more = 0;
    next = ReadOne(bytes.substr(consumed), overdue > consumed ? overdue - consumed : 0, &more);
    consumed += more;
  }
  in_on_bytes_ = false;
  if (closed_) return bytes.size();
  if (closing_) {
    if (queue_.empty()) connection_.CloseAfterFlush();
    return bytes.size();
  }
  if (next == Next::kBlocked) connection_.PauseReading();
  return consumed;
}

RespSession::Next RespSession::ReadOne(std::string_view bytes, std::size_t overdue,
                                       std::size_t* consumed) {
  switch (parser_.Next(bytes, consumed)) {
    case RespParser::Status::kNeedMore:
      return Next::kNeedMore;
    case RespParser::Status::kCommand:
      command_bytes_ = *consumed;
      if (command_bytes_ > overdue && TooLargeForNow(parser_.args().bytes())) {
        AwaitRoom(parser_.args().bytes());
      } else if (Dispatch(parser_.args(), /*overdue=*/command_bytes_ <= overdue)) {
        return Next::kGoOn;
      }
      *consumed -= parser_.Unget();
      return Next::kBlocked;
    case RespParser::Status::kTooLarge:
      AnswerError("ERR " + parser_.error());
      return Next::kGoOn;
    case RespParser::Status::kError:
      ++service_.counters().protocol_errors;
      AnswerError("ERR " + parser_.error());
      closing_ = true;
      return Next::kGoOn;
    case RespParser::Status::kAttack:
      ++service_.counters().protocol_errors;
      closing_ = true;
      return Next::kGoOn;
  }
  return Next::kNeedMore;
}

// An answer to something that is no command.
void RespSession::AnswerError(const std::string& text) {
  command_ = nullptr;
  silent_ = state_.reply_mode == RespClientState::ReplyMode::kOff;
  opened_slot_ = false;
  Reply().Error(text);
  if (opened_slot_) parked_bytes_ += queue_.At(parked_sequence_).reply.size();
  discarded_.Clear();
}

const CommandSpec* RespSession::Look(const RespArgs& args) {
  const bool again = args[0] == found_name_;  // clients repeat themselves
  const CommandSpec* command = again ? found_ : FindCommand(args[0]);
  if (command == nullptr) {
    Error(UnknownCommand(args));
    return nullptr;
  }
  if (again) {
    // It has no subcommands.
  } else if (!command->HasSubcommands()) {
    found_ = command;
    found_name_ = args[0];
  } else if (args.size() > 1) {
    command = FindSubcommand(*command, args[1]);
    if (command == nullptr) {
      Error(UnknownSubcommand(*FindCommand(args[0]), args[1]));
      return nullptr;
    }
  }
  if (!command->MatchesArity(args.size())) {
    Error("ERR wrong number of arguments for '" + std::string(command->name) + "' command");
    return nullptr;
  }
  if (!state_.authenticated && (command->flags & CommandSpec::kFlagNoAuth) == 0) {
    Error("NOAUTH Authentication required.");
    return nullptr;
  }
  return command;
}

// Whoever sent it may not wait any longer, and what came after it is younger: to run it would be to
// answer all of them late, and to go on so for as long as more comes than can be done.
void RespSession::RefuseOverdue() {
  ++service_.counters().refused_unread;
  Error(service_.overdue_text());
}

// Nobody new is served, but operators; who knocks here is to ask another node, and is sure that
// nothing was done.
bool RespSession::RefusedByDrain(const CommandSpec& command) {
  if (command.access == KeyAccess::kNone || (command.flags & CommandSpec::kFlagAdmin) != 0) {
    return false;
  }
  const std::optional<Drain> drain = backend().drain();
  if (!drain || opened_ <= drain->began) return false;
  Error("UNAVAILABLE this node is being drained: connect to another one");
  closing_ = true;
  return true;
}

bool RespSession::Dispatch(const RespArgs& args, bool overdue) {
  using ReplyMode = RespClientState::ReplyMode;
  silent_ = state_.reply_mode == ReplyMode::kOff || state_.reply_mode == ReplyMode::kSkip;
  opened_slot_ = false;
  command_ = Look(args);
  const bool late = command_ != nullptr && overdue && command_->access != KeyAccess::kNone;
  if (late) RefuseOverdue();
  const bool refused = late || (command_ != nullptr && RefusedByDrain(*command_));
  const bool runs = command_ != nullptr && !refused && TakeKeys(*command_, args);
  if (runs && !queue_.empty() && MustWait()) {
    backend().Settle();  // what it waits for may only be waiting for company
    block_ = Block::kNone;
    if (!queue_.empty() && MustWait()) return false;
  }
  if (state_.reply_mode == ReplyMode::kSkip) state_.reply_mode = ReplyMode::kOn;
  if (runs) command_->handler(*this, args);
  if (state_.reply_mode == ReplyMode::kSkipNext) state_.reply_mode = ReplyMode::kSkip;

  ++service_.counters().commands;
  previous_command_ = command_;
  last_command_ = now().instant;
  if (opened_slot_) parked_bytes_ += queue_.At(parked_sequence_).reply.size();
  if (silent_) discarded_.Clear();
  return true;
}

bool RespSession::TakeKeys(const CommandSpec& command, const RespArgs& args) {
  key_hashes_.clear();
  if (key_hashes_.capacity() > kKeptKeysMax) key_hashes_.shrink_to_fit();
  access_ = command.access;
  if (command.first_key == 0) return true;
  if (access_ == KeyAccess::kSet && ReadsBeforeItSets(command, args)) access_ = KeyAccess::kWrite;
  const auto first = static_cast<std::size_t>(command.first_key);
  const std::size_t last = command.last_key < 0
                               ? args.size() - static_cast<std::size_t>(-command.last_key)
                               : static_cast<std::size_t>(command.last_key);
  for (std::size_t i = first; i <= last; i += static_cast<std::size_t>(command.key_step)) {
    const std::string_view key = args[i];
    if (key.empty() || key.size() > kKeyBytesMax) {
      Error(key.empty() ? "ERR the key is empty: keys have 1 to 65536 bytes"
                        : "ERR the key is larger than 65536 bytes");
      return false;
    }
    key_hashes_.push_back(Xxh3_64(key) + state_.keyspace.value);
  }
  return true;
}

// ---- order and back-pressure --------------------------------------------------------------------

bool RespSession::RunsAlone() const {
  return access_ == KeyAccess::kAlone || key_hashes_.size() > kConcurrentKeysMax;
}

bool RespSession::MustWait() {
  if (access_ == KeyAccess::kNone || NothingConflicts()) return false;
  RegisterPending();
  if (RunsAlone() || alone_ > 0) {
    Wait(Block::kDrained);
    return true;
  }
  for (const std::uint64_t hash : key_hashes_) {
    if (!keys_.Conflicts(hash, access_)) continue;
    blocked_hash_ = hash;
    blocked_access_ = access_;
    Wait(Block::kKey);
    return true;
  }
  return false;
}

// The usual case, at a glance: whatever the keys are, what is pending is of a kind that this
// command need not wait for. False: ask the table.
bool RespSession::NothingConflicts() const {
  if (alone_ > 0 || RunsAlone()) return false;
  for (const KeyAccess pending : {KeyAccess::kRead, KeyAccess::kSet, KeyAccess::kWrite}) {
    if (pending_[static_cast<std::size_t>(pending)] > 0 &&
        KeyConflicts::Conflict(pending, access_)) {
      return false;
    }
  }
  return true;
}

bool RespSession::OverCapacity() const {
  return queue_.size() >= service_.options().in_flight_max ||
         (!queue_.empty() &&
          in_flight_bytes_ + parked_bytes_ > service_.options().in_flight_bytes_max);
}

bool RespSession::TooLargeForNow(std::size_t command_bytes) {
  return command_bytes >= kLargeValueBytes && backend().ValueRoom() == 0;
}

void RespSession::AwaitRoom(std::size_t value_bytes) {
  Wait(Block::kRoom);
  room_ticket_ = backend().room_queue().Await(*this, value_bytes);
}

bool RespSession::StillBlocked() const {
  switch (block_) {
    case Block::kNone:
      return false;
    case Block::kKey:
      return keys_.Conflicts(blocked_hash_, blocked_access_);
    case Block::kDrained:
      return !queue_.empty();
    case Block::kRoom:
      return true;  // until TakeTurn
    case Block::kCapacity:
      // Some way below the limit, so that reading does not stop and go for each command.
      return queue_.size() > service_.options().in_flight_max / 2 || OverCapacity();
  }
  return false;
}

// ---- answers ------------------------------------------------------------------------------------

ReplySlot& RespSession::Open(std::uint64_t* sequence) {
  ReplySlot& slot = queue_.Push(sequence);
  slot.resp3 = state_.resp3;
  slot.silent = silent_;
  slot.command = command_;
  slot.access = access_;
  return slot;
}

RespWriter RespSession::Reply() {
  if (command_ != nullptr) backend().RecordLatency(command_->operation, Duration());
  if (silent_) return RespWriter(discarded_, state_.resp3);
  if (queue_.empty()) return RespWriter(connection_.out(), state_.resp3);
  ReplySlot& slot = Open(&parked_sequence_);
  slot.done = true;
  opened_slot_ = true;
  return RespWriter(slot.reply, state_.resp3);
}

OutputBuffer& RespSession::TargetOf(std::uint64_t sequence, ReplySlot& slot) {
  if (slot.silent || closed_) return discarded_;
  return sequence == queue_.head() ? connection_.out() : slot.reply;
}

void RespSession::Submit(ClientRequest&& request, FinishFn finish, std::uint64_t param) {
  std::uint64_t sequence = 0;
  ReplySlot& slot = Open(&sequence);
  slot.finish = finish;
  slot.param = param;
  slot.key_hash = key_hashes_[0];
  Await(slot);
  ++outstanding_;
  backend().Submit(std::move(request), this, sequence << kIndexBits);
}

void RespSession::Start(std::unique_ptr<MultiRequest> request) {
  std::uint64_t sequence = 0;
  ReplySlot& slot = Open(&sequence);
  slot.multi = std::make_unique<ReplySlot::Multi>();
  slot.multi->request = std::move(request);
  slot.alone = RunsAlone();
  if (slot.alone) ++alone_;
  Await(slot);
  Pump(sequence);
}

// The answer finds this session, its connection closed or not: it outlives what is outstanding.
void RespSession::AskCluster(std::string verb, std::string body) {
  GYRE_CHECK(RunsAlone());
  std::uint64_t sequence = 0;
  ReplySlot& slot = Open(&sequence);
  slot.alone = true;
  ++alone_;
  Await(slot);
  ++outstanding_;
  backend().ClusterCommand(std::move(verb), std::move(body),
                           [this, sequence](const Result<std::string>& answer) {
                             GYRE_CHECK(outstanding_ > 0);
                             --outstanding_;
                             AnswerText(sequence, answer);
                           });
}

void RespSession::AwaitRing(RingEpoch after, Duration wait) {
  if (!service_.HasRoomToAwaitRing()) {
    return Error("BUSY too many wait for the ring here; retry later, or ask another node");
  }
  std::uint64_t sequence = 0;
  Await(Open(&sequence));
  service_.AwaitRing(id_, sequence, after, now().instant + wait);
}

void RespSession::AnswerRing(std::uint64_t sequence, const std::string& ring) {
  queue_.At(sequence).started = now().instant;  // it waited because it wanted to
  AnswerText(sequence, ring);
}

// The answer, which came later, of a command that has one text for an answer.
void RespSession::AnswerText(std::uint64_t sequence, const Result<std::string>& answer) {
  ReplySlot& asked = queue_.At(sequence);
  GYRE_CHECK(!asked.done);
  RespWriter out(TargetOf(sequence, asked), asked.resp3);
  if (answer) {
    out.Verbatim("txt", *answer);
  } else {
    WriteError(out, answer.error());
  }
  Complete(sequence);
  if (!in_on_bytes_) AfterResult();
}

void RespSession::Await(ReplySlot& slot) {
  slot.started = now().instant;
  slot.bytes = command_bytes_;
  in_flight_bytes_ += command_bytes_;
  ++pending_[static_cast<std::size_t>(slot.access)];
}

// Of every command that is still pending when another one comes: one that has its result by then,
// as most have without a pipeline, never touches the table.
void RespSession::RegisterPending() {
  registered_ = std::max(registered_, queue_.head());
  for (; queue_.Contains(registered_); ++registered_) RegisterKeys(registered_);
}

void RespSession::RegisterKeys(std::uint64_t sequence) {
  ReplySlot& slot = queue_.At(sequence);
  if (slot.done || slot.alone || slot.access == KeyAccess::kNone) return;
  if (slot.multi == nullptr) {
    keys_.Add(slot.key_hash, slot.access);
  } else {
    const std::vector<std::uint64_t>* hashes = slot.multi->request->key_hashes();
    GYRE_CHECK(hashes != nullptr);
    for (const std::uint64_t hash : *hashes) keys_.Add(hash, slot.access);
  }
  slot.registered = true;
}

void RespSession::ForgetKeys(ReplySlot& slot) {
  if (!slot.registered) return;
  slot.registered = false;
  if (slot.multi == nullptr) return keys_.Remove(slot.key_hash, slot.access);
  for (const std::uint64_t hash : *slot.multi->request->key_hashes()) {
    keys_.Remove(hash, slot.access);
  }
}

void RespSession::OnResult(std::uint64_t tag, ClientResult&& result) {
  const std::uint64_t sequence = tag >> kIndexBits;
  ReplySlot& slot = queue_.At(sequence);
  GYRE_CHECK(outstanding_ > 0 && !slot.done);
  --outstanding_;
  if (slot.multi != nullptr) {
    OnMultiResult(sequence, static_cast<std::uint32_t>(tag & kIndexMask), std::move(result));
  } else {
    RespWriter out(TargetOf(sequence, slot), slot.resp3);
    if (result.has_value()) {
      slot.finish(FinishContext{*this, slot.param, now()}, *result, out);
    } else {
      WriteError(out, result.error());
    }
    Complete(sequence);
  }
  if (!in_on_bytes_) AfterResult();
}

void RespSession::OnMultiResult(std::uint64_t sequence, std::uint32_t index,
                                ClientResult&& result) {
  ReplySlot::Multi& multi = *queue_.At(sequence).multi;
  --multi.in_flight;
  multi.request->OnResult(index, std::move(result), now());
  Pump(sequence);
}

void RespSession::Pump(std::uint64_t sequence) {
  ReplySlot& slot = queue_.At(sequence);
  ReplySlot::Multi& multi = *slot.multi;
  if (multi.pumping) return;  // a result that came at once: the loop below goes on
  multi.pumping = true;
  while (!closed_ && multi.in_flight < multi.request->window()) {
    std::optional<ClientRequest> request = multi.request->Next(now());
    if (!request.has_value()) break;
    ++multi.in_flight;
    ++outstanding_;
    backend().Submit(std::move(*request), this,
                     (sequence << kIndexBits) | (multi.next_index++ & kIndexMask));
  }
  multi.pumping = false;
  if (multi.in_flight > 0) return;
  if (!closed_) {
    RespWriter out(TargetOf(sequence, slot), slot.resp3);
    multi.request->WriteReply(out);
  }
  Complete(sequence);
}

void RespSession::Complete(std::uint64_t sequence) {
  ReplySlot& slot = queue_.At(sequence);
  ForgetKeys(slot);
  slot.done = true;
  if (slot.alone) --alone_;
  --pending_[static_cast<std::size_t>(slot.access)];
  in_flight_bytes_ -= slot.bytes;
  slot.bytes = 0;
  parked_bytes_ += slot.reply.size();
  backend().RecordLatency(slot.command->operation, now().instant - slot.started);
  if (!discarded_.empty()) discarded_.Clear();
  while (!queue_.empty() && queue_.At(queue_.head()).done) {
    ReplySlot& oldest = queue_.At(queue_.head());
    if (!oldest.reply.empty()) {
      parked_bytes_ -= oldest.reply.size();
      if (closed_) {
        oldest.reply.Clear();
      } else {
        connection_.out().Append(std::move(oldest.reply));
      }
    }
    queue_.Pop();
  }
}

void RespSession::AfterResult() {
  if (closed_) return;
  connection_.ScheduleFlush();
  if (closing_) {
    if (queue_.empty()) connection_.CloseAfterFlush();
    return;
  }
  if (block_ == Block::kNone || StillBlocked()) return;
  block_ = Block::kNone;
  connection_.ResumeReading();
}

void RespSession::CloseWhenAnswered() {
  if (closing_ || closed_) return;
  closing_ = true;
  if (queue_.empty()) connection_.CloseAfterFlush();
}

void RespSession::TakeTurn() {
  GYRE_CHECK(block_ == Block::kRoom);
  block_ = Block::kNone;
  connection_.ResumeReading();
}

void RespSession::OnClosed() {
  if (closed_) return;
  closed_ = true;
  LeaveRoomQueue();
  service_.Unregister(id_);
}

void RespSession::Abandon() {
  closed_ = true;
  LeaveRoomQueue();
}

void RespSession::LeaveRoomQueue() {
  if (block_ == Block::kRoom) backend().room_queue().Forget(room_ticket_);
}

// ---- for the handlers ---------------------------------------------------------------------------

bool RespSession::CheckValue(std::string_view value) {
  const std::size_t value_bytes_max = service_.options().value_bytes_max;
  if (value.size() <= value_bytes_max) return true;
  Error("ERR value is larger than " + std::to_string(value_bytes_max) + " bytes (value_bytes_max)");
  return false;
}

WallTime RespSession::DefaultExpiry() const {
  const KeyspaceConfig* keyspace = view().FindKeyspace(state_.keyspace);
  if (keyspace == nullptr || keyspace->default_ttl.us == 0) return kNeverExpires;
  return {now().wall.ms + keyspace->default_ttl.ms()};
}

void RespSession::ResetState() {
  const bool authenticated = service_.options().password.empty();
  state_ = RespClientState();
  set_authenticated(authenticated);
}

void RespSession::SetReplyMode(RespClientState::ReplyMode mode) {
  state_.reply_mode = mode;
  silent_ = mode != RespClientState::ReplyMode::kOn;
}

void RespSession::set_authenticated(bool authenticated) {
  state_.authenticated = authenticated;
  parser_.set_authenticated(authenticated);
}

std::string RespSession::Describe() const {
  const Instant at = now().instant;
  std::string line = "id=" + std::to_string(id_);
  line += " addr=" + std::string(connection_.peer_address());
  line += " fd=" + std::to_string(connection_.fd());
  line += " name=" + state_.name;
  line += " age=" + std::to_string((at - opened_).us / 1'000'000);
  line += " idle=" + std::to_string((at - last_command_).us / 1'000'000);
  line += " flags=N db=0 sub=0 psub=0 ssub=0 multi=-1";
  line += " obl=" + std::to_string(connection_.out().size());
  line += " oll=" + std::to_string(queue_.size());
  line += " events=r cmd=";
  const CommandSpec* last = command_ != nullptr ? command_ : previous_command_;
  line += last != nullptr ? last->name : "NULL";
  line += " user=default redir=-1 resp=";
  line += state_.resp3 ? '3' : '2';
  line += " lib-name=" + lib_name_ + " lib-ver=" + lib_version_;
  return line;
}

}  // namespace gyre
