#include "net/tcp_connection.h"

#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "base/check.h"
#include "net/tcp_listener.h"

namespace gyre {

TcpConnection::TcpConnection(EpollReactor& reactor, UniqueFd fd, State state,
                             const SocketAddress& peer, const ConnectionLimits& limits,
                             TcpListener* listener)
    : reactor_(reactor),
      fd_(std::move(fd)),
      state_(state),
      reached_(state != State::kConnecting),
      out_(limits.output_bytes_kept),
      last_activity_(reactor.now().instant),
      limits_(limits),
      listener_(listener),
      peer_(peer) {
  ++reactor_.mutable_stats().connections;
  if (!fd_.valid()) return;  // a dial that failed at once; Fail follows
  interest_ = state_ == State::kConnecting ? EPOLLOUT : EPOLLIN;
  if (!reactor_.Watch(fd_.get(), interest_, this)) fd_.Reset();
  if (limits_.idle_timeout > Duration{}) reactor_.WatchIdle(limits_.idle_timeout);
}

TcpConnection::~TcpConnection() {
  if (state_ != State::kClosed) --reactor_.mutable_stats().connections;
}

void TcpConnection::SetHandler(std::unique_ptr<ConnectionHandler> handler) {
  GYRE_CHECK(handler != nullptr && handler_ == nullptr);
  handler_ = std::move(handler);
  if (!out_.empty()) ScheduleFlush();
}

std::string_view TcpConnection::peer_address() const {
  if (peer_text_.empty()) peer_text_ = peer_.ToString();
  return peer_text_;
}

// Input.

void TcpConnection::OnReady(std::uint32_t events) {
  if (state_ == State::kClosed) return;  // closed earlier in this turn
  if (state_ == State::kConnecting) return OnConnected();
  if ((events & EPOLLOUT) != 0 && write_blocked_) {
    write_blocked_ = false;
    RunFlush();
    if (state_ == State::kClosed) return;
  }
  if ((events & (EPOLLIN | EPOLLERR | EPOLLHUP)) == 0) return;
  if (reading()) return Read();
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return OnReadError();  // broken both ways
  UpdateInterest();  // switched off only now that input came: most pauses end before any does
}

void TcpConnection::OnConnected() {
  const int error = TakeSocketError(fd_.get());
  if (error != 0) return Fail(ErrnoText(error));
  state_ = State::kOpen;
  reached_ = true;
  last_activity_ = reactor_.now().instant;
  UpdateInterest();
  ScheduleFlush();
}

void TcpConnection::Read() {
  if (state_ != State::kOpen) return Discard();
  if (filter_ != nullptr) return ReadFiltered();
  char* const buffer = reactor_.read_buffer();
  // Much that waits is the start of a large value.
  const std::size_t wanted =
      std::min(EpollReactor::kReadBufferBytes,
               in_.size() < limits_.read_bytes ? limits_.read_bytes : 4 * limits_.read_bytes);
  ssize_t received;
  ++reactor_.mutable_stats().reads;
  if (in_.size() <= kCarriedBytesMax) {
    // What the last read left over goes before this one: all connections share the loop's buffer,
    // which stays in the processor's cache, where one of their own would not.
    const std::size_t carried = in_.size();
    in_.view().copy(buffer, carried);
    received = recv(fd_.get(), buffer + carried, wanted, 0);
  } else {
    // Straight behind what is there; what does not fit makes the buffer grow, by what has come.
    const std::size_t direct = std::min(wanted, in_.spare_bytes());
    iovec parts[2] = {{in_.spare(), direct}, {buffer, wanted - direct}};
    received = readv(fd_.get(), parts, 2);
  }
  if (received < 0) return OnReceiveFailed();
  if (received == 0) return OnEnd();
  last_activity_ = reactor_.now().instant;
  const auto bytes = static_cast<std::size_t>(received);
  reactor_.mutable_stats().bytes_in += bytes;
  received_ += bytes;
  if (const std::size_t carried = in_.size(); carried <= kCarriedBytesMax) {
    in_.Clear(kKeptInputBytes);
    Present({buffer, carried + bytes}, /*buffered=*/false);
  } else {
    const std::size_t direct = std::min(bytes, in_.spare_bytes());
    in_.Commit(direct);
    in_.Append(std::string_view(buffer, bytes - direct));
    Present(in_.view(), /*buffered=*/true);
  }
  if (state_ == State::kOpen && bytes == wanted) NoteBacklog();
}

// What the filter makes of it is always gathered in in_: it has no buffer of its own to show.
void TcpConnection::ReadFiltered() {
  char* const buffer = reactor_.read_buffer();
  ++reactor_.mutable_stats().reads;
  const ssize_t received = recv(fd_.get(), buffer, EpollReactor::kReadBufferBytes, 0);
  if (received < 0) return OnReceiveFailed();
  if (received == 0) return OnEnd();
  last_activity_ = reactor_.now().instant;
  const auto bytes = static_cast<std::size_t>(received);
  reactor_.mutable_stats().bytes_in += bytes;
  const std::size_t before = in_.size();
  if (Status status = filter_->Receive({buffer, bytes}, in_, filtered_); !status) {
    // Why, for the other side, if that goes out at once.
    std::size_t wanted = 0;
    if (!write_blocked_ && !filtered_.empty()) WriteOnce(filtered_, wanted);
    return Fail(status.error().message);
  }
  if (filter_->superfluous()) filter_.reset();
  if (filtered_.size() > kFilteredBytesMax) return Fail("does not read what it asks for");
  ScheduleFlush();
  const std::size_t fresh = in_.size() - before;
  received_ += fresh;
  if (fresh > 0) Present(in_.view(), /*buffered=*/true);
  if (filter_ != nullptr && filter_->ended()) eof_ = true;
}

void TcpConnection::OnReceiveFailed() {
  if (errno == EAGAIN || errno == EINTR) return;  // level-triggered: it will be said again
  Fail(ErrnoText(errno));
}

void TcpConnection::OnEnd() {
  if (filter_ != nullptr) {
    if (Status status = filter_->CheckEnd(); !status) return Fail(status.error().message);
  }
  eof_ = true;
  ScheduleFlush();  // output first, then CloseIfFinished
}

std::size_t TcpConnection::BytesOlderThan(Duration age) const {
  const std::uint64_t reached = age_.ReachedBy({reactor_.now().instant.us - age.us});
  return reached > presented_ ? static_cast<std::size_t>(reached - presented_) : 0;
}

// More lies here, or with the system, than was taken: from now on its age is known.
void TcpConnection::NoteBacklog() {
  if (!age_.WantsMark(reactor_.now().instant)) return;
  int unread = 0;
  if (ioctl(fd_.get(), FIONREAD, &unread) != 0 || unread < 0) return;
  // The turn may have begun long ago, and much of this come since.
  age_.Mark(received_ + static_cast<std::uint64_t>(unread), reactor_.ReadClock());
}

void TcpConnection::OnReadError() {
  const int error = TakeSocketError(fd_.get());
  Fail(error == 0 ? "closed by peer" : ErrnoText(error));
}

void TcpConnection::Discard() {
  const ssize_t received =
      recv(fd_.get(), reactor_.read_buffer(), EpollReactor::kReadBufferBytes, 0);
  if (received < 0) {
    if (errno != EAGAIN && errno != EINTR) Fail(ErrnoText(errno));
    return;
  }
  if (received == 0) {
    eof_ = true;
    UpdateInterest();
    return CloseIfFinished();
  }
  discarded_ += static_cast<std::size_t>(received);
  if (discarded_ > kDrainBytesMax) Fail("peer goes on sending after the end");
}

void TcpConnection::Present(std::string_view bytes, bool buffered) {
  presented_ = received_ - bytes.size();
  const std::size_t used = handler_->OnBytes(bytes);
  GYRE_CHECK(used <= bytes.size());
  age_.Forget(presented_ + used);
  if (state_ != State::kOpen) return in_.Clear(0);  // closing: what is left is not wanted
  if (buffered) {
    in_.Consume(used);
    if (in_.empty()) in_.Clear(kKeptInputBytes);
  } else {
    in_.Append(bytes.substr(used));
  }
  if (in_.size() > limits_.input_bytes_max) {
    ++reactor_.mutable_stats().inputs_cut;
    return Fail("too much input that makes no complete request");
  }
  if (!in_.empty()) NoteBacklog();
  if (out_.empty()) return;
  ScheduleFlush();
  AfterOutputChange();
}

void TcpConnection::TakeOver(ReleasedSocket& released) {
  filter_ = std::move(released.filter);
  filtered_ = std::move(released.filtered);
  if (!filtered_.empty()) ScheduleFlush();
  if (released.received.empty()) return;
  received_ += released.received.size();
  in_.Append(released.received);
  ScheduleResume();
}

void TcpConnection::ResumeReading() {
  if (!paused_) return;
  paused_ = false;
  ScheduleResume();
}

void TcpConnection::RunResume() {
  resume_scheduled_ = false;
  if (state_ != State::kOpen || release_done_ || paused_ || output_paused_) return;
  if (!in_.empty()) Present(in_.view(), /*buffered=*/true);
  if (state_ == State::kOpen) UpdateInterest();
  if (eof_) ScheduleFlush();
}

// Output.

void TcpConnection::ScheduleFlush() {
  if (flush_scheduled_) return;
  flush_scheduled_ = true;
  reactor_.NeedFlush(this);
}

void TcpConnection::RunFlush() {
  if (state_ == State::kConnecting) return;
  if (state_ == State::kDraining || state_ == State::kClosed) return out_.Clear();
  if (!write_blocked_ && FillOutput() && !output().empty()) Write();
  if (state_ == State::kClosed) return;
  AfterOutputChange();
  if (out_.size() > limits_.output_bytes_max) {
    ++reactor_.mutable_stats().slow_readers_cut;
    return Fail("does not read its answers");
  }
  CloseIfFinished();
  if (state_ != State::kClosed && (write_blocked_ || eof_ || (interest_ & EPOLLOUT) != 0)) {
    UpdateInterest();
  }
}

// Has the filter, if there is one, take what it can. False: it failed, and so has the connection.
bool TcpConnection::FillOutput() {
  if (filter_ == nullptr) return true;
  if (Status status = filter_->Send(out_, filtered_); !status) {
    Fail(status.error().message);
    return false;
  }
  if (state_ == State::kClosing && out_.empty()) filter_->Finish(filtered_);
  return true;
}

void TcpConnection::Write() {
  for (int round = 0; round < kWritesPerFlushMax && !output().empty(); ++round) {
    std::size_t wanted = 0;
    const ssize_t sent = WriteOnce(output(), wanted);
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) break;
      return Fail(ErrnoText(errno));
    }
    if (!FillOutput()) return;
    if (static_cast<std::size_t>(sent) < wanted) break;
  }
  // Also when there is more than a fair share of one turn: it goes on in the next.
  write_blocked_ = !output().empty();
}

