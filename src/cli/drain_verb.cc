// gyre drain: a node is made ready to be stopped. docs/cluster.md.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <chrono>
#include <memory>
#include <thread>

#include "cli/cli_support.h"
#include "cli/node_json.h"
#include "cli/verbs.h"

namespace gyre {
namespace {

constexpr auto kPoll = std::chrono::milliseconds(200);
// Past the time that clients have: what is in flight then is over soon.
constexpr int kPollsMore = 50;

struct DrainFlags {
  ClientFlags client;
  unsigned seconds = 30;
  bool undo = false;
};

// On a connection of its own: one that was there before the drain would be a client to wait for.
Result<Json> Ask(const DrainFlags& flags, std::vector<std::string_view> command) {
  Result<RespClient> client = ConnectTo(flags.client);
  if (!client) return Fail(client.error());
  const Result<RespValue> reply = CallNode(*client, command);
  if (!reply) return Fail(reply.error());
  const Json json = Json::parse(reply->text, nullptr, /*allow_exceptions=*/false);
  if (json.is_object() && json.contains("drain")) return json.at("drain");
  return Fail(ErrorCode::kUnsupported, "the node's answer is not what this gyre expects");
}

int Undo(const DrainFlags& flags) {
  const Result<Json> drain = Ask(flags, {"KV.CLUSTER", "UNDRAIN"});
  if (!drain) return Complain(drain.error());
  return WriteOut("The node serves clients again.\n") ? kExitOk : kExitUsage;
}

int DrainNode(const DrainFlags& flags) {
  const std::string body = Json({{"seconds", flags.seconds}}).dump();
  Result<Json> drain = Ask(flags, {"KV.CLUSTER", "DRAIN", body});
  for (unsigned polls = flags.seconds * 5 + kPollsMore; drain && polls > 0; --polls) {
    std::this_thread::sleep_for(kPoll);
    drain = Ask(flags, {"KV.CLUSTER", "STATUS"});
    if (!drain) break;
    if (!drain->is_object()) return Complain({ErrorCode::kUnavailable, "the drain was undone"});
    if (!drain->value("done", false)) continue;
    const std::string hints = Field(*drain, "hints");
    return WriteOut("Drained: the node can be stopped." +
                    (hints == "0" ? std::string()
                                  : " It keeps " + hints +
                                        " hints for nodes that are away, and hands them over when "
                                        "it is back.") +
                    "\n")
               ? kExitOk
               : kExitUsage;
  }
  if (!drain) return Complain(drain.error());
  return Complain({ErrorCode::kUnavailable, "not drained in time: " + Field(*drain, "clients") +
                                                " clients and " + Field(*drain, "requests") +
                                                " requests are left"});
}

}  // namespace

void AddDrainVerb(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<DrainFlags>();
  CLI::App* verb = app.add_subcommand("drain", "Make a node ready to be stopped");
  AddClientFlags(*verb, flags->client, /*keyspace=*/false);
  verb->add_option("--seconds", flags->seconds,
                   "clients that do not go by themselves are sent away after so long [30]")
      ->check(CLI::Range(0u, 3600u));
  verb->add_flag("--undo", flags->undo, "serve clients again");
  verb->callback(
      [flags, &exit_code] { exit_code = flags->undo ? Undo(*flags) : DrainNode(*flags); });
}

}  // namespace gyre
