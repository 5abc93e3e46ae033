// Accepts connections for one listening socket, and survives running out of file descriptors: it
// keeps one in reserve to turn newcomers away with, else it stops accepting for a moment, instead
// of being woken for ever by what it cannot accept.
#pragma once

#include <cstdint>
#include <memory>

#include "net/epoll_reactor.h"

namespace gyre {

class TcpListener final : public PollTarget {
 public:
  TcpListener(EpollReactor& reactor, UniqueFd fd, const ListenOptions& options,
              ConnectionFactory factory);
  ~TcpListener() override;

  void OnReady(std::uint32_t events) override;
  void Close();
  void OnConnectionGone() { --*open_; }

 private:
  // Called with accept's errno; false: accept no more in this turn.
  bool OnAcceptError(int error);
  void TurnAwayOne();
  void PauseAccepting();

  EpollReactor& reactor_;
  UniqueFd fd_;
  UniqueFd reserve_;
  const ListenOptions options_;
  const ConnectionFactory factory_;
  const std::shared_ptr<std::size_t> open_;  // never null
  Instant next_log_{INT64_MIN};  // not more than one line a second about the same trouble
  TimerId pause_timer_ = 0;
};

}  // namespace gyre