// Takes from `output` what the system takes. Returns as send does; `wanted` is what was offered.
ssize_t TcpConnection::WriteOnce(OutputBuffer& output, std::size_t& wanted) {
  std::array<std::string_view, kPiecesMax> pieces;
  const std::size_t count = output.Peek(pieces.data(), pieces.size());
  ssize_t sent;
  if (count == 1) {
    wanted = pieces[0].size();
    sent = send(fd_.get(), pieces[0].data(), wanted, MSG_NOSIGNAL);
  } else {
    std::array<iovec, kPiecesMax> parts;
    for (std::size_t i = 0; i < count; ++i) {
      parts[i] = {const_cast<char*>(pieces[i].data()), pieces[i].size()};
      wanted += pieces[i].size();
    }
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = count;
    sent = sendmsg(fd_.get(), &message, MSG_NOSIGNAL);
  }
  ++reactor_.mutable_stats().writes;
  if (sent < 0) return sent;
  output.Consume(static_cast<std::size_t>(sent));
  reactor_.mutable_stats().bytes_out += static_cast<std::size_t>(sent);
  last_activity_ = reactor_.now().instant;
  return sent;
}

void TcpConnection::AfterOutputChange() {
  if (state_ != State::kOpen) return;
  if (!output_paused_) {
    if (!OutputFull()) return;
    output_paused_ = true;
    ++reactor_.mutable_stats().reading_paused;
  } else if (out_.size() <= limits_.output_bytes_pause / 2) {
    output_paused_ = false;
    ScheduleResume();
  }
}

