// Results that come late and out of order: replies keep the order of the commands, and commands see
// those before them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "base/prng.h"
#include "server/resp/resp_test_util.h"

namespace gyre {
namespace {

struct LateWorld : RespWorld {
  explicit LateWorld(RespOptions options = {}) : RespWorld(std::move(options)) {
    backend.deferred = true;
  }
  void Send(std::initializer_list<const char*> lines) {
    std::string bytes;
    for (const char* line : lines) bytes += Command(line);
    client.Send(bytes);
  }
  void Release(std::size_t i) {
    backend.Release(i);
    client.Turn();
  }
  void ReleaseAll() {
    while (backend.waiting() > 0) Release(0);
  }
};

// Goal: a reply that comes before its turn waits for it.
TEST(RespOrderTest, RepliesKeepTheOrderOfCommands) {
  LateWorld world;
  world.Send({"SET a 1", "SET b 2", "PING", "GET c"});
  EXPECT_EQ(world.backend.waiting(), 3u);
  world.Release(2);
  world.Release(1);
  EXPECT_EQ(world.client.Take(), "");
  world.Release(0);
  EXPECT_EQ(world.client.Take(), "+OK\r\n+OK\r\n+PONG\r\n$-1\r\n");
  EXPECT_EQ(world.client.handler().pending(), 0u);
  EXPECT_GT(world.client.flushes, 0);
}

// Goal: what is said to the cluster takes its time, alone: what came before it is answered first,
// and what comes behind it waits.
TEST(RespOrderTest, ClusterCommandsRunAlone) {
  LateWorld world;
  world.Send({"GET a", "kv.cluster COMMIT", "GET b"});
  EXPECT_TRUE(world.backend.cluster_commands.empty());
  world.Release(0);
  ASSERT_EQ(world.backend.cluster_commands.size(), 1u);
  EXPECT_EQ(world.backend.cluster_commands[0].first, "commit");
  EXPECT_EQ(world.backend.waiting(), 0u);
  world.backend.cluster_waiting[0](std::string("{\"number\":7}"));
  world.client.Turn();
  EXPECT_EQ(world.client.Take(), "$-1\r\n$12\r\n{\"number\":7}\r\n");
  world.ReleaseAll();
  EXPECT_EQ(world.client.Take(), "$-1\r\n");
  EXPECT_EQ(world.client.handler().pending(), 0u);
}

// Goal: the answer finds a connection that has gone, and one that was told an error.
TEST(RespOrderTest, ClusterAnswersOfEveryKind) {
  RespWorld world;
  EXPECT_EQ(world.Ask("KV.CLUSTER STAGE {}"), "$2\r\n{}\r\n");
  EXPECT_EQ(world.backend.cluster_commands.back().second, "{}");
  world.backend.cluster_answer = Fail(ErrorCode::kUnavailable, "no majority");
  EXPECT_EQ(world.Ask("KV.CLUSTER PLAN"), "-UNAVAILABLE no majority\r\n");
  const std::size_t said = world.backend.cluster_commands.size();
  EXPECT_EQ(world.Ask("KV.CLUSTER STAGE"), "-ERR syntax error\r\n");
  EXPECT_EQ(world.Ask("KV.CLUSTER PLAN x"), "-ERR syntax error\r\n");
  EXPECT_EQ(world.Ask("KV.CLUSTER NONSENSE").substr(0, 15), "-ERR known are ");
  EXPECT_EQ(world.backend.cluster_commands.size(), said);

  world.backend.deferred = true;
  world.client.Send(Command("KV.CLUSTER STATUS"));
  world.client.Close();
  EXPECT_EQ(world.client.handler().pending(), 1u);
  world.backend.cluster_waiting[0](std::string("{}"));
  EXPECT_EQ(world.client.handler().pending(), 0u);
  EXPECT_EQ(world.client.Take(), "");
}

// Goal: a node that is drained serves who was there before, until the time is over; then it answers
// what is in flight, also who waits for a ring, and closes.
TEST(RespOrderTest, ADrainedNodeServesUntilTheTimeIsOver) {
  RespWorld world;
  const Instant now = world.backend.now().instant;
  world.backend.draining = Drain{now, now + Duration::Seconds(5)};
  EXPECT_EQ(world.service.ClientsToGo(), 1u);
  EXPECT_EQ(world.Ask("SET a 1"), "+OK\r\n");
  EXPECT_EQ(world.Ask("KV.RING WAIT 1 60000"), "");
  world.backend.deferred = true;
  world.client.Send(Command("GET a"));
  world.backend.Advance(Duration::Seconds(5));
  world.service.OnTurnEnd();
  EXPECT_EQ(world.client.Take(), "$10\r\n{\"ring\":1}\r\n");
  world.client.Send(Command("SET a 2"));
  EXPECT_EQ(world.backend.waiting(), 1u);
  world.backend.ReleaseAll();
  EXPECT_EQ(world.client.Take(), "$1\r\n1\r\n");
}

// Goal: who comes later is told to go elsewhere, but for operators.
TEST(RespOrderTest, ADrainedNodeTakesNobodyNew) {
  RespWorld world;
  const Instant began = world.backend.now().instant + Duration::Micros(-1);
  world.backend.draining = Drain{began, began + Duration::Seconds(5)};
  EXPECT_EQ(world.service.ClientsToGo(), 0u);
  EXPECT_EQ(world.Ask("PING"), "+PONG\r\n");
  EXPECT_EQ(world.Ask("KV.CLUSTER UNDRAIN"), "$2\r\n{}\r\n");
  EXPECT_EQ(world.Ask("SET a 1").substr(0, 13), "-UNAVAILABLE ");
  EXPECT_EQ(world.backend.rows(), 0u);
}

// Goal: who waits for another ring gets it at the end of the turn that brings it, or the present
// one when the time is up; what comes behind runs meanwhile, and is answered after it.
TEST(RespOrderTest, TheRingIsToldOnceItIsAnother) {
  RespWorld world;
  EXPECT_EQ(world.Ask("KV.RING WAIT 0 60000"), "$10\r\n{\"ring\":1}\r\n");
  EXPECT_EQ(world.Ask("KV.RING WAIT 1 0"), "$10\r\n{\"ring\":1}\r\n");
  EXPECT_EQ(world.Ask("KV.RING WAIT 1 5000"), "");
  EXPECT_EQ(world.Ask("SET a 1"), "");
  EXPECT_EQ(world.backend.rows(), 1u);
  world.service.OnTurnEnd();
  EXPECT_EQ(world.client.Take(), "");
  world.backend.SetView(TestView(3, RingEpoch(2)));
  world.service.OnTurnEnd();
  EXPECT_EQ(world.client.Take(), "$10\r\n{\"ring\":1}\r\n+OK\r\n");

  // Two on one connection, of which the second's time is up first.
  EXPECT_EQ(world.Ask("KV.RING WAIT 2 5000"), "");
  EXPECT_EQ(world.Ask("kv.ring wait 3 1000"), "");
  world.backend.Advance(Duration::Millis(1000));
  world.service.OnTurnEnd();
  EXPECT_EQ(world.client.Take(), "");
  world.backend.Advance(Duration::Millis(4000));
  world.service.OnTurnEnd();
  EXPECT_EQ(world.client.Take(), "$10\r\n{\"ring\":1}\r\n$10\r\n{\"ring\":1}\r\n");
}

// Goal: waiting is bounded, costs nothing once the connection has gone, and wrong words are
// refused.
TEST(RespOrderTest, FewEnoughWaitForTheRing) {
  RespWorld world;
  std::vector<std::unique_ptr<FakeConnection>> others;
  for (std::size_t i = 0; i < kRingWaitsMax; ++i) {
    others.push_back(std::make_unique<FakeConnection>(world.service));
    others.back()->Send(Command("KV.RING WAIT 1 60000"));
  }
  EXPECT_EQ(world.Ask("KV.RING WAIT 1 60000").substr(0, 6), "-BUSY ");
  others[7]->Close();
  EXPECT_EQ(world.Ask("KV.RING WAIT 1 60000"), "");
  world.backend.SetView(TestView(3, RingEpoch(2)));
  world.service.OnTurnEnd();
  EXPECT_EQ(world.client.Take(), "$10\r\n{\"ring\":1}\r\n");
  EXPECT_EQ(others[7]->Take(), "");
  EXPECT_EQ(others[8]->Take(), "$10\r\n{\"ring\":1}\r\n");

  for (const char* wrong :
       {"KV.RING WAIT", "KV.RING WAIT 1", "KV.RING NEXT 1 1", "KV.RING WAIT 1 1 1",
        "KV.RING WAIT x 1", "KV.RING WAIT -1 1", "KV.RING WAIT 1 60001"}) {
    EXPECT_EQ(world.Ask(wrong).substr(0, 5), "-ERR ") << wrong;
  }
}

// Goal: large values that wait for their turn keep their bytes.
TEST(RespOrderTest, LargeRepliesOutOfOrder) {
  RespWorld world;
  const std::string large(100'000, 'x');
  world.Ask("SET big " + large);
  world.backend.deferred = true;
  world.client.Send(Command("GET none") + Command("GET big") + Command("ECHO hi"));
  world.backend.Release(1);
  EXPECT_EQ(world.client.Take(), "");
  world.backend.Release(0);
  EXPECT_EQ(world.client.Take(), "$-1\r\n$100000\r\n" + large + "\r\n$2\r\nhi\r\n");
}

struct WaitCase {
  const char* first;
  const char* second;
  bool waits;
};

// Goal: the later command waits exactly if both touch a key and one of them may write it; plain
// SETs follow each other without waiting.
TEST(RespOrderTest, WhoWaitsForWhom) {
  const WaitCase cases[] = {
      {"SET a 1", "GET a", true},
      {"GET a", "SET a 1", true},
      {"GET a", "GET a", false},
      {"SET a 1", "SET a 2", false},
      {"SET a 1", "SET b 2", false},
      {"SET a 1", "GET b", false},
      {"SET a 1", "SET a 2 EX 5", false},
      {"SET a 1", "SET a 2 GET", true},
      {"SET a 1 KEEPTTL", "SET a 2", true},
      {"SET a 1", "DEL a", true},
      {"DEL a", "SET a 1", true},
      {"DEL a", "DEL a", true},
      {"MSET a 1 b 2", "GET b", true},
      {"MSET a 1 b 2", "GET c", false},
      {"MSET a 1 b 2", "MSET b 3 c 4", false},
      {"MGET a b", "MGET b c", false},
      {"MGET a b", "SET b 1", true},
      {"SET b 1", "MGET a b", true},
      {"SET b 1", "DEL a b", true},
      {"EXPIRE a 5", "TTL a", true},
      {"KV.PUT a '' 1", "KV.GET a", true},
      {"KV.PUT a '' 1", "KV.PUT a '' 2", true},
      {"SET a 1", "DBSIZE", true},
      {"GET a", "SCAN 0", true},
      {"DBSIZE", "GET a", true},
      {"FLUSHALL", "SET a 1", true},
      {"SET a 1", "WAIT 1 0", true},
      {"SET a 1", "OBJECT ENCODING a", true},
  };
  for (const WaitCase& c : cases) {
    LateWorld world;
    world.Send({c.first});
    const std::size_t before = world.backend.submitted;
    world.Send({c.second});
    EXPECT_EQ(world.client.paused(), c.waits) << c.first << ", " << c.second;
    EXPECT_EQ(world.backend.submitted == before, c.waits) << c.first << ", " << c.second;
    world.ReleaseAll();
    EXPECT_FALSE(world.client.paused());
    EXPECT_EQ(world.client.unread(), 0u);
    EXPECT_EQ(world.client.handler().pending(), 0u);
    // Nothing is left behind in the table of keys.
    world.Send({"SET a x", "SET b x"});
    EXPECT_EQ(world.backend.waiting(), 2u);
    world.ReleaseAll();
  }
}

// Goal: commands without keys are answered in order, and never wait.
TEST(RespOrderTest, KeylessCommandsPassWhileOthersArePending) {
  LateWorld world;
  world.Send({"FLUSHALL", "PING", "HELLO 3", "GET a"});
  EXPECT_TRUE(world.client.paused());  // GET, not PING
  world.ReleaseAll();
  const std::string answers = world.client.Take();
  EXPECT_EQ(answers.substr(0, 12), "+OK\r\n+PONG\r\n");
  EXPECT_EQ(answers.substr(answers.size() - 3), "_\r\n");  // RESP3 from HELLO on
}

// A model of one connection: the answers of commands carried out one after another.
std::string InSequence(const std::vector<std::string>& lines) {
  RespWorld world;
  std::string answers;
  for (const std::string& line : lines) answers += world.Ask(line);
  return answers;
}

// Goal: whatever the order of the results, a connection cannot tell it from one command after
// another.
TEST(RespOrderTest, RandomOrderOfResultsIsInvisible) {
  Prng prng(7);
  const char* const kKeys[] = {"a", "b", "c", "d"};
  for (int round = 0; round < 300; ++round) {
    std::vector<std::string> lines;
    std::string bytes;
    for (int i = 0; i < 60; ++i) {
      const std::string key = kKeys[prng.Below(4)];
      const std::string other = kKeys[prng.Below(4)];
      const std::string value = std::to_string(i);
      switch (prng.Below(14)) {
        case 0:
          lines.push_back("DEL " + key);
          break;
        case 1:
          lines.push_back("MSET " + key + " " + value + " " + other + " " + value);
          break;
        case 2:
          lines.push_back("MGET " + key + " " + other);
          break;
        case 3:
          lines.push_back("PING " + value);
          break;
        case 4:
          lines.push_back("SET " + key + " " + value + " GET");
          break;
        case 5:
          lines.push_back("GETDEL " + key);
          break;
        case 6:
          lines.push_back("DEL " + key + " " + other);
          break;
        case 7:
          lines.push_back("EXISTS " + key + " " + other);
          break;
        case 8:
          lines.push_back(prng.Chance(300'000) ? "DBSIZE" : "STRLEN " + key);
          break;
        case 9:
          lines.push_back(prng.Chance(200'000) ? "FLUSHDB" : "TYPE " + key);
          break;
        case 10:
        case 11:
          lines.push_back("GET " + key);
          break;
        default:
          lines.push_back("SET " + key + " " + value);
      }
      bytes += Command(lines.back());
    }
    LateWorld world({.in_flight_max = 1 + static_cast<std::size_t>(prng.Below(20))});
    std::string answers;
    std::size_t sent = 0;
    while (sent < bytes.size() || world.backend.waiting() > 0) {
      if (sent < bytes.size() && prng.Chance(500'000)) {
        const std::size_t piece = std::min<std::size_t>(bytes.size() - sent, prng.Below(400));
        world.client.Send(std::string_view(bytes).substr(sent, piece));
        sent += piece;
      }
      if (world.backend.waiting() > 0) world.Release(prng.Below(world.backend.waiting()));
      answers += world.client.Take();
    }
    ASSERT_EQ(answers, InSequence(lines)) << "round " << round;
    ASSERT_EQ(world.client.handler().pending(), 0u);
  }
}

// Goal: trap 14: a pipeline of 10,000 in one write or cut anywhere.
TEST(RespOrderTest, LongPipelines) {
  std::string bytes;
  std::string expected;
  for (int i = 0; i < 5'000; ++i) {
    const std::string key = "key:" + std::to_string(i % 700);
    bytes += Command("SET " + key + " " + std::to_string(i)) + Command("GET " + key);
    const std::string value = std::to_string(i);
    expected += "+OK\r\n$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  Prng prng(3);
  for (const bool deferred : {false, true}) {
    for (const std::size_t piece_max : {bytes.size(), std::size_t{20'000}, std::size_t{50}}) {
      RespWorld world;
      world.backend.deferred = deferred;
      std::string answers;
      for (std::size_t sent = 0; sent < bytes.size();) {
        const std::size_t piece =
            std::min<std::size_t>(bytes.size() - sent, 1 + prng.Below(piece_max));
        world.client.Send(std::string_view(bytes).substr(sent, piece));
        sent += piece;
        for (int i = 0; i < 40 && world.backend.waiting() > 0; ++i) {
          world.backend.Release(prng.Below(world.backend.waiting()));
          world.client.Turn();
        }
      }
      while (world.backend.waiting() > 0) {
        world.backend.Release(prng.Below(world.backend.waiting()));
        world.client.Turn();
      }
      ASSERT_TRUE(world.client.Take() == expected) << deferred << " " << piece_max;
      EXPECT_LE(world.backend.waiting_max, 1'024u);
    }
  }
}

// Goal: G10: what is in flight is bounded; reading stops and goes on.
TEST(RespOrderTest, InFlightIsBounded) {
  LateWorld world({.in_flight_max = 8});
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += Command("GET k" + std::to_string(i));
  world.client.Send(bytes);
  EXPECT_EQ(world.backend.waiting(), 8u);
  EXPECT_TRUE(world.client.paused());
  world.ReleaseAll();
  EXPECT_EQ(world.backend.waiting_max, 8u);
  EXPECT_EQ(world.client.Take().size(), 100 * 5u);
  // Not a pause for each command.
  EXPECT_LT(world.client.pauses, 30);
}

TEST(RespOrderTest, BytesInFlightAreBounded) {
  LateWorld world({.in_flight_bytes_max = 10'000});
  std::string bytes;
  for (int i = 0; i < 50; ++i) {
    bytes += Command("SET k" + std::to_string(i) + " " + std::string(1'000, 'x'));
  }
  world.client.Send(bytes);
  EXPECT_LE(world.backend.waiting(), 10u);
  world.ReleaseAll();
  EXPECT_EQ(world.client.Take().size(), 50 * 5u);
  // Replies that wait for their turn count too.
  RespWorld second({.in_flight_bytes_max = 10'000});
  second.Ask("SET a " + std::string(9'000, 'x'));
  second.backend.deferred = true;
  second.client.Send(Command("GET none") + Command("GET a"));
  second.backend.Release(1);
  second.client.Send(Command("GET a"));
  second.backend.Release(1);
  EXPECT_FALSE(second.client.paused());
  second.client.Send(Command("GET a"));
  EXPECT_TRUE(second.client.paused());
  EXPECT_EQ(second.backend.waiting(), 1u);
}

// Goal: what lay unread for too long is refused and not run, whoever is behind it is served, and
// the replies stay in order. A command whose end has just come did not wait.
TEST(RespOrderTest, CommandsThatLayUnreadAreRefused) {
  LateWorld world({.unread_max = Duration::Millis(500)});
  world.Send({"SET before 1"});
  const std::string old =
      Command("SET a 1") + Command("PING") + Command("MGET a b") + Command("SCAN 0");
  const std::string young = Command("SET b 2");
  world.client.input_age = Duration::Millis(500);
  world.client.old_bytes = old.size() + young.size() - 1;
  world.client.Send(old + young);
  EXPECT_EQ(world.backend.waiting(), 2u);
  world.client.old_bytes = 0;
  world.ReleaseAll();
  const std::string busy =
      "-BUSY this node is behind: the command lay unread for more than 500 ms and was not run; "
      "retry later, or send less at once\r\n";
  EXPECT_EQ(world.client.Take(), "+OK\r\n" + busy + "+PONG\r\n" + busy + busy + "+OK\r\n");
  EXPECT_EQ(world.service.counters().refused_unread, 3u);
  world.Send({"GET a", "GET b"});
  world.ReleaseAll();
  EXPECT_EQ(world.client.Take(), "$-1\r\n$1\r\n2\r\n");
}

// Goal: while the shard has as much in flight as it wants, nobody is read; then all in turn, those
// that close meanwhile do no harm, and what has become too old is refused without waiting for room.
TEST(RespOrderTest, ConnectionsWaitForRoomInTurn) {
  LateWorld world({.unread_max = Duration::Millis(500)});
  world.backend.in_flight_wanted = 2;
  FakeConnection second(world.service), third(world.service), old(world.service);
  auto gone = std::make_unique<FakeConnection>(world.service);
  const std::string gets = Command("GET a") + Command("GET b") + Command("GET c");
  world.client.Send(gets);
  EXPECT_EQ(world.backend.waiting(), 2u);
  for (FakeConnection* connection : {gone.get(), &second, &third}) {
    connection->Send(gets);
    EXPECT_TRUE(connection->paused());
  }
  gone.reset();
  old.input_age = Duration::Millis(500);
  old.old_bytes = SIZE_MAX;
  old.Send(Command("GET a"));
  EXPECT_THAT(old.Take(), testing::StartsWith("-BUSY"));
  EXPECT_EQ(world.backend.waiting(), 2u);

  world.backend.EndTurn();  // no room yet
  EXPECT_TRUE(second.paused());
  const auto all = {&world.client, &second, &third};
  std::vector<std::size_t> answered(3, 0);
  for (int turn = 0; turn < 20; ++turn) {
    while (world.backend.waiting() > 0) world.backend.Release(0);
    world.backend.EndTurn();
    std::size_t i = 0;
    for (FakeConnection* connection : all) {
      connection->Turn();
      answered[i++] += connection->Take().size() / 5;
    }
    const auto [least, most] = std::minmax_element(answered.begin(), answered.end());
    EXPECT_LE(*most - *least, 3u);
    EXPECT_LE(world.backend.waiting(), 2u);
  }
  EXPECT_THAT(answered, testing::Each(3u));
}

// Goal: while enough bytes of values are in flight, who brings another large one waits, in turn, or
// is refused if it has waited too long; nobody else waits for them.
TEST(RespOrderTest, LargeValuesWaitForEachOther) {
  LateWorld world({.unread_max = Duration::Millis(500)});
  world.backend.value_room = 1;
  FakeConnection second(world.service), third(world.service), small(world.service),
      old(world.service);
  const std::string large = "SET a " + std::string(20'000, 'x');
  world.client.Send(Command(large) + Command("GET b"));
  EXPECT_EQ(world.backend.waiting(), 2u) << "one may take more than there is";
  world.backend.value_room = 0;
  for (FakeConnection* connection : {&second, &third}) {
    connection->Send(Command("GET c") + Command(large) + Command("GET d"));
    EXPECT_TRUE(connection->paused());
  }
  EXPECT_EQ(world.backend.waiting(), 4u);
  small.Send(Command("SET e 1") + Command("GET f"));
  EXPECT_FALSE(small.paused());
  old.input_age = Duration::Millis(500);
  old.old_bytes = SIZE_MAX;
  old.Send(Command(large));
  EXPECT_THAT(old.Take(), testing::StartsWith("-BUSY"));

  world.backend.EndTurn();
  second.Turn();
  EXPECT_EQ(world.backend.waiting(), 6u) << "there is no room yet";
  while (world.backend.waiting() > 0) world.backend.Release(0);
  world.backend.value_room = 15'000;
  world.backend.EndTurn();
  EXPECT_FALSE(second.paused());
  EXPECT_TRUE(third.paused()) << "the second takes all there is";
  second.Turn();
  world.backend.EndTurn();
  EXPECT_FALSE(third.paused());
  third.Turn();
  while (world.backend.waiting() > 0) world.backend.Release(0);
  EXPECT_THAT(second.Take(), testing::EndsWith("+OK\r\n$-1\r\n"));
  EXPECT_THAT(third.Take(), testing::EndsWith("+OK\r\n$-1\r\n"));
}

TEST(RespOrderTest, WithoutALimitNothingIsTooOld) {
  RespWorld world;
  world.client.input_age = Duration::Seconds(10);
  world.client.old_bytes = SIZE_MAX;
  EXPECT_EQ(world.Ask("SET a 1"), "+OK\r\n");
}

// Goal: a client that does not read its answers gets no more of them made.
TEST(RespOrderTest, FullOutputStopsReading) {
  RespWorld world;
  world.Ask("SET a " + std::string(1'000, 'x'));
  world.client.output_pause = 5'000;
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += Command("GET a");
  world.client.Send(bytes);
  EXPECT_LT(world.client.out().size(), 7'000u);
  std::string answers;
  while (!world.client.out().empty()) {
    answers += world.client.Take();
    world.client.Drained();
  }
  EXPECT_EQ(answers.size(), 100 * 1'009u);
}

// Goal: QUIT and protocol errors answer what is pending, and nothing behind them is read.
TEST(RespOrderTest, ClosingWaitsForPendingReplies) {
  for (const std::string& last : {Command("QUIT"), std::string("*x\r\n")}) {
    LateWorld world;
    world.client.Send(Command("SET a 1") + last + Command("SET b 2"));
    EXPECT_FALSE(world.client.closing());
    EXPECT_EQ(world.backend.waiting(), 1u);
    world.ReleaseAll();
    EXPECT_TRUE(world.client.closing());
    EXPECT_EQ(world.client.Take().substr(0, 6),
              last[0] == '*' && last[1] == 'x' ? "+OK\r\n-" : "+OK\r\n+");
    EXPECT_EQ(world.backend.submitted, 1u);
  }
}

// Goal: results that come after the client has gone are taken, and a long command ends early.
TEST(RespOrderTest, ResultsAfterTheClientHasGone) {
  LateWorld world;
  std::string mset = "MSET";
  for (int i = 0; i < 1'000; ++i) mset += " k" + std::to_string(i) + " v";
  world.client.Send(Command("GET a") + Command("SET b 1"));
  world.client.Send(Command(mset));
  EXPECT_EQ(world.client.handler().pending(), 2u);
  world.ReleaseAll();
  world.client.Send(Command("GET c"));
  EXPECT_GT(world.client.handler().pending(), 0u);
  world.client.Close();
  EXPECT_EQ(world.service.sessions().size(), 0u);
  world.backend.ReleaseAll();
  EXPECT_EQ(world.client.handler().pending(), 0u);

  FakeConnection other(world.service);
  other.Send(Command("SET x 1") + Command(mset));
  world.backend.Release(0);
  other.Turn();  // now the MSET, 256 at once
  EXPECT_EQ(world.backend.waiting(), 256u);
  other.Close();
  const std::size_t submitted = world.backend.submitted;
  world.backend.ReleaseAll();
  EXPECT_EQ(world.backend.submitted, submitted);
  EXPECT_EQ(other.handler().pending(), 0u);
}

// Goal: a command over many keys keeps few requests in flight, and its reply in order.
TEST(RespOrderTest, ManyKeysGoThroughAWindow) {
  LateWorld world;
  std::string mset = "MSET", mget = "MGET";
  for (int i = 0; i < 2'000; ++i) {
    mset += " k" + std::to_string(i) + " " + std::to_string(i);
    mget += " k" + std::to_string(i);
  }
  Prng prng(1);
  world.client.Send(Command(mset) + Command(mget) + Command("GET k1999"));
  while (world.backend.waiting() > 0) world.Release(prng.Below(world.backend.waiting()));
  EXPECT_LE(world.backend.waiting_max, 256u);
  const std::string answers = world.client.Take();
  std::string expected = "+OK\r\n*2000\r\n";
  for (int i = 0; i < 2'000; ++i) {
    const std::string value = std::to_string(i);
    expected += "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n";
  }
  EXPECT_EQ(answers, expected + "$4\r\n1999\r\n");
}

// Goal: sessions may be destroyed after their service, as when a node stops.
TEST(RespOrderTest, SessionsOutliveTheService) {
  FakeBackend backend;
  FakeDocuments documents;
  auto service = std::make_unique<RespService>(backend, documents, RespOptions{});
  FakeConnection client(*service);
  backend.deferred = true;
  client.Send(Command("GET a"));
  service.reset();
  client.Send(Command("GET b"));
  EXPECT_EQ(backend.waiting(), 1u);
}

}  // namespace
}  // namespace gyre
