// One connection of the asynchronous form: many calls under way at once, answered in their order.
// It moves bytes and knows who waits for which answer, no more; AsyncCaller's thread alone uses it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/reply_scanner.h"

namespace gyre {

struct AsyncFlight;  // whose call it is: only handed back here

class Pipeline {
 public:
  using Ticket = std::uint64_t;
  // Null: who asked has gone.
  using OnReply = std::function<void(AsyncFlight*, RespValue)>;

  // Owns the socket, which is non-blocking.
  explicit Pipeline(int fd) : fd_(fd) {}
  ~Pipeline();
  Pipeline(const Pipeline&) = delete;
  Pipeline& operator=(const Pipeline&) = delete;

  int fd() const { return fd_; }
  // Queued until Flush.
  Ticket Send(std::string_view command, AsyncFlight* flight);
  // Nothing is sent where the node is seen to have hung up.
  // Errors: kOutcomeUnknown (the connection is lost).
  Status Flush();
  bool has_unsent() const { return unsent_at_ < unsent_.size(); }
  // Has the node got any byte of it?
  bool HasSent(Ticket ticket) const {
    return sent_ > waiting_[static_cast<std::size_t>(ticket - first_)].begins;
  }
  // Its answer, if it ever comes, is nobody's.
  void Abandon(Ticket ticket) {
    waiting_[static_cast<std::size_t>(ticket - first_)].flight = nullptr;
  }
  // Reads what there is. `on_reply` is called for each answer, in order, and may call Send.
  // Errors: kOutcomeUnknown (lost), kCorruption (what came is no RESP).
  Status Read(const OnReply& on_reply);
  // Calls without an answer.
  std::size_t waiting() const { return waiting_.size(); }
  // Those that are still somebody's, in their order.
  std::vector<AsyncFlight*> Flights() const;

 private:
  Status TakeReplies(const OnReply& on_reply);

  const int fd_;
  std::string unsent_;
  std::size_t unsent_at_ = 0;
  std::uint64_t sent_ = 0;  // bytes, ever
  struct Waiting {
    std::uint64_t begins;  // the byte of them where its command begins
    AsyncFlight* flight;
  };
  std::deque<Waiting> waiting_;
  Ticket first_ = 0;  // of waiting_
  std::string received_;
  ReplyScanner scanner_;
};

}  // namespace gyre
