// gyre cluster ...: who the members are, and how that is changed while the cluster runs.
// docs/cluster.md.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <thread>

#include "cli/cli_support.h"
#include "cli/move_progress.h"
#include "cli/node_json.h"
#include "cli/verbs.h"
#include "core/ring/ring.h"
#include "server/admin_json_wholeness.h"

namespace gyre {
namespace {

// What strangers call themselves is shown, not obeyed by the terminal.
std::string Word(const Json& json, const char* name) { return Printable(Field(json, name)); }

// Nodes come in the order of their ids, which says nothing to people.
std::vector<Json> ByName(const Json& nodes) {
  std::vector<Json> sorted(nodes.begin(), nodes.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const Json& a, const Json& b) { return Field(a, "name") < Field(b, "name"); });
  return sorted;
}

std::string StagedText(const Json& json) {
  std::string text;
  if (!json.contains("staged")) return text;
  for (const Json& each : json.at("staged")) {
    text += (text.empty() ? "" : "; ") + Printable(each.get<std::string>());
  }
  return text;
}

// ---- status ----------------------------------------------------------------------------------

// What comes to the node that was asked.
std::string TransfersText(const Json& json) {
  if (!json.contains("transfers") || json.at("transfers").empty()) return "";
  Table transfers({"PARTITION", "FROM", "DONE", "FETCHED", "A SECOND", "LEFT"});
  for (const Json& each : json.at("transfers")) {
    const Json& left = each.at("seconds_left");
    transfers.Add({Field(each, "partition"), Word(each, "from"),
                   fmt::format("{:.0f} %", 100 * each.at("done_ratio").get<double>()),
                   BytesText(each.at("bytes").get<std::uint64_t>()),
                   BytesText(each.at("bytes_per_second").get<std::uint64_t>()),
                   left.is_number() ? SecondsText(static_cast<std::uint64_t>(
                                          std::ceil(left.get<double>()) * 1000))
                                    : "?"});
  }
  return "\n" + transfers.Render() +
         fmt::format("{} more partitions are to come to this node\n",
                     Field(json, "transfers_waiting"));
}

std::string ProtocolText(const Json& member) {
  if (!member.contains("protocol") || !member.at("protocol").is_object()) return "?";
  const Json& range = member.at("protocol");
  return Field(range, "min") + "-" + Field(range, "max");
}

std::string MembersText(const Json& json) {
  Table members({"NODE", "STATE", "LIFE", "LINKED", "ADDRESS", "CLIENTS AT", "INCARNATION",
                 "PROTOCOL", "ZONE", "REGION", "WEIGHT", "PARTITIONS", "COPIES"});
  std::string asked;
  for (const Json& member : ByName(json.at("members"))) {
    if (member.value("self", false)) asked = Word(member, "name");
    members.Add({Word(member, "name"), Field(member, "state"), Field(member, "life"),
                 member.value("linked", true) ? "yes" : "NO", Word(member, "address"),
                 Word(member, "resp"), Field(member, "incarnation"), ProtocolText(member),
                 Word(member, "zone"), Word(member, "region"), Field(member, "weight"),
                 Field(member, "partitions"), Field(member, "copies")});
  }
  std::string text =
      "cluster " + Word(json, "cluster") + ", layout " + Field(json, "number") +
      (json.contains("protocol") ? ", protocol version " + Field(json.at("protocol"), "version")
                                 : "") +
      ", as " + (asked.empty() ? "a node that is no member" : asked) + " sees it\n\n" +
      members.Render();
  const Json& moving = json.at("moving");
  const std::string partitions = Field(moving, "partitions");
  text += "\nmoving: ";
  text += partitions == "0"
              ? "nothing\n"
              : partitions + " partitions; " + Field(moving, "settled_since_commit") +
                    " have settled, " + Field(moving, "arrived") + " copies have arrived\n";
  text += TransfersText(json);
  if (const std::string staged = StagedText(json); !staged.empty()) {
    text += "staged on this node: " + staged +
            ". See `gyre cluster plan`, then `gyre cluster commit` or `abort`\n";
  }
  if (!json.at("waiting").empty()) {
    Table waiting({"WAITS TO BE LET IN", "ADDRESS", "SECONDS"});
    for (const Json& node : ByName(json.at("waiting"))) {
      waiting.Add({Word(node, "name"), Word(node, "address"), Field(node, "since_s")});
    }
    text += "\n" + waiting.Render() +
            "`gyre cluster join NODE` lets one in; `gyre cluster replace OLD NODE` in another's "
            "place\n";
  }
  return text;
}

// ---- plan ------------------------------------------------------------------------------------

std::string PlanText(const Json& json) {
  if (json.contains("staged") && json.at("staged").empty()) {
    return "Nothing is staged on this node. `gyre cluster join`, `leave`, `replace`, `remove`, "
           "`weight` and `split` do.\n";
  }
  std::string text;
  if (const std::string staged = StagedText(json); !staged.empty()) {
    text = "staged on this node: " + staged + "\n";
  }
  text += fmt::format("members: {} now, {} after\n", Field(json, "members_before"),
                      Field(json, "members_after"));
  if (json.contains("partition_count_after") &&
      json.at("partition_count_after") != json.at("partition_count_before")) {
    text += fmt::format("partitions: {} now, {} after\n", Field(json, "partition_count_before"),
                        Field(json, "partition_count_after"));
  }
  text += fmt::format("to be sent: {} copies of partitions", Field(json, "transfers"));
  if (json.contains("bytes_estimate")) {
    text += ", about " + BytesText(json.at("bytes_estimate").get<std::uint64_t>());
  }
  text += fmt::format("; no plan to the same shares can need fewer than {}\n",
                      Field(json, "transfers_least"));
  text += fmt::format("{} partitions get another first owner\n\n", Field(json, "partitions_moved"));
  Table nodes({"NODE", "PARTITIONS", "AFTER", "COPIES", "AFTER", "TO FETCH"});
  for (const Json& node : ByName(json.at("nodes"))) {
    nodes.Add({Word(node, "name"), Field(node, "partitions_before"),
               Field(node, "partitions_after"), Field(node, "copies_before"),
               Field(node, "copies_after"), Field(node, "transfers")});
  }
  text += nodes.Render() + "\n";
  Table apart({"NEIGHBOURS THAT SHARE", "NOW", "AFTER"});
  for (const auto& [what, before] : json.at("violations_before").items()) {
    apart.Add({Printable(what), before.dump(), Field(json.at("violations_after"), what.c_str())});
  }
  return text + apart.Render();
}

// ---- changes ---------------------------------------------------------------------------------

struct MemberFlags {
  ClientFlags client;
  std::string node;
  std::string by;
  std::uint32_t weight = 1;
  bool dead = false;
  bool wait = false;
  double patience_seconds = 600;
};

Result<RespValue> SayToCluster(RespClient& client, std::string_view verb,
                               const std::string& body = "") {
  std::vector<std::string_view> command{"KV.CLUSTER", verb};
  if (!body.empty()) command.push_back(body);
  return CallNode(client, command);
}

// `done` says in words what was staged.
int Stage(const MemberFlags& flags, const Json& change, const std::string& done) {
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Complain(client.error());
  const std::string body = change.dump(-1, ' ', false, Json::error_handler_t::replace);
  const Result<RespValue> reply = SayToCluster(*client, "STAGE", body);
  if (!reply) return Complain(reply.error());
  if (flags.client.json()) return PrintJson(reply->text);
  return WriteOut("staged: " + done +
                  "; see `gyre cluster plan`, then `gyre cluster commit`, on this same node\n")
             ? kExitOk
             : kExitUsage;
}

int Abort(const MemberFlags& flags) {
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Complain(client.error());
  const Result<RespValue> reply = SayToCluster(*client, "ABORT");
  if (!reply) return Complain(reply.error());
  if (flags.client.json()) return PrintJson(reply->text);
  return WriteOut("Nothing is staged on this node any more. What was committed goes on.\n")
             ? kExitOk
             : kExitUsage;
}

Result<MovesLeft> AskMovesLeft(RespClient& client) {
  const Result<RespValue> reply = SayToCluster(client, "STATUS");
  if (!reply) return Fail(reply.error());
  try {
    const Json json = Json::parse(reply->text);
    MovesLeft left;
    left.number = json.at("number");
    left.partitions = json.at("moving").at("partitions");
    left.arrived = json.at("moving").at("arrived");
    for (const Json& member : json.at("members")) {
      if (Field(member, "state") == "leaving") left.leaving.push_back(Word(member, "name"));
    }
    return left;
  } catch (const Json::exception& problem) {
    return Fail(ErrorCode::kUnsupported,
                std::string("the node's answer is not what this gyre expects: ") + problem.what());
  }
}

Instant SteadyInstant() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return Instant{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
}

// Tells of the progress until nothing moves in layout `number` or a later one. On a terminal one
// line, again and again.
int AwaitMoves(RespClient& client, std::uint64_t number, const MemberFlags& flags) {
  constexpr auto kPollMax = std::chrono::milliseconds(1000);
  const bool terminal = isatty(STDOUT_FILENO) == 1;
  const auto fail = [&](const Error& error) {
    if (terminal) fmt::print("\n");
    Complain({error.code, "the change is decided, but " + error.message +
                              "; `gyre cluster status` tells how far it is"});
    return int{kExitOutcomeUnknown};
  };
  MoveProgress progress(number,
                        Duration::Micros(static_cast<std::int64_t>(flags.patience_seconds * 1e6)));
  std::string last;
  for (auto pause = std::chrono::milliseconds(100);; pause = std::min(2 * pause, kPollMax)) {
    const Result<MovesLeft> left = AskMovesLeft(client);
    if (!left) return fail(left.error());
    progress.Note(*left, SteadyInstant());
    if (const std::string line = progress.Line(); line != last && !flags.client.json()) {
      fmt::print("{}{}{}", terminal ? "\r\x1b[K" : "", line, terminal ? "" : "\n");
      std::fflush(stdout);
      last = line;
    }
    if (progress.done()) break;
    if (progress.stuck()) {
      return fail({ErrorCode::kUnavailable, fmt::format("nothing has moved for {:g} s: is a node "
                                                        "down? It goes on by itself",
                                                        flags.patience_seconds)});
    }
    std::this_thread::sleep_for(pause);
  }
  if (terminal && !last.empty()) fmt::print("\n");
  return kExitOk;
}

// A majority may take its time: somewhat longer than the node itself waits for it.
constexpr double kCommitSeconds = 65;

int Commit(const MemberFlags& flags) {
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Complain(client.error());
  const Result<RespValue> reply = SayToCluster(*client, "COMMIT");
  if (!reply) {
    Error error = reply.error();
    if (error.code == ErrorCode::kOutcomeUnknown) {
      error.message += "; `gyre cluster status` tells whether the change was decided";
    }
    return Complain(error);
  }
  std::uint64_t number = 0;
  try {
    number = Json::parse(reply->text).at("number");
  } catch (const Json::exception& problem) {
    return Complain(
        {ErrorCode::kUnsupported,
         std::string("the node's answer is not what this gyre expects: ") + problem.what()});
  }
  if (flags.client.json()) {
    if (const int code = PrintJson(reply->text); code != kExitOk) return code;
  } else {
    fmt::print("decided: layout {}. {}\n", number,
               flags.wait ? "What has to move is moving:"
                          : "What has to move does so by itself; `gyre cluster status` tells how "
                            "far it is.");
    std::fflush(stdout);
  }
  return flags.wait ? AwaitMoves(*client, number, flags) : kExitOk;
}

}  // namespace

