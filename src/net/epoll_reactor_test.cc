// The event loop on real sockets: loopback, ports picked by the system, the loop stepped here.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "net/epoll_reactor_test_util.h"

namespace gyre {
namespace {

// Goal: what is sent comes back, on a port that the system picked, over IPv4 and IPv6.
TEST_F(EpollReactorTest, EchoesOnAPortOfTheSystemsChoice) {
  const std::uint16_t port = ServeEcho();
  ASSERT_NE(port, 0);
  TestSocket client(port);
  client.SendSome("hello");
  EXPECT_TRUE(Until([&] {
    client.ReceiveSome();
    return client.received() == "hello";
  }));
  EXPECT_EQ(reactor_->stats().connections, 1u);
  EXPECT_EQ(states_[0]->connection->peer_address(),
            RemoteAddress(states_[0]->connection->fd()).ToString());
}

// Goal: a dialed connection works as an accepted one does, and output given before it is connected
// is not lost.
TEST_F(EpollReactorTest, DialsWithOutputAppendedAtOnce) {
  const std::uint16_t port = ServeEcho();
  auto state = std::make_shared<Script::State>();
  std::string got;
  state->on_bytes = [&](std::string_view bytes) {
    got += bytes;
    return bytes.size();
  };
  Connection& dialed = reactor_->Dial(Loopback(port), {}, [&](Connection& connection) {
    state->connection = &connection;
    connection.out().Append("early");
    return std::make_unique<Script>(state);
  });
  EXPECT_EQ(dialed.peer_address(), Loopback(port).ToString());
  EXPECT_TRUE(Until([&] { return got == "early"; }));
}

// Goal: a dial that nobody answers ends in OnClosed with the reason, not from within Dial.
TEST_F(EpollReactorTest, ARefusedDialIsReported) {
  std::uint16_t port;
  {
    const UniqueFd listener = ListenSocket(Loopback(), /*reuse_port=*/false, 1).value();
    port = LocalAddress(listener.get()).port();
  }
  auto state = std::make_shared<Script::State>();
  reactor_->Dial(Loopback(port), {}, [&](Connection& connection) {
    state->connection = &connection;
    return std::make_unique<Script>(state);
  });
  EXPECT_EQ(state->closed, 0);
  EXPECT_TRUE(Until([&] { return state->closed == 1; }));
  EXPECT_EQ(state->close_reason, "Connection refused");
  EXPECT_TRUE(state->destroyed);
  EXPECT_EQ(reactor_->stats().connections, 0u);
}

// Goal: requests are found however the streams are cut, and what is not whole is kept, of each
// connection apart, be it small enough to be carried over or not. Lines stand for requests here.
TEST_F(EpollReactorTest, PipelinesMayBeCutAnywhere) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    std::size_t used = 0;
    for (std::size_t end; (end = bytes.find('\n', used)) != std::string_view::npos;
         used = end + 1) {
      state.connection->out().Append('<');
      state.connection->out().Append(bytes.substr(used, end - used));
      state.connection->out().Append('>');
    }
    return used;
  });
  EXPECT_TRUE(rc::check([&] {
    const int longest = *rc::gen::element(3'000, 60'000);
    const auto sizes =
        *rc::gen::resize(60, rc::gen::container<std::vector<int>>(rc::gen::inRange(0, longest)));
    std::string stream;
    std::string expected;
    for (const int size : sizes) {
      const std::string line(static_cast<std::size_t>(size), static_cast<char>('a' + size % 26));
      stream += line + "\n";
      expected += "<" + line + ">";
    }
    struct Client {
      TestSocket socket;
      std::size_t sent = 0;
    };
    Client clients[2] = {{TestSocket(port)}, {TestSocket(port)}};
    while (clients[0].sent + clients[1].sent < 2 * stream.size()) {
      for (Client& client : clients) {
        const auto chunk = static_cast<std::size_t>(*rc::gen::inRange(1, 2 * longest));
        client.sent += client.socket.SendSome(std::string_view(stream).substr(client.sent, chunk));
      }
      Turns(1);
      for (Client& client : clients) client.socket.ReceiveAll();
    }
    for (Client& client : clients) {
      RC_ASSERT(Until([&] {
        client.socket.ReceiveAll();
        return client.socket.received().size() >= expected.size();
      }));
      RC_ASSERT(client.socket.received() == expected);
    }
  }));
}

