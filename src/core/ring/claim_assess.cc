// How good a ring is.
#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "core/config.h"
#include "core/ring/claim.h"

namespace gyre {
namespace {

// Windows of `window` consecutive entries of `labels`, wrapping around, with fewer distinct labels
// than there can be of labels 0..label_count-1.
WindowViolations Violations(const std::vector<std::uint32_t>& labels, std::size_t label_count,
                            std::size_t window) {
  const std::size_t wanted = std::min(window, label_count);
  std::vector<std::size_t> seen(label_count, 0);
  std::size_t distinct = 0;
  for (std::size_t i = 0; i < window; ++i) distinct += seen[labels[i]]++ == 0 ? 1 : 0;
  WindowViolations violations;
  for (std::size_t start = 0; start < labels.size(); ++start) {
    if (distinct < wanted) ++violations.found;
    distinct -= --seen[labels[start]] == 0 ? 1 : 0;
    distinct += seen[labels[(start + window) % labels.size()]]++ == 0 ? 1 : 0;
  }

  // Each partition lies in `window` windows. Where all of a window should differ, a label with
  // count c is one too many window * c - Q times or more, and up to window - 1 times in one window;
  // where a window should have all labels, one with count c is missing from Q - window * c or more.
  std::vector<std::size_t> counts(label_count, 0);
  for (const std::uint32_t label : labels) ++counts[label];
  const auto [rarest, commonest] = std::minmax_element(counts.begin(), counts.end());
  const auto excess = [](std::size_t a, std::size_t b) {
    return static_cast<int>(a > b ? a - b : 0);
  };
  if (label_count >= window && window > 1) {
    const int per_window = static_cast<int>(window) - 1;
    violations.least = (excess(window * *commonest, labels.size()) + per_window - 1) / per_window;
  }
  if (label_count <= window) {
    violations.least = std::max(violations.least, excess(labels.size(), window * *rarest));
  }
  return violations;
}

}  // namespace

RingQuality Assess(const Ring& ring, int replicas) {
  GYRE_CHECK(replicas >= 1 && static_cast<std::size_t>(replicas) <= kReplicasMax);
  const std::vector<Member>& members = ring.members();
  std::vector<std::uint32_t> nodes;
  for (const NodeId owner : ring.owners()) {
    nodes.push_back(static_cast<std::uint32_t>(ring.FindMember(owner) - members.data()));
  }

  RingQuality quality;
  double weight_total = 0;
  for (const Member& member : members) weight_total += member.weight;
  std::vector<std::uint32_t> counts(members.size(), 0);
  for (const std::uint32_t node : nodes) ++counts[node];
  for (std::size_t i = 0; i < members.size(); ++i) {
    const double share =
        static_cast<double>(ring.partition_count()) * members[i].weight / weight_total;
    quality.load_over_fair_share_max =
        std::max(quality.load_over_fair_share_max, counts[i] / share);
    quality.fair_share_excess_max =
        std::max(quality.fair_share_excess_max, std::abs(counts[i] - share));
  }

  const std::size_t window = std::min(static_cast<std::size_t>(replicas), ring.partition_count());
  const auto violations_of = [&](auto label_of) {
    std::vector<std::uint32_t> labels;
    for (const std::uint32_t node : nodes) labels.push_back(label_of(node));
    std::uint32_t label_last = 0;
    for (std::uint32_t node = 0; node < members.size(); ++node) {
      label_last = std::max(label_last, label_of(node));
    }
    return Violations(labels, std::size_t{label_last} + 1, window);
  };
  quality.nodes = violations_of([](std::uint32_t node) { return node; });
  quality.zones = violations_of([&](std::uint32_t node) { return ring.domains()[node].zone; });
  quality.regions = violations_of([&](std::uint32_t node) { return ring.domains()[node].region; });
  return quality;
}

std::size_t MovedPartitions(const Ring& before, const Ring& after) {
  GYRE_CHECK(before.partition_count() == after.partition_count());
  std::size_t moved = 0;
  for (std::size_t p = 0; p < before.partition_count(); ++p) {
    moved += before.owners()[p] != after.owners()[p] ? 1 : 0;
  }
  return moved;
}

}  // namespace gyre
