#include "core/ring/claim_churn.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace gyre {
namespace {

// A list that has not all its zones after this many times N partitions is taken as it is.
constexpr std::size_t kReachFactor = 8;
// One copy sent without need weighs as much as this many pairs of neighbours in one zone.
constexpr std::int64_t kChurn = 4 * ClaimLayout::kZonePair;
constexpr std::size_t kRounds = 24;
constexpr std::size_t kIdleRounds = 4;  // without anything better, before giving up
constexpr std::size_t kPartnersMax = 512;
// Neighbours looked up in all, in about 0.2 s.
constexpr std::size_t kLookups = 30'000'000;

std::size_t CountDistinct(const std::vector<Ring::Domain>& domains, std::size_t members,
                          std::uint32_t Ring::Domain::*kind) {
  std::vector<std::uint32_t> numbers;
  for (std::size_t i = 0; i < members; ++i) numbers.push_back(domains[i].*kind);
  std::sort(numbers.begin(), numbers.end());
  return static_cast<std::size_t>(std::unique(numbers.begin(), numbers.end()) - numbers.begin());
}

}  // namespace

Churn::Churn(const ClaimLayout& layout, std::vector<Ring::Domain> domains, std::size_t members,
             std::vector<std::uint32_t> before, int replicas)
    : layout_(layout),
      domains_(std::move(domains)),
      before_(std::move(before)),
      replicas_(static_cast<std::size_t>(replicas)),
      nodes_wanted_(std::min(replicas_, members)),
      zones_wanted_(std::min(replicas_, CountDistinct(domains_, members, &Ring::Domain::zone))),
      regions_wanted_(std::min(replicas_, CountDistinct(domains_, members, &Ring::Domain::region))),
      reach_max_(std::min(kReachFactor * replicas_, layout.partition_count())),
      copies_(members) {
  for (const std::uint32_t node : before_) {
    if (node != kNobody) ++copies_[node].before;
  }
  for (const NodeCopies& copies : copies_) total_ += copies.churn();
  lists_.resize(layout.partition_count());
  for (std::size_t p = 0; p < lists_.size(); ++p) Replace(p, Walk(p));
}

bool Churn::WasOwner(std::size_t partition, std::uint32_t node) const {
  const std::uint32_t* const first = before_.data() + partition * replicas_;
  return std::find(first, first + replicas_, node) != first + replicas_;
}

// As Ring::PreferenceListOf, but for members that own nothing, which are left out.
Churn::List Churn::Walk(std::size_t partition) const {
  const std::size_t mask = layout_.partition_count() - 1;
  List list;
  // Appends nodes until there are `wanted`, each the first that shares nothing with those before.
  const auto choose = [&](std::size_t wanted, auto&& shares) {
    for (std::size_t at = 0; list.count < wanted && at < reach_max_; ++at) {
      const std::uint32_t node = layout_.owner((partition + at) & mask);
      const auto end = list.nodes.begin() + list.count;
      list.reach = std::max(list.reach, static_cast<std::uint8_t>(at + 1));
      if (std::any_of(list.nodes.begin(), end,
                      [&](std::uint32_t each) { return shares(each, node); })) {
        continue;
      }
      list.nodes[list.count++] = node;
    }
  };
  choose(regions_wanted_, [&](std::uint32_t a, std::uint32_t b) {
    return domains_[a].region == domains_[b].region;
  });
  choose(zones_wanted_,
         [&](std::uint32_t a, std::uint32_t b) { return domains_[a].zone == domains_[b].zone; });
  choose(nodes_wanted_, [](std::uint32_t a, std::uint32_t b) { return a == b; });
  return list;
}

void Churn::Add(std::size_t partition, std::uint32_t node, int copies) {
  NodeCopies& of_node = copies_[node];
  total_ -= of_node.churn();
  (WasOwner(partition, node) ? of_node.kept : of_node.sent) += copies;
  total_ += of_node.churn();
}

void Churn::Replace(std::size_t partition, const List& by) {
  List& list = lists_[partition];
  for (std::size_t i = 0; i < list.count; ++i) Add(partition, list.nodes[i], -1);
  list = by;
  for (std::size_t i = 0; i < list.count; ++i) Add(partition, list.nodes[i], 1);
}

void Churn::Update(std::size_t a, std::size_t b) {
  const std::size_t mask = lists_.size() - 1;
  replaced_.clear();
  for (const std::size_t partition : {a, b}) {
    // A list that begins earlier ends no later: the first that does not come so far is the last.
    for (std::size_t back = 0; back < reach_max_; ++back) {
      const std::size_t p = (partition - back) & mask;
      if (lists_[p].reach <= back) break;
      replaced_.emplace_back(static_cast<std::uint32_t>(p), lists_[p]);
    }
  }
  for (const auto& [p, list] : replaced_) Replace(p, Walk(p));
}