// Closing.

void TcpConnection::CloseAfterFlush() {
  if (state_ == State::kConnecting) return Fail("given up before it was connected");
  if (state_ != State::kOpen) return;
  state_ = State::kClosing;
  paused_ = output_paused_ = false;
  last_activity_ = reactor_.now().instant;
  reactor_.Linger(this);
  ScheduleFlush();
}

// The peer's end (eof_) closes our side too, once its requests are answered.
void TcpConnection::CloseIfFinished() {
  if (state_ == State::kOpen && eof_) {
    const bool input_waits = !in_.empty() && (paused_ || output_paused_ || resume_scheduled_);
    if (input_waits || handler_->pending() > 0) return reactor_.Linger(this);
    if (out_.empty() && filtered_.empty()) return Fail("");
    return CloseAfterFlush();
  }
  if (state_ == State::kDraining && eof_) return Fail("");
  if (state_ != State::kClosing || !out_.empty() || !filtered_.empty()) return;
  if (eof_) return Fail("");
  if (shutdown(fd_.get(), SHUT_WR) != 0) return Fail(ErrnoText(errno));
  state_ = State::kDraining;
  last_activity_ = reactor_.now().instant;
  UpdateInterest();
  ScheduleClose();
}

void TcpConnection::Fail(std::string_view reason) {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  close_reason_ = reason;
  fd_.Reset();  // leaves the epoll set with it
  out_.Clear();
  filtered_.Clear();
  --reactor_.mutable_stats().connections;
  if (listener_ != nullptr) std::exchange(listener_, nullptr)->OnConnectionGone();
  ScheduleClose();
}

