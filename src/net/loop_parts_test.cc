// The parts of a loop that need no socket: timers, mailbox, backoff, addresses.
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "net/backoff.h"
#include "net/mailbox.h"
#include "net/socket_address.h"
#include "net/timer_queue.h"

namespace gyre {
namespace {

// Goal: timers run when due, in order of time, then of being added; a cancelled one does not.
TEST(TimerQueueTest, RunsWhatIsDueInOrder) {
  TimerQueue timers;
  std::string ran;
  timers.Add(Instant{20}, [&] { ran += 'c'; });
  timers.Add(Instant{10}, [&] { ran += 'a'; });
  timers.Add(Instant{10}, [&] { ran += 'b'; });
  timers.Add(Instant{30}, [&] { ran += 'd'; });
  const TimerQueue::Id cancelled = timers.Add(Instant{15}, [&] { ran += 'X'; });
  timers.Cancel(cancelled);
  EXPECT_EQ(timers.next_due(), Instant{10});
  timers.RunDue(Instant{9});
  EXPECT_EQ(ran, "");
  timers.RunDue(Instant{25});
  EXPECT_EQ(ran, "abc");
  EXPECT_EQ(timers.next_due(), Instant{30});
}

// Goal: a timer that sets itself again for now does not hold up the turn.
TEST(TimerQueueTest, WhatIsAddedWhileRunningWaitsForTheNextCall) {
  TimerQueue timers;
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    timers.Add(Instant{0}, again);
  };
  timers.Add(Instant{0}, again);
  timers.RunDue(Instant{5});
  EXPECT_EQ(runs, 1);
  timers.RunDue(Instant{5});
  EXPECT_EQ(runs, 2);
}

// Goal: a wake-up is asked for once for a batch, and only of a loop that sleeps.
TEST(MailboxTest, WakesOnlyASleeperAndOnlyOnce) {
  Mailbox mailbox;
  EXPECT_FALSE(mailbox.Push([] {}));  // busy
  EXPECT_FALSE(mailbox.PrepareSleep());
  EXPECT_EQ(mailbox.RunAll(), 1u);
  ASSERT_TRUE(mailbox.PrepareSleep());
  EXPECT_TRUE(mailbox.Push([] {}));
  EXPECT_FALSE(mailbox.Push([] {}));
  mailbox.Awake();
  EXPECT_EQ(mailbox.RunAll(), 2u);
}

// Goal: nothing is lost and order per sender holds, whoever posts while the loop drains.
TEST(MailboxTest, KeepsEachSendersOrder) {
  constexpr int kSenders = 4;
  constexpr int kEach = 20'000;
  Mailbox mailbox;
  std::vector<int> next(kSenders, 0);
  int ordered = 0;
  std::vector<std::thread> senders;
  for (int s = 0; s < kSenders; ++s) {
    senders.emplace_back([&, s] {
      for (int i = 0; i < kEach; ++i) {
        mailbox.Push([&, s, i] { ordered += next[s]++ == i ? 1 : 0; });
      }
    });
  }
  std::size_t ran = 0;
  while (ran < kSenders * kEach) ran += mailbox.RunAll();
  for (std::thread& sender : senders) sender.join();
  EXPECT_EQ(ordered, kSenders * kEach);
}

// Goal: waits double up to the last one, and are spread over half of it.
TEST(BackoffTest, DoublesUpToTheLast) {
  Prng prng(1);
  Backoff backoff(Duration::Millis(10), Duration::Millis(1'000));
  Duration span = Duration::Millis(10);
  for (int i = 0; i < 20; ++i) {
    const Duration wait = backoff.Next(prng);
    EXPECT_GE(wait, Duration{span.us / 2});
    EXPECT_LE(wait, span);
    span = std::min(span * 2, Duration::Millis(1'000));
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(prng), Duration::Millis(10));
}

// Goal: what is written in a config is read as meant, and what is not an address is refused.
TEST(SocketAddressTest, ReadsWhatItPrints) {
  for (const std::string text : {"127.0.0.1:7381", "0.0.0.0:0", "[::1]:65535", "[fe80::1]:7"}) {
    const Result<SocketAddress> address = SocketAddress::Parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(SocketAddress::Parse("*:7379")->ToString(), "0.0.0.0:7379");
  for (const std::string text :
       {"", ":", "7381", "localhost:7381", "::1:7381", "[]:1", "1.2.3.4:65536",
        "1.2.3.4:", "1.2.3.4:+1", "1.2.3.4:1x", "[::1:1", "1.2.3:1"}) {
    EXPECT_FALSE(SocketAddress::Parse(text)) << text;
  }
}

// Goal: host names work where blocking is allowed.
TEST(SocketAddressTest, ResolvesHostNames) {
  const Result<SocketAddress> address = SocketAddress::Resolve("localhost:7381");
  ASSERT_TRUE(address) << address.error().message;
  EXPECT_EQ(address->port(), 7381);
  EXPECT_FALSE(SocketAddress::Resolve("localhost"));
}

}  // namespace
}  // namespace gyre