// Goal: one turn's answers to one connection leave in one write.
TEST_F(EpollReactorTest, OneWriteATurn) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) state.connection->out().Append("+OK\r\n");
    return bytes.size();
  });
  TestSocket client(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 1; }));
  const std::uint64_t writes = reactor_->stats().writes;
  client.SendSome(std::string(1'000, 'x'));
  ASSERT_TRUE(Until([&] {
    client.ReceiveAll();
    return client.received().size() == 5'000;
  }));
  EXPECT_EQ(reactor_->stats().writes - writes, 1u);
}

// Goal: a large value takes memory as it comes and O(1) work a byte, and the handler is asked only
// when there is more.
TEST_F(EpollReactorTest, TakesALargeValue) {
  constexpr std::size_t kBytes = 8 * 1024 * 1024;
  std::size_t last = 0;
  bool always_longer = true;
  std::string got;
  const std::uint16_t port =
      Serve([&](Script::State& state, std::string_view bytes) -> std::size_t {
        always_longer = always_longer && bytes.size() > last;
        last = bytes.size();
        if (bytes.size() < kBytes) return 0;
        got = bytes;
        state.connection->out().Append("done");
        return bytes.size();
      });
  std::string value(kBytes, '\0');
  for (std::size_t i = 0; i < kBytes; ++i) value[i] = static_cast<char>(i * 2654435761u >> 24);
  TestSocket client(port);
  std::size_t sent = 0;
  EXPECT_TRUE(Until([&] {
    sent += client.SendSome(std::string_view(value).substr(sent));
    client.ReceiveSome();
    return client.received() == "done";
  }));
  EXPECT_EQ(got, value);
  EXPECT_TRUE(always_longer);
}

// Goal: large answers leave whole though the socket takes them in parts.
TEST_F(EpollReactorTest, SendsALargeValueToASlowReader) {
  const Bytes value(std::string(8 * 1024 * 1024, 'v'));
  const std::uint16_t port = Serve([&](Script::State& state, std::string_view bytes) {
    for (char byte : bytes) {
      state.connection->out().Append(byte);
      state.connection->out().Append(value);
    }
    return bytes.size();
  });
  TestSocket client(port);
  client.SendSome("ab");
  std::string expected = "a" + value.ToString() + "b" + value.ToString();
  EXPECT_TRUE(Until([&] {
    client.ReceiveSome(100'000);
    return client.received().size() >= expected.size();
  }));
  EXPECT_TRUE(client.received() == expected);
}

// Goal: more input than allowed without a whole request closes the connection, and is counted.
TEST_F(EpollReactorTest, InputIsBounded) {
  ListenOptions options;
  options.limits.input_bytes_max = 100'000;
  const std::uint16_t port =
      Serve([](Script::State&, std::string_view) -> std::size_t { return 0; }, options);
  TestSocket client(port);
  const std::string junk(10'000, 'j');
  EXPECT_TRUE(Until([&] {
    client.SendSome(junk);
    return !client.ReceiveSome();
  }));
  EXPECT_EQ(reactor_->stats().inputs_cut, 1u);
  EXPECT_EQ(states_[0]->closed, 1);
}

// Goal: who asks and never reads is not read from while much output waits, and is cut past the
// limit.
TEST_F(EpollReactorTest, ASlowReaderIsCut) {
  ListenOptions options;
  options.limits.output_bytes_pause = 1'000'000;
  options.limits.output_bytes_max = 20'000'000;
  // Answers come later, past the pause: it is these that the limit is for.
  const std::uint16_t port =
      Serve([](Script::State&, std::string_view bytes) { return bytes.size(); }, options);
  TestSocket client(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 1; }));
  const std::string answer(100'000, 'a');
  EXPECT_TRUE(Until([&] {
    if (states_[0]->closed > 0) return true;
    states_[0]->connection->out().Append(answer);
    states_[0]->connection->ScheduleFlush();
    return false;
  }));
  EXPECT_EQ(reactor_->stats().slow_readers_cut, 1u);
  EXPECT_EQ(states_[0]->close_reason, "does not read its answers");
  EXPECT_TRUE(Until([&] { return states_[0]->destroyed; }));
}

// Goal: a pipeline with huge answers is held back while the output is full, and goes on when it has
// drained, without new input: nothing is lost, and memory stays near the limit.
TEST_F(EpollReactorTest, AFullOutputHoldsInputBack) {
  ListenOptions options;
  options.limits.output_bytes_pause = 1'000'000;
  options.limits.output_bytes_max = 3'000'000;
  const std::string answer(100'000, 'a');
  std::size_t most = 0;
  const std::uint16_t port = Serve(
      [&](Script::State& state, std::string_view bytes) {
        std::size_t used = 0;
        while (used < bytes.size() && !state.connection->OutputFull()) {
          ++used;
          state.connection->out().Append(answer);
        }
        most = std::max(most, state.connection->out().size());
        return used;
      },
      options);
  TestSocket client(port);
  client.SendSome(std::string(500, 'r'));
  client.EndSending();  // the end must not overtake the requests that are held back
  EXPECT_TRUE(Until([&] { return reactor_->stats().reading_paused > 0; }));
  Turns(50);
  EXPECT_LE(most, 1'200'000u);
  EXPECT_TRUE(Until([&] {
    client.ReceiveAll();
    return client.closed();
  }));
  EXPECT_EQ(client.received().size(), 500 * answer.size());
  EXPECT_FALSE(client.reset());
  EXPECT_EQ(reactor_->stats().slow_readers_cut, 0u);
}

// Goal: PauseReading stops OnBytes at once; ResumeReading presents what is buffered, not from
// within the call; new input is read again too.
TEST_F(EpollReactorTest, PausesAndResumes) {
  std::string seen;
  const std::uint16_t port = Serve([&](Script::State& state, std::string_view bytes) {
    seen += bytes.front();
    state.connection->PauseReading();
    return std::size_t{1};
  });
  TestSocket client(port);
  client.SendSome("abc");
  ASSERT_TRUE(Until([&] { return seen == "a"; }));
  client.SendSome("def");
  Turns(20);
  EXPECT_EQ(seen, "a");
  for (const std::string expected : {"ab", "abc"}) {
    states_[0]->connection->ResumeReading();
    EXPECT_EQ(seen.size() + 1, expected.size());
    Turns(1);
    EXPECT_EQ(seen, expected);
  }
  for (const std::string expected : {"abcd", "abcde", "abcdef"}) {
    states_[0]->connection->ResumeReading();
    EXPECT_TRUE(Until([&] { return seen == expected; }));
  }
  // Nothing is pending, nor does a paused connection with input keep the loop busy.
  states_[0]->connection->PauseReading();
  client.SendSome("g");
  Turns(5);
  EXPECT_TRUE(Sleeps());
  states_[0]->connection->ResumeReading();
  EXPECT_TRUE(Until([&] { return seen == "abcdefg"; }));
}

// Goal: what lay unread, here or with the system, is known to have waited; what came last is not.
TEST_F(EpollReactorTest, TheAgeOfUnreadInputIsKnown) {
  constexpr Duration kWait = Duration::Millis(100);
  const auto wait = [&] { std::this_thread::sleep_for(std::chrono::microseconds(kWait.us)); };
  std::size_t presented = 0, old = 0, older = 0, takes = 1;
  ListenOptions options;
  options.limits.read_bytes = 4 * 1024;
  const auto on_bytes = [&](Script::State& state, std::string_view bytes) {
    presented += bytes.size();
    old += state.connection->BytesOlderThan(kWait);
    older += state.connection->BytesOlderThan(Duration::Seconds(60));
    state.connection->PauseReading();
    return std::min(takes, bytes.size());
  };
  const std::uint16_t port = Serve(on_bytes, options);
  const auto shown = [&] { return std::exchange(presented, 0); };
  TestSocket client(port);
  client.SendSome("abcd");
  ASSERT_TRUE(Until([&] { return presented > 0; }));
  EXPECT_EQ(shown(), 4u);
  EXPECT_EQ(old, 0u);

  wait();
  states_[0]->connection->ResumeReading();
  Turns(1);
  EXPECT_EQ(shown(), 3u);
  EXPECT_EQ(std::exchange(old, 0), 3u);

  wait();
  takes = SIZE_MAX;
  client.SendSome("efgh");  // has only just come when it is read
  states_[0]->connection->ResumeReading();
  ASSERT_TRUE(Until([&] { return presented > 0; }));
  EXPECT_EQ(std::exchange(old, 0), 2u);

  // More than is read at once: the rest lies with the system.
  client.SendSome(std::string(3 * options.limits.read_bytes, 'x'));
  shown();
  states_[0]->connection->ResumeReading();
  ASSERT_TRUE(Until([&] { return presented > 0; }));
  EXPECT_EQ(presented, options.limits.read_bytes);
  EXPECT_EQ(old, 0u);
  wait();
  shown();
  states_[0]->connection->ResumeReading();
  ASSERT_TRUE(Until([&] { return presented > 0; }));
  EXPECT_GE(old, presented);  // what is not presented yet may count too
  EXPECT_EQ(older, 0u);
}

// Goal: a client that ends its side still gets its answers, those that take a while too.
TEST_F(EpollReactorTest, AHalfClosedClientGetsItsAnswers) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    ++state.pending;
    return bytes.size();
  });
  TestSocket client(port);
  client.SendSome("ask");
  client.EndSending();
  ASSERT_TRUE(Until([&] { return states_.size() == 1 && states_[0]->pending == 1; }));
  Turns(20);
  EXPECT_EQ(states_[0]->closed, 0);
  const std::uint64_t turns = reactor_->stats().turns;
  states_[0]->pending = 0;
  states_[0]->connection->out().Append("answer");
  states_[0]->connection->ScheduleFlush();
  EXPECT_TRUE(Until([&] {
    client.ReceiveSome();
    return client.closed();
  }));
  EXPECT_EQ(client.received(), "answer");
  EXPECT_FALSE(client.reset());
  EXPECT_EQ(states_[0]->closed, 1);
  EXPECT_LT(reactor_->stats().turns - turns, 1'000u);
}

// Goal: a last answer reaches the client though more of its input is still coming: it is not
// destroyed by a reset.
TEST_F(EpollReactorTest, TheLastAnswerSurvivesUnreadInput) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    state.connection->out().Append("too large");
    state.connection->CloseAfterFlush();
    return bytes.size();
  });
  TestSocket client(port);
  const std::string value(4'000'000, 'v');
  std::size_t sent = 0;
  EXPECT_TRUE(Until([&] {
    sent += client.SendSome(std::string_view(value).substr(sent));
    return sent == value.size();
  }));
  EXPECT_TRUE(Until([&] {
    client.ReceiveSome();
    return client.closed();
  }));
  EXPECT_EQ(client.received(), "too large");
  EXPECT_FALSE(client.reset());
  EXPECT_EQ(states_[0]->calls, 1);
  EXPECT_EQ(states_[0]->closed, 1);
  client.Close();
  EXPECT_TRUE(Until([&] { return reactor_->stats().connections == 0; }));
}

