// Founds rings of many sizes, joins one node to each, and says how good they came out: what
// `gyre ring assess` prints. Pure: the same options give the same rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/ring/claim.h"

namespace gyre {

struct RingReportOptions {
  std::vector<int> node_counts = {3, 4, 5, 6, 8, 10, 20, 50, 100, 200, 500, 1000};
  // Weights are drawn from 1..weight_max; the seed decides them.
  std::uint64_t weight_seed = 1;
  int weight_max = 4;
  // Q is the smallest power of two with this many partitions a node on average, or 65,536.
  int partitions_per_node = 64;
  int replicas = 3;  // N
  // Nodes take zones in turn, zones take regions in turn.
  int zones = 3;
  int regions = 1;
};

struct RingReportRow {
  int nodes = 0;
  std::size_t partitions = 0;  // Q
  RingQuality founded;
  // After one more node, of a weight from the same range.
  RingQuality joined;
  std::size_t moved = 0;  // partitions that changed owner
  std::size_t joiner_share_ceiling =
      0;  // the joiner's fair share, rounded up: moved never exceeds it
  std::size_t moved_between_others = 0;  // changed to another owner than the joiner: always 0
};

// Errors: kInvalidArgument (a count or option out of range; the message names it).
Result<std::vector<RingReportRow>> AssessRings(const RingReportOptions& options);

// A table for a terminal, with a heading and a line on what the columns mean.
std::string RenderRingReport(const RingReportOptions& options,
                             const std::vector<RingReportRow>& rows);

}  // namespace gyre
