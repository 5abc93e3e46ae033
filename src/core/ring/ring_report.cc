#include "core/ring/ring_report.h"

#include <algorithm>
#include <cstdio>
#include <string_view>

#include "base/prng.h"
#include "core/config.h"

namespace gyre {
namespace {

constexpr int kNodesPerReportMax = 10'000;

Status CheckRange(std::string_view name, int value, int low, int high) {
  if (value >= low && value <= high) return {};
  return Fail(ErrorCode::kInvalidArgument, std::string(name) + " must be from " +
                                               std::to_string(low) + " to " + std::to_string(high) +
                                               ", not " + std::to_string(value));
}

Status CheckOptions(const RingReportOptions& options) {
  for (const int nodes : options.node_counts) {
    if (Status s = CheckRange("the number of nodes", nodes, 1, kNodesPerReportMax); !s) return s;
  }
  if (Status s = CheckRange("the greatest weight", options.weight_max, 1, kWeightMax); !s) return s;
  if (Status s =
          CheckRange("partitions per node", options.partitions_per_node, 1, 1 << kPartitionBitsMax);
      !s) {
    return s;
  }
  if (Status s = CheckRange("replicas (N)", options.replicas, 1, kReplicasMax); !s) return s;
  if (Status s = CheckRange("zones", options.zones, 1, kNodesPerReportMax); !s) return s;
  return CheckRange("regions", options.regions, 1, options.zones);
}

Member MakeMember(const RingReportOptions& options, int number, Prng& weights) {
  const int zone = (number - 1) % options.zones;
  return {.id = NodeId(static_cast<std::uint32_t>(number)),
          .name = "n" + std::to_string(number),
          .weight = static_cast<std::uint32_t>(weights.Between(1, options.weight_max)),
          .zone = "z" + std::to_string(zone + 1),
          .region = "r" + std::to_string(zone % options.regions + 1)};
}

int PartitionBitsFor(int nodes, int partitions_per_node) {
  const std::int64_t wanted = std::int64_t{nodes} * partitions_per_node;
  int bits = 0;
  while (bits < kPartitionBitsMax && (std::int64_t{1} << bits) < wanted) ++bits;
  while ((1 << bits) <= nodes) ++bits;  // room for the joiner
  return bits;
}

Result<RingReportRow> AssessOne(const RingReportOptions& options, int nodes) {
  Prng weights(options.weight_seed);
  std::vector<Member> members;
  std::uint64_t weight_total = 0;
  for (int number = 1; number <= nodes + 1; ++number) {
    members.push_back(MakeMember(options, number, weights));
    weight_total += members.back().weight;
  }
  const Member joiner = members.back();
  members.pop_back();

  const ClaimOptions claim{.partition_bits = PartitionBitsFor(nodes, options.partitions_per_node),
                           .replicas = options.replicas};
  const Result<Ring> founded = FoundRing(RingEpoch(1), std::move(members), claim);
  if (!founded) return Fail(founded.error());
  const Result<Ring> joined = ChangeRing(*founded, {.joins = {joiner}}, options.replicas);
  if (!joined) return Fail(joined.error());

  RingReportRow row{.nodes = nodes,
                    .partitions = founded->partition_count(),
                    .founded = Assess(*founded, options.replicas),
                    .joined = Assess(*joined, options.replicas),
                    .moved = MovedPartitions(*founded, *joined)};
  row.joiner_share_ceiling = (row.partitions * joiner.weight + weight_total - 1) / weight_total;
  for (std::size_t p = 0; p < row.partitions; ++p) {
    const NodeId owner = joined->owners()[p];
    if (owner != founded->owners()[p] && owner != joiner.id) ++row.moved_between_others;
  }
  return row;
}

template <typename... Values>
std::string Line(const char* format, Values... values) {
  char buffer[256];
  const int size = std::snprintf(buffer, sizeof buffer, format, values...);
  return std::string(buffer, static_cast<std::size_t>(std::clamp(size, 0, 255)));
}

std::string FoundOfLeast(const WindowViolations& violations) {
  return std::to_string(violations.found) + "/" + std::to_string(violations.least);
}

std::string QualityColumns(const RingQuality& quality) {
  return Line(" %6.4f %6.3f %7s %11s %11s ", quality.load_over_fair_share_max,
              quality.fair_share_excess_max, FoundOfLeast(quality.nodes).c_str(),
              FoundOfLeast(quality.zones).c_str(), FoundOfLeast(quality.regions).c_str());
}

}  // namespace

Result<std::vector<RingReportRow>> AssessRings(const RingReportOptions& options) {
  if (Status status = CheckOptions(options); !status) return Fail(std::move(status.error()));
  std::vector<RingReportRow> rows;
  for (const int nodes : options.node_counts) {
    Result<RingReportRow> row = AssessOne(options, nodes);
    if (!row) return Fail(std::move(row.error()));
    rows.push_back(*row);
  }
  return rows;
}

std::string RenderRingReport(const RingReportOptions& options,
                             const std::vector<RingReportRow>& rows) {
  std::string text =
      Line("N=%d, weights 1..%d (seed %llu), %d zones, %d regions\n", options.replicas,
           options.weight_max, static_cast<unsigned long long>(options.weight_seed), options.zones,
           options.regions);
  text +=
      "              |                 founded ring                   |"
      "              after one more node               |\n"
      " nodes      Q |   load excess    node       zone     region    |"
      "   load excess    node       zone     region    |  moved at most others\n";
  for (const RingReportRow& row : rows) {
    text +=
        Line("%6d %6zu |", row.nodes, row.partitions) + QualityColumns(row.founded) + "|" +
        QualityColumns(row.joined) +
        Line("| %6zu %7zu %6zu\n", row.moved, row.joiner_share_ceiling, row.moved_between_others);
  }
  text +=
      "load: the worst node's partitions over its fair share. excess: the furthest any node is "
      "from\n"
      "its share, in partitions. node, zone, region: how many of the Q windows of N neighbouring\n"
      "partitions have fewer distinct ones than there could be; a/b: a, where at least b must.\n"
      "moved: by the join; at most: the joiner's fair share, rounded up; others: moved between "
      "nodes\n"
      "that were there before.\n";
  return text;
}

}  // namespace gyre
