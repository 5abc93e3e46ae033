#include "cli/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/base64.h"
#include "cli/cli_test_util.h"
#include "server/admin_json.h"
#include "server/http/fake_backend.h"

namespace gyre {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// Goal: a value goes to stdout byte for byte.
TEST_F(CliTest, GetPrintsTheValueUnchanged) {
  const std::string value("\0\r\n\xFF", 4);
  const Ran ran = Against(Values("ctx", {value}), {"get", "k", "--r", "all"});
  EXPECT_EQ(ran.exit_code, kExitOk);
  EXPECT_EQ(ran.out, value);
  EXPECT_THAT(ran.err, IsEmpty());
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.GET", "k", "R", "all")));
}

// Goal: siblings are all shown, and the user is told how to merge them.
TEST_F(CliTest, GetPrintsSiblingsAndSaysHowToMergeThem) {
  const Ran ran = Against(Values("ctx", {"b", "a"}), {"get", "k"});
  EXPECT_EQ(ran.exit_code, kExitOk);
  EXPECT_EQ(ran.out, "b\na\n");
  EXPECT_THAT(ran.err, AllOf(HasSubstr("2 siblings"), HasSubstr("--context ctx")));
}

// Goal: JSON holds any bytes, and the context.
TEST_F(CliTest, GetAsJson) {
  const std::string value("\0\xFF", 2);
  const Ran ran = Against(Values("ctx", {value, "a"}), {"get", "k", "-o", "json"});
  const auto json = nlohmann::json::parse(ran.out);
  EXPECT_EQ(json.at("context"), "ctx");
  EXPECT_EQ(json.at("values_base64")[0], Base64Encode(value));
  EXPECT_EQ(json.at("values_base64")[1], "YQ==");
  EXPECT_THAT(ran.err, IsEmpty());
}

// Goal: exit codes tell apart what a script must treat differently.
TEST_F(CliTest, ExitCodesTellOutcomesApart) {
  EXPECT_EQ(Against(Values("", {}), {"get", "k"}).exit_code, kExitNotFound);
  EXPECT_EQ(Against(":0\r\n", {"del", "k"}).exit_code, kExitNotFound);
  EXPECT_EQ(Against(":1\r\n", {"del", "k"}).exit_code, kExitOk);
  EXPECT_EQ(Against("-ERR wrong\r\n", {"put", "k", "v"}).exit_code, kExitUsage);
  EXPECT_EQ(Against("-UNAVAILABLE few\r\n", {"put", "k", "v"}).exit_code, kExitUnavailable);
  EXPECT_EQ(Against("-BUSY later\r\n", {"put", "k", "v"}).exit_code, kExitUnavailable);
  const Ran unknown = Against("-UNKNOWN it may be applied\r\n", {"put", "k", "v"});
  EXPECT_EQ(unknown.exit_code, kExitOutcomeUnknown);
  EXPECT_THAT(unknown.err, HasSubstr("it may be applied"));
  EXPECT_EQ(Against("", {"put", "k", "v"}).exit_code, kExitOutcomeUnknown);  // cut off
  EXPECT_EQ(Against("", {"get", "k"}).exit_code, kExitUnavailable);  // a read changes nothing
  EXPECT_EQ(Gyre({"get"}).exit_code, kExitUsage);
  EXPECT_EQ(Gyre({"nonsense"}).exit_code, kExitUsage);
  EXPECT_EQ(Gyre({"get", "k", "--nonsense"}).exit_code, kExitUsage);
  EXPECT_EQ(Gyre({"--help"}).exit_code, kExitOk);
  EXPECT_THAT(Gyre({"--help"}).out, HasSubstr("Exit codes"));
}

// Goal: without a context a put overwrites what the node knows; with one, what was seen.
TEST_F(CliTest, PutWithAndWithoutContext) {
  EXPECT_EQ(Against("+OK\r\n", {"put", "k", "v", "--ttl", "1.5", "--w", "all"}).exit_code, kExitOk);
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.QUORUM", "W", "all"),
                                 ElementsAre("SET", "k", "v", "PX", "1500")));
  const Ran ran = Against(ScriptedNode::Bulk("new"),
                          {"put", "k", "v", "--context", "", "-k", "carts", "-o", "json"});
  EXPECT_THAT(seen_,
              ElementsAre(ElementsAre("KV.USE", "carts"), ElementsAre("KV.PUT", "k", "", "v")));
  EXPECT_EQ(nlohmann::json::parse(ran.out).at("context"), "new");
}