// Goal: a reset (crash, or SO_LINGER 0) is an orderly OnClosed, also while reading is paused.
TEST_F(EpollReactorTest, AResetClosesEvenAPausedConnection) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    state.connection->PauseReading();
    return bytes.size();
  });
  TestSocket reading(port);
  TestSocket paused(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 2; }));
  paused.SendSome("x");
  ASSERT_TRUE(Until([&] { return states_[0]->calls + states_[1]->calls == 1; }));
  paused.SendSome("y");  // what nobody reads must not keep the loop busy
  Turns(5);
  EXPECT_TRUE(Sleeps());
  paused.Reset();
  reading.Reset();
  EXPECT_TRUE(Until([&] { return states_[0]->closed == 1 && states_[1]->closed == 1; }));
  EXPECT_EQ(states_[0]->close_reason, "Connection reset by peer");
  EXPECT_EQ(states_[1]->close_reason, "Connection reset by peer");
  EXPECT_EQ(reactor_->stats().connections, 0u);
}

// Goal: writing to a peer that is gone (EPIPE) closes the connection and does not kill the process.
TEST_F(EpollReactorTest, WritingToAGonePeerIsNoSignal) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    ++state.pending;
    return bytes.size();
  });
  TestSocket client(port);
  client.SendSome("x");
  ASSERT_TRUE(Until([&] { return states_.size() == 1 && states_[0]->pending == 1; }));
  client.Close();
  EXPECT_TRUE(Until([&] {
    if (states_[0]->closed > 0) return true;
    states_[0]->connection->out().Append("late");
    states_[0]->connection->ScheduleFlush();
    return false;
  }));
  EXPECT_FALSE(states_[0]->destroyed);
}

