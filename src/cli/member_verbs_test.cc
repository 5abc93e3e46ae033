// gyre cluster ...
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <nlohmann/json.hpp>

#include "cli/cli_test_util.h"

namespace gyre {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Json = nlohmann::json;

std::string Verbatim(const Json& json) {
  const std::string text = json.dump();
  return "=" + std::to_string(text.size() + 4) + "\r\ntxt:" + text + "\r\n";
}

Json Member(const char* name, const char* state, bool self = false) {
  return {{"name", name},  {"id", 7},     {"state", state},    {"life", "alive"},
          {"address", ""}, {"resp", ""},  {"http", ""},        {"zone", "z1"},
          {"region", ""},  {"weight", 1}, {"partitions", 128}, {"copies", 256},
          {"self", self}};
}

Json StatusOf(int number, int moving, bool leaving = false) {
  return {{"cluster", "gyre"},
          {"lineage", "1.5"},
          {"number", number},
          {"digest", 99},
          {"members", {Member("n2", leaving ? "leaving" : "member"), Member("n1", "member", true)}},
          {"moving", {{"partitions", moving}, {"settled_since_commit", 3}, {"arrived", 4}}},
          {"staged", Json::array()},
          {"waiting", Json::array()}};
}

class MemberVerbsTest : public CliTest {
 protected:
  // A node that answers COMMIT with `commit`, and STATUS with these in turn, the last for ever;
  // then it hangs up, if told so.
  Ran Commit(const std::string& commit, std::deque<Json> statuses, std::vector<std::string> flags,
             bool hang_up = false) {
    seen_.clear();
    ScriptedNode node([&](const ScriptedNode::Command& command) {
      if (command[0] == "HELLO") return std::string("+OK\r\n");
      seen_.push_back(command);
      if (command[1] == "COMMIT") return commit;
      if (statuses.empty()) return std::string();
      const std::string answer = Verbatim(statuses.front());
      if (statuses.size() > 1 || hang_up) statuses.pop_front();
      return answer;
    });
    flags.insert(flags.begin(), {"cluster", "commit", "--port", std::to_string(node.port())});
    return Gyre(std::move(flags));
  }
};

// Goal: each change is said as the node expects it, and the user is told what to do next.
TEST_F(MemberVerbsTest, ChangesAreStaged) {
  const std::pair<std::vector<std::string>, const char*> kCases[] = {
      {{"join", "n5"}, R"({"change":"join","node":"n5"})"},
      {{"leave", "n2"}, R"({"change":"leave","node":"n2"})"},
      {{"remove", "n3"}, R"({"change":"remove","node":"n3"})"},
      {{"replace", "n3", "n9"}, R"({"change":"replace","node":"n3","by":"n9"})"},
      {{"replace", "n3", "n9", "--dead"},
       R"({"change":"replace","node":"n3","by":"n9","dead":true})"},
      {{"weight", "n2", "3"}, R"({"change":"weight","node":"n2","weight":3})"},
  };
  for (const auto& [arguments, body] : kCases) {
    std::vector<std::string> line = arguments;
    line.insert(line.begin(), "cluster");
    const Ran ran = Against(Verbatim({{"number", 7}}), line);
    EXPECT_EQ(ran.exit_code, kExitOk) << ran.err;
    EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.CLUSTER", "STAGE", body)));
    EXPECT_THAT(ran.out, AllOf(HasSubstr(arguments.back() == "--dead" ? "n9" : arguments[1]),
                               HasSubstr("see `gyre cluster plan`, then `gyre cluster commit`")));
    line.insert(line.end(), {"-o", "json"});
    EXPECT_EQ(Against(Verbatim({{"number", 7}}), line).out, "{\"number\":7}\n");
  }
  EXPECT_EQ(Against(Verbatim(Json::object()), {"cluster", "abort"}).exit_code, kExitOk);
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.CLUSTER", "ABORT")));
}

// Goal: what cannot be is refused, with the node's sentence or before it is asked.
TEST_F(MemberVerbsTest, RefusalsSayWhy) {
  const Ran fixed = Against("-ERR this node's members are fixed\r\n", {"cluster", "leave", "n2"});
  EXPECT_EQ(fixed.exit_code, kExitUsage);
  EXPECT_THAT(fixed.err, HasSubstr("this node's members are fixed"));
  const Ran minority = Against("-UNAVAILABLE no majority\r\n", {"cluster", "commit"});
  EXPECT_EQ(minority.exit_code, kExitUnavailable);
  const Ran unknown = Against("-UNKNOWN outcome: no answer\r\n", {"cluster", "commit"});
  EXPECT_EQ(unknown.exit_code, kExitOutcomeUnknown);
  EXPECT_THAT(unknown.err, HasSubstr("`gyre cluster status` tells whether"));
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"cluster"},
                                             {"cluster", "leave"},
                                             {"cluster", "replace", "n1"},
                                             {"cluster", "weight", "n1", "0"},
                                             {"cluster", "weight", "n1", "many"},
                                             {"cluster", "commit", "--wait", "--patience", "0"}}) {
    EXPECT_EQ(Gyre(wrong).exit_code, kExitUsage) << wrong.back();
  }
}