void TcpConnection::Release(std::function<void(ReleasedSocket)> done) {
  GYRE_CHECK(out_.empty());
  if (state_ != State::kOpen) return;
  release_done_ = std::move(done);
  ScheduleClose();
}

void TcpConnection::RunClosing() {
  close_scheduled_ = false;
  if (release_done_ && state_ == State::kOpen) {
    reactor_.Unwatch(fd_.get());
    ReleasedSocket released{std::move(fd_), std::string(in_.view()), std::move(filter_),
                            std::move(filtered_)};
    Fail("");
    handler_.reset();
    closed_told_ = true;
    const std::function<void(ReleasedSocket)> done = std::move(release_done_);
    return done(std::move(released));
  }
  if (state_ != State::kDraining && state_ != State::kClosed) return;
  if (!closed_told_) {
    closed_told_ = true;
    in_.Clear(0);
    handler_->OnClosed();
  }
  if (handler_ == nullptr) return;
  if (handler_->pending() == 0) {
    handler_.reset();
  } else {
    reactor_.Linger(this);
  }
}

bool TcpConnection::RunLinger(Instant now) {
  if (closed_told_ && handler_ != nullptr && handler_->pending() == 0) handler_.reset();
  const Duration quiet = now - last_activity_;
  switch (state_) {
    case State::kConnecting:
      return false;
    case State::kOpen:
      CloseIfFinished();
      break;
    case State::kClosing:
      if (quiet > kClosingTimeout) Fail("does not read its last answers");
      break;
    case State::kDraining:
      if (quiet > kDrainTimeout) Fail("");
      break;
    case State::kClosed:
      break;
  }
  return !done();
}

void TcpConnection::CloseIfIdle(Instant now) {
  if (state_ != State::kOpen || limits_.idle_timeout <= Duration{} || handler_->pending() > 0)
    return;
  if (now - last_activity_ < limits_.idle_timeout) return;
  ++reactor_.mutable_stats().idle_cut;
  Fail("idle");
}

void TcpConnection::UpdateInterest() {
  if (!fd_.valid()) return;
  const std::uint32_t wanted = (reading() ? EPOLLIN : 0u) | (write_blocked_ ? EPOLLOUT : 0u);
  if (wanted == interest_) return;
  interest_ = wanted;
  reactor_.ChangeWatch(fd_.get(), wanted, this);
}

void TcpConnection::ScheduleResume() {
  if (resume_scheduled_) return;
  resume_scheduled_ = true;
  reactor_.NeedResume(this);
}

void TcpConnection::ScheduleClose() {
  if (close_scheduled_) return;
  close_scheduled_ = true;
  reactor_.NeedClose(this);
}

}  // namespace gyre
