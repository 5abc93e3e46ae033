// Listeners of the event loop: how many connections there may be, and what becomes of the others.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <memory>
#include <utility>
#include <vector>

#include "net/epoll_reactor_test_util.h"

namespace gyre {
namespace {

using TcpListenerTest = EpollReactorTest;

// Goal: past connections_max a newcomer is told why and closed; when one leaves there is room
// again.
TEST_F(TcpListenerTest, ConnectionsAreBounded) {
  ListenOptions options;
  options.connections_max = 2;
  options.refusal = "-ERR max number of clients reached\r\n";
  const std::uint16_t port = ServeEcho(options);
  auto first = std::make_unique<TestSocket>(port);
  TestSocket second(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 2; }));
  TestSocket third(port);
  EXPECT_TRUE(Until([&] { return !third.ReceiveSome(); }));
  EXPECT_EQ(third.received(), options.refusal);
  EXPECT_EQ(reactor_->stats().refused, 1u);
  first.reset();
  ASSERT_TRUE(Until([&] { return reactor_->stats().connections == 1; }));
  TestSocket fourth(port);
  fourth.SendSome("hi");
  EXPECT_TRUE(Until([&] {
    fourth.ReceiveSome();
    return fourth.received() == "hi";
  }));
}

// Goal: listeners that count together have one bound.
TEST_F(TcpListenerTest, ListenersCanShareABound) {
  ListenOptions options;
  options.connections_max = 2;
  options.open = std::make_shared<std::size_t>();
  options.refusal = "full";
  const std::uint16_t ports[] = {ServeEcho(options), ServeEcho(options)};
  auto first = std::make_unique<TestSocket>(ports[0]);
  TestSocket second(ports[1]);
  ASSERT_TRUE(Until([&] { return states_.size() == 2; }));
  for (const std::uint16_t port : ports) {
    TestSocket third(port);
    EXPECT_TRUE(Until([&] { return !third.ReceiveSome(); }));
    EXPECT_EQ(third.received(), "full");
  }
  first.reset();
  EXPECT_TRUE(Until([&] { return *options.open == 1; }));
  TestSocket fourth(ports[1]);
  EXPECT_TRUE(Until([&] { return *options.open == 2; }));
}

// Goal: out of file descriptors, newcomers are turned away, those who are in go on, the loop does
// not spin, and when descriptors are free again newcomers are welcome.
TEST_F(TcpListenerTest, SurvivesRunningOutOfDescriptors) {
  const std::uint16_t port = ServeEcho();
  TestSocket inside(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 1; }));

  // The client's own socket first, then take all that is left.
  TestSocket newcomer{DialSocket(Loopback(port)).value()};
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  std::vector<UniqueFd> hoard;
  for (int fd; (fd = dup(0)) >= 0;) hoard.emplace_back(fd);
  const bool turned_away = Until([&] { return !newcomer.ReceiveSome(); });
  const std::uint64_t errors = reactor_->stats().accept_errors;
  Turns(200);
  const std::uint64_t more_errors = reactor_->stats().accept_errors - errors;
  inside.SendSome("still here");
  const bool inside_works = Until([&] {
    inside.ReceiveSome();
    return inside.received() == "still here";
  });
  hoard.clear();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);

  EXPECT_TRUE(turned_away);
  EXPECT_TRUE(inside_works);
  EXPECT_EQ(more_errors, 0u);
  EXPECT_EQ(reactor_->stats().refused, 1u);
  EXPECT_TRUE(log_.Has({"accept_failed", "Too many open files"}));
  TestSocket later(port);
  later.SendSome("hi");
  EXPECT_TRUE(Until([&] {
    later.ReceiveSome();
    return later.received() == "hi";
  }));
}

// Goal: when not even the reserve is left, accepting pauses instead of spinning, and goes on later.
TEST_F(TcpListenerTest, PausesAcceptingWithoutAReserve) {
  const std::uint16_t port = ServeEcho();
  TestSocket newcomer{DialSocket(Loopback(port)).value()};
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit none = before;
  none.rlim_cur = 3;  // all descriptors that this process opens are above
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  Turns(3);
  const bool sleeps = Sleeps();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(sleeps);
  EXPECT_EQ(states_.size(), 0u);
  newcomer.SendSome("hi");
  EXPECT_TRUE(Until([&] {
    newcomer.ReceiveSome();
    return newcomer.received() == "hi";
  }));
}

// Goal: several loops can share one port; each connection lands on one of them.
TEST_F(TcpListenerTest, LoopsShareAPort) {
  const std::unique_ptr<Reactor> other = NewReactor();
  int on_other = 0;
  ListenOptions options;
  options.reuse_port = true;
  const std::uint16_t port = ServeEcho(options);
  options.address = Loopback(port);
  ASSERT_TRUE(other->Listen(options, [&](Connection& connection) {
    ++on_other;
    auto state = std::make_shared<Script::State>();
    state->connection = &connection;
    state->on_bytes = [&connection](std::string_view bytes) {
      connection.out().Append(bytes);
      return bytes.size();
    };
    return std::make_unique<Script>(state);
  }));
  std::vector<std::unique_ptr<TestSocket>> clients;
  for (int i = 0; i < 32; ++i) {
    clients.push_back(std::make_unique<TestSocket>(port));
    clients.back()->SendSome("x");
  }
  EXPECT_TRUE(TurnUntil({reactor_.get(), other.get()}, [&] {
    return std::all_of(clients.begin(), clients.end(), [](const auto& client) {
      client->ReceiveSome();
      return client->received() == "x";
    });
  }));
  EXPECT_GT(on_other, 0);
  EXPECT_GT(states_.size(), 0u);
  EXPECT_EQ(states_.size() + static_cast<std::size_t>(on_other), 32u);
}

}  // namespace
}  // namespace gyre
