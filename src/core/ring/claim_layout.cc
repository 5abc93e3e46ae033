#include "core/ring/claim_layout.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace gyre {
namespace {

constexpr std::size_t kUncrowdRounds = 6;
// Per crowded partition and round; fewer if that would exceed the look-ups of neighbours that a
// round may take (some 50 ms).
constexpr std::size_t kPartnersMax = 48;
constexpr std::size_t kPartnersMin = 2;
constexpr std::size_t kLookupsPerRound = 2'000'000;
constexpr std::size_t kScatterSwapsPerPartition = 4;

}  // namespace

ClaimLayout::ClaimLayout(std::vector<Ring::Domain> domains, std::vector<std::uint32_t> owners,
                         int replicas)
    : domains_(std::move(domains)),
      owners_(std::move(owners)),
      window_(std::min(static_cast<std::size_t>(replicas), owners_.size())) {}

std::int64_t ClaimLayout::CrowdingIf(std::size_t partition, std::uint32_t member) const {
  const std::size_t mask = owners_.size() - 1;
  const Ring::Domain mine = domains_[member];
  std::int64_t crowding = 0;
  for (std::size_t distance = 1; distance < window_; ++distance) {
    std::int64_t pairs = 0;
    for (const std::size_t neighbour : {partition + distance, partition - distance}) {
      const std::uint32_t other = owners_[neighbour & mask];
      const Ring::Domain theirs = domains_[other];
      if (mine.region != theirs.region) continue;
      pairs += kRegionPair;
      if (mine.zone != theirs.zone) continue;
      pairs += kZonePair;
      if (member == other) pairs += kNodePair;
    }
    crowding += pairs * static_cast<std::int64_t>(window_ - distance);
  }
  return crowding;
}

std::int64_t ClaimLayout::TrySwap(std::size_t a, std::size_t b, std::int64_t cost_max) {
  if (owners_[a] == owners_[b]) return 0;
  // The pair (a, b) itself shares the same before and after, and so cancels out.
  const std::int64_t before = CrowdingAt(a) + CrowdingAt(b);
  std::swap(owners_[a], owners_[b]);
  const std::int64_t cost = CrowdingAt(a) + CrowdingAt(b) - before;
  if (cost <= cost_max) return cost;
  std::swap(owners_[a], owners_[b]);
  return 0;
}

void Uncrowd(ClaimLayout& layout, const std::vector<std::uint32_t>& group, Prng& prng) {
  const std::size_t count = layout.partition_count();
  GYRE_CHECK(group.size() == count);
  // Partitions by group: members_of(g) = sorted[first[g]] .. sorted[first[g + 1]].
  const std::uint32_t groups = *std::max_element(group.begin(), group.end()) + 1;
  std::vector<std::uint32_t> first(groups + 1, 0);
  for (const std::uint32_t g : group) ++first[g + 1];
  for (std::uint32_t g = 0; g < groups; ++g) first[g + 1] += first[g];
  std::vector<std::uint32_t> sorted(count);
  std::vector<std::uint32_t> next(first.begin(), first.end() - 1);
  for (std::size_t p = 0; p < count; ++p) sorted[next[group[p]]++] = static_cast<std::uint32_t>(p);

  for (std::size_t round = 0; round < kUncrowdRounds; ++round) {
    std::vector<std::uint32_t> crowded;
    for (std::size_t p = 0; p < count; ++p) {
      if (layout.CrowdingAt(p) > 0) crowded.push_back(static_cast<std::uint32_t>(p));
    }
    if (crowded.empty()) break;
    const std::size_t partners = std::clamp(kLookupsPerRound / (crowded.size() * layout.window()),
                                            kPartnersMin, kPartnersMax);
    std::int64_t gained = 0;
    for (const std::uint32_t p : crowded) {
      const std::uint32_t g = group[p];
      const std::uint32_t size = first[g + 1] - first[g];
      for (std::size_t i = 0; i < std::min<std::size_t>(size, partners); ++i) {
        const std::size_t at = size <= partners ? i : prng.Below(size);
        gained += layout.TrySwap(p, sorted[first[g] + at], /*cost_max=*/-1);
      }
    }
    if (gained == 0) break;
  }
}

void Scatter(ClaimLayout& layout, Prng& prng) {
  const std::size_t count = layout.partition_count();
  for (std::size_t i = 0; i < count * kScatterSwapsPerPartition; ++i) {
    // Two statements: the order in which arguments are evaluated differs between compilers.
    const std::size_t a = prng.Below(count);
    const std::size_t b = prng.Below(count);
    layout.TrySwap(a, b, /*cost_max=*/0);
  }
}

}  // namespace gyre