// Goal: people see the members, what moves, what is staged and who waits; a stranger's name cannot
// speak to the terminal.
TEST_F(MemberVerbsTest, StatusAsTables) {
  Json status = StatusOf(7, 12, /*leaving=*/true);
  status["staged"] = {"leave n2", "join n5"};
  status["members"][0]["life"] = "down";
  status["members"][0]["linked"] = false;
  status["members"][0]["incarnation"] = 41;
  status["members"][0]["address"] = "host:7381";
  status["waiting"] = {{{"name", "n5\x1b[2J"}, {"address", "h:1"}, {"since_s", 61}}};
  const Ran ran = Against(Verbatim(status), {"cluster", "status"});
  EXPECT_EQ(ran.exit_code, kExitOk) << ran.err;
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.CLUSTER", "STATUS")));
  EXPECT_THAT(
      ran.out,
      AllOf(HasSubstr("layout 7, as n1 sees it"),
            ContainsRegex("n1 +member +alive +yes.*\nn2 +leaving +down +NO +host:7381 .*41 "),
            HasSubstr("moving: 12 partitions; 3 have settled, 4 copies have arrived"),
            HasSubstr("staged on this node: leave n2; join n5"),
            ContainsRegex("n5.x1b.2J +h:1 +61\n"), Not(HasSubstr("\x1b"))));
  const Ran calm = Against(Verbatim(StatusOf(7, 0)), {"cluster", "status"});
  EXPECT_THAT(calm.out, AllOf(HasSubstr("moving: nothing\n"), Not(HasSubstr("staged")),
                              Not(HasSubstr("WAITS"))));
  EXPECT_EQ(Against(Verbatim(status), {"cluster", "status", "-o", "json"}).out,
            status.dump() + "\n");
  EXPECT_EQ(Against(Verbatim(Json::object()), {"cluster", "status"}).exit_code, kExitUsage);
}

