// gyre status, repair, keyspace, key explain: a node's JSON, as it is or as tables.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "base/base64.h"
#include "cli/cli_support.h"
#include "cli/node_json.h"
#include "cli/verbs.h"

namespace gyre {
namespace {

std::string StatusText(const Json& json) {
  // Of an older node there is none.
  std::string text = json.contains("summary") ? Field(json, "summary") + "\n\n" : "";
  text += Field(json, "node") + " of cluster " + Field(json, "cluster") + ", gyre " +
          Field(json, "version") + ", up " +
          SecondsText(json.value("uptime_ms", std::uint64_t{0})) + ", " + Field(json, "shards") +
          " shards, " +
          (json.value("ready", false) ? "ready" : "NOT READY: " + Field(json, "problem")) + "\n";
  const Json& engine = json.at("engine");
  text += "storage: " + Field(engine, "kind") + ", durability " + Field(engine, "durability") +
          ", about " + Field(engine, "rows") + " rows, " + Field(engine, "bytes") + " bytes\n";
  for (const Json& warning : json.at("warnings")) {
    text += "warning: " + warning.get<std::string>() + "\n";
  }
  if (!json.at("peers").empty()) {
    Table peers({"PEER", "ADDRESS", "STATE", "LINK", "SENT", "RECEIVED", "DROPPED", "PROBLEM"});
    for (const Json& peer : json.at("peers")) {
      const bool up = peer.value("up", false);
      const char* const link = !up ? "-" : peer.value("tls", false) ? "tls" : "plain";
      peers.Add({Field(peer, "name"), Field(peer, "address"), up ? "up" : "DOWN", link,
                 Field(peer, "frames_sent"), Field(peer, "frames_received"),
                 Field(peer, "frames_dropped"), Field(peer, "problem")});
    }
    text += "\n" + peers.Render();
  }
  if (json.contains("owed") && !json.at("owed").empty()) {
    Table owed({"OWED TO", "HINTS", "BYTES", "OLDEST"});
    for (const Json& debt : json.at("owed")) {
      owed.Add({Field(debt, "node"), Field(debt, "hints"), Field(debt, "bytes"),
                SecondsText(debt.value("oldest_ms", std::uint64_t{0}))});
    }
    text += "\n" + owed.Render();
  }
  if (json.contains("jobs") && !json.at("jobs").empty()) {
    Table jobs({"JOB", "FOR", "DONE", "LEFT", "", "DONE IN"});
    for (const Json& job : json.at("jobs")) {
      const Json& seconds = job.at("seconds_left");
      jobs.Add({Field(job, "job"), Field(job, "node"), Field(job, "done"), Field(job, "left"),
                Field(job, "unit"),
                seconds.is_number()
                    ? SecondsText(static_cast<std::uint64_t>(seconds.get<double>() * 1000))
                    : "?"});
    }
    text += "\n" + jobs.Render();
  }
  if (!json.at("latency").empty()) {
    Table latency({"OPERATION", "COUNT", "P50 us", "P99 us", "P99.9 us"});
    for (const auto& [name, row] : json.at("latency").items()) {
      latency.Add({name, Field(row, "count"), Field(row, "p50_us"), Field(row, "p99_us"),
                   Field(row, "p999_us")});
    }
    text += "\n" + latency.Render();
  }
  Table counters({"COUNTER", "VALUE"});
  for (const auto& [name, value] : json.at("counters").items()) {
    if (value != 0) counters.Add({name, value.dump()});
  }
  return text + "\n" + counters.Render();
}

std::string KeyspacesText(const Json& json) {
  Table table({"KEYSPACE", "N", "R", "W", "SLOPPY", "COPIES", "DEFAULT TTL", "PROMISE"});
  for (const Json& keyspace : json.at("keyspaces")) {
    const std::uint64_t ttl_ms = keyspace.value("default_ttl_ms", std::uint64_t{0});
    table.Add({Field(keyspace, "name"), Field(keyspace, "n"), Field(keyspace, "r"),
               Field(keyspace, "w"), keyspace.value("sloppy", false) ? "yes" : "no",
               Field(keyspace, "copies"), ttl_ms == 0 ? "none" : SecondsText(ttl_ms),
               Field(keyspace, "promise")});
  }
  return table.Render();
}

std::string Joined(const Json& names) {
  std::string text;
  for (const Json& name : names) text += (text.empty() ? "" : ", ") + name.get<std::string>();
  return text.empty() ? "none" : text;
}

std::string ClockText(const Json& clock) {
  std::string text;
  for (const Json& entry : clock) {
    text += (text.empty() ? "[" : ",[") + Field(entry, "node") + "," + Field(entry, "n") + "]";
  }
  return text.empty() ? "-" : text;
}

std::string ExplainText(const Json& json) {
  std::string key;
  Base64Decode(Field(json, "key_base64"), key);
  std::string text = "key        " + Printable(key) + "  (keyspace " + Field(json, "keyspace") +
                     ")\ntoken      " + Field(json, "token") + "  (" + Field(json, "partitioner") +
                     ")\npartition  " + Field(json, "partition") + "\nowners     " +
                     Joined(json.at("owners")) + "\nfallbacks  " + Joined(json.at("fallbacks")) +
                     "\n\n";
  Table table({"NODE", "CLOCK", "WRITTEN AS", "STATE", "BYTES", "VALUE"});
  for (const Json& copy : json.at("copies")) {
    if (copy.contains("error")) {
      table.Add({Field(copy, "node"), "?", "", "unknown", "", Field(copy.at("error"), "message")});
      continue;
    }
    const std::string clock = ClockText(copy.at("clock"));
    if (copy.at("siblings").empty()) table.Add({Field(copy, "node"), clock, "", "absent", "", ""});
    for (const Json& sibling : copy.at("siblings")) {
      std::string value;
      Base64Decode(Field(sibling, "value_base64"), value);
      const Json& dot = sibling.at("dot");
      table.Add({Field(copy, "node"), clock, "[" + Field(dot, "node") + "," + Field(dot, "n") + "]",
                 Field(sibling, "state"), Field(sibling, "bytes"), Printable(value, 60)});
    }
  }
  return text + table.Render();
}

struct ExplainFlags {
  ClientFlags client;
  std::string key;
  bool hex = false;
  bool percent = false;
};

int Explain(const ExplainFlags& flags) {
  const Result<std::string> key = ReadKey(flags.key, flags.hex, flags.percent);
  if (!key) return Complain(key.error());
  return PrintFromNode(flags.client, {"KV.EXPLAIN", *key}, ExplainText);
}

// What is left of a repair, as the node tells it.
struct RepairLeft {
  std::uint64_t pairs = 0, waiting = 0, unequal = 0;