void Churn::Undo() {
  for (const auto& [p, list] : replaced_) Replace(p, list);
  replaced_.clear();
}

namespace {

class Search {
 public:
  Search(ClaimLayout& layout, Churn& churn, const std::vector<std::uint32_t>& from, Prng& prng)
      : layout_(layout), churn_(churn), from_(from), prng_(prng) {
    const std::uint32_t groups = *std::max_element(from.begin(), from.end()) + 1;
    of_owner_.resize(groups);
    for (std::uint32_t p = 0; p < from.size(); ++p) of_owner_[from[p]].push_back(p);
    const std::size_t window = layout.window();
    lookups_per_swap_ = 4 * window + 4 * window * window * window;
    churn_max_ = static_cast<std::int64_t>(4 * window * window);
  }

  void Run() {
    std::size_t swaps_left = kLookups / lookups_per_swap_;
    std::size_t idle = 0;
    for (std::size_t round = 0; round < kRounds && swaps_left > 0; ++round) {
      std::vector<std::uint32_t> moved;
      for (std::uint32_t p = 0; p < from_.size(); ++p) {
        if (Moved(p)) moved.push_back(p);
      }
      if (moved.empty()) return;
      const std::int64_t cost_max = churn_.OwnAll() || IsGood(moved) ? -1 : 0;
      const std::size_t partners =
          std::clamp<std::size_t>(swaps_left / (2 * moved.size()), 1, kPartnersMax);
      bool better = false;
      for (const std::uint32_t p : moved) {
        for (const std::vector<std::uint32_t>* among : {&of_owner_[from_[p]], &moved}) {
          for (std::size_t i = 0; i < std::min(among->size(), partners); ++i) {
            const std::size_t at = among->size() <= partners ? i : prng_.Below(among->size());
            better = TrySwap(p, (*among)[at], cost_max) || better;
          }
        }
        swaps_left -= std::min(swaps_left, 2 * partners);
      }
      idle = better ? 0 : idle + 1;
      if (idle == (cost_max < 0 ? 1 : kIdleRounds)) return;
    }
  }

 private:
  bool Moved(std::size_t p) const { return layout_.owner(p) != from_[p]; }

  // No churn, and no node of a partition that moved is crowded. Until then swaps that make nothing
  // worse are taken too, as they lead to others that make it better; but not while each node owns
  // everything, when order in the ring is worth more (see LayOutFew in claim_found.cc).
  bool IsGood(const std::vector<std::uint32_t>& moved) const {
    return churn_.total() == 0 && std::all_of(moved.begin(), moved.end(), [&](std::uint32_t p) {
             return layout_.CrowdingAt(p) < ClaimLayout::kNodePair;
           });
  }

  // Swaps if that adds at most `cost_max`. True if it made things better.
  bool TrySwap(std::size_t a, std::size_t b, std::int64_t cost_max) {
    if (layout_.owner(a) == layout_.owner(b)) return false;
    if (from_[a] != from_[b] && !(Moved(a) && Moved(b))) return false;
    const std::int64_t before = layout_.CrowdingAt(a) + layout_.CrowdingAt(b);
    Swap(a, b);
    const std::int64_t crowded = layout_.CrowdingAt(a) + layout_.CrowdingAt(b) - before;
    const std::int64_t churn_before = churn_.total();
    // Looked at further only if the churn that there is could outweigh it.
    if (crowded - kChurn * std::min(churn_before, churn_max_) <= cost_max) {
      churn_.Update(a, b);
      const std::int64_t cost = crowded + kChurn * (churn_.total() - churn_before);
      if (cost <= cost_max) return cost < 0;
      churn_.Undo();
    }
    Swap(a, b);
    return false;
  }

  void Swap(std::size_t a, std::size_t b) {
    const std::uint32_t owner = layout_.owner(a);
    layout_.SetOwner(a, layout_.owner(b));
    layout_.SetOwner(b, owner);
  }

  ClaimLayout& layout_;
  Churn& churn_;
  const std::vector<std::uint32_t>& from_;
  Prng& prng_;
  std::vector<std::vector<std::uint32_t>> of_owner_;
  std::size_t lookups_per_swap_;
  std::int64_t churn_max_;  // that one swap can save
};

}  // namespace

void LessenChurn(ClaimLayout& layout, Churn& churn, const std::vector<std::uint32_t>& from,
                 Prng& prng) {
  Search(layout, churn, from, prng).Run();
}

}  // namespace gyre
