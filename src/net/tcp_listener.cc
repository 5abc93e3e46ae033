#include "net/tcp_listener.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/check.h"
#include "net/tcp_connection.h"

namespace gyre {
namespace {

constexpr int kAcceptsPerTurnMax = 64;
constexpr Duration kAcceptPause = Duration::Millis(100);
constexpr Duration kLogInterval = Duration::Seconds(1);

UniqueFd OpenReserve() { return UniqueFd(open("/dev/null", O_RDONLY | O_CLOEXEC)); }

}  // namespace

TcpListener::TcpListener(EpollReactor& reactor, UniqueFd fd, const ListenOptions& options,
                         ConnectionFactory factory)
    : reactor_(reactor),
      fd_(std::move(fd)),
      reserve_(OpenReserve()),
      options_(options),
      factory_(std::move(factory)),
      open_(options_.open ? options_.open : std::make_shared<std::size_t>()) {
  GYRE_CHECK(reactor_.Watch(fd_.get(), EPOLLIN, this));  // at start: nothing to go on with
}

TcpListener::~TcpListener() { Close(); }

void TcpListener::Close() {
  reactor_.CancelTimer(std::exchange(pause_timer_, 0));
  fd_.Reset();
}

void TcpListener::OnReady(std::uint32_t) {
  for (int i = 0; i < kAcceptsPerTurnMax && fd_.valid(); ++i) {
    sockaddr_storage peer{};
    socklen_t peer_size = sizeof peer;
    UniqueFd accepted(accept4(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &peer_size,
                              SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!accepted.valid()) {
      if (!OnAcceptError(errno)) return;
      continue;
    }
    if (*open_ >= options_.connections_max) {
      ++reactor_.mutable_stats().refused;
      (void)send(accepted.get(), options_.refusal.data(), options_.refusal.size(),
                 MSG_NOSIGNAL | MSG_DONTWAIT);
      continue;
    }
    ++reactor_.mutable_stats().accepted;
    ++*open_;
    auto connection = std::make_unique<TcpConnection>(
        reactor_, std::move(accepted), TcpConnection::State::kOpen,
        SocketAddress(reinterpret_cast<const sockaddr*>(&peer), peer_size), options_.limits, this);
    std::unique_ptr<ConnectionHandler> handler = factory_(*connection);
    if (handler == nullptr) {
      GYRE_CHECK(!connection->listed());
      --*open_;
      continue;
    }
    reactor_.Start(std::move(connection), std::move(handler), "");
  }
}

bool TcpListener::OnAcceptError(int error) {
  switch (error) {
    case EAGAIN:
      return false;
    case EINTR:
    case ECONNABORTED:
      return true;  // it gave up while it was waiting for us
    default:
      break;
  }
  ++reactor_.mutable_stats().accept_errors;
  const Instant now = reactor_.now().instant;
  if (reactor_.log() != nullptr && now >= next_log_) {
    next_log_ = now + kLogInterval;
    reactor_.log()->Write(LogLevel::kError, "accept_failed", "cannot accept a connection",
                          {{"error", ErrnoText(error)}, {"address", options_.address.ToString()}});
  }
  const bool out_of_descriptors = error == EMFILE || error == ENFILE;
  if (!out_of_descriptors || !reserve_.valid()) {
    PauseAccepting();
    return false;
  }
  TurnAwayOne();
  return true;
}

// A hang-up tells the newcomer more than a wait without end.
void TcpListener::TurnAwayOne() {
  reserve_.Reset();
  UniqueFd turned_away(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (turned_away.valid()) {
    ++reactor_.mutable_stats().refused;
    (void)send(turned_away.get(), options_.refusal.data(), options_.refusal.size(),
               MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  turned_away.Reset();  // before the reserve is taken again
  reserve_ = OpenReserve();
}

void TcpListener::PauseAccepting() {
  reactor_.ChangeWatch(fd_.get(), 0, this);
  pause_timer_ = reactor_.AddTimer(reactor_.now().instant + kAcceptPause, [this] {
    pause_timer_ = 0;
    if (!reserve_.valid()) reserve_ = OpenReserve();
    reactor_.ChangeWatch(fd_.get(), EPOLLIN, this);
  });
}

}  // namespace gyre