// Goal: a handler lives until its last answer has come, though its client is gone; a late answer is
// dropped.
TEST_F(EpollReactorTest, AHandlerOutlivesItsConnectionWhileAnswersArePending) {
  const std::uint16_t port = Serve([](Script::State& state, std::string_view bytes) {
    ++state.pending;
    return bytes.size();
  });
  TestSocket client(port);
  client.SendSome("x");
  ASSERT_TRUE(Until([&] { return states_.size() == 1 && states_[0]->pending == 1; }));
  client.Reset();
  ASSERT_TRUE(Until([&] { return states_[0]->closed == 1; }));
  Turns(20);
  EXPECT_FALSE(states_[0]->destroyed);
  states_[0]->connection->out().Append("nobody reads this");
  states_[0]->connection->ScheduleFlush();
  states_[0]->pending = 0;
  EXPECT_TRUE(Until([&] { return states_[0]->destroyed; }));
}

// Goal: an idle connection is cut after its time, a busy one and one that waits for an answer are
// not.
TEST_F(EpollReactorTest, IdleConnectionsAreCut) {
  ListenOptions options;
  options.limits.idle_timeout = Duration::Millis(60);
  const std::uint16_t port = ServeEcho(options);
  TestSocket idle(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 1; }));
  TestSocket waiting(port);
  TestSocket busy(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 3; }));
  states_[1]->pending = 1;
  EXPECT_TRUE(Until([&] {
    busy.SendSome("x");
    return states_[0]->closed == 1;
  }));
  EXPECT_EQ(states_[0]->close_reason, "idle");
  EXPECT_EQ(reactor_->stats().idle_cut, 1u);
  EXPECT_EQ(states_[1]->closed, 0);
  EXPECT_EQ(states_[2]->closed, 0);
}