// Goal: whether others may stand in for owners is the user's to say, for every verb.
TEST_F(CliTest, SloppyGoesToTheNode) {
  Against(Values("ctx", {"v"}), {"get", "k", "--sloppy", "no"});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.GET", "k", "SLOPPY", "no")));
  Against("+OK\r\n", {"put", "k", "v", "--sloppy", "yes", "--w", "2"});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.QUORUM", "W", "2", "SLOPPY", "yes"),
                                 ElementsAre("SET", "k", "v")));
  Against(":1\r\n", {"del", "k", "--sloppy", "no"});
  EXPECT_THAT(seen_,
              ElementsAre(ElementsAre("KV.QUORUM", "SLOPPY", "no"), ElementsAre("DEL", "k")));
  EXPECT_EQ(Gyre({"get", "k", "--sloppy", "maybe"}).exit_code, kExitUsage);
}

// Goal: a put can say what it came to, in text and JSON, of RESP2 and RESP3 alike.
TEST_F(CliTest, PutSaysWhatItCameTo) {
  const auto meta = [](const char* head, int copies, int hints, int zones, const char* strict) {
    std::string text = head + ScriptedNode::Bulk("context") + ScriptedNode::Bulk("new");
    for (const auto& [name, count] :
         {std::pair{"copies", copies}, std::pair{"hints", hints}, std::pair{"zones", zones}}) {
      text += ScriptedNode::Bulk(name) + ":" + std::to_string(count) + "\r\n";
    }
    return text + ScriptedNode::Bulk("strict") + strict;
  };
  const Ran sloppy = Against(meta("%5\r\n", 3, 1, 2, "#f\r\n"),
                             {"put", "k", "v", "--meta", "--context", "seen", "--ttl", "1"});
  EXPECT_EQ(sloppy.exit_code, kExitOk) << sloppy.err;
  EXPECT_THAT(seen_,
              ElementsAre(ElementsAre("KV.PUT", "k", "seen", "v", "PX", "1000", "WITHMETA")));
  EXPECT_EQ(sloppy.out,
            "3 durable copies in 2 zones, 1 of them kept by others for owners that could not be "
            "reached; a read may miss it until it is on more owners\n");
  // Without a context what is there is read, and replaced.
  seen_value_ = Values("found", {"old"});
  const Ran strict = Against(meta("*10\r\n", 1, 0, 1, ":1\r\n"),
                             {"put", "k", "v", "--meta", "--r", "1", "--sloppy", "no"});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.QUORUM", "R", "1", "SLOPPY", "no"),
                                 ElementsAre("KV.GET", "k", "R", "1", "SLOPPY", "no"),
                                 ElementsAre("KV.PUT", "k", "found", "v", "WITHMETA")));
  EXPECT_EQ(strict.out, "1 durable copy in 1 zone; every read with R owners sees it\n");
  const Ran json =
      Against(meta("%5\r\n", 3, 1, 2, "#t\r\n"), {"put", "k", "v", "--meta", "-o", "json"});
  EXPECT_EQ(nlohmann::json::parse(json.out),
            (nlohmann::json{
                {"context", "new"}, {"copies", 3}, {"hints", 1}, {"zones", 2}, {"strict", true}}));
  // The read before it failed: nothing was written.
  seen_value_ = "-UNKNOWN cut\r\n";
  EXPECT_EQ(Against("+OK\r\n", {"put", "k", "v", "--meta"}).exit_code, kExitUnavailable);
  EXPECT_EQ(seen_.size(), 1u);
  EXPECT_EQ(Against("+OK\r\n", {"put", "k", "v", "--meta", "--context", ""}).exit_code, kExitUsage);
}

// Goal: a context travels through a file from a get to the put that supersedes what was read.
TEST_F(CliTest, ContextTravelsThroughAFile) {
  const std::string path = Path("context");
  Against(Values("seen", {"a"}), {"get", "k", "-c", path});
  EXPECT_EQ(Contents(path), "seen\n");
  Against(ScriptedNode::Bulk("newer"), {"put", "k", "v", "-c", path});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.PUT", "k", "seen", "v")));
  EXPECT_EQ(Contents(path), "newer\n");
  Against(ScriptedNode::Bulk("newest"), {"del", "k", "-c", path});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.DEL", "k", "newer")));
  std::remove(path.c_str());
}

