#include "gyre/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "client/scripted_cluster.h"

namespace gyre {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using Command = ScriptedCluster::Command;

const std::string kContextReply = "$3\r\nctx\r\n";

std::string Agreeable(std::size_t, const Command& command) {
  if (command[0] == "KV.GET") return ScriptedCluster::kFoundNothing;
  return command[0] == "SET" ? "+OK\r\n" : kContextReply;
}

Client ConnectTo(const ClientOptions& options) {
  Outcome<Client> client = Client::Connect(options);
  EXPECT_TRUE(client.ok()) << client.error().message;
  return std::move(client).value();
}

// Goal: commands are what the documentation of KV.* says, with their options.
TEST(ClientTest, SendsTheCommandsAndReadsTheAnswers) {
  ScriptedCluster cluster(1, 1, [](std::size_t, const Command& command) -> std::string {
    if (command[0] == "KV.GET") {
      return "%2\r\n$7\r\ncontext\r\n$1\r\nc\r\n$6\r\nvalues\r\n*2\r\n$3\r\na\r\n\r\n$0\r\n\r\n";
    }
    return Agreeable(0, command);
  });
  Client client = ConnectTo(cluster.Options());
  const Outcome<Found> found = client.Get("k", {.r = "1"});
  ASSERT_TRUE(found.ok());
  EXPECT_THAT(found->values, ElementsAre("a\r\n", ""));
  EXPECT_EQ(found->context.text(), "c");
  EXPECT_EQ(**client.GetNewest("k"), "a\r\n");
  EXPECT_EQ(client.Put("k", "v", found->context, {.ttl = milliseconds(1500), .w = "all"})->text(),
            "ctx");
  EXPECT_EQ(client.Delete("k", Context("c"), {.w = "2"})->text(), "ctx");
  EXPECT_TRUE(client.Set("k", "v", {.ttl = std::chrono::seconds(2)}).ok());
  EXPECT_THAT(cluster.Seen(0),
              ElementsAre(ElementsAre("KV.GET", "k", "R", "1"), ElementsAre("KV.GET", "k"),
                          ElementsAre("KV.PUT", "k", "c", "v", "PX", "1500", "W", "all"),
                          ElementsAre("KV.DEL", "k", "c", "W", "2"),
                          ElementsAre("SET", "k", "v", "PX", "2000")));
}

// Goal: what cannot be right is said before anything is sent.
TEST(ClientTest, RefusesWrongOptions) {
  ClientOptions options;
  EXPECT_EQ(Client::Connect(options).error().kind, ErrorKind::kInvalid);
  for (const char* address : {"host", "host:", ":1", "host:0", "host:65536", "::1:80", "host:1x"}) {
    options.addresses = {address};
    EXPECT_EQ(Client::Connect(options).error().kind, ErrorKind::kInvalid) << address;
  }
  ScriptedCluster cluster(1, 1, Agreeable);
  options = cluster.Options();
  options.retries = -1;
  EXPECT_EQ(Client::Connect(options).error().kind, ErrorKind::kInvalid);
  options = cluster.Options();
  options.timeout = milliseconds(0);
  EXPECT_EQ(Client::Connect(options).error().kind, ErrorKind::kInvalid);
  options = cluster.Options();
  options.keyspace = "none";
  EXPECT_EQ(Client::Connect(options).error().kind, ErrorKind::kInvalid);
  Client client = ConnectTo(cluster.Options());
  EXPECT_EQ(client.Put("k", "v", {}, {.ttl = milliseconds(0)}).error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(cluster.Seen(0), IsEmpty());
}

// Goal: a request goes to the first owner of its key, so that it is not forwarded (paper 6.4).
TEST(ClientTest, AsksTheFirstOwner) {
  ScriptedCluster cluster(3, 2, Agreeable);
  Client client = ConnectTo(cluster.Options());
  std::set<std::size_t> used;
  for (int i = 0; i < 50; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::size_t owner = cluster.OwnersOf(key)[0];
    const std::size_t before = cluster.Seen(owner).size();
    EXPECT_TRUE(client.Get(key).ok());
    EXPECT_TRUE(client.Put(key, "v", {}).ok());
    EXPECT_EQ(cluster.Seen(owner).size(), before + 2);
    used.insert(owner);
  }
  EXPECT_THAT(used, SizeIs(3));
}

// Goal: with the first owner gone the second is asked, then any node; with none it is "not
// applied".
TEST(ClientTest, FallsBackToOtherOwnersThenToAnyNode) {
  ScriptedCluster cluster(3, 2, Agreeable);
  Client client = ConnectTo(cluster.Options());
  const std::vector<std::size_t> owners = cluster.OwnersOf("k");
  const std::size_t other = 3 - owners[0] - owners[1];
  EXPECT_TRUE(client.Put("k", "1", {}).ok());
  cluster.Kill(owners[0]);
  EXPECT_TRUE(client.Put("k", "2", {}).ok());
  EXPECT_THAT(cluster.Seen(owners[0]), SizeIs(1));
  EXPECT_THAT(cluster.Seen(owners[1]), SizeIs(1));
  cluster.Kill(owners[1]);
  EXPECT_TRUE(client.Put("k", "3", {}).ok());
  EXPECT_TRUE(client.Get("k").ok());
  EXPECT_THAT(cluster.Seen(other), SizeIs(2));
  cluster.Kill(other);
  const Outcome<Context> nobody = client.Put("k", "4", {});
  EXPECT_EQ(nobody.error().kind, ErrorKind::kNotConnected);
  EXPECT_TRUE(nobody.error().surely_not_applied());
}

// Goal: where nodes tell no addresses, a client that is given one of three sends everything there.
TEST(ClientTest, OneAddressIsEnough) {
  ScriptedCluster cluster(3, 1, Agreeable);
  ClientOptions options = cluster.Options();
  options.addresses.resize(1);
  Client client = ConnectTo(options);
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.Get("key" + std::to_string(i)).ok());
  EXPECT_THAT(cluster.Seen(0), SizeIs(20));
}

// Goal: bytes were sent and no answer came: the write is not sent again, to nobody.
TEST(ClientTest, AWriteWithoutAnAnswerIsUnknownAndNotRepeated) {
  for (const std::string& answer :
       {std::string(), std::string("-UNKNOWN it may be applied\r\n"), std::string("?garbage\r\n"),
        std::string(":1\r\n"), std::string("$2\r\nabcd\r\n")}) {
    ScriptedCluster cluster(3, 3, [&](std::size_t, const Command&) { return answer; });
    Client client = ConnectTo(cluster.Options());
    const Outcome<Context> put = client.Put("k", "v", {});
    ASSERT_FALSE(put.ok()) << answer;
    EXPECT_EQ(put.error().kind, ErrorKind::kUnknown) << answer;
    EXPECT_FALSE(put.error().surely_not_applied());
    EXPECT_EQ(cluster.Seen(0).size() + cluster.Seen(1).size() + cluster.Seen(2).size(), 1u);
  }
}

// Goal: a read is asked elsewhere, whatever became of the first try.
TEST(ClientTest, AReadGoesOnToTheNextOwner) {
  for (const std::string& answer :
       {std::string(), std::string("-UNKNOWN\r\n"), std::string("?garbage\r\n"),
        std::string("+OK\r\n"), std::string("-CORRUPT bytes\r\n"), std::string("-IOERR disk\r\n"),
        std::string("-UNAVAILABLE too few\r\n"),
        std::string("%2\r\n+context\r\n:1\r\n+values\r\n*0\r\n")}) {
    std::size_t bad = 0;
    ScriptedCluster cluster(3, 3, [&](std::size_t i, const Command& command) {
      return i == bad ? answer : Agreeable(i, command);
    });
    bad = cluster.OwnersOf("k")[0];
    Client client = ConnectTo(cluster.Options());
    EXPECT_TRUE(client.Get("k").ok()) << answer;
    EXPECT_THAT(cluster.Seen(bad), SizeIs(1)) << answer;
    EXPECT_THAT(cluster.Seen(cluster.OwnersOf("k")[1]), SizeIs(1)) << answer;
  }
}

// Goal: BUSY and UNAVAILABLE are surely not applied, so a write is sent to the next owner.
TEST(ClientTest, AWriteThatWasRefusedIsSentToTheNext) {
  for (const char* refusal : {"-BUSY later\r\n", "-UNAVAILABLE too few\r\n"}) {
    std::size_t bad = 0;
    ScriptedCluster cluster(3, 3, [&](std::size_t i, const Command& command) {
      return i == bad ? std::string(refusal) : Agreeable(i, command);
    });
    bad = cluster.OwnersOf("k")[0];
    Client client = ConnectTo(cluster.Options());
    EXPECT_TRUE(client.Put("k", "v", {}).ok());
    EXPECT_THAT(cluster.Seen(bad), SizeIs(1));
    EXPECT_THAT(cluster.Seen(cluster.OwnersOf("k")[1]), SizeIs(1));
  }
}

// Goal: retries are counted, and what is left is the last refusal.
TEST(ClientTest, RetriesAreBounded) {
  ScriptedCluster cluster(2, 2, [](std::size_t, const Command& command) {
    return std::string(command[0] == "SET" ? "-UNAVAILABLE too few\r\n" : "-BUSY later\r\n");
  });
  ClientOptions options = cluster.Options();
  options.retries = 4;
  options.timeout = std::chrono::seconds(30);
  Client client = ConnectTo(options);
  EXPECT_EQ(client.Put("k", "v", {}).error().kind, ErrorKind::kBusy);
  EXPECT_EQ(cluster.Seen(0).size() + cluster.Seen(1).size(), 5u);
  const Outcome<Done> set = client.Set("k", "v");
  EXPECT_EQ(set.error().kind, ErrorKind::kUnavailable);
  EXPECT_THAT(set.error().message, HasSubstr("too few"));
  EXPECT_EQ(cluster.Seen(0).size() + cluster.Seen(1).size(), 10u);
}

// Goal: what the node calls wrong comes back at once, in the node's words.
TEST(ClientTest, AWrongRequestIsNotRepeated) {
  ScriptedCluster cluster(2, 2, [](std::size_t, const Command&) {
    return std::string("-ERR a key has 1 to 65536 bytes\r\n");
  });
  Client client = ConnectTo(cluster.Options());
  const Outcome<Found> found = client.Get("");
  EXPECT_EQ(found.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(found.error().message, HasSubstr("65536"));
  EXPECT_EQ(cluster.Seen(0).size() + cluster.Seen(1).size(), 1u);
}

// Goal: one deadline for an operation, however many nodes are silent or busy.
TEST(ClientTest, KeepsTheDeadline) {
  for (const char* answer : {ScriptedCluster::kPartOfAnAnswer, "-BUSY later\r\n"}) {
    ScriptedCluster cluster(3, 3, [&](std::size_t, const Command&) { return std::string(answer); });
    ClientOptions options = cluster.Options();
    options.timeout = milliseconds(400);
    options.retries = 1000;
    Client client = ConnectTo(options);
    for (const bool is_read : {true, false}) {
      const auto start = std::chrono::steady_clock::now();
      const bool ok = is_read ? client.Get("k").ok() : client.Put("k", "v", {}).ok();
      const auto took = std::chrono::steady_clock::now() - start;
      EXPECT_FALSE(ok);
      EXPECT_LT(took, milliseconds(400 + 1500)) << "on a busy machine";  // the default is 2 s
    }
  }
}

// Goal: a silent node delays a read, but does not fail it.
TEST(ClientTest, ASilentNodeLeavesTimeForTheOthers) {
  std::size_t silent = 0;
  ScriptedCluster cluster(3, 3, [&](std::size_t i, const Command& command) {
    return i == silent ? std::string(ScriptedCluster::kPartOfAnAnswer) : Agreeable(i, command);
  });
  silent = cluster.OwnersOf("k")[0];
  ClientOptions options = cluster.Options();
  options.timeout = milliseconds(1000);
  Client client = ConnectTo(options);
  EXPECT_TRUE(client.Get("k").ok());
}

// Polls what the client's own thread brings about.
template <typename Condition>
bool Soon(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(milliseconds(5));
  }
  return true;
}

// Goal: a node that was down at the start is asked again, and used once it is there.
TEST(ClientTest, LearnsLaterOfWhatWasDown) {
  ScriptedCluster cluster(2, 1, Agreeable);
  const std::size_t late = cluster.OwnersOf("k")[0];
  cluster.TellGarbage(late, "-BUSY starting\r\n");
  Client client = ConnectTo(cluster.Options());
  EXPECT_FALSE(client.Nodes()[late].up);
  EXPECT_EQ(client.Nodes()[late].name, "");
  EXPECT_THAT(client.Nodes()[late].problem, HasSubstr("starting"));
  EXPECT_TRUE(client.Get("k").ok());
  EXPECT_THAT(cluster.Seen(1 - late), SizeIs(1));
  cluster.TellGarbage(late, "");
  EXPECT_TRUE(Soon([&] { return client.Nodes()[late].up; }));
  EXPECT_TRUE(client.Get("k").ok());
  EXPECT_THAT(cluster.Seen(late), SizeIs(1));
}

// Goal: nobody there, and garbage from everybody, are errors and no more.
TEST(ClientTest, ConnectSaysWhyNobodyCouldBeReached) {
  ScriptedCluster cluster(2, 1, Agreeable);
  for (const std::string& garbage :
       {std::string("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string("$5\r\nhello\r\n"),
        std::string("%1\r\n+a\r\n+b\r\n"), std::string("\r\n"), std::string("*-5\r\n"),
        std::string("-LOADING\r\n"), ScriptedNode::Bulk("{\"node\": 7}"),
        ScriptedNode::Bulk(std::string(100'000, '['))}) {
    for (const std::size_t i : {0, 1}) cluster.TellGarbage(i, garbage);
    const Outcome<Client> client = Client::Connect(cluster.Options());
    ASSERT_FALSE(client.ok()) << garbage;
    EXPECT_THAT(client.error().message, HasSubstr("127.0.0.1:")) << garbage;
  }
  const ClientOptions options = cluster.Options();
  for (const std::size_t i : {0, 1}) cluster.Kill(i);
  EXPECT_EQ(Client::Connect(options).error().kind, ErrorKind::kNotConnected);
}

// Goal: a list that mixes two clusters is refused, whichever answered first.
TEST(ClientTest, TwoClustersAreNotMixed) {
  ScriptedCluster cluster(3, 1, Agreeable);
  cluster.MoveToCluster(1, "another");
  const Outcome<Client> client = Client::Connect(cluster.Options());
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().kind, ErrorKind::kInvalid);
  EXPECT_THAT(client.error().message, HasSubstr("another"));
  EXPECT_THAT(client.error().message, HasSubstr("shop"));
}

// Goal: each new connection asks who is there: an address that has gone to a node of another
// cluster is not used, one that has gone to another node of this one is used as that.
TEST(ClientTest, NoticesThatAnotherNodeAnswers) {
  std::atomic<bool> hang_up = false;
  ScriptedCluster cluster(2, 1, [&](std::size_t i, const Command& command) {
    return hang_up ? std::string() : Agreeable(i, command);
  });
  Client client = ConnectTo(cluster.Options());
  const std::size_t owner = cluster.OwnersOf("k")[0];
  EXPECT_EQ(client.Nodes()[owner].name, "n" + std::to_string(owner));

  // The connections are lost, and the addresses have changed places.
  cluster.Rename(0, "n1");
  cluster.Rename(1, "n0");
  hang_up = true;
  for (const std::string key : {"a", "b", "c", "d", "e", "f"}) client.Set(key, "v");
  hang_up = false;
  EXPECT_TRUE(Soon([&] {
    return client.Nodes()[0].name == "n1" && client.Nodes()[1].name == "n0" &&
           client.Nodes()[0].up && client.Nodes()[1].up;
  }));
  const std::size_t before = cluster.Seen(1 - owner).size();
  EXPECT_TRUE(client.Get("k").ok());
  EXPECT_EQ(cluster.Seen(1 - owner).size(), before + 1);

  cluster.MoveToCluster(0, "another");
  hang_up = true;
  for (const std::string key : {"a", "b", "c", "d", "e", "f"}) client.Set(key, "v");
  hang_up = false;
  EXPECT_TRUE(Soon([&] {
    const std::vector<NodeState> nodes = client.Nodes();
    return nodes[0].problem.find("another") != std::string::npos && nodes[1].up;
  }));
  const std::size_t foreign = cluster.Seen(0).size();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.Set("key" + std::to_string(i), "v").ok());
  EXPECT_EQ(cluster.Seen(0).size(), foreign);
}

// Goal: the ring is asked for once, and again when a node tells a later epoch.
TEST(ClientTest, LearnsTheRingAnewWhenItsEpochRises) {
  std::atomic<bool> hang_up = false;
  ScriptedCluster cluster(1, 1, [&](std::size_t i, const Command& command) {
    return hang_up ? std::string() : Agreeable(i, command);
  });
  Client client = ConnectTo(cluster.Options());
  const auto reconnect = [&] {
    hang_up = true;
    client.Set("k", "v");
    hang_up = false;
    EXPECT_TRUE(Soon([&] { return client.Nodes()[0].up; }));
  };
  EXPECT_EQ(cluster.RingsAsked(), 1);
  reconnect();
  EXPECT_EQ(cluster.RingsAsked(), 1);
  cluster.RaiseEpoch();
  reconnect();
  EXPECT_GE(cluster.RingsAsked(), 2);
  EXPECT_LE(cluster.RingsAsked(), 3);  // the thread that watches may have asked at the same time
}

// The addresses of the nodes that are known and up, the learned ones marked.
std::set<std::string> Up(const Client& client) {
  std::set<std::string> up;
  for (const NodeState& node : client.Nodes()) {
    if (node.up) up.insert(node.address + (node.learned ? " learned" : ""));
  }
  return up;
}

// Goal: one address is enough to know all nodes, and each gets what it owns (paper 6.4).
TEST(ClientTest, LearnsTheOtherNodesFromOne) {
  ScriptedCluster cluster(3, 1, Agreeable);
  cluster.TellAddresses();
  ClientOptions options = cluster.Options();
  options.addresses.resize(1);
  Client client = ConnectTo(options);
  const std::set<std::string> all = {cluster.AddressOf(0), cluster.AddressOf(1) + " learned",
                                     cluster.AddressOf(2) + " learned"};
  EXPECT_TRUE(Soon([&] { return Up(client) == all; }));
  for (int i = 0; i < 20; ++i) {
    const std::string key = "key" + std::to_string(i);
    const std::size_t owner = cluster.OwnersOf(key)[0];
    const std::size_t before = cluster.Seen(owner).size();
    EXPECT_TRUE(client.Get(key).ok());
    EXPECT_EQ(cluster.Seen(owner).size(), before + 1);
  }

  options.learn_nodes = false;
  Client narrow = ConnectTo(options);
  EXPECT_TRUE(narrow.Get("k").ok());
  EXPECT_THAT(narrow.Nodes(), SizeIs(1));
}

// Goal: a change of the ring is heard of without a new connection to ask on: who joined is used,
// who left is forgotten, and who was given in the options stays known.
TEST(ClientTest, FollowsTheRing) {
  ScriptedCluster cluster(4, 1, Agreeable);
  cluster.TellAddresses();
  cluster.SetMembers({0, 1});
  ClientOptions options = cluster.Options();
  options.addresses.resize(1);
  Client client = ConnectTo(options);
  EXPECT_TRUE(Soon([&] { return Up(client).size() == 2; }));
  cluster.SetMembers({1, 2, 3});
  const std::set<std::string> all = {cluster.AddressOf(0), cluster.AddressOf(1) + " learned",
                                     cluster.AddressOf(2) + " learned",
                                     cluster.AddressOf(3) + " learned"};
  EXPECT_TRUE(Soon([&] { return Up(client) == all; }));
  const std::size_t before = cluster.Seen(0).size();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(client.Set("key" + std::to_string(i), "v").ok());
  EXPECT_EQ(cluster.Seen(0).size(), before);
  EXPECT_FALSE(cluster.Seen(3).empty());
  cluster.SetMembers({2, 3});
  EXPECT_TRUE(Soon([&] { return client.Nodes().size() == 3; }));
}

// Goal: an idle connection that the node has closed is not taken for a lost write.
TEST(ClientTest, AConnectionClosedWhileIdleIsReplaced) {
  ScriptedCluster cluster(1, 1, [](std::size_t, const Command& command) {
    // What comes behind the answer is what nobody asked for: of no use, as an end would be.
    return "+OK\r\n" + std::string(command[1] == "last" ? "+more\r\n" : "");
  });
  Client client = ConnectTo(cluster.Options());
  EXPECT_TRUE(client.Set("last", "v").ok());
  EXPECT_TRUE(client.Set("k", "v").ok());
}

// Goal: many threads share few connections, and each gets the answer to its own request.
TEST(ClientTest, ManyThreadsShareFewConnections) {
  ScriptedCluster cluster(3, 2, [](std::size_t, const Command& command) {
    return ScriptedNode::Bulk("context of " + command[1]);
  });
  ClientOptions options = cluster.Options();
  options.connections_per_node_max = 2;
  options.timeout = std::chrono::seconds(60);
  Client client = ConnectTo(options);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 16; ++t) {
    threads.emplace_back([&client, &wrong, t] {
      for (int i = 0; i < 100; ++i) {
        const std::string key = std::to_string(t) + ":" + std::to_string(i);
        const Outcome<Context> put = client.Put(key, "v", {});
        if (!put.ok() || put->text() != "context of " + key) ++wrong;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace gyre