// Goal: a connection released by one loop goes on in another with nothing lost: what was received
// and not consumed, and what came meanwhile.
TEST_F(EpollReactorTest, AConnectionMovesBetweenLoops) {
  const std::unique_ptr<Reactor> other = NewReactor();
  std::optional<ReleasedSocket> released;
  const std::uint16_t port = Serve([&](Script::State& state, std::string_view bytes) {
    reactor_->Release(*state.connection,
                      [&](ReleasedSocket socket) { released = std::move(socket); });
    EXPECT_EQ(bytes.substr(0, 5), "first");
    return std::size_t{5};
  });
  TestSocket client(port);
  client.SendSome("firstsecond");
  ASSERT_TRUE(Until([&] { return released.has_value(); }));
  EXPECT_EQ(released->received, "second");
  EXPECT_EQ(states_[0]->closed, 0);
  EXPECT_TRUE(states_[0]->destroyed);
  EXPECT_EQ(reactor_->stats().connections, 0u);
  client.SendSome("third");

  auto state = std::make_shared<Script::State>();
  other->Adopt(std::move(*released), {}, [&](Connection& connection) {
    state->connection = &connection;
    state->on_bytes = [&connection](std::string_view bytes) {
      connection.out().Append(bytes);
      return bytes.size();
    };
    return std::make_unique<Script>(state);
  });
  EXPECT_TRUE(TurnUntil({other.get()}, [&] {
    client.ReceiveSome();
    return client.received() == "secondthird";
  }));
}