// Goal: keys and values of any bytes can be given.
TEST_F(CliTest, KeysAndValuesOfAnyBytes) {
  const std::string path = Path("value");
  const std::string value("\0\xFF\r\n", 4);
  std::ofstream(path, std::ios::binary) << value;
  Against("+OK\r\n", {"put", "--key-hex", "00ff0A", "--file", path});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("SET", std::string("\0\xFF\n", 3), value)));
  Against("+OK\r\n", {"put", "a%00/+", "--key-percent", "v"});
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("SET", std::string("a\0/+", 4), "v")));
  EXPECT_EQ(Gyre({"get", "0", "--key-hex"}).exit_code, kExitUsage);
  EXPECT_EQ(Gyre({"get", "%g0", "--key-percent"}).exit_code, kExitUsage);
  EXPECT_THAT(Gyre({"put", "k", "--file", path + ".absent"}).err, HasSubstr("cannot read"));
  std::remove(path.c_str());
}

// Goal: what a node says of itself is shown as tables, or as it is.
TEST_F(CliTest, ShowsStatusRingAndKeyspaces) {
  FakeBackend backend;
  backend.SetConfig([](ServerConfig& config) {
    config.members.push_back({"n2", {"h", 2}, 1, "z", ""});
    config.keyspaces[0].read_quorum = QuorumSpec::One();
    config.keyspaces[0].write_quorum = QuorumSpec::One();
  });
  backend.stats.peers.push_back({NodeIdOf("n2"), "n2", "h:2"});
  backend.stats.core.gets = 12345;
  backend.stats.owed = {{NodeIdOf("n2"), "n2", 7, 900, Duration::Seconds(4)}};
  backend.stats.scrub = {100, 25};
  const auto verbatim = [](const std::string& json) {
    return "=" + std::to_string(json.size() + 4) + "\r\ntxt:" + json + "\r\n";
  };
  const std::string status_json = StatusJson(backend);
  const Ran status = Against(verbatim(status_json), {"status"});
  EXPECT_EQ(status.exit_code, kExitOk) << status.err;
  EXPECT_THAT(status.out, AllOf(HasSubstr("n1 of cluster gyre"), HasSubstr("DOWN"),
                                HasSubstr("12345"), HasSubstr("may read stale")));
  EXPECT_THAT(status.out, testing::StartsWith(
                              "Node n2 is not reachable. 7 hints (900 B) are kept here for it"));
  EXPECT_THAT(status.out, testing::ContainsRegex("OWED TO +HINTS +BYTES +OLDEST\nn2 +7 +900 +4 s"));
  EXPECT_THAT(status.out, testing::ContainsRegex("scrub +25 +75 +partitions +18 h"));
  EXPECT_EQ(Against(verbatim(status_json), {"status", "-o", "json"}).out, status_json);
  const Ran keyspaces = Against(verbatim(KeyspacesJson(*backend.view())), {"keyspace"});
  EXPECT_THAT(keyspaces.out, AllOf(HasSubstr("default"), HasSubstr("may read stale"),
                                   testing::ContainsRegex("SLOPPY.*\ndefault .* yes ")));
  const Ran ring = Against(verbatim(RingJson(*backend.view())), {"ring"});
  EXPECT_THAT(ring.out, AllOf(HasSubstr("256 partitions by md5"), HasSubstr("50.00%")));
  EXPECT_EQ(Against(verbatim("{}"), {"status"}).exit_code, kExitUsage);
  EXPECT_EQ(Against("", {"status"}).exit_code, kExitUnavailable);
}

// Goal: explain shows the clocks as the paper writes them, [name,n].
TEST_F(CliTest, ExplainShowsClocks) {
  FakeBackend backend;
  const ClusterView& view = *backend.view();
  const RowKey key{KeyspaceId(0), view.ring.TokenOf("k\n"), Bytes("k\n")};
  ExplainOutcome outcome;
  ExplainOutcome::Copy copy{NodeIdOf("n1"), std::nullopt, {}};
  Sibling sibling;
  sibling.dot = {ActorId(std::uint64_t{NodeIdOf("n1").value} << 40), 1, 2};
  sibling.value = Bytes("hello\x1b[2J");
  copy.record.clock.Add(sibling.dot, WallTime{1});
  copy.record.siblings.push_back(sibling);
  outcome.copies.push_back(copy);
  const Ran ran =
      Against(ScriptedNode::Bulk(ExplainJson(view, "default", key, outcome, WallTime{1})),
              {"key", "explain", "k"});
  EXPECT_EQ(ran.exit_code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("[n1,2]"), HasSubstr("k\\x0a"), HasSubstr("hello\\x1b[2J"),
                             HasSubstr("live"), Not(HasSubstr("\x1b"))));
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.EXPLAIN", "k")));
}

