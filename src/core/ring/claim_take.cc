#include "core/ring/claim_take.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/prng.h"

namespace gyre {
namespace {

// Attempts to take partitions without crowding nodes, within about this many partitions in all.
constexpr std::size_t kAttemptsMax = 8;
constexpr std::size_t kPartitionsTried = 131'072;
constexpr std::uint64_t kJoiningSeed = 0x67797265204A6F69;  // any constant: all must use the same

class JoinLayout {
 public:
  JoinLayout(ClaimLayout layout, const Taking& taking)
      : from_(layout.owners()),
        layout_(std::move(layout)),
        taking_(taking),
        taken_(std::accumulate(taking.given.begin(), taking.given.end(), std::size_t{0})),
        taken_from_(taking.given.size(), 0),
        prng_(kJoiningSeed ^ taking.chance) {}

  ClaimLayout Run() {
    if (taken_ == 0) return std::move(layout_);
    if (TakeColumn()) {
      SettleCounts();
      return std::move(layout_);
    }
    std::vector<std::uint32_t> best;
    std::int64_t best_crowding = std::numeric_limits<std::int64_t>::max();
    const std::size_t attempts = std::min(kAttemptsMax, kPartitionsTried / from_.size());
    for (std::size_t attempt = 0; attempt < attempts; ++attempt) {
      for (std::size_t p = 0; p < from_.size(); ++p) layout_.SetOwner(p, from_[p]);
      std::fill(taken_from_.begin(), taken_from_.end(), 0);
      TakeAround();
      SettleCounts();
      Uncrowd(layout_, from_, prng_);
      const std::int64_t crowding = NodeCrowding();
      if (crowding < best_crowding) {
        best = layout_.owners();
        best_crowding = crowding;
      }
      if (best_crowding == 0) break;
    }
    for (std::size_t p = 0; p < from_.size(); ++p) layout_.SetOwner(p, best[p]);
    return std::move(layout_);
  }

 private:
  bool IsTaken(std::size_t p) const { return layout_.owner(p) == taking_.joiner; }
  // What taking p, or giving it back, does to crowding.
  std::int64_t CostOfTaking(std::size_t p) const {
    return layout_.CrowdingIf(p, taking_.joiner) - layout_.CrowdingIf(p, from_[p]);
  }
  void Take(std::size_t p) {
    layout_.SetOwner(p, taking_.joiner);
    ++taken_from_[from_[p]];
  }
  void GiveBack(std::size_t p) {
    layout_.SetOwner(p, from_[p]);
    --taken_from_[from_[p]];
  }

  // With no more members than N, each should have a partition in every window, and so a column of
  // the grid that a founding lays out. Takes the one of which the members' gifts make up the most,
  // and what they still owe evenly from the columns that nobody has alone. False, and nothing done,
  // if there is no such column.
  bool TakeColumn() {
    if (taking_.members > layout_.window()) return false;
    const Grid grid(from_.size(), layout_.window());
    std::vector<std::vector<std::uint32_t>> owned(grid.columns() + 1, taken_from_);
    grid.ForEachCell([&](std::size_t p, std::size_t column) { ++owned[column][from_[p]]; });
    std::vector<std::size_t> counts(taken_from_.size(), 0);
    for (const std::uint32_t owner : from_) ++counts[owner];
    std::vector<bool> kept(grid.columns() + 1, false);  // the own column of each who stays
    for (std::size_t i = 0; i < taken_from_.size(); ++i) {
      if (taking_.given[i] == counts[i]) continue;
      const auto own = std::find_if(owned.begin(), owned.end() - 1, [&](const auto& by_member) {
        return by_member[i] == grid.rows();
      });
      if (own != owned.end() - 1) kept[static_cast<std::size_t>(own - owned.begin())] = true;
    }
    std::size_t best = 0;
    std::uint64_t best_shortfall = grid.rows();
    for (std::size_t column = 0; column < grid.columns(); ++column) {
      if (kept[column]) continue;
      std::uint64_t shortfall = 0;
      for (std::size_t i = 0; i < taken_from_.size(); ++i) {
        shortfall += owned[column][i] - std::min(owned[column][i], taking_.given[i]);
      }
      if (shortfall < best_shortfall) {
        best = column;
        best_shortfall = shortfall;
      }
    }
    if (best_shortfall > grid.rows() / 16 + 1) return false;

    std::vector<std::vector<std::size_t>> shared(taken_from_.size());  // by owner
    grid.ForEachCell([&](std::size_t p, std::size_t column) {
      const std::uint32_t giver = from_[p];
      if (column == best && taken_from_[giver] < taking_.given[giver]) Take(p);
      if (column != best && !kept[column]) shared[giver].push_back(p);
    });
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const std::size_t owed =
          std::min<std::size_t>(taking_.given[i] - taken_from_[i], shared[i].size());
      for (std::size_t k = 0; k < owed; ++k) Take(shared[i][k * shared[i].size() / owed]);
    }
    return true;
  }

