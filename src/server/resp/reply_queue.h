// The answers that a connection still owes, in the order of its commands: a ring of slots, each
// waiting for its result or holding an answer that came before its turn.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/time.h"
#include "core/request.h"
#include "net/output_buffer.h"
#include "net/resp_writer.h"
#include "server/resp/command_table.h"
#include "server/resp/multi_request.h"

namespace gyre {

// Turns the outcome of a single request into the command's reply.
struct FinishContext {
  RespSession& session;
  std::uint64_t param;  // what the handler gave to Submit
  Now now;
};
using FinishFn = void (*)(const FinishContext& context, ClientOutcome& outcome, RespWriter& out);

struct ReplySlot {
  // Of a command with many requests.
  struct Multi {
    std::unique_ptr<MultiRequest> request;
    std::uint32_t next_index = 0;
    std::size_t in_flight = 0;
    bool pumping = false;
  };

  bool done = false;
  bool resp3 = false;
  bool silent = false;      // CLIENT REPLY OFF or SKIP
  bool registered = false;  // its keys are in KeyConflicts
  bool alone = false;       // nothing behind it may start
  KeyAccess access = KeyAccess::kNone;
  const CommandSpec* command = nullptr;
  FinishFn finish = nullptr;
  std::uint64_t param = 0;
  std::uint64_t key_hash = 0;
  Instant started;
  std::size_t bytes = 0;  // of the command
  std::unique_ptr<Multi> multi;
  OutputBuffer reply;  // of an answer that came before its turn
};

class ReplyQueue {
 public:
  bool empty() const { return head_ == tail_; }
  std::size_t size() const { return static_cast<std::size_t>(tail_ - head_); }
  // Sequence number of the oldest; they count up for the life of the connection.
  std::uint64_t head() const { return head_; }
  bool Contains(std::uint64_t sequence) const { return sequence >= head_ && sequence < tail_; }

  ReplySlot& At(std::uint64_t sequence) {
    GYRE_CHECK(Contains(sequence));
    return slots_[sequence & (slots_.size() - 1)];
  }
  // A fresh slot at the end; its sequence number is the value of `*sequence`. Other references to
  // slots are void.
  ReplySlot& Push(std::uint64_t* sequence) {
    if (size() == slots_.size()) Grow();
    *sequence = tail_++;
    return slots_[*sequence & (slots_.size() - 1)];
  }
  // REQUIRES: the oldest is done, and its reply taken.
  void Pop() {
    ReplySlot& slot = At(head_);
    GYRE_CHECK(slot.done && slot.reply.empty() && !slot.registered);
    slot.done = false;
    slot.alone = false;
    slot.multi.reset();
    ++head_;
    if (head_ == tail_ && slots_.size() > kKept) slots_ = std::vector<ReplySlot>(kKept);
  }

 private:
  static constexpr std::size_t kFirst = 4;
  static constexpr std::size_t kKept = 64;

  void Grow() {
    std::vector<ReplySlot> more(slots_.empty() ? kFirst : slots_.size() * 2);
    for (std::uint64_t s = head_; s != tail_; ++s) {
      more[s & (more.size() - 1)] = std::move(slots_[s & (slots_.size() - 1)]);
    }
    slots_ = std::move(more);
  }

  std::vector<ReplySlot> slots_;  // a power of two
  std::uint64_t head_ = 0;
  std::uint64_t tail_ = 0;
};

}  // namespace gyre
