#include "core/ring/claim_counts.h"

#include <algorithm>
#include <numeric>
#include <queue>

#include "base/check.h"

namespace gyre {
namespace {

// count / weight, compared without division: counts are below 2^17, weights below 2^14.
struct Ratio {
  std::uint64_t count;
  std::uint64_t weight;
  bool operator<(const Ratio& other) const { return count * other.weight < other.count * weight; }
};

std::uint64_t Sum(const std::vector<std::uint32_t>& values) {
  return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

}  // namespace

std::vector<std::uint32_t> FairCounts(const std::vector<std::uint32_t>& weights,
                                      std::size_t partition_count, int replicas) {
  GYRE_CHECK(!weights.empty());
  const std::uint64_t weight_total = Sum(weights);
  const std::uint64_t distinct_max = partition_count / static_cast<std::size_t>(replicas);
  std::vector<std::uint32_t> counts;
  std::vector<std::size_t> fractional;
  for (const std::uint32_t weight : weights) {
    const std::uint64_t scaled = partition_count * weight;
    counts.push_back(static_cast<std::uint32_t>(scaled / weight_total));
    if (scaled % weight_total != 0) fractional.push_back(counts.size() - 1);
  }
  // Those who must give last come first; of equals, the heavier.
  std::sort(fractional.begin(), fractional.end(), [&](std::size_t a, std::size_t b) {
    const bool a_at_limit = counts[a] == distinct_max;
    const bool b_at_limit = counts[b] == distinct_max;
    if (a_at_limit != b_at_limit) return b_at_limit;
    const Ratio a_ratio{counts[a], weights[a]};
    const Ratio b_ratio{counts[b], weights[b]};
    if (a_ratio < b_ratio) return true;
    if (b_ratio < a_ratio) return false;
    if (weights[a] != weights[b]) return weights[a] > weights[b];
    return a < b;
  });
  const std::uint64_t left = partition_count - Sum(counts);
  GYRE_CHECK(left <= fractional.size());
  for (std::uint64_t i = 0; i < left; ++i) ++counts[fractional[i]];
  return counts;
}

JoinCounts CountsOfJoin(const std::vector<std::uint32_t>& counts,
                        const std::vector<std::uint32_t>& weights, std::size_t joiner,
                        int replicas) {
  GYRE_CHECK(counts.size() == weights.size() && counts[joiner] == 0);
  const std::uint64_t partition_count = Sum(counts);
  const std::uint64_t weight_total = Sum(weights);
  const std::uint64_t scaled = partition_count * weights[joiner];
  const std::uint64_t distinct_max = partition_count / static_cast<std::uint64_t>(replicas);
  const std::uint64_t rounded_down = scaled / weight_total;
  std::uint64_t taken = (2 * scaled + weight_total) / (2 * weight_total);
  if (rounded_down == distinct_max) taken = rounded_down;
  taken = std::max<std::uint64_t>(taken, 1);

  struct Giver {
    Ratio owes_below;  // (count - 1) / weight
    std::size_t member;
    bool operator<(const Giver& other) const {
      if (owes_below < other.owes_below) return true;
      if (other.owes_below < owes_below) return false;
      return member > other.member;
    }
  };
  JoinCounts join{.taken = static_cast<std::uint32_t>(taken),
                  .given = std::vector<std::uint32_t>(counts.size())};
  std::priority_queue<Giver> givers;
  const auto offer = [&](std::size_t member) {
    const std::uint64_t left = counts[member] - join.given[member];
    // Only who has more than its new share.
    if (left * weight_total > partition_count * weights[member]) {
      givers.push({{left - 1, weights[member]}, member});
    }
  };
  for (std::size_t member = 0; member < counts.size(); ++member) offer(member);
  for (std::uint64_t i = 0; i < taken; ++i) {
    GYRE_CHECK(!givers.empty());  // what is above the shares adds up to the joiner's, rounded up
    const std::size_t member = givers.top().member;
    givers.pop();
    ++join.given[member];
    offer(member);
  }
  return join;
}

}  // namespace gyre