// Goal: rings of many sizes are assessed without a node; a bad range is refused.
TEST_F(CliTest, RingAssessNeedsNoNode) {
  const Ran table = Gyre({"ring", "assess", "--nodes", "3..5"});
  EXPECT_EQ(table.exit_code, kExitOk) << table.err;
  EXPECT_THAT(table.out, Not(IsEmpty()));
  const auto json =
      nlohmann::json::parse(Gyre({"ring", "assess", "--nodes", "3,7", "-o", "json"}).out);
  ASSERT_EQ(json.at("rings").size(), 2u);
  EXPECT_EQ(json.at("rings")[1].at("nodes"), 7);
  EXPECT_EQ(json.at("rings")[1].at("moved_between_others"), 0);
  EXPECT_TRUE(json.at("rings")[1].at("founded").at("node_violations").contains("found"));
  for (const char* bad : {"x", "3..", "5..3", "3,,4", "0"}) {
    EXPECT_EQ(Gyre({"ring", "assess", "--nodes", bad}).exit_code, kExitUsage) << bad;
  }
}

// Goal: a config is checked as `serve` would read it: file, environment, flags.
TEST_F(CliTest, ConfigCheckSaysWhereAndWhat) {
  const std::string path = Path("config");
  std::ofstream(path) << "[keyspaces.default]\nr = 1\nw = 1\n[[cluster.peers]]\nname = \"n1\"\n"
                         "address = \"h:1\"\n[[cluster.peers]]\nname = \"n2\"\naddress = \"h:2\"\n";
  const Ran stale = Gyre({"config", "check", path});
  EXPECT_EQ(stale.exit_code, kExitOk);
  EXPECT_THAT(stale.err, HasSubstr("may read stale"));
  EXPECT_THAT(Gyre({"config", "check", path, "--w", "2"}).err, Not(HasSubstr("stale")));
  EXPECT_THAT(Gyre({"config", "show", "--config", path, "--w", "2"}).out,
              HasSubstr("keyspaces.default.w = \"2\""));
  std::ofstream(path) << "[storage]\nengin = 1\n";
  const Ran wrong = Gyre({"config", "check", path});
  EXPECT_EQ(wrong.exit_code, kExitUsage);
  EXPECT_THAT(wrong.err, HasSubstr(path + ":2:1: unknown setting storage.engin"));
  EXPECT_EQ(Gyre({"serve", "--config", path}).exit_code, kExitUsage);
  setenv("GYRE_STORAGE_ENGINE", "paper", 1);
  EXPECT_THAT(Gyre({"config", "check"}).err, HasSubstr("GYRE_STORAGE_ENGINE: bad value"));
  unsetenv("GYRE_STORAGE_ENGINE");
  std::remove(path.c_str());
}

// Goal: the node is found by flag, else by GYRE_ADDRESS.
TEST_F(CliTest, FindsTheNodeByAddress) {
  ScriptedNode node([](const ScriptedNode::Command& command) {
    return command[0] == "HELLO" ? std::string("+OK\r\n") : Values("c", {"v"});
  });
  setenv("GYRE_ADDRESS", ("127.0.0.1:" + std::to_string(node.port())).c_str(), 1);
  EXPECT_EQ(Gyre({"get", "k"}).out, "v");
  setenv("GYRE_ADDRESS", "nonsense", 1);
  EXPECT_THAT(Gyre({"get", "k"}).err, HasSubstr("GYRE_ADDRESS"));
  unsetenv("GYRE_ADDRESS");
}

// Goal: columns line up; numbers to the right.
TEST(TableTest, AlignsItsColumns) {
  Table table({"NAME", "COUNT"});
  table.Add({"a", "7"});
  table.Add({"longer", "12345"});
  EXPECT_EQ(table.Render(), "NAME    COUNT\na           7\nlonger  12345\n");
}

}  // namespace
}  // namespace gyre
