// Joining a ring: which of their partitions the others give to the joiner.
#include <algorithm>
#include <limits>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "core/config.h"
#include "core/ring/claim.h"
#include "core/ring/claim_counts.h"
#include "core/ring/claim_layout.h"

namespace gyre {
namespace {

// Attempts to take partitions without crowding nodes, within about this many partitions in all.
constexpr std::size_t kAttemptsMax = 8;
constexpr std::size_t kPartitionsTried = 131'072;
constexpr std::uint64_t kJoiningSeed = 0x67797265204A6F69;  // any constant: all must use the same

// Chooses counts.taken partitions for the joiner, counts.given[i] of them from member i.
class JoinLayout {
 public:
  // from[p] is the owner of p before.
  JoinLayout(const std::vector<Ring::Domain>& domains, std::vector<std::uint32_t> from,
             std::uint32_t joiner, JoinCounts counts, int replicas, std::uint64_t seed)
      : from_(std::move(from)),
        layout_(domains, from_, replicas),
        joiner_(joiner),
        counts_(std::move(counts)),
        taken_from_(domains.size(), 0),
        window_(std::min(static_cast<std::size_t>(replicas), from_.size())),
        prng_(seed) {}

  std::vector<std::uint32_t> Run() {
    if (TakeColumn()) {
      SettleCounts();
      return layout_.owners();
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
    return best;
  }

 private:
  bool IsTaken(std::size_t p) const { return layout_.owner(p) == joiner_; }
  // What taking p, or giving it back, does to crowding.
  std::int64_t CostOfTaking(std::size_t p) const {
    return layout_.CrowdingIf(p, joiner_) - layout_.CrowdingIf(p, from_[p]);
  }
  void Take(std::size_t p) {
    layout_.SetOwner(p, joiner_);
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
    if (taken_from_.size() > window_) return false;
    const Grid grid(from_.size(), window_);
    std::vector<std::vector<std::uint32_t>> owned(grid.columns() + 1, taken_from_);
    grid.ForEachCell([&](std::size_t p, std::size_t column) { ++owned[column][from_[p]]; });
    std::vector<bool> kept(grid.columns() + 1, false);  // each member's own column
    for (std::size_t i = 0; i < taken_from_.size(); ++i) {
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
        shortfall += owned[column][i] - std::min(owned[column][i], counts_.given[i]);
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
      if (column == best && taken_from_[giver] < counts_.given[giver]) Take(p);
      if (column != best && !kept[column]) shared[giver].push_back(p);
    });
    for (std::size_t i = 0; i < shared.size(); ++i) {
      const std::size_t owed =
          std::min<std::size_t>(counts_.given[i] - taken_from_[i], shared[i].size());
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
    const std::size_t taken = counts_.taken;
    const std::size_t spacing = std::min(window_, count / taken);
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
      const std::uint64_t given = counts_.given[giver];
      const bool sated = taken_from_[giver] >= given;
      // When the giver's next partition is due, if it gives evenly all around.
      const std::uint64_t due =
          given == 0 ? ~std::uint64_t{0} : (taken_from_[giver] + 1) * counts_.taken * 64 / given;
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
        const std::uint32_t wanted = counts_.given[from_[p]];
        if (IsTaken(p) == take || (take ? given >= wanted : given <= wanted)) continue;
        candidates.emplace_back(take ? CostOfTaking(p) : -CostOfTaking(p), p);
      }
      std::sort(candidates.begin(), candidates.end());
      for (const auto& [cost, p] : candidates) {
        const std::uint32_t given = taken_from_[from_[p]];
        const std::uint32_t wanted = counts_.given[from_[p]];
        if (take && given < wanted) Take(p);
        if (!take && given > wanted) GiveBack(p);
      }
    }
  }

  const std::vector<std::uint32_t> from_;
  ClaimLayout layout_;
  const std::uint32_t joiner_;
  const JoinCounts counts_;
  std::vector<std::uint32_t> taken_from_;
  const std::size_t window_;
  Prng prng_;
};

}  // namespace

Result<Ring> JoinRing(const Ring& ring, const Member& joiner, int replicas) {
  if (replicas < 1 || static_cast<std::size_t>(replicas) > kReplicasMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "replicas (N) must be from 1 to " + std::to_string(kReplicasMax));
  }
  if (ring.FindMember(joiner.id) != nullptr) {
    return Fail(ErrorCode::kInvalidArgument, "node '" + joiner.name + "' is a member already");
  }
  if (ring.members().size() >= ring.partition_count()) {
    return Fail(
        ErrorCode::kInvalidArgument,
        "there are as many nodes as partitions; no partition is left for '" + joiner.name + "'");
  }
  std::vector<Member> members = ring.members();
  members.push_back(joiner);
  const RingEpoch epoch(ring.epoch().value + 1);
  // Checks the members, sorts them and numbers their zones.
  Result<Ring> blank = Ring::Create(epoch, ring.partitioner(), std::move(members), ring.owners());
  if (!blank) return blank;

  const auto index_of = [&](NodeId id) {
    return static_cast<std::uint32_t>(blank->FindMember(id) - blank->members().data());
  };
  std::vector<std::uint32_t> from;
  std::vector<std::uint32_t> counts(blank->members().size(), 0);
  for (const NodeId owner : ring.owners()) {
    from.push_back(index_of(owner));
    ++counts[from.back()];
  }
  const std::uint32_t joiner_index = index_of(joiner.id);
  std::vector<std::uint32_t> weights;
  for (const Member& member : blank->members()) weights.push_back(member.weight);
  JoinLayout layout(blank->domains(), std::move(from), joiner_index,
                    CountsOfJoin(counts, weights, joiner_index, replicas), replicas,
                    kJoiningSeed ^ joiner.id.value);
  std::vector<NodeId> owners;
  owners.reserve(ring.partition_count());
  for (const std::uint32_t owner : layout.Run()) owners.push_back(blank->members()[owner].id);
  return Ring::Create(epoch, ring.partitioner(), blank->members(), std::move(owners));
}

}  // namespace gyre