// Goal: of each partition that comes to the node that was asked people see how far it is.
TEST_F(MemberVerbsTest, StatusShowsTransfers) {
  Json status = StatusOf(7, 12);
  const auto transfer = [](int partition, double done, const Json& seconds_left) {
    return Json{{"partition", partition},    {"from", "n2"},
                {"done_ratio", done},        {"rows", 10},
                {"bytes", 5'000'000},        {"bytes_left", nullptr},
                {"bytes_per_second", 2'000}, {"seconds_left", seconds_left}};
  };
  status["transfers"] = {transfer(12, 0.25, 89.5), transfer(200, 0, nullptr)};
  status["transfers_waiting"] = 31;
  const Ran ran = Against(Verbatim(status), {"cluster", "status"});
  EXPECT_EQ(ran.exit_code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(ContainsRegex("12 +n2 +25 % +5.0 MB +2.0 kB +90"),
                             ContainsRegex("200 +n2 +0 % +5.0 MB +2.0 kB +[?]\n"),
                             HasSubstr("31 more partitions are to come to this node\n")));
}

// Goal: a plan tells what it costs, for the cluster and for each node.
TEST_F(MemberVerbsTest, PlanAsTables) {
  Json plan = {{"number", 7},
               {"members_before", 3},
               {"members_after", 4},
               {"transfers", 200},
               {"transfers_least", 192},
               {"partitions_moved", 64},
               {"nodes",
                {{{"name", "n4"},
                  {"partitions_before", 0},
                  {"partitions_after", 64},
                  {"copies_before", 0},
                  {"copies_after", 192},
                  {"transfers", 200}}}},
               {"violations_before", {{"nodes", 0}, {"zones", 5}}},
               {"violations_after", {{"nodes", 1}, {"zones", 2}}}};
  const Ran ran = Against(Verbatim(plan), {"cluster", "plan"});
  EXPECT_EQ(ran.exit_code, kExitOk) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("members: 3 now, 4 after"),
                             HasSubstr("200 copies of partitions; no plan"), HasSubstr("192\n"),
                             ContainsRegex("n4 +0 +64 +0 +192 +200\n"),
                             ContainsRegex("nodes +0 +1\nzones +5 +2\n")));
  plan["bytes_estimate"] = 1'200'000;
  plan["staged"] = {"join n4"};
  const Ran estimated = Against(Verbatim(plan), {"cluster", "plan"});
  EXPECT_THAT(estimated.out, AllOf(HasSubstr("staged on this node: join n4"),
                                   HasSubstr("200 copies of partitions, about 1.2 MB; no plan")));
  plan["staged"] = Json::array();
  EXPECT_THAT(Against(Verbatim(plan), {"cluster", "plan"}).out,
              testing::StartsWith("Nothing is staged"));
}

// Goal: a commit is over when it is decided; with --wait, when all has moved in the new layout and
// who leaves has handed over everything.
TEST_F(MemberVerbsTest, CommitWaitsIfAsked) {
  const std::string decided = Verbatim({{"number", 8}});
  const Ran at_once = Commit(decided, {}, {});
  EXPECT_EQ(at_once.exit_code, kExitOk) << at_once.err;
  EXPECT_THAT(at_once.out, HasSubstr("decided: layout 8. "));
  EXPECT_THAT(seen_, ElementsAre(ElementsAre("KV.CLUSTER", "COMMIT")));

  const Ran waited =
      Commit(decided, {StatusOf(7, 0), StatusOf(8, 20), StatusOf(9, 0, true), StatusOf(10, 0)},
             {"--wait"});
  EXPECT_EQ(waited.exit_code, kExitOk) << waited.err;
  EXPECT_EQ(seen_.size(), 5u);
  EXPECT_THAT(waited.out,
              AllOf(HasSubstr("has not taken over the new layout yet\n20 partitions still move\n"
                              "all partitions have moved; n2 still hands over what it holds\n"
                              "nothing moves any more\n"),
                    Not(HasSubstr("\x1b"))));
  EXPECT_EQ(Commit(decided, {StatusOf(8, 0)}, {"--wait", "-o", "json"}).out, "{\"number\":8}\n");
}

// Goal: --wait that cannot see the end says so, and that the change is decided all the same.
TEST_F(MemberVerbsTest, CommitGivesUpWaiting) {
  const std::string decided = Verbatim({{"number", 8}});
  const Ran stuck = Commit(decided, {StatusOf(8, 20)}, {"--wait", "--patience", "0.15"});
  EXPECT_EQ(stuck.exit_code, kExitOutcomeUnknown);
  EXPECT_THAT(stuck.err, AllOf(HasSubstr("the change is decided, but nothing has moved for 0.15 s"),
                               HasSubstr("`gyre cluster status`")));
  const Ran cut = Commit(decided, {StatusOf(8, 20)}, {"--wait"}, /*hang_up=*/true);
  EXPECT_EQ(cut.exit_code, kExitOutcomeUnknown);
  EXPECT_THAT(cut.err, HasSubstr("the change is decided, but "));
  EXPECT_THAT(Commit(Verbatim(Json::object()), {}, {}).err,
              HasSubstr("not what this gyre expects"));
}

}  // namespace
}  // namespace gyre