  std::int64_t NodeCrowding() const {
    std::int64_t sum = 0;
    for (std::size_t p = 0; p < from_.size(); ++p) {
      sum += layout_.CrowdingAt(p) / ClaimLayout::kNodePair;
    }
    return sum;
  }

  // One partition out of each of `taken` equal arcs, each at least a window after the last, and the
  // last a window before the first. There always is one: a choice is never so late that the rest
  // would not fit a window apart.
  void TakeAround() {
    const std::size_t count = from_.size();
    const std::size_t taken = taken_;
    const std::size_t spacing = std::min(layout_.window(), count / taken);
    const std::size_t start = prng_.Below(count);
    std::size_t first = 0;
    std::size_t previous = 0;
    for (std::size_t i = 0; i < taken; ++i) {
      std::size_t low = i * count / taken;
      std::size_t high = (i + 1) * count / taken - 1;
      if (i > 0) {
        low = std::max(low, previous + spacing);
        high = std::min(std::max(low, high), count + first - (taken - i) * spacing);
        low = std::min(low, high);
      } else {
        high = std::min(high, count - taken * spacing);
      }
      previous = BestOf(start, low, high);
      if (i == 0) first = previous;
      Take((start + previous) & (count - 1));
    }
  }

  std::size_t BestOf(std::size_t start, std::size_t low, std::size_t high) {
    using Score = std::tuple<bool, std::int64_t, std::uint64_t, std::uint64_t>;
    Score best_score(true, std::numeric_limits<std::int64_t>::max(), 0, 0);
    std::size_t best = low;
    for (std::size_t at = low; at <= high; ++at) {
      const std::size_t p = (start + at) & (from_.size() - 1);
      const std::uint32_t giver = from_[p];
      const std::uint64_t given = taking_.given[giver];
      const bool sated = taken_from_[giver] >= given;
      // When the giver's next partition is due, if it gives evenly all around.
      const std::uint64_t due =
          given == 0 ? ~std::uint64_t{0} : (taken_from_[giver] + 1) * taken_ * 64 / given;
      const Score score(sated, CostOfTaking(p), due, prng_.Next());
      if (score < best_score) {
        best_score = score;
        best = at;
      }
    }
    return best;
  }

  // Where a member gave too much or too little, that is settled at the least cost.
  void SettleCounts() {
    for (const bool take : {false, true}) {
      std::vector<std::pair<std::int64_t, std::size_t>> candidates;
      for (std::size_t p = 0; p < from_.size(); ++p) {
        const std::uint32_t given = taken_from_[from_[p]];
        const std::uint32_t wanted = taking_.given[from_[p]];
        if (IsTaken(p) == take || (take ? given >= wanted : given <= wanted)) continue;
        candidates.emplace_back(take ? CostOfTaking(p) : -CostOfTaking(p), p);
      }
      std::sort(candidates.begin(), candidates.end());
      for (const auto& [cost, p] : candidates) {
        const std::uint32_t given = taken_from_[from_[p]];
        const std::uint32_t wanted = taking_.given[from_[p]];
        if (take && given < wanted) Take(p);
        if (!take && given > wanted) GiveBack(p);
      }
    }
  }

  const std::vector<std::uint32_t> from_;  // owners before
  ClaimLayout layout_;
  const Taking& taking_;
  const std::size_t taken_;
  std::vector<std::uint32_t> taken_from_;
  Prng prng_;
};

}  // namespace

ClaimLayout TakeForJoiner(ClaimLayout layout, const Taking& taking) {
  return JoinLayout(std::move(layout), taking).Run();
}

}  // namespace gyre
