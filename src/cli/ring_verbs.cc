// gyre ring, ring assess.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>

#include "cli/cli_support.h"
#include "cli/node_json.h"
#include "cli/verbs.h"

namespace gyre {
namespace {

std::string RingText(const Json& json) {
  Table table({"NODE", "ID", "WEIGHT", "ZONE", "REGION", "PARTITIONS", "FAIR", "SHARE"});
  for (const Json& member : json.at("members")) {
    table.Add({Field(member, "name"), Field(member, "id"), Field(member, "weight"),
               Field(member, "zone"), Field(member, "region"), Field(member, "partitions"),
               fmt::format("{:.1f}", member.at("fair_share").get<double>()),
               fmt::format("{:.2f}%", 100 * member.at("share").get<double>())});
  }
  return "ring epoch " + Field(json, "epoch") + ", " + Field(json, "partition_count") +
         " partitions by " + Field(json, "partitioner") + "\n\n" + table.Render();
}

}  // namespace

void AddRingVerbs(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<ClientFlags>();
  CLI::App* ring = app.add_subcommand("ring", "Who owns how much of the ring");
  AddClientFlags(*ring, *flags, /*keyspace=*/false);
  ring->require_subcommand(0, 1);
  ring->callback([ring, flags, &exit_code] {
    if (ring->get_subcommands().empty()) {
      exit_code = PrintFromNode(*flags, {"KV.RING"}, RingText);
    }
  });
}

}  // namespace gyre
