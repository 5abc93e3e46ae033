#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "server/config_values.h"

namespace gyre {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

Result<ServerConfig> FromFile(std::string text) {
  ConfigSources sources;
  sources.file_name = "gyre.toml";
  sources.file_text = std::move(text);
  return LoadConfig(sources);
}

Result<ServerConfig> FromFlags(std::vector<std::pair<std::string, std::string>> flags) {
  ConfigSources sources;
  sources.flags = std::move(flags);
  return LoadConfig(sources);
}

std::string ErrorOf(const Result<ServerConfig>& config) {
  return config ? "(no error)" : config.error().message;
}

// Goal: nothing need be said to run one node.
TEST(ConfigTest, WithoutSettingsIsAClusterOfOne) {
  const ServerConfig config = LoadConfig({}).value();
  ASSERT_THAT(config.members, SizeIs(1));
  EXPECT_EQ(config.members[0].name, "n1");
  EXPECT_EQ(config.resp_listen.ToString(), "127.0.0.1:7379");
  EXPECT_EQ(config.http_listen.ToString(), "127.0.0.1:7380");
  EXPECT_EQ(config.peer_listen.ToString(), "127.0.0.1:7381");
  ASSERT_THAT(config.keyspaces, SizeIs(1));
  EXPECT_EQ(config.keyspaces[0], KeyspaceConfig{});
  EXPECT_EQ(config.shards, UsableCpus());
  EXPECT_GE(config.shards, 1);
  EXPECT_THAT(ConfigWarnings(config), IsEmpty());
}

// Goal: flag over environment over file over default.
TEST(ConfigTest, FlagWinsOverEnvironmentOverFile) {
  ConfigSources sources;
  sources.file_text = "[listen]\nresp_port = 1\nhttp_port = 2\npeer_port = 3\n";
  sources.environment = {{"GYRE_LISTEN_RESP_PORT", "11"}, {"GYRE_LISTEN_HTTP_PORT", "12"}};
  sources.flags = {{"resp-port", "21"}};
  const ServerConfig config = LoadConfig(sources).value();
  EXPECT_EQ(config.resp_listen.port, 21);
  EXPECT_EQ(config.http_listen.port, 12);
  EXPECT_EQ(config.peer_listen.port, 3);
  EXPECT_EQ(config.data_folder, "gyre-data");
}

// Goal: a mistake is told with its place and with what is accepted.
TEST(ConfigTest, MistakesInAFileAreToldWithLineAndColumn) {
  const std::tuple<const char*, const char*, const char*> kCases[] = {
      {"[storage]\nengine = \"rocksbd\"\n", "gyre.toml:2:1", "rocksdb or memory"},
      {"[storage]\n\n  durabilty = \"sync\"\n", "gyre.toml:3:3",
       "unknown setting storage.durabilty"},
      {"[storage]\nresp_port = 1\n", "gyre.toml:2:1", "did you mean listen.resp_port?"},
      {"[sotrage]\nengine = \"memory\"\n", "gyre.toml:2:1", "did you mean storage.engine?"},
      {"[listen]\nresp_port = 65536\n", "gyre.toml:2:1", "65535"},
      {"[listen]\nresp_port = -1\n", "gyre.toml:2:1", "65535"},
      {"[listen]\nresp_port = 1.5\n", "gyre.toml:2:1", "whole number"},
      {"[listen]\nresp_port = [1]\n", "gyre.toml:2:1", "list of tables"},
      {"[limits]\nrequest = 2\n", "gyre.toml:2:1", "a duration such as"},
      {"[limits]\nvalue = \"65MiB\"\n", "gyre.toml:2:1", "to 64MiB"},
      {"[keyspaces.default]\nn = 13\n", "gyre.toml:2:1", "from 1 to 12"},
      {"[keyspaces.default]\nx = 1\n", "gyre.toml:2:1",
       "a keyspace has n, r, w, default_ttl, sloppy"},
      {"[keyspaces.default]\nsloppy = \"maybe\"\n", "gyre.toml:2:1", "yes or no"},
      {"[hints]\nbytse = 1\n", "gyre.toml:2:1", "known here: hints.after, hints.bytes"},
      {"[keyspaces.\"a b\"]\nn = 1\n", "gyre.toml:2:1", "1 to 64 of the characters"},
      {"[keyspaces]\nn = 1\n", "gyre.toml:2:1", "[keyspaces.NAME]"},
      {"[[cluster.peers]]\nname = \"n1\"\nport = 1\n", "gyre.toml:3:1", "one of name, address"},
      {"name = \n", "gyre.toml:1:", ""},
  };
  for (const auto& [text, place, accepted] : kCases) {
    EXPECT_THAT(ErrorOf(FromFile(text)), StartsWith(place)) << text;
    EXPECT_THAT(ErrorOf(FromFile(text)), HasSubstr(accepted)) << text;
  }
  EXPECT_THAT(ErrorOf(FromFlags({{"w", "most"}})), StartsWith("--w: bad value"));
  ConfigSources sources;
  sources.environment = {{"GYRE_LOG_LEVEL", "loud"}};
  EXPECT_THAT(ErrorOf(LoadConfig(sources)),
              testing::AllOf(StartsWith("GYRE_LOG_LEVEL: "), HasSubstr("debug, info")));
}

// Goal: the two ways to list peers mean the same; weight, zone and region may be left out.
TEST(ConfigTest, PeersFromFlagAndFileAreTheSame) {
  const ServerConfig by_flag =
      FromFlags({{"peers", "n1=10.0.0.1:7381/z1/eu/2, n2=[::1]:7391//us,n3=host:1"}}).value();
  const ServerConfig by_file = FromFile(R"(
[[cluster.peers]]
name = "n1"
address = "10.0.0.1:7381"
zone = "z1"
region = "eu"
weight = 2
[[cluster.peers]]
name = "n2"
address = "[::1]:7391"
region = "us"
[[cluster.peers]]
name = "n3"
address = "host:1"
)")
                                   .value();
  EXPECT_EQ(by_flag.members, by_file.members);
  ASSERT_THAT(by_flag.members, SizeIs(3));
  EXPECT_EQ(by_flag.members[0].weight, 2u);
  EXPECT_EQ(by_flag.members[1].zone, "");
  EXPECT_EQ(by_flag.members[1].region, "us");
  EXPECT_EQ(by_flag.members[1].address.ToString(), "[::1]:7391");
}

// Goal: one list for all nodes is enough: each listens for peers where the list says.
TEST(ConfigTest, PeerPortComesFromTheOwnEntryUnlessGiven) {
  const std::string peers = "n1=127.0.0.1:7381,n2=127.0.0.2:7391";
  EXPECT_EQ(FromFlags({{"name", "n2"}, {"peers", peers}}).value().peer_listen.ToString(),
            "127.0.0.2:7391");
  EXPECT_EQ(
      FromFlags({{"name", "n2"}, {"peers", peers}, {"peer-listen", "0.0.0.0"}, {"peer-port", "5"}})
          .value()
          .peer_listen.ToString(),
      "0.0.0.0:5");
}

// Goal: clusters that could not work are refused before anything starts.
TEST(ConfigTest, RefusesClustersThatCannotWork) {
  EXPECT_THAT(ErrorOf(FromFlags({{"name", "n9"}, {"peers", "n1=h:1,n2=h:2"}})),
              HasSubstr("this node (n9) is not in the list"));
  EXPECT_THAT(ErrorOf(FromFlags({{"peers", "n1=h:1,n1=h:2"}})), HasSubstr("n1 is listed twice"));
  EXPECT_THAT(ErrorOf(FromFlags({{"peers", "n1=h:1,n2=h:1"}})), HasSubstr("two nodes have"));
  EXPECT_THAT(ErrorOf(FromFlags({{"peers", "n1=h:1,n2=h:2"}, {"partition-bits", "0"}})),
              HasSubstr("too few"));
  EXPECT_THAT(ErrorOf(FromFlags({{"n", "3"}, {"r", "4"}})), StartsWith("keyspaces.default.r"));
  EXPECT_THAT(ErrorOf(FromFlags({{"http-port", "7379"}})), HasSubstr("are both 127.0.0.1:7379"));
  EXPECT_THAT(
      ErrorOf(FromFlags({{"background-rate-max", "1MiB"}, {"background-rate-min", "2MiB"}})),
      StartsWith("background.rate_min"));
  for (const char* bad : {"n1", "n1=h", "n1=h:1/z/r/0", "n1=h:1/z/r/1/x", "n1=h:1/a b", "=h:1",
                          "n1=h:0", "n1=:1:2", "n1=h:1,,n2=h:2"}) {
    EXPECT_THAT(ErrorOf(FromFlags({{"peers", bad}})), StartsWith("--peers: bad value")) << bad;
  }
}

// Goal: a webhook is a plain URL, checked before anything starts; nothing in it can break a
// request.
TEST(ConfigTest, WebhooksAreUrlsOfHttp) {
  const auto url = [](const char* text) { return ParseWebhook(text).value(); };
  EXPECT_EQ(url("http://alerts:9000/hook?k=v&x"), (WebhookUrl{{"alerts", 9000}, "/hook?k=v&x"}));
  EXPECT_EQ(url("http://10.0.0.9"), (WebhookUrl{{"10.0.0.9", 80}, "/"}));
  EXPECT_EQ(url("http://[::1]/a/b"), (WebhookUrl{{"::1", 80}, "/a/b"}));
  EXPECT_EQ(url("http://[::1]:81?q"), (WebhookUrl{{"::1", 81}, "/?q"}));
  for (const char* bad :
       {"http://", "http:///x", "http://:80/", "http://[]/", "http://h:0/", "http://h:x/",
        "http://h:70000/", "http://u:p@h/", "http://u@h/", "http://h/a b", "http://h/a\r\nX: y",
        "http://h/#top", "http://h/\x80", "http://a:b:1/", "ftp://h/", "h:80/hook", "http:/h"}) {
    EXPECT_FALSE(ParseWebhook(bad)) << bad;
    EXPECT_THAT(ErrorOf(FromFlags({{"webhook", bad}})), StartsWith("--webhook: bad value")) << bad;
  }
  EXPECT_FALSE(ParseWebhook("http://h/" + std::string(2'048, 'a')));
  EXPECT_THAT(ErrorOf(FromFlags({{"webhook", "https://h/hook"}})),
              HasSubstr("https is not supported yet"));
  EXPECT_EQ(FromFlags({{"webhook", ""}}).value().webhook, "");
  ServerConfig made_in_code;
  made_in_code.webhook = "https://h/hook";
  EXPECT_FALSE(FinishConfig(made_in_code));
}

// Goal: 0 turns notices off; what is too short to mean anything is refused.
TEST(ConfigTest, DeadNoticesHaveARange) {
  const auto after = [](const char* text) { return FromFlags({{"dead-notice-after", text}}); };
  EXPECT_EQ(after("0").value().dead_notice_after, Duration{});
  EXPECT_EQ(after("1s").value().dead_notice_after, Duration::Seconds(1));
  EXPECT_EQ(after("7d").value().dead_notice_after, Duration::Seconds(7 * 86400));
  for (const char* bad : {"999ms", "8d", "60", ""}) {
    EXPECT_THAT(ErrorOf(after(bad)), HasSubstr("accepted: 0 (none), or a duration")) << bad;
  }
}

// Goal: ids are hashes of names; two names with one id must not meet in one cluster.
TEST(ConfigTest, RefusesNodesWhoseNamesGiveOneId) {
  std::map<std::uint32_t, std::string> ids;
  std::string clash;
  for (int i = 0; clash.empty(); ++i) {  // 24 bits: some thousands of names
    const std::string name = "node" + std::to_string(i);
    const auto [other, fresh] = ids.emplace(NodeIdOf(name).value, name);
    if (!fresh) clash = other->second + "=h:1," + name + "=h:2,n1=h:3";
  }
  EXPECT_THAT(ErrorOf(FromFlags({{"peers", clash}})), HasSubstr("give the same node id"));
}

// Goal: the operator hears of what is allowed and may surprise.
// Paper 4.5: R + W <= N may read stale.
TEST(ConfigTest, WarnsOfStaleReadsOpenPortsAndLossyStorage) {
  const std::string peers = "n1=h:1,n2=h:2,n3=h:3";
  const auto warnings = [&](std::vector<std::pair<std::string, std::string>> flags) {
    flags.emplace_back("peers", peers);
    return ConfigWarnings(FromFlags(std::move(flags)).value());
  };
  EXPECT_THAT(warnings({}), IsEmpty());
  EXPECT_THAT(warnings({{"r", "1"}, {"w", "2"}}),
              testing::ElementsAre(HasSubstr("may read stale")));
  EXPECT_THAT(warnings({{"r", "1"}, {"w", "3"}}), IsEmpty());
  EXPECT_THAT(warnings({{"hint-after", "2s"}}), testing::ElementsAre(HasSubstr("hints.after")));
  EXPECT_THAT(warnings({{"hint-after", "2s"}, {"sloppy", "no"}}), IsEmpty());
  EXPECT_THAT(warnings({{"n", "4"}}), testing::ElementsAre(HasSubstr("only 3 copies")));
  EXPECT_THAT(warnings({{"listen", "0.0.0.0"}}), testing::ElementsAre(HasSubstr("no password")));
  EXPECT_THAT(warnings({{"listen", "0.0.0.0"}, {"password", "x"}}), IsEmpty());
  EXPECT_THAT(warnings({{"engine", "memory"}}), testing::ElementsAre(HasSubstr("keeps nothing")));
  EXPECT_THAT(warnings({{"durability", "interval"}}),
              testing::ElementsAre(HasSubstr("last second")));
}

// Goal: what `config show` prints is a file that gives the same config again.
TEST(ConfigTest, DescriptionReadsBackAsTheSameConfig) {
  const ServerConfig config = FromFlags({{"peers", "n1=h:1/z/eu/3,n2=h:2"},
                                         {"w", "all"},
                                         {"default-ttl", "36h"},
                                         {"value-max", "1000"},
                                         {"request-timeout", "1500ms"},
                                         {"sloppy", "no"},
                                         {"hint-after", "20ms"},
                                         {"background-rate-max", "5MiB"},
                                         {"dead-notice-after", "90s"},
                                         {"webhook", "http://h:1/x"},
                                         {"shards", "3"},
                                         {"partitioner", "xxh3"}})
                                  .value();
  const std::string text = DescribeConfig(config);
  const Result<ServerConfig> again = FromFile(text);
  ASSERT_TRUE(again) << ErrorOf(again);
  EXPECT_EQ(DescribeConfig(*again), text);
  EXPECT_EQ(again->members, config.members);
  EXPECT_EQ(again->core.value_bytes_max, 1000u);
}

// Goal: a keyspace is sloppy unless told otherwise, in either way of saying so.
TEST(ConfigTest, KeyspacesAreSloppyUnlessTold) {
  EXPECT_TRUE(FromFile("").value().keyspaces[0].sloppy);
  for (const char* no : {"\"no\"", "\"false\"", "false"}) {
    const ServerConfig config =
        FromFile("[keyspaces.default]\nsloppy = " + std::string(no) + "\n").value();
    EXPECT_FALSE(config.keyspaces[0].sloppy) << no;
  }
  EXPECT_TRUE(FromFile("[keyspaces.default]\nsloppy = true\n").value().keyspaces[0].sloppy);
  EXPECT_FALSE(FromFlags({{"sloppy", "no"}}).value().keyspaces[0].sloppy);
}

// Goal: limits are of the node, and each shard gets its share; none becomes nothing.
TEST(ConfigTest, ShardsShareTheLimitsOfTheNode) {
  const CoreConfig core = CoreConfigOf(FromFlags({{"shards", "4"},
                                                  {"hint-bytes-max", "1MiB"},
                                                  {"hint-bytes-per-target-max", "3"},
                                                  {"hint-after", "20ms"},
                                                  {"background-rate-max", "8MiB"},
                                                  {"background-rate-min", "4KiB"}})
                                           .value());
  EXPECT_EQ(core.hint_bytes_max, 256u << 10);
  EXPECT_EQ(core.hint_bytes_per_target_max, 1u);
  EXPECT_EQ(core.hint_after, Duration::Millis(20));
  EXPECT_EQ(core.background_bytes_per_second_max, 2u << 20);
  EXPECT_EQ(core.background_bytes_per_second_min, 1u << 10);
}

// Goal: only where an fsync comes after the acknowledgement may an acknowledged write still be
// lost.
TEST(ConfigTest, SyncLagFollowsFromTheDurability) {
  const auto lag = [](const char* engine, const char* durability) {
    return CoreConfigOf(FromFlags({{"engine", engine}, {"durability", durability}}).value())
        .sync_lag;
  };
  EXPECT_EQ(lag("rocksdb", "sync"), Duration{});
  EXPECT_EQ(lag("rocksdb", "interval"), Duration::Seconds(1));
  EXPECT_EQ(lag("memory", "interval"), Duration{});
}

// Goal: a password is not shown.
TEST(ConfigTest, DescriptionHidesThePassword) {
  EXPECT_THAT(DescribeConfig(FromFlags({{"password", "secret"}}).value()),
              testing::Not(HasSubstr("secret")));
}

// Goal: the example that is shipped works, holds every setting, and says the true defaults.
TEST(ConfigTest, ShippedExampleIsTheDefaults) {
  const auto folder = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
  std::ifstream file(folder / "packaging" / "gyre.toml");
  std::stringstream text;
  text << file.rdbuf();
  const Result<ServerConfig> example = FromFile(text.str());
  ASSERT_TRUE(example) << ErrorOf(example);
  EXPECT_EQ(DescribeConfig(*example), DescribeConfig(LoadConfig({}).value()));
  for (const ConfigSetting& setting : ConfigSettings()) {
    const std::string_view key = setting.file_key.substr(setting.file_key.rfind('.') + 1);
    EXPECT_THAT(text.str(), HasSubstr(std::string(key))) << setting.file_key;
  }
}

// Goal: a node that founds or joins a cluster tells clients an address that leads to it, or none;
// one of a list of peers tells none, as each of them must make the same of the list.
TEST(ConfigTest, TellsClientsAnAddressThatLeadsHere) {
  const auto resp_of = [](std::vector<std::pair<std::string, std::string>> flags) {
    return RingMembers(FromFlags(std::move(flags)).value()).front().resp;
  };
  EXPECT_EQ(resp_of({{"listen", "10.0.0.1"}, {"resp-port", "7000"}}), "10.0.0.1:7000");
  EXPECT_EQ(resp_of({{"listen", "0.0.0.0"}, {"peer-listen", "10.0.0.2"}}), "10.0.0.2:7379");
  EXPECT_EQ(resp_of({{"listen", "::"}, {"peer-listen", "fe80::1"}}), "[fe80::1]:7379");
  EXPECT_EQ(resp_of({{"listen", "0.0.0.0"}, {"peer-listen", "0.0.0.0"}}), "");
  EXPECT_EQ(resp_of({{"listen", "10.0.0.1"}, {"resp-port", "0"}}), "");
  EXPECT_EQ(resp_of({{"name", "n1"}, {"peers", "n1=10.0.0.1:1,n2=10.0.0.2:1"}}), "");
}

// Goal: every setting has its own flag and variable.
TEST(ConfigTest, FlagsAndVariablesAreUnique) {
  std::set<std::string> names;
  for (const ConfigSetting& setting : ConfigSettings()) {
    EXPECT_TRUE(names.insert(FlagOf(setting)).second) << FlagOf(setting);
    EXPECT_TRUE(names.insert(EnvironmentOf(setting)).second) << EnvironmentOf(setting);
  }
}

// Goal: units are read as written and never guessed or overflowed.
TEST(ConfigValuesTest, SizesAndDurationsAreExactOrRefused) {
  EXPECT_EQ(ParseSize("64MiB", 0, 1 << 30).value(), 64u << 20);
  EXPECT_EQ(ParseSize("64 k", 0, 1 << 30).value(), 64u << 10);
  EXPECT_EQ(ParseSize("17", 0, 100).value(), 17u);
  for (const char* bad :
       {"", "MiB", "1.5MiB", "1TiB", "-1", "99999999999999999999", "2GiB", "1 M B"}) {
    EXPECT_FALSE(ParseSize(bad, 0, 1 << 30)) << bad;
  }
  EXPECT_EQ(ParseDuration("1500ms", {}, Duration::Seconds(9)).value(), Duration::Millis(1500));
  EXPECT_EQ(ParseDuration("0", {}, Duration::Seconds(9)).value(), Duration{});
  for (const char* bad : {"", "5", "10s", "s", "1e3s", "18446744073709551615d"}) {
    EXPECT_FALSE(ParseDuration(bad, {}, Duration::Seconds(9))) << bad;
  }
  EXPECT_EQ(DurationText(Duration::Millis(1500)), "1500ms");
  EXPECT_EQ(SizeText(1000), "1000");
}

}  // namespace
}  // namespace gyre
