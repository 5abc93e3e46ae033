// The asynchronous form: the same table of retries as client_test.cc shows of the blocking one, and
// what is its own: order, limits, and callbacks that always come.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <mutex>
#include <thread>

#include "client/scripted_cluster.h"
#include "gyre/client.h"

namespace gyre {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;
using Command = ScriptedCluster::Command;

std::string Agreeable(std::size_t, const Command& command) {
  if (command[0] == "KV.GET") return ScriptedCluster::kFoundNothing;
  return command[0] == "SET" ? "+OK\r\n" : "$3\r\nctx\r\n";
}

Client ConnectTo(const ClientOptions& options) {
  Outcome<Client> client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.error().message;
  return std::move(client).value();
}

// One operation, awaited.
Outcome<Context> Put(Client& client, std::string_view key, const PutOptions& options = {}) {
  std::promise<Outcome<Context>> promise;
  const bool taken = client.PutAsync(key, "v", Context("c"), options, [&](Outcome<Context> put) {
    promise.set_value(std::move(put));
  });
  if (!taken) return ClientError{ErrorKind::kBusy, "not taken"};
  return promise.get_future().get();
}
Outcome<Found> Get(Client& client, std::string_view key) {
  std::promise<Outcome<Found>> promise;
  const bool taken =
      client.GetAsync(key, {}, [&](Outcome<Found> found) { promise.set_value(std::move(found)); });
  if (!taken) return ClientError{ErrorKind::kBusy, "not taken"};
  return promise.get_future().get();
}

// Goal: the same commands, and the same reading of their answers, as in the blocking form.
TEST(AsyncClientTest, SendsTheCommandsAndReadsTheAnswers) {
  ScriptedCluster cluster(1, 1, [](std::size_t, const Command& command) -> std::string {
    if (command[0] == "KV.GET") {
      return "%2\r\n$7\r\ncontext\r\n$1\r\nc\r\n$6\r\nvalues\r\n*2\r\n$3\r\na\r\n\r\n$0\r\n\r\n";
    }
    return Agreeable(0, command);
  });
  ClientOptions options = cluster.Options();
  options.async_connections_per_node_max = 1;  // so that their order is theirs
  Client client = ConnectTo(options);
  std::vector<std::string> got;
  const auto note = [&](const std::string& text) { got.push_back(text); };
  EXPECT_TRUE(client.GetAsync("k", {.r = "1"}, [&](const Outcome<Found>& found) {
    note(found->values[0] + found->context.text());
  }));
  EXPECT_TRUE(client.GetNewestAsync("k", {}, [&](const auto& newest) { note(**newest); }));
  EXPECT_TRUE(client.PutAsync("k", "v", Context("c"), {.ttl = milliseconds(1500), .w = "all"},
                              [&](const Outcome<Context>& put) { note(put->text()); }));
  EXPECT_TRUE(client.DeleteAsync("k", Context("c"), {.w = "2"},
                                 [&](const Outcome<Context>& deleted) { note(deleted->text()); }));
  EXPECT_TRUE(client.SetAsync("k", "v", {.ttl = std::chrono::seconds(2)},
                              [&](const Outcome<Done>& set) { note(set.ok() ? "set" : "?"); }));
  client.AwaitAsync();
  EXPECT_THAT(got, ElementsAre("a\r\nc", "a\r\n", "ctx", "ctx", "set"));
  EXPECT_THAT(cluster.Seen(0),
              ElementsAre(ElementsAre("KV.GET", "k", "R", "1"), ElementsAre("KV.GET", "k"),
                          ElementsAre("KV.PUT", "k", "c", "v", "PX", "1500", "W", "all"),
                          ElementsAre("KV.DEL", "k", "c", "W", "2"),
                          ElementsAre("SET", "k", "v", "PX", "2000")));
  EXPECT_EQ(Put(client, "k", {.ttl = milliseconds(0)}).error().kind, ErrorKind::kInvalid);
}

// Goal: many at once over few connections; each callback gets the answer to its own operation, and
// each operation goes to the owner of its key.
TEST(AsyncClientTest, ManyAtOnceGoToTheirOwners) {
  ScriptedCluster cluster(3, 1, [](std::size_t, const Command& command) {
    return ScriptedNode::Bulk("context of " + command[1]);
  });
  ClientOptions options = cluster.Options();
  options.timeout = std::chrono::seconds(60);
  Client client = ConnectTo(options);
  std::map<std::string, std::string> got;  // the callbacks come one at a time
  std::map<std::size_t, std::size_t> due;
  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::to_string(i);
    ++due[cluster.OwnersOf(key)[0]];
    EXPECT_TRUE(client.PutAsync(key, "v", {}, {}, [&got, key](const Outcome<Context>& put) {
      got[key] = put.ok() ? put->text() : put.error().message;
    }));
  }
  client.AwaitAsync();
  EXPECT_THAT(got, SizeIs(1000));
  for (const auto& [key, context] : got) EXPECT_EQ(context, "context of " + key);
  for (const auto& [node, count] : due) EXPECT_THAT(cluster.Seen(node), SizeIs(count));
}