  bool operator==(const RepairLeft&) const = default;
};

Result<RepairLeft> AskWhatIsLeft(RespClient& client) {
  const Result<RespValue> reply = CallNode(client, {"KV.STATUS"});
  if (!reply) return Fail(reply.error());
  try {
    const Json repair = Json::parse(reply->text).at("repair");
    return RepairLeft{repair.at("pairs"), repair.at("waiting"), repair.at("unequal")};
  } catch (const Json::exception& problem) {
    return Fail(ErrorCode::kUnsupported,
                std::string("the node's status is not what this gyre expects: ") + problem.what());
  }
}

// Tells of the progress until all pairs were compared and none differs, or nothing moves any more.
int AwaitRepair(RespClient& client) {
  constexpr auto kPoll = std::chrono::milliseconds(250);  // the node publishes each 100 ms
  constexpr int kStillMax = 40;                           // polls
  RepairLeft last;
  for (int still = 0; still < kStillMax;) {
    std::this_thread::sleep_for(kPoll);
    const Result<RepairLeft> left = AskWhatIsLeft(client);
    if (!left) return Complain(left.error());
    still = *left == last ? still + 1 : 0;
    if (still == 0) {
      fmt::print("compared {} of {} copies of partitions, {} differ\n", left->pairs - left->waiting,
                 left->pairs, left->unequal);
      std::fflush(stdout);
    }
    if (left->waiting == 0 && left->unequal == 0 && still > 0) return kExitOk;
    last = *left;
  }
  return Complain({ErrorCode::kUnavailable,
                   "nothing moves for 10 s: is an owner away? `gyre status` tells; what differs is "
                   "compared again by itself"});
}

int HurryRepair(const ClientFlags& flags, bool wait) {
  Result<RespClient> client = ConnectTo(flags);
  if (!client) return Complain(client.error());
  const Result<RespValue> reply = CallNode(*client, {"KV.REPAIR"});
  if (!reply) return Complain(reply.error());
  if (wait) return AwaitRepair(*client);
  fmt::print("Comparing with the other owners now; `gyre status` tells how it goes.\n");
  return kExitOk;
}

}  // namespace

void AddClusterVerbs(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ClientFlags>();
  CLI::App* status = app.add_subcommand("status", "What a node says of itself and its peers");
  AddClientFlags(*status, *flags, /*keyspace=*/false);
  status->callback(
      [flags, &exit_code] { exit_code = PrintFromNode(*flags, {"KV.STATUS"}, StatusText); });

  flags = std::make_shared<ClientFlags>();
  CLI::App* repair = app.add_subcommand(
      "repair", "Has a node compare all it holds with the other owners now, not in its turn");
  AddClientFlags(*repair, *flags, /*keyspace=*/false);
  auto wait = std::make_shared<bool>(false);
  repair->add_flag("--wait", *wait, "tell of the progress, and end when all owners agree");
  repair->callback([flags, wait, &exit_code] { exit_code = HurryRepair(*flags, *wait); });

  flags = std::make_shared<ClientFlags>();
  CLI::App* keyspace = app.add_subcommand(
      "keyspace", "The keyspaces: N, R, W, sloppy or not, and what that promises");
  AddClientFlags(*keyspace, *flags, /*keyspace=*/false);
  keyspace->callback(
      [flags, &exit_code] { exit_code = PrintFromNode(*flags, {"KV.KEYSPACES"}, KeyspacesText); });

  auto explain_flags = std::make_shared<ExplainFlags>();
  CLI::App* key = app.add_subcommand("key", "About one key");
  key->require_subcommand(1);
  CLI::App* explain =
      key->add_subcommand("explain", "Where a key lives, and what each owner holds of it");
  explain->add_option("key", explain_flags->key, "the key")->required();
  auto* hex = explain->add_flag("--key-hex", explain_flags->hex, "the key is given as hex digits");
  explain->add_flag("--key-percent", explain_flags->percent, "%XX in the key stands for a byte")
      ->excludes(hex);
  AddClientFlags(*explain, explain_flags->client, /*keyspace=*/true);
  explain->callback([explain_flags, &exit_code] { exit_code = Explain(*explain_flags); });
}

}  // namespace gyre
