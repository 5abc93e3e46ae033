// A TCP socket as a Connection. Private to src/net.
//
//   kConnecting -writable-> kOpen -CloseAfterFlush, or the peer's end-> kClosing
//   kClosing -output written-> kDraining -the peer's end, or kDrainTimeout-> kClosed
//   any -error, Abort, limit-> kClosed
//
// kDraining: our side is shut down and input is thrown away until the peer has ended too. Closing
// at once with input unread would make the system send a reset, which may overtake and destroy the
// last answer ("value too large") on its way to the client.
// The handler sees OnClosed when kDraining or kClosed is reached, and is destroyed once its
// pending() is 0; the connection lives as long as its handler and its socket.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "net/epoll_reactor.h"
#include "net/grow_buffer.h"
#include "net/input_age.h"

namespace gyre {

class TcpConnection final : public Connection, public PollTarget {
 public:
  // Left over of one read, to be put before the next in the loop's buffer; more stays where it is.
  static constexpr std::size_t kCarriedBytesMax = 16 * 1024;

  enum class State : unsigned char { kConnecting, kOpen, kClosing, kDraining, kClosed };

  TcpConnection(EpollReactor& reactor, UniqueFd fd, State state, const SocketAddress& peer,
                const ConnectionLimits& limits, TcpListener* listener);
  ~TcpConnection() override;
  // REQUIRES: once, before anything else.
  void SetHandler(std::unique_ptr<ConnectionHandler> handler);

  OutputBuffer& out() override { return out_; }
  void ScheduleFlush() override;
  void CloseAfterFlush() override;
  void PauseReading() override { paused_ = true; }
  void ResumeReading() override;
  std::string_view peer_address() const override;
  int fd() const override { return fd_.get(); }
  bool OutputFull() const override { return out_.size() > limits_.output_bytes_pause; }
  std::size_t BytesOlderThan(Duration age) const override;
  void SetFilter(std::unique_ptr<StreamFilter> filter) override { filter_ = std::move(filter); }
  const StreamFilter* filter() const override { return filter_.get(); }
  bool reached() const override { return reached_; }
  std::string_view close_reason() const override { return close_reason_; }

  void OnReady(std::uint32_t events) override;

  // For EpollReactor.
  bool watched() const { return fd_.valid(); }
  void Fail(std::string_view reason);
  // What another loop's connection had in hand.
  void TakeOver(ReleasedSocket& released);
  void Release(std::function<void(ReleasedSocket)> done);
  void RunScheduledFlush() {
    flush_scheduled_ = false;
    RunFlush();
  }
  void RunResume();
  void RunClosing();
  // False: nothing is left to wait for here.
  bool RunLinger(Instant now);
  void CloseIfIdle(Instant now);
  bool done() const { return state_ == State::kClosed && handler_ == nullptr; }
  // In one of the reactor's lists, so not to be destroyed yet.
  bool listed() const {
    return flush_scheduled_ || resume_scheduled_ || close_scheduled_ || lingering_;
  }
  std::size_t index = 0;    // within the reactor's connections
  bool lingering_ = false;  // in the reactor's list

 private:
  static constexpr std::size_t kPiecesMax = 64;
  static constexpr int kWritesPerFlushMax = 4;
  static constexpr std::size_t kKeptInputBytes = 4 * 1024;
  // Of a filter that has to answer more than the peer reads.
  static constexpr std::size_t kFilteredBytesMax = 4 * StreamFilter::kOutBytesMax;
  static constexpr std::size_t kDrainBytesMax = 64 * 1024 * 1024;
  static constexpr Duration kDrainTimeout = Duration::Seconds(2);
  // Without progress of the last output.
  static constexpr Duration kClosingTimeout = Duration::Seconds(30);

  bool reading() const {
    return !eof_ && !paused_ && !output_paused_ && state_ != State::kConnecting;
  }
  void OnConnected();
  void RunFlush();
  void Read();
  void ReadFiltered();
  void OnReceiveFailed();
  void OnEnd();
  void OnReadError();
  void Discard();
  void Present(std::string_view bytes, bool buffered);
  void NoteBacklog();
  OutputBuffer& output() { return filter_ == nullptr ? out_ : filtered_; }
  bool FillOutput();
  void Write();
  ssize_t WriteOnce(OutputBuffer& output, std::size_t& wanted);
  void AfterOutputChange();
  void CloseIfFinished();
  void UpdateInterest();
  void ScheduleResume();
  void ScheduleClose();

  EpollReactor& reactor_;
  UniqueFd fd_;
  State state_;
  bool paused_ = false;         // by the handler
  bool output_paused_ = false;  // by unread output
  bool eof_ = false;            // the peer sends no more
  bool write_blocked_ = false;  // wait for EPOLLOUT
  bool reached_ = false;
  bool closed_told_ = false;
  bool flush_scheduled_ = false, resume_scheduled_ = false, close_scheduled_ = false;
  std::uint32_t interest_ = 0;
  std::unique_ptr<ConnectionHandler> handler_;
  OutputBuffer out_;
  std::unique_ptr<StreamFilter> filter_;  // null: out_ is written, and in_ received, as it is
  OutputBuffer filtered_;                 // out_ as it goes to the socket
  GrowBuffer in_;                         // received, not consumed
  std::uint64_t received_ = 0;            // bytes in all
  std::uint64_t presented_ = 0;           // of them: before what OnBytes was shown last
  InputAge age_;
  Instant last_activity_;
  std::size_t discarded_ = 0;
  const ConnectionLimits limits_;
  TcpListener* listener_;  // null if dialed or adopted
  std::function<void(ReleasedSocket)> release_done_;
  std::string close_reason_;
  SocketAddress peer_;
  mutable std::string peer_text_;
};

}  // namespace gyre