void AddMemberVerbs(CLI::App& app, int& exit_code) {
  CLI::App* cluster = app.add_subcommand(
      "cluster", "Who the members are, and how that is changed while the cluster runs");
  cluster->require_subcommand(1);
  cluster->footer(
      "A change is staged on one node, looked at, and committed there. Several changes staged "
      "together\nare one move. Nothing happens before the commit.");
  const auto add = [&](const char* name, const char* summary) {
    auto flags = std::make_shared<MemberFlags>();
    CLI::App* verb = cluster->add_subcommand(name, summary);
    AddClientFlags(*verb, flags->client, /*keyspace=*/false);
    return std::pair(verb, flags);
  };
  // No structured bindings: lambdas below keep the flags.
  const auto status = add("status", "The members, what moves, and who waits to be let in");
  status.first->callback([flags = status.second, &exit_code] {
    exit_code = PrintFromNode(flags->client, {"KV.CLUSTER", "STATUS"}, MembersText);
  });

  const auto join = add("join", "Stages: a node that waits to be let in becomes a member");
  join.first->add_option("node", join.second->node, "its name")->required();
  join.first->callback([flags = join.second, &exit_code] {
    exit_code = Stage(*flags, {{"change", "join"}, {"node", flags->node}}, flags->node + " joins");
  });

  const auto leave =
      add("leave", "Stages: a member hands over all it has, and is a member no more then");
  leave.first->add_option("node", leave.second->node, "its name")->required();
  leave.first->callback([flags = leave.second, &exit_code] {
    exit_code =
        Stage(*flags, {{"change", "leave"}, {"node", flags->node}}, flags->node + " leaves");
  });

  const auto replace =
      add("replace", "Stages: a node that waits to be let in takes exactly what a member has");
  replace.first->add_option("old", replace.second->node, "the member's name")->required();
  replace.first->add_option("new", replace.second->by, "the newcomer's name")->required();
  replace.first->add_flag("--dead", replace.second->dead,
                          "the member is dead: nobody waits for what it holds");
  replace.first->callback([flags = replace.second, &exit_code] {
    Json change = {{"change", "replace"}, {"node", flags->node}, {"by", flags->by}};
    if (flags->dead) change["dead"] = true;
    exit_code = Stage(*flags, change, flags->by + " replaces " + flags->node);
  });

  const auto remove =
      add("remove", "Stages: a dead member is one no more; what lay on it alone is not waited for");
  remove.first->add_option("node", remove.second->node, "its name")->required();
  remove.first->callback([flags = remove.second, &exit_code] {
    exit_code = Stage(*flags, {{"change", "remove"}, {"node", flags->node}},
                      flags->node + " is removed, without waiting for what it holds");
  });

  const auto weight = add("weight", "Stages: a member gets another share of the partitions");
  weight.first->add_option("node", weight.second->node, "its name")->required();
  weight.first->add_option("weight", weight.second->weight, "1 is usual")
      ->required()
      ->check(CLI::Range(1u, kWeightMax));
  weight.first->callback([flags = weight.second, &exit_code] {
    exit_code =
        Stage(*flags, {{"change", "weight"}, {"node", flags->node}, {"weight", flags->weight}},
              fmt::format("{} has weight {}", flags->node, flags->weight));
  });

  const auto split =
      add("split", "Stages: each partition becomes two, with the same owners; no data move");
  split.first->callback([flags = split.second, &exit_code] {
    exit_code = Stage(*flags, {{"change", "split"}}, "each partition becomes two");
  });

  const auto plan = add("plan", "What the staged changes would move");
  plan.first->callback([flags = plan.second, &exit_code] {
    exit_code = PrintFromNode(flags->client, {"KV.CLUSTER", "PLAN"}, PlanText);
  });

  const auto commit = add("commit", "Has the staged changes decided by a majority of the members");
  commit.first->add_flag("--wait", commit.second->wait,
                         "tell of the progress, and end when nothing moves any more");
  commit.first
      ->add_option("--patience", commit.second->patience_seconds,
                   "with --wait: seconds without any progress before it gives up [600]")
      ->check(CLI::Range(0.001, 86400.0 * 30));
  commit.first->callback([verb = commit.first, flags = commit.second, &exit_code] {
    if (verb->count("--timeout") == 0) flags->client.timeout_seconds = kCommitSeconds;
    exit_code = Commit(*flags);
  });

  const auto abort = add("abort", "Forgets what is staged");
  abort.first->callback([flags = abort.second, &exit_code] { exit_code = Abort(*flags); });
}

}  // namespace gyre
