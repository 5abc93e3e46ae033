// gyre ring, ring assess.
#include <fmt/format.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <vector>

#include "cli/cli_support.h"
#include "cli/node_json.h"
#include "cli/verbs.h"
#include "core/ring/ring_report.h"

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

// ---- ring assess ---------------------------------------------------------------------------

struct AssessFlags {
  std::string nodes = "3..1000";
  std::string output = "text";
  RingReportOptions options;
};

// "3..1000": the usual counts from the first to the last; "5,50": these.
Result<std::vector<int>> ReadCounts(const std::string& text) {
  const auto bad = Fail(ErrorCode::kInvalidArgument,
                        "--nodes: accepted: a range such as 3..1000, or counts such as 5,50,500");
  std::vector<int> counts;
  const auto number = [](std::string_view digits, int& value) {
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    return error == std::errc() && end == digits.data() + digits.size() && value > 0;
  };
  const std::string_view view = text;
  if (const std::size_t dots = view.find(".."); dots != std::string_view::npos) {
    int first = 0, last = 0;
    if (!number(view.substr(0, dots), first) || !number(view.substr(dots + 2), last) ||
        first > last) {
      return bad;
    }
    counts = {first, last};
    for (const int usual : RingReportOptions().node_counts) {
      if (usual >= first && usual <= last) counts.push_back(usual);
    }
    std::sort(counts.begin(), counts.end());
    counts.erase(std::unique(counts.begin(), counts.end()), counts.end());
    return counts;
  }
  for (std::size_t at = 0; at <= view.size();) {
    const std::size_t comma = std::min(view.find(',', at), view.size());
    int count = 0;
    if (!number(view.substr(at, comma - at), count)) return bad;
    counts.push_back(count);
    at = comma + 1;
  }
  return counts;
}

Json ViolationsObject(const WindowViolations& violations) {
  return {{"found", violations.found}, {"least", violations.least}};
}

Json QualityObject(const RingQuality& quality) {
  return {{"load_over_fair_share_max", quality.load_over_fair_share_max},
          {"fair_share_excess_max", quality.fair_share_excess_max},
          {"node_violations", ViolationsObject(quality.nodes)},
          {"zone_violations", ViolationsObject(quality.zones)},
          {"region_violations", ViolationsObject(quality.regions)}};
}

int AssessVerb(const AssessFlags& flags) {
  RingReportOptions options = flags.options;
  Result<std::vector<int>> counts = ReadCounts(flags.nodes);
  if (!counts) return Complain(counts.error());
  options.node_counts = std::move(*counts);
  const Result<std::vector<RingReportRow>> rows = AssessRings(options);
  if (!rows) return Complain(rows.error());
  if (flags.output != "json") {
    return WriteOut(RenderRingReport(options, *rows)) ? kExitOk : kExitUsage;
  }
  Json json = Json::array();
  for (const RingReportRow& row : *rows) {
    json.push_back({{"nodes", row.nodes},
                    {"partitions", row.partitions},
                    {"founded", QualityObject(row.founded)},
                    {"joined", QualityObject(row.joined)},
                    {"moved", row.moved},
                    {"joiner_share_ceiling", row.joiner_share_ceiling},
                    {"moved_between_others", row.moved_between_others}});
  }
  return WriteOut(Json({{"rings", std::move(json)}}).dump(2) + "\n") ? kExitOk : kExitUsage;
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

  auto assess_flags = std::make_shared<AssessFlags>();
  CLI::App* assess = ring->add_subcommand(
      "assess", "Found rings of many sizes and say how even they are; asks no node");
  assess->add_option("--nodes", assess_flags->nodes, "3..1000, or counts such as 5,50,500");
  assess->add_option("--n", assess_flags->options.replicas, "copies of each key [3]");
  assess->add_option("--partitions-per-node", assess_flags->options.partitions_per_node,
                     "at least, on average [64]");
  assess->add_option("--weight-max", assess_flags->options.weight_max,
                     "weights are drawn from 1 to this [4]");
  assess->add_option("--seed", assess_flags->options.weight_seed, "decides the weights [1]");
  assess->add_option("--zones", assess_flags->options.zones, "nodes take zones in turn [3]");
  assess->add_option("--regions", assess_flags->options.regions, "zones take regions in turn [1]");
  assess->add_option("-o,--output", assess_flags->output, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  assess->callback([assess_flags, &exit_code] { exit_code = AssessVerb(*assess_flags); });
}

}  // namespace gyre