// Goal: hooks run at the end of each turn before the writes, so what they append leaves in the
// turn.
TEST_F(EpollReactorTest, WhatTurnEndHooksAppendLeavesInTheSameTurn) {
  bool asked = false;
  const std::uint16_t port = Serve([&](Script::State&, std::string_view bytes) {
    asked = true;
    return bytes.size();
  });
  reactor_->AddTurnEndHook([&](Now) {
    if (!std::exchange(asked, false)) return;
    states_[0]->connection->out().Append("flushed");
    states_[0]->connection->ScheduleFlush();
  });
  TestSocket client(port);
  ASSERT_TRUE(Until([&] { return states_.size() == 1; }));
  client.SendSome("x");
  reactor_->RunOnce(Duration::Seconds(5));
  client.ReceiveSome();
  EXPECT_EQ(client.received(), "flushed");
}

// Goal: the wake comes when due and not before, once for each time it is set; timers likewise.
TEST_F(EpollReactorTest, WakesWhenDue) {
  std::vector<Instant> wakes;
  reactor_->SetWakeHandler([&](Now now) { wakes.push_back(now.instant); });
  const Instant start = reactor_->now().instant;
  reactor_->SetWake(start + Duration::Seconds(1'000));
  reactor_->SetWake(start + Duration::Millis(20));
  bool timer_ran = false;
  reactor_->AddTimer(start + Duration::Millis(40), [&] { timer_ran = true; });
  EXPECT_TRUE(Until([&] { return timer_ran; }));
  ASSERT_EQ(wakes.size(), 1u);
  EXPECT_GE(wakes[0], start + Duration::Millis(20));
  EXPECT_GE(reactor_->now().instant, start + Duration::Millis(40));
  // It slept meanwhile: a few turns of a millisecond each, not thousands.
  EXPECT_LT(reactor_->stats().turns, 100u);
}

// Goal: tasks from other threads all run, in each sender's order, and a busy loop costs few wakes.
TEST_F(EpollReactorTest, RunsWhatOtherThreadsPost) {
  constexpr int kSenders = 3;
  constexpr int kEach = 10'000;
  std::vector<int> next(kSenders, 0);
  int ordered = 0;
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([&, s] {
      for (int i = 0; i < kEach; ++i) {
        reactor_->Post([&, s, i] { ordered += next[s]++ == i ? 1 : 0; });
      }
    });
  }
  EXPECT_TRUE(Until([&] { return next[0] + next[1] + next[2] == kSenders * kEach; }));
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(ordered, kSenders * kEach);
  EXPECT_LE(reactor_->stats().wakes, reactor_->stats().turns);
}

// Goal: a post wakes a sleeping loop at once, and Stop ends Run from any thread.
TEST_F(EpollReactorTest, PostsAndStopWakeASleepingLoop) {
  std::atomic<int> ran{0};
  std::thread loop([&] { reactor_->Run(); });
  for (int i = 1; i <= 100; ++i) {
    reactor_->Post([&] { ran.fetch_add(1); });
    while (ran.load() < i) std::this_thread::yield();
  }
  reactor_->Stop();
  loop.join();
  EXPECT_EQ(ran.load(), 100);
}

// Goal: a client may abort from within its own OnBytes, and may close twice.
TEST_F(EpollReactorTest, AbortFromWithinOnBytes) {
  const std::uint16_t port = Serve([&](Script::State& state, std::string_view bytes) {
    reactor_->Abort(*state.connection, "bad");
    reactor_->Abort(*state.connection, "worse");
    state.connection->CloseAfterFlush();
    state.connection->ResumeReading();
    state.connection->out().Append("lost");
    return bytes.size();
  });
  TestSocket client(port);
  client.SendSome("x");
  EXPECT_TRUE(Until([&] { return states_.size() == 1 && states_[0]->destroyed; }));
  EXPECT_EQ(states_[0]->closed, 1);
  EXPECT_EQ(states_[0]->close_reason, "bad");
  EXPECT_TRUE(Until([&] { return !client.ReceiveSome(); }));
  EXPECT_EQ(client.received(), "");
}

}  // namespace
}  // namespace gyre
