#include "client/pipeline.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace gyre {
namespace {

constexpr std::size_t kReadBytes = 16 * 1024;
constexpr int kReadsAtOnce = 64;  // then the other connections get their turn

tl::unexpected<Error> Lost(const std::string& why) {
  return Fail(ErrorCode::kOutcomeUnknown, "the connection to the node is lost: " + why);
}

}  // namespace

Pipeline::~Pipeline() { close(fd_); }

Pipeline::Ticket Pipeline::Send(std::string_view command, AsyncFlight* flight) {
  if (!has_unsent()) {
    unsent_.clear();
    unsent_at_ = 0;
  }
  waiting_.push_back({sent_ + (unsent_.size() - unsent_at_), flight});
  unsent_ += command;
  return first_ + waiting_.size() - 1;
}

Status Pipeline::Flush() {
  // Where no answer is due, what can be read is the end: a command sent now might not be applied,
  // and nobody would know.
  const bool answers_due = !waiting_.empty() && sent_ > waiting_.front().begins;
  if (has_unsent() && !answers_due) {
    pollfd wanted{fd_, POLLIN, 0};
    if (poll(&wanted, 1, 0) != 0) return Lost("the node hung up");
  }
  while (has_unsent()) {
    const ssize_t sent =
        send(fd_, unsent_.data() + unsent_at_, unsent_.size() - unsent_at_, MSG_NOSIGNAL);
    if (sent >= 0) {
      unsent_at_ += static_cast<std::size_t>(sent);
      sent_ += static_cast<std::uint64_t>(sent);
    } else if (errno == EAGAIN) {
      return {};
    } else if (errno != EINTR) {
      return Lost(std::strerror(errno));
    }
  }
  return {};
}

std::vector<AsyncFlight*> Pipeline::Flights() const {
  std::vector<AsyncFlight*> flights;
  for (const Waiting& each : waiting_) {
    if (each.flight != nullptr) flights.push_back(each.flight);
  }
  return flights;
}

Status Pipeline::Read(const OnReply& on_reply) {
  for (int i = 0; i < kReadsAtOnce; ++i) {
    const std::size_t size = received_.size();
    received_.resize(size + kReadBytes);
    const ssize_t got = recv(fd_, received_.data() + size, kReadBytes, 0);
    const int error = errno;
    received_.resize(size + (got > 0 ? static_cast<std::size_t>(got) : 0));
    if (got == 0) return Lost("the node closed the connection");
    if (got < 0 && error == EINTR) continue;
    if (got < 0 && error == EAGAIN) return {};
    if (got < 0) return Lost(std::strerror(error));
    if (Status taken = TakeReplies(on_reply); !taken) return taken;
    if (static_cast<std::size_t>(got) < kReadBytes) return {};
  }
  return {};
}

Status Pipeline::TakeReplies(const OnReply& on_reply) {
  std::size_t at = 0;
  while (at < received_.size()) {
    const std::string_view rest = std::string_view(received_).substr(at);
    const Result<std::optional<std::size_t>> size = scanner_.Scan(rest);
    if (!size) return Fail(size.error());
    if (!*size) break;
    if (waiting_.empty()) return Fail(ErrorCode::kCorruption, "an answer that nobody asked for");
    Result<RespValue> reply = ParseReply(rest.substr(0, **size));
    if (!reply) return Fail(std::move(reply.error()));
    at += **size;
    AsyncFlight* const flight = waiting_.front().flight;
    waiting_.pop_front();
    ++first_;
    on_reply(flight, std::move(*reply));
  }
  received_.erase(0, at);
  return {};
}

}  // namespace gyre
