#include "core/ring/claim_counts.h"

#include <algorithm>
#include <numeric>
#include <queue>
#include <utility>

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

namespace {

// What the count of one node may become.
struct Bounds {
  std::uint64_t low;
  std::uint64_t high;
  // High without the one partition too many to lie N apart.
  std::uint64_t high_apart;
};

bool WeightsChange(const std::vector<NodeShare>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [](const NodeShare& node) {
    return node.weight_before != 0 && node.weight_after != 0 &&
           node.weight_before != node.weight_after;
  });
}

// Counts on their way into their bounds.
class CountsInBounds {
 public:
  CountsInBounds(const std::vector<NodeShare>& nodes, int replicas) : nodes_(nodes) {
    for (const NodeShare& node : nodes) {
      partitions_ += node.count;
      weight_before_ += node.weight_before;
      weight_after_ += node.weight_after;
    }
    distinct_max_ = partitions_ / static_cast<std::uint64_t>(replicas);
    strict_ = WeightsChange(nodes);
    for (const NodeShare& node : nodes) {
      const std::uint64_t count = FirstCount(node);
      bounds_.push_back(BoundsOf(node, count));
      counts_.push_back(
          static_cast<std::uint32_t>(std::clamp(count, bounds_.back().low, bounds_.back().high)));
    }
  }

  std::vector<std::uint32_t> Run() {
    // Joiners give back last, but take first, so that nothing moves between those that stay.
    for (const bool joiners : {false, true}) Lower(joiners);
    for (const bool joiners : {true, false}) {
      for (const bool apart : {true, false}) Raise(joiners, apart);
    }
    GYRE_CHECK(Sum(counts_) == partitions_);  // which lies between the sums of the bounds
    return counts_;
  }

 private:
  static bool Joins(const NodeShare& node) { return node.weight_before == 0; }

  std::uint64_t FirstCount(const NodeShare& node) const {
    if (!Joins(node)) return node.count;
    const std::uint64_t scaled = partitions_ * node.weight_after;
    const std::uint64_t rounded_down = scaled / weight_after_;
    const std::uint64_t nearest = (2 * scaled + weight_after_) / (2 * weight_after_);
    return std::max<std::uint64_t>(rounded_down == distinct_max_ ? rounded_down : nearest, 1);
  }

  Bounds BoundsOf(const NodeShare& node, std::uint64_t count) const {
    const auto share = [this](std::uint64_t weight, std::uint64_t total) {
      return std::pair(partitions_ * weight / total, (partitions_ * weight + total - 1) / total);
    };
    auto [low, high] = share(node.weight_after, weight_after_);
    const bool at_limit = low == distinct_max_;
    if (!strict_ && node.weight_before != 0 && node.weight_after != 0) {
      const auto [low_before, high_before] = share(node.weight_before, weight_before_);
      if (count > high_before) high = std::max(high, count);
      if (count < low_before) low = std::min(low, count);
    }
    const std::uint64_t high_apart = at_limit ? std::max(low, std::min(count, high)) : high;
    return {low, high, high_apart};
  }

  // Who stands at `ratio` to its next deadline. The first of equals goes first.
  struct Waiting {
    Ratio ratio;
    std::size_t node;
  };

  // Takes from those above their low bound, while the sum is too great.
  void Lower(bool joiners) {
    std::uint64_t sum = Sum(counts_);
    const auto later = [](const Waiting& a, const Waiting& b) {
      if (a.ratio < b.ratio) return true;
      return !(b.ratio < a.ratio) && a.node > b.node;
    };
    std::priority_queue<Waiting, std::vector<Waiting>, decltype(later)> givers(later);
    const auto offer = [&](std::size_t i) {
      if (counts_[i] > bounds_[i].low) {
        givers.push({{counts_[i] - 1u, nodes_[i].weight_after}, i});
      }
    };
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (Joins(nodes_[i]) == joiners) offer(i);
    }
    for (; sum > partitions_ && !givers.empty(); --sum) {
      const std::size_t giver = givers.top().node;
      givers.pop();
      --counts_[giver];
      offer(giver);
    }
  }

  // Adds to those below their high bound, while the sum is too small.
  void Raise(bool joiners, bool apart) {
    std::uint64_t sum = Sum(counts_);
    const auto later = [](const Waiting& a, const Waiting& b) {
      if (b.ratio < a.ratio) return true;
      return !(a.ratio < b.ratio) && a.node > b.node;
    };
    std::priority_queue<Waiting, std::vector<Waiting>, decltype(later)> takers(later);
    const auto offer = [&](std::size_t i) {
      if (counts_[i] < (apart ? bounds_[i].high_apart : bounds_[i].high)) {
        takers.push({{counts_[i] + 1u, nodes_[i].weight_after}, i});
      }
    };
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (Joins(nodes_[i]) == joiners) offer(i);
    }
    for (; sum < partitions_ && !takers.empty(); ++sum) {
      const std::size_t taker = takers.top().node;
      takers.pop();
      ++counts_[taker];
      offer(taker);
    }
  }

  const std::vector<NodeShare>& nodes_;
  std::uint64_t partitions_ = 0;
  std::uint64_t weight_before_ = 0;
  std::uint64_t weight_after_ = 0;
  std::uint64_t distinct_max_ = 0;
  bool strict_ = false;
  std::vector<Bounds> bounds_;
  std::vector<std::uint32_t> counts_;
};

}  // namespace

std::vector<std::uint32_t> CountsOfChange(const std::vector<NodeShare>& nodes, int replicas) {
  return CountsInBounds(nodes, replicas).Run();
}

}  // namespace gyre