// Goal: with owners gone others are asked; with nobody there it is "not applied".
TEST(AsyncClientTest, FallsBackToOtherNodes) {
  ScriptedCluster cluster(3, 2, Agreeable);
  Client client = ConnectTo(cluster.Options());
  const std::vector<std::size_t> owners = cluster.OwnersOf("k");
  const std::size_t other = 3 - owners[0] - owners[1];
  EXPECT_TRUE(Put(client, "k").ok());
  EXPECT_THAT(cluster.Seen(owners[0]), SizeIs(1));
  for (const std::size_t owner : owners) cluster.Kill(owner);
  EXPECT_TRUE(Get(client, "k").ok());
  EXPECT_TRUE(Put(client, "k").ok());
  EXPECT_THAT(cluster.Seen(other), SizeIs(2));
  cluster.Kill(other);
  const Outcome<Context> nobody = Put(client, "k");
  EXPECT_EQ(nobody.error().kind, ErrorKind::kNotConnected);
}

// Goal: a write is not sent where the node is seen to have hung up: it would be unknown for
// nothing. The callback keeps the client's thread from looking between the end and the next write.
TEST(AsyncClientTest, AConnectionClosedWhileIdleIsSentNothing) {
  ScriptedCluster cluster(1, 1, Agreeable);
  Client client = ConnectTo(cluster.Options());
  std::optional<ClientError> error;
  EXPECT_TRUE(client.PutAsync("k", "v", {}, {}, [&](const Outcome<Context>& first) {
    EXPECT_TRUE(first.ok());
    cluster.Kill(0);
    EXPECT_TRUE(client.PutAsync("k", "v", {}, {},
                                [&](const Outcome<Context>& second) { error = second.error(); }));
  }));
  client.AwaitAsync();
  ASSERT_TRUE(error);
  EXPECT_EQ(error->kind, ErrorKind::kNotConnected) << error->message;
}

// Goal: a write of which the answer is missing is unknown and never sent twice; a read is sent to
// the next.
TEST(AsyncClientTest, AnUnansweredWriteIsNotRepeated) {
  for (const std::string& answer : {std::string(), std::string("$100\r\nab"), std::string(":7\r\n"),
                                    std::string("-UNKNOWN outcome: x\r\n"), std::string("?\r\n")}) {
    constexpr std::size_t kNone = 3;
    std::atomic<std::size_t> bad = kNone;
    ScriptedCluster cluster(3, 3, [&](std::size_t i, const Command& command) {
      return i == bad ? answer : Agreeable(i, command);
    });
    ClientOptions options = cluster.Options();
    options.timeout = milliseconds(1500);
    Client client = ConnectTo(options);
    EXPECT_TRUE(Get(client, "k").ok());  // the connection is made, however busy the machine
    bad = cluster.OwnersOf("k")[0];
    EXPECT_EQ(Put(client, "k").error().kind, ErrorKind::kUnknown) << answer;
    EXPECT_THAT(cluster.Seen(bad), SizeIs(2));
    EXPECT_THAT(cluster.Seen(cluster.OwnersOf("k")[1]), SizeIs(0));
    EXPECT_TRUE(Get(client, "k").ok()) << answer;
  }
}

// Goal: what was surely not applied goes to the next, as often as the options say.
TEST(AsyncClientTest, ARefusedWriteIsSentToTheNext) {
  std::size_t bad = 0;
  ScriptedCluster cluster(3, 3, [&](std::size_t i, const Command& command) {
    return i == bad ? std::string("-BUSY later\r\n") : Agreeable(i, command);
  });
  bad = cluster.OwnersOf("k")[0];
  Client client = ConnectTo(cluster.Options());
  EXPECT_TRUE(Put(client, "k").ok());
  EXPECT_THAT(cluster.Seen(bad), SizeIs(1));

  ScriptedCluster busy(2, 2,
                       [](std::size_t, const Command&) { return std::string("-BUSY later\r\n"); });
  ClientOptions options = busy.Options();
  options.retries = 4;
  options.timeout = std::chrono::seconds(30);
  Client refused = ConnectTo(options);
  EXPECT_EQ(Put(refused, "k").error().kind, ErrorKind::kBusy);
  EXPECT_EQ(busy.Seen(0).size() + busy.Seen(1).size(), 5u);
}

