#include "server/admin_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "server/http/fake_backend.h"

namespace gyre {
namespace {

using Json = nlohmann::json;

KeyspaceConfig Keyspace(int n, QuorumSpec r, QuorumSpec w) {
  KeyspaceConfig keyspace;
  keyspace.replicas = n;
  keyspace.read_quorum = r;
  keyspace.write_quorum = w;
  return keyspace;
}

// Goal: the operator is told what R, W and N give together.
// Paper 4.5: R + W > N is a quorum-like system; less may read stale.
TEST(AdminJsonTest, PromiseFollowsFromRAndWAndTheCopiesThatExist) {
  const auto number = [](int n) { return QuorumSpec::Number(static_cast<std::uint8_t>(n)); };
  EXPECT_EQ(QuorumPromise(Keyspace(3, number(2), number(2)), 3),
            "read your writes while no owner is down");
  EXPECT_EQ(QuorumPromise(Keyspace(3, number(1), number(3)), 3),
            "read your writes while no owner is down");
  EXPECT_EQ(QuorumPromise(Keyspace(3, number(2), number(1)), 3), "may read stale");
  EXPECT_EQ(QuorumPromise(Keyspace(3, number(1), number(1)), 3), "may read stale");
  // One node alone: one copy, and every read sees it.
  EXPECT_EQ(QuorumPromise(Keyspace(3, number(1), number(1)), 1),
            "read your writes while no owner is down");
  // Paper 4.6: only where nobody stands in for owners does it hold while one is down.
  KeyspaceConfig strict = Keyspace(3, number(2), number(2));
  strict.sloppy = false;
  EXPECT_EQ(QuorumPromise(strict, 3), "read your writes, or an error");
  strict.read_quorum = number(1);
  EXPECT_EQ(QuorumPromise(strict, 3), "may read stale");
}

// Goal: status says who this is, who is up, and what is wrong.
TEST(AdminJsonTest, StatusSaysPeersAndProblems) {
  FakeBackend backend;
  backend.SetConfig([](ServerConfig& config) {
    config.members.push_back({"n2", {"h", 2}, 1, "", ""});
    config.members.push_back({"n3", {"h", 3}, 1, "", ""});
    config.keyspaces[0].read_quorum = QuorumSpec::One();
    config.keyspaces[0].write_quorum = QuorumSpec::One();
  });
  backend.stats.peers.push_back({NodeIdOf("n2"), "n2", "h:2"});
  backend.stats.peers.push_back({NodeIdOf("n3"), "n3", "h:3"});
  backend.stats.peers[0].up = true;
  backend.stats.peers[1].away = Duration::Seconds(61);
  backend.stats.peers[1].dead = true;
  backend.stats.peers[1].last_problem = "refused \xFF";  // not UTF-8: must not break the page
  backend.stats.engine.writable = false;
  backend.stats.engine.problem = "the disk is full";
  const Json json = Json::parse(StatusJson(backend));
  EXPECT_EQ(json.at("node"), "n1");
  EXPECT_EQ(json.at("peers_up"), 1);
  EXPECT_EQ(json.at("peers_down"), 1);
  EXPECT_EQ(json.at("peers")[0].at("away_ms"), 0);
  EXPECT_EQ(json.at("peers")[0].at("dead"), false);
  EXPECT_EQ(json.at("peers")[1].at("away_ms"), 61'000);
  EXPECT_EQ(json.at("peers")[1].at("dead"), true);
  EXPECT_EQ(json.at("ready"), false);
  EXPECT_THAT(json.at("problem").get<std::string>(), testing::HasSubstr("the disk is full"));
  EXPECT_EQ(json.at("keyspaces")[0].at("name"), "default");
  EXPECT_EQ(json.at("keyspaces")[0].at("promise"), "may read stale");
  EXPECT_THAT(json.at("warnings").dump(), testing::HasSubstr("may read stale"));
}

// Goal: status says whether the cluster is whole, in a sentence and in numbers.
TEST(AdminJsonTest, StatusSaysWhatIsOwed) {
  FakeBackend backend;
  backend.SetConfig([](ServerConfig& config) {
    config.members.push_back({"n2", {"h", 2}, 1, "", ""});
    config.members.push_back({"n3", {"h", 3}, 1, "", ""});
  });
  backend.stats.peers.push_back({NodeIdOf("n2"), "n2", "h:2", /*up=*/true});
  backend.stats.peers.push_back({NodeIdOf("n3"), "n3", "h:3", /*up=*/true});
  const Json whole = Json::parse(StatusJson(backend));
  EXPECT_EQ(whole.at("whole"), true);
  EXPECT_EQ(whole.at("summary"), "The cluster is whole: all 3 nodes reachable, nothing is owed.");
  EXPECT_EQ(whole.at("owed"), Json::array());

  backend.stats.owed = {{NodeIdOf("n2"), "n2", 3, 300, Duration::Seconds(2)},
                        {NodeIdOf("gone"), "node-00abcd", 1, 7, {}}};
  backend.stats.core.hints_stored = 4;
  backend.stats.core.digests_equal = 5;
  backend.stats.core.digests_unequal = 6;
  backend.stats.hints_replayed_per_second = 1.5;
  backend.stats.background = {1'000, 20};
  const Json owing = Json::parse(StatusJson(backend));
  EXPECT_EQ(owing.at("whole"), false);
  EXPECT_THAT(owing.at("summary").get<std::string>(),
              testing::HasSubstr("3 hints (300 B) are owed to n2"));
  ASSERT_EQ(owing.at("owed").size(), 2u);
  EXPECT_EQ(owing.at("owed")[0], (Json{{"node", "n2"},
                                       {"reachable", true},
                                       {"hints", 3},
                                       {"bytes", 300},
                                       {"oldest_ms", 2'000}}));
  EXPECT_EQ(owing.at("owed")[1].at("reachable"), false);
  EXPECT_EQ(owing.at("counters").at("hints_stored"), 4);
  EXPECT_EQ(owing.at("counters").at("digests_equal"), 5);
  EXPECT_EQ(owing.at("counters").at("digests_unequal"), 6);
  EXPECT_EQ(owing.at("hints_replayed_per_second"), 1.5);
  EXPECT_EQ(owing.at("background").at("bytes_per_second"), 1'000);
  EXPECT_EQ(owing.at("background").at("bytes_spent"), 20);
}

// Goal: long work is a job: what is done, what is left, and when it will be over as far as that is
// known. What waits for a node to come back is no work yet.
TEST(AdminJsonTest, StatusSaysWhatWorkIsUnderWay) {
  FakeBackend backend;
  const auto jobs = [&] { return Json::parse(StatusJson(backend)).at("jobs"); };
  EXPECT_EQ(jobs(), Json::array());
  backend.SetConfig(
      [](ServerConfig& config) { config.core.scrub_cycle = Duration::Seconds(1'000); });
  backend.stats.peers.push_back({NodeIdOf("n2"), "n2", "h:2"});
  backend.stats.peers.push_back({NodeIdOf("n3"), "n3", "h:3"});
  backend.stats.peers[1].up = true;
  backend.stats.owed = {{NodeIdOf("n2"), "n2", 7, 900, Duration::Seconds(4)},
                        {NodeIdOf("n3"), "n3", 30, 900, Duration::Seconds(4)}};
  backend.stats.core.hints_replayed = 5;
  backend.stats.hints_replayed_per_second = 20;
  backend.stats.repair = {50, 2, 10};
  backend.stats.scrub = {100, 40};
  backend.stats.purge_waiting = 3;
  EXPECT_EQ(jobs(), Json::parse(R"([
    {"job": "handover", "node": "n3", "unit": "hints", "done": 5, "left": 30, "seconds_left": 2},
    {"job": "repair", "node": "", "unit": "comparisons", "done": 40, "left": 10,
     "seconds_left": null},
    {"job": "scrub", "node": "", "unit": "partitions", "done": 40, "left": 60,
     "seconds_left": 600},
    {"job": "purge", "node": "", "unit": "keys", "done": 0, "left": 3, "seconds_left": null}])"));
  backend.stats.exchanges_per_second = 4;
  EXPECT_EQ(jobs()[1].at("seconds_left"), 3);
}

// Goal: shares add up, and every partition's owner is named.
TEST(AdminJsonTest, RingSaysSharesAndOwners) {
  FakeBackend backend;
  backend.SetConfig([](ServerConfig& config) {
    config.members.push_back({"n2", {"h", 2}, 3, "z", "eu"});
  });
  const Json json = Json::parse(RingJson(*backend.view()));
  EXPECT_EQ(json.at("partition_count"), 256);
  EXPECT_EQ(json.at("owners").size(), 256u);
  double share = 0;
  int partitions = 0;
  for (const Json& member : json.at("members")) {
    share += member.at("share").get<double>();
    partitions += member.at("partitions").get<int>();
    if (member.at("name") == "n2") {
      EXPECT_NEAR(member.at("fair_share").get<double>(), 192, 0.001);
      EXPECT_NEAR(member.at("partitions").get<double>(), 192, 1);
    }
  }
  EXPECT_NEAR(share, 1, 1e-9);
  EXPECT_EQ(partitions, 256);
}

// Goal: clients learn from the ring where each member answers them, and that it may still move.
TEST(AdminJsonTest, RingSaysWhereClientsReachItsMembers) {
  const auto member = [](std::uint32_t id, const char* name, const char* resp) {
    return Member{.id = NodeId(id), .name = name, .resp = resp, .http = "h:80"};
  };
  const std::vector<Member> before = {member(1, "n1", "a:1"), member(2, "n2", "b:2")};
  const auto ring = [](std::vector<Member> members, NodeId a, NodeId b) {
    return Ring::Create(RingEpoch(1), PartitionerKind::kMd5, std::move(members), {a, b}).value();
  };
  const Layout old = Layout::Found({}, ring(before, NodeId(1), NodeId(2)), 1);
  const Layout layout =
      old.ChangeTo(ring({before[0], member(3, "n3", "")}, NodeId(1), NodeId(3)), {}).value();
  const Json json = Json::parse(RingJson(*MakeClusterView(ServerConfig{}, layout)));
  EXPECT_EQ(json.at("epoch"), 2);
  EXPECT_EQ(json.at("moving"), 1);
  EXPECT_EQ(json.at("leaving"), Json::array({"n2"}));
  ASSERT_EQ(json.at("members").size(), 2u);
  EXPECT_EQ(json.at("members")[0].at("resp"), "a:1");
  EXPECT_EQ(json.at("members")[0].at("http"), "h:80");
  EXPECT_EQ(json.at("members")[1].at("resp"), "");
}

// Goal: keyspaces are a list, each with its numbers and its promise.
TEST(AdminJsonTest, KeyspacesSayTheirNumbers) {
  FakeBackend backend;
  const Json json = Json::parse(KeyspacesJson(*backend.view()));
  ASSERT_EQ(json.at("keyspaces").size(), 2u);
  EXPECT_EQ(json.at("keyspaces")[0].at("name"), "default");
  EXPECT_EQ(json.at("keyspaces")[0].at("n"), 3);
  EXPECT_EQ(json.at("keyspaces")[0].at("copies"), 1);
  EXPECT_EQ(json.at("keyspaces")[0].at("replies_needed"), 1);
  EXPECT_EQ(json.at("keyspaces")[1].at("default_ttl_ms"), 60'000);
  EXPECT_EQ(json.at("keyspaces")[0].at("sloppy"), true);
}

// Goal: explain shows where a key lives and what each owner holds, errors and odd bytes included.
TEST(AdminJsonTest, ExplainShowsEachCopy) {
  FakeBackend backend;
  const ClusterView& view = *backend.view();
  const std::string bytes("k\xFF\0", 3);
  const RowKey key{KeyspaceId(0), view.ring.TokenOf(bytes), Bytes(bytes)};
  ExplainOutcome outcome;
  ExplainOutcome::Copy held{NodeIdOf("n1"), std::nullopt, {}};
  const Dot dot{ActorId(std::uint64_t{NodeIdOf("n1").value} << 40 | 5), 2, 3};
  held.record.clock.Add(dot, WallTime{1000});
  Sibling sibling;
  sibling.dot = dot;
  sibling.expiry = WallTime{5000};
  sibling.value = Bytes("v");
  held.record.siblings.push_back(sibling);
  outcome.copies.push_back(held);
  outcome.copies.push_back({NodeId(9), Error{ErrorCode::kUnavailable, "it is down"}, {}});
  const Json json = Json::parse(ExplainJson(view, "default", key, outcome, WallTime{4000}));
  EXPECT_EQ(json.at("key_base64"), "a/8A");
  EXPECT_EQ(json.at("token").get<std::string>().size(), 32u);
  EXPECT_EQ(json.at("partition"), view.ring.PartitionOf(key.token).value);
  EXPECT_EQ(json.at("owners"), Json::array({"n1"}));
  const Json& copy = json.at("copies")[0];
  EXPECT_EQ(copy.at("clock")[0].at("node"), "n1");
  EXPECT_EQ(copy.at("clock")[0].at("n"), 3);
  EXPECT_EQ(copy.at("siblings")[0].at("state"), "live");
  EXPECT_EQ(json.at("copies")[1].at("node"), "node-000009");
  EXPECT_EQ(json.at("copies")[1].at("error").at("code"), "unavailable");
  const Json later = Json::parse(ExplainJson(view, "default", key, outcome, WallTime{5000}));
  EXPECT_EQ(later.at("copies")[0].at("siblings")[0].at("state"), "expired");
}

}  // namespace
}  // namespace gyre
