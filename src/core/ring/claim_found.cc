// Founding a ring: fair counts, a layout that is distinct by construction, then scattering.
#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "core/config.h"
#include "core/ring/claim.h"
#include "core/ring/claim_counts.h"
#include "core/ring/claim_layout.h"

namespace gyre {
namespace {

constexpr std::uint64_t kFoundingSeed = 0x6779726520466F75;  // any constant: all must use the same

// The order in which nodes fill the grid of LayOut. Whatever fills whole columns comes first:
// zones, then nodes, with exactly `rows` partitions. The rest follows by zone.
std::vector<std::uint32_t> GridOrder(const std::vector<Ring::Domain>& domains,
                                     const std::vector<std::uint32_t>& counts, std::uint32_t rows) {
  std::map<std::uint32_t, std::uint64_t> zone_counts;
  for (std::size_t i = 0; i < counts.size(); ++i) zone_counts[domains[i].zone] += counts[i];
  std::vector<std::uint32_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  const auto key = [&](std::uint32_t i) {
    const int stage = zone_counts[domains[i].zone] == rows ? 0 : counts[i] >= rows ? 1 : 2;
    return std::tuple(stage, domains[i].zone, i);
  };
  std::sort(order.begin(), order.end(),
            [&](std::uint32_t a, std::uint32_t b) { return key(a) < key(b); });
  return order;
}

// Lays counts[i] partitions of each i around a ring so that equal ones are at least `window` apart,
// if no count exceeds Q / window; and whole zones likewise.
//
// Nodes fill the grid (claim_layout.h) column after column, top down. Two cells of one
// column are at least a shortest row apart, which is at least `window`. A node that goes on at the
// top of the next column ends above the row where it began: its nearest cells are then almost two
// rows apart, or (last row, then first row of the next column) one row and one cell. Only a node
// with exactly `rows` partitions could end just above its beginning, one cell too near, so these
// come first and fill whole columns. The same holds with "zone" for "node", as zones are
// contiguous.
std::vector<std::uint32_t> LayOut(const std::vector<Ring::Domain>& domains,
                                  std::vector<std::uint32_t> counts, const Grid& grid) {
  const std::vector<std::uint32_t> order =
      GridOrder(domains, counts, static_cast<std::uint32_t>(grid.rows()));
  std::vector<std::uint32_t> owners(grid.partitions());
  auto next = order.begin();
  grid.ForEachCell([&](std::size_t partition, std::size_t) {
    while (counts[*next] == 0) ++next;
    owners[partition] = *next;
    --counts[*next];
  });
  return owners;
}

// For up to `window` members with floor(Q / window) partitions or more each: member i gets column i
// of the same grid, so that every window has all of them. What is left of each is spread evenly
// over the remaining columns: then the next joiner's fair share is a whole one of these and its
// part of the others, and again every window has all (see JoinLayout::TakeColumn).
std::vector<std::uint32_t> LayOutFew(const std::vector<std::uint32_t>& counts, const Grid& grid) {
  std::vector<std::uint32_t> owners(grid.partitions());
  std::vector<std::uint32_t> extra = counts;
  for (std::uint32_t& count : extra) count -= static_cast<std::uint32_t>(grid.rows());
  std::vector<std::uint32_t> left = extra;
  grid.ForEachCell([&](std::size_t partition, std::size_t column) {
    if (column < counts.size()) {
      owners[partition] = static_cast<std::uint32_t>(column);
      return;
    }
    std::size_t next = 0;  // of whom the greatest part is left
    for (std::size_t i = 1; i < left.size(); ++i) {
      if (left[next] == 0 ||
          std::uint64_t{left[i]} * extra[next] > std::uint64_t{left[next]} * extra[i]) {
        next = i;
      }
    }
    GYRE_CHECK(left[next] > 0);
    --left[next];
    owners[partition] = static_cast<std::uint32_t>(next);
  });
  return owners;
}

}  // namespace

Result<Ring> FoundRing(RingEpoch epoch, std::vector<Member> members, const ClaimOptions& options) {
  if (options.partition_bits < 0 || options.partition_bits > kPartitionBitsMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "partition bits must be from 0 to " + std::to_string(kPartitionBitsMax));
  }
  if (options.replicas < 1 || static_cast<std::size_t>(options.replicas) > kReplicasMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "replicas (N) must be from 1 to " + std::to_string(kReplicasMax));
  }
  const std::size_t partitions = std::size_t{1} << options.partition_bits;
  if (members.size() > partitions) {
    return Fail(ErrorCode::kInvalidArgument,
                std::to_string(members.size()) + " nodes are more than " +
                    std::to_string(partitions) + " partitions; raise partition_bits");
  }
  // Checks the members, sorts them and numbers their zones.
  const NodeId anyone = members.empty() ? NodeId(0) : members.front().id;
  Result<Ring> blank = Ring::Create(epoch, options.partitioner, std::move(members),
                                    std::vector<NodeId>(partitions, anyone));
  if (!blank) return blank;

  std::vector<std::uint32_t> weights;
  for (const Member& member : blank->members()) weights.push_back(member.weight);
  const std::vector<std::uint32_t> counts = FairCounts(weights, partitions, options.replicas);
  const std::size_t window = std::min(static_cast<std::size_t>(options.replicas), partitions);
  const Grid grid(partitions, window);
  const bool few =
      counts.size() <= window && *std::min_element(counts.begin(), counts.end()) >= grid.rows();
  ClaimLayout layout(blank->domains(),
                     few ? LayOutFew(counts, grid) : LayOut(blank->domains(), counts, grid),
                     options.replicas);
  // Up to N nodes each stand in every preference list anyway; then the grid's columns are worth
  // more, as the next joiner can take a whole one.
  if (weights.size() > window) {
    Prng prng(kFoundingSeed);
    const std::vector<std::uint32_t> one_group(partitions, 0);
    Uncrowd(layout, one_group, prng);
    Scatter(layout, prng);
    Uncrowd(layout, one_group, prng);
  }
  std::vector<NodeId> owners;
  owners.reserve(partitions);
  for (const std::uint32_t owner : layout.owners()) owners.push_back(blank->members()[owner].id);
  return Ring::Create(epoch, options.partitioner, blank->members(), std::move(owners));
}

}  // namespace gyre