// Goal: the limits hold: past them nothing is taken, and a callback finds room for what it follows
// up with.
TEST(AsyncClientTest, TakesNoMoreThanTheLimits) {
  std::mutex gate;  // of the node's answers
  ScriptedCluster cluster(1, 1, [&](std::size_t i, const Command& command) {
    const std::lock_guard wait(gate);
    return Agreeable(i, command);
  });
  ClientOptions options = cluster.Options();
  options.async_in_flight_max = 3;
  options.timeout = std::chrono::seconds(60);
  Client client = ConnectTo(options);
  std::atomic<int> done = 0;
  bool followed = false;
  {
    const std::lock_guard closed(gate);
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(client.SetAsync("k", "v", {}, [&](const Outcome<Done>& set) {
        EXPECT_TRUE(set.ok());
        if (++done == 1) {
          followed = client.SetAsync("k", "v", {}, [&](const Outcome<Done>&) { ++done; });
          client.AwaitAsync();  // would never end, if it did not see where it is called
        }
      }));
    }
    EXPECT_FALSE(client.SetAsync("k", "v", {}, [](const Outcome<Done>&) { FAIL(); }));
  }
  client.AwaitAsync();
  EXPECT_TRUE(followed);
  EXPECT_EQ(done, 4);

  options.async_in_flight_max = 100;
  options.async_bytes_max = 1;
  Client small = ConnectTo(options);
  const std::lock_guard closed(gate);
  EXPECT_TRUE(small.SetAsync("k", "v", {}, [](const Outcome<Done>&) {}));
  EXPECT_FALSE(small.SetAsync("k", "v", {}, [](const Outcome<Done>&) {}));
}

// Goal: each callback comes, also of what was under way when the client ends, with what is known.
TEST(AsyncClientTest, TheEndOfTheClientEndsWhatIsUnderWay) {
  std::atomic<int> asked = 0;
  ScriptedCluster cluster(1, 1, [&](std::size_t, const Command&) {
    ++asked;
    return std::string("$100\r\nab");  // and never the rest
  });
  ClientOptions options = cluster.Options();
  options.timeout = std::chrono::seconds(60);
  options.async_connections_per_node_max = 1;
  std::optional<ClientError> write, read;
  bool taken = true;
  {
    Client client = ConnectTo(options);
    EXPECT_TRUE(client.PutAsync("k", "v", {}, {}, [&](const Outcome<Context>& put) {
      write = put.error();
      taken = client.SetAsync("k", "v", {}, [](const Outcome<Done>&) {});
    }));
    EXPECT_TRUE(
        client.GetAsync("k", {}, [&](const Outcome<Found>& found) { read = found.error(); }));
    while (asked == 0) std::this_thread::yield();
  }
  ASSERT_TRUE(write && read);
  EXPECT_EQ(write->kind, ErrorKind::kUnknown);
  EXPECT_THAT(write->message, HasSubstr("destroyed"));
  EXPECT_TRUE(read->surely_not_applied());
  EXPECT_FALSE(taken);
}

// Goal: a silent node delays others' reads on its connection, and fails none.
TEST(AsyncClientTest, ASilentNodeLeavesTimeForTheOthers) {
  std::size_t silent = 0;
  ScriptedCluster cluster(3, 3, [&](std::size_t i, const Command& command) {
    return i == silent ? std::string(ScriptedCluster::kPartOfAnAnswer) : Agreeable(i, command);
  });
  silent = cluster.OwnersOf("k")[0];
  ClientOptions options = cluster.Options();
  options.timeout = milliseconds(1000);
  Client client = ConnectTo(options);
  std::atomic<int> found = 0;
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(client.GetAsync("k", {}, [&](const Outcome<Found>& got) { found += got.ok(); }));
  }
  client.AwaitAsync();
  EXPECT_EQ(found, 50);
}

// Goal: connections to a node that has left are given up, and those to one that came are used.
TEST(AsyncClientTest, FollowsTheRing) {
  ScriptedCluster cluster(3, 1, Agreeable);
  cluster.TellAddresses();
  cluster.SetMembers({0, 1});
  ClientOptions options = cluster.Options();
  options.addresses.resize(1);
  Client client = ConnectTo(options);
  EXPECT_TRUE(Put(client, "k").ok());
  cluster.SetMembers({0, 2});
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  int failed = 0;
  while (cluster.Seen(2).empty() && std::chrono::steady_clock::now() < deadline) {
    for (int i = 0; i < 20; ++i) failed += Put(client, "key" + std::to_string(i)).ok() ? 0 : 1;
  }
  EXPECT_EQ(failed, 0);
  const std::size_t before = cluster.Seen(1).size();
  EXPECT_FALSE(cluster.Seen(2).empty());
  for (int i = 0; i < 50; ++i) EXPECT_TRUE(Put(client, "key" + std::to_string(i)).ok());
  EXPECT_EQ(cluster.Seen(1).size(), before);
}

}  // namespace
}  // namespace gyre
