// A change of members: how many partitions each gives or takes, which ones, and to whom.
#include <algorithm>
#include <limits>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/prng.h"
#include "core/config.h"
#include "core/ring/claim.h"
#include "core/ring/claim_churn.h"
#include "core/ring/claim_counts.h"
#include "core/ring/claim_layout.h"
#include "core/ring/claim_take.h"

namespace gyre {
namespace {

constexpr std::uint64_t kChangeSeed = 0x677972654368616E;  // any constant: all must use the same
// Joiners are laid around the ring one after another, each in some Q * N steps, unless that takes
// more than this many in all; where they are so many, each is small and finds room anywhere.
constexpr std::size_t kLaidAroundMax = 3'000'000;
// Of those that take, how many are looked at for one partition.
constexpr std::size_t kTakersTried = 64;

auto Refuse(std::string_view message) { return Fail(ErrorCode::kInvalidArgument, message); }

// What becomes of one member.
struct Fate {
  bool leaves = false;
  const Member* replaced_by = nullptr;
  std::uint32_t weight = 0;  // 0: as it was
};
using Fates = std::map<NodeId, Fate>;  // of those that the changes name

// Errors: kInvalidArgument unless each change is of a member, and each member is named once.
Result<Fates> FatesOf(const Ring& ring, const MemberChanges& changes) {
  Fates fates;
  Status status;
  const auto name = [&](NodeId node, const Fate& fate) {
    const Member* const member = ring.FindMember(node);
    if (!status) return;
    if (member == nullptr) {
      status = Refuse("node " + std::to_string(node.value) + " is no member");
    } else if (!fates.emplace(node, fate).second) {
      status = Refuse("node '" + member->name + "' is named in two changes");
    }
  };
  for (const NodeId node : changes.leaves) name(node, {.leaves = true});
  for (const Replacement& each : changes.replacements) name(each.old, {.replaced_by = &each.by});
  for (const NewWeight& each : changes.weights) {
    if (each.weight == 0) return Refuse("a weight must be at least 1");
    name(each.node, {.weight = each.weight});
  }
  if (!status) return Fail(std::move(status.error()));
  return fates;
}

Status CheckNewcomer(const Ring& ring, const Member& member) {
  if (ring.FindMember(member.id) == nullptr) return {};
  return Refuse("node '" + member.name + "' is a member already");
}

// The ring's epoch and members after the changes, with one of them as the owner of everything.
Result<Ring> BlankAfter(const Ring& ring, const MemberChanges& changes, const Fates& fates) {
  std::vector<Member> members;
  for (const Member& member : ring.members()) {
    const auto found = fates.find(member.id);
    const Fate fate = found == fates.end() ? Fate{} : found->second;
    if (fate.leaves) continue;
    if (fate.replaced_by != nullptr) {
      if (Status s = CheckNewcomer(ring, *fate.replaced_by); !s) return Fail(s.error());
    }
    members.push_back(fate.replaced_by != nullptr ? *fate.replaced_by : member);
    if (fate.weight != 0) members.back().weight = fate.weight;
  }
  for (const Member& joiner : changes.joins) {
    if (Status s = CheckNewcomer(ring, joiner); !s) return Fail(s.error());
    members.push_back(joiner);
  }
  if (members.empty()) return Refuse("a ring needs a member; not all can leave");
  if (members.size() > ring.partition_count() && !changes.joins.empty()) {
    return Refuse("there are as many nodes as partitions; no partition is left for '" +
                  changes.joins.back().name + "'");
  }
  const std::vector<NodeId> owners(ring.partition_count(), members.front().id);
  return Ring::Create(RingEpoch(ring.epoch().value + 1), ring.partitioner(), std::move(members),
                      owners);
}

// Nodes by number: those that are members after, in the order of their ids; then those that leave.
struct Numbering {
  std::vector<NodeShare> shares;
  // Where each stands. Who leaves shares nothing with anybody, so that it does not matter where.
  std::vector<Ring::Domain> domains;
  std::size_t members = 0;  // after
  // Of members before. Who is replaced has the number of the one that replaces it.
  std::map<NodeId, std::uint32_t> numbers;
};

Numbering NumberNodes(const Ring& ring, const Fates& fates, const Ring& blank) {
  Numbering n;
  n.members = blank.members().size();
  n.domains = blank.domains();
  for (const Member& member : blank.members()) n.shares.push_back({.weight_after = member.weight});
  std::uint32_t zones = 0;
  for (const Ring::Domain domain : n.domains) zones = std::max(zones, domain.zone + 1);
  for (const Member& member : ring.members()) {
    const auto fate = fates.find(member.id);
    const bool named = fate != fates.end();
    const bool replaced = named && fate->second.replaced_by != nullptr;
    const Member* const after =
        blank.FindMember(replaced ? fate->second.replaced_by->id : member.id);
    std::uint32_t number = static_cast<std::uint32_t>(n.shares.size());
    if (after != nullptr) {
      number = static_cast<std::uint32_t>(after - blank.members().data());
    } else {
      n.shares.emplace_back();
      n.domains.push_back({.zone = zones + number, .region = zones + number});
    }
    n.shares[number].weight_before = member.weight;
    n.numbers.emplace(member.id, number);
  }
  for (const NodeId owner : ring.owners()) ++n.shares[n.numbers.at(owner)].count;
  return n;
}

// By number, the owners of each partition's list; kNobody for those that are no members after.
std::vector<std::uint32_t> ListsBefore(const Ring& ring, const Ring& blank, int replicas) {
  Ring copy = ring;
  copy.PrepareOwners(replicas);
  std::vector<std::uint32_t> before;
  before.reserve(ring.partition_count() * static_cast<std::size_t>(replicas));
  for (std::uint32_t p = 0; p < ring.partition_count(); ++p) {
    for (const NodeId owner : copy.OwnersOf(PartitionId(p), replicas)) {
      const Member* const member = blank.FindMember(owner);
      before.push_back(member == nullptr
                           ? Churn::kNobody
                           : static_cast<std::uint32_t>(member - blank.members().data()));
    }
    before.resize((std::size_t{p} + 1) * static_cast<std::size_t>(replicas), Churn::kNobody);
  }
  return before;
}

// `part` of what is in `pool`, from all in proportion. REQUIRES: part <= the sum of `pool`.
std::vector<std::uint32_t> PortionOf(const std::vector<std::uint32_t>& pool, std::uint64_t part) {
  const auto sum = std::accumulate(pool.begin(), pool.end(), std::uint64_t{0});
  GYRE_CHECK(part <= sum);
  std::vector<std::uint32_t> portion(pool.size(), 0);
  std::uint64_t passed = 0;
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < pool.size() && sum > 0; ++i) {
    passed += pool[i];
    portion[i] = static_cast<std::uint32_t>(passed * part / sum - given);
    given += portion[i];
  }
  return portion;
}

// Moves partitions from those that give to those that take.
class ChangeLayout {
 public:
  ChangeLayout(const Numbering& nodes, std::vector<std::uint32_t> from, int replicas)
      : nodes_(nodes),
        from_(std::move(from)),
        nobody_(static_cast<std::uint32_t>(nodes.domains.size())),
        layout_(WithNobody(nodes.domains), from_, replicas),
        gives_(nodes.shares.size(), 0),
        takes_(nodes.shares.size(), 0),
        prng_(kChangeSeed) {
    const std::vector<std::uint32_t> counts = CountsOfChange(nodes.shares, replicas);
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::uint32_t before = nodes.shares[i].count;
      gives_[i] = before - std::min(before, counts[i]);
      takes_[i] = counts[i] - std::min(before, counts[i]);
    }
  }

  const std::vector<std::uint32_t>& Run(const std::vector<std::uint32_t>& lists_before,
                                        int replicas) {
    TakeForJoiners();
    HandOut();
    Churn churn(layout_, nodes_.domains, nodes_.members, lists_before, replicas);
    LessenChurn(layout_, churn, from_, prng_);
    return layout_.owners();
  }

 private:
  // One more node, that shares nothing with any: the owner of what has none yet.
  static std::vector<Ring::Domain> WithNobody(std::vector<Ring::Domain> domains) {
    domains.push_back({.zone = Churn::kNobody, .region = Churn::kNobody});
    return domains;
  }
  bool Joins(std::size_t node) const { return nodes_.shares[node].weight_before == 0; }
  bool Leaves(std::size_t node) const { return nodes_.shares[node].weight_after == 0; }

  // What joiners get from each. Those that stay get what they can from those that leave, so that
  // nothing moves between two that stay without need.
  std::vector<std::uint32_t> PoolOfJoiners() const {
    std::vector<std::uint32_t> leavers(gives_.size(), 0);
    std::vector<std::uint32_t> others(gives_.size(), 0);
    std::uint64_t left = 0;
    std::uint64_t wanted_by_joiners = 0;
    std::uint64_t wanted_by_others = 0;
    for (std::size_t i = 0; i < gives_.size(); ++i) {
      (Leaves(i) ? leavers : others)[i] = gives_[i];
      if (Leaves(i)) left += gives_[i];
      (Joins(i) ? wanted_by_joiners : wanted_by_others) += takes_[i];
    }
    const std::uint64_t of_leavers =
        std::min(wanted_by_joiners, left - std::min(left, wanted_by_others));
    std::vector<std::uint32_t> pool = PortionOf(leavers, of_leavers);
    const std::vector<std::uint32_t> rest = PortionOf(others, wanted_by_joiners - of_leavers);
    for (std::size_t i = 0; i < pool.size(); ++i) pool[i] += rest[i];
    return pool;
  }

  // Joiners choose freely, so they choose first, those that take most before the others.
  void TakeForJoiners() {
    std::vector<std::uint32_t> joiners;
    for (std::uint32_t i = 0; i < takes_.size(); ++i) {
      if (Joins(i) && takes_[i] > 0) joiners.push_back(i);
    }
    const std::size_t steps = joiners.size() * from_.size() * layout_.window();
    if (joiners.size() > 1 && steps > kLaidAroundMax) return;
    std::stable_sort(joiners.begin(), joiners.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return takes_[a] > takes_[b]; });
    std::vector<std::uint32_t> pool = PoolOfJoiners();
    for (const std::uint32_t joiner : joiners) {
      Taking taking{.joiner = joiner,
                    .given = PortionOf(pool, takes_[joiner]),
                    .members = nodes_.members,
                    .chance = prng_.Next()};
      for (std::size_t i = 0; i < pool.size(); ++i) {
        pool[i] -= taking.given[i];
        gives_[i] -= taking.given[i];
      }
      takes_[joiner] = 0;
      taking.given.resize(std::size_t{nobody_} + 1, 0);
      layout_ = TakeForJoiner(std::move(layout_), taking);
    }
  }

  // What is still to be given goes to whoever still takes.
  void HandOut() {
    std::vector<std::vector<std::uint32_t>> held(gives_.size());
    for (std::uint32_t p = 0; p < from_.size(); ++p) held[layout_.owner(p)].push_back(p);
    std::vector<std::uint32_t> free;
    for (std::size_t i = 0; i < gives_.size(); ++i) {
      for (std::size_t k = 0; k < gives_[i]; ++k) {
        free.push_back(held[i][k * held[i].size() / gives_[i]]);
        layout_.SetOwner(free.back(), nobody_);
      }
    }
    std::vector<std::uint32_t> takers;
    for (std::uint32_t i = 0; i < takes_.size(); ++i) {
      if (takes_[i] > 0) takers.push_back(i);
    }
    for (std::size_t left = free.size(); left > 0; --left) {
      std::swap(free[prng_.Below(left)], free[left - 1]);
      const std::uint32_t p = free[left - 1];
      GYRE_CHECK(!takers.empty());
      const std::size_t at = BestTaker(p, takers);
      layout_.SetOwner(p, takers[at]);
      if (--takes_[takers[at]] == 0) {
        takers[at] = takers.back();
        takers.pop_back();
      }
    }
  }

  // Who is crowded least by p; of equals, who takes most.
  std::size_t BestTaker(std::uint32_t p, const std::vector<std::uint32_t>& takers) {
    using Score = std::tuple<std::int64_t, std::int64_t, std::uint64_t>;
    Score best_score(std::numeric_limits<std::int64_t>::max(), 0, 0);
    std::size_t best = 0;
    const std::size_t tried = std::min(takers.size(), kTakersTried);
    for (std::size_t i = 0; i < tried; ++i) {
      const std::size_t at = takers.size() == tried ? i : prng_.Below(takers.size());
      const Score score(layout_.CrowdingIf(p, takers[at]), -std::int64_t{takes_[takers[at]]},
                        prng_.Next());
      if (score < best_score) {
        best_score = score;
        best = at;
      }
    }
    return best;
  }

  const Numbering& nodes_;
  const std::vector<std::uint32_t> from_;
  const std::uint32_t nobody_;
  ClaimLayout layout_;
  // What each still gives or takes.
  std::vector<std::uint32_t> gives_;
  std::vector<std::uint32_t> takes_;
  Prng prng_;
};

}  // namespace

Result<Ring> ChangeRing(const Ring& ring, const MemberChanges& changes, int replicas) {
  if (replicas < 1 || static_cast<std::size_t>(replicas) > kReplicasMax) {
    return Refuse("replicas (N) must be from 1 to " + std::to_string(kReplicasMax));
  }
  const Result<Fates> fates = FatesOf(ring, changes);
  if (!fates) return Fail(fates.error());
  // Checks the members, sorts them and numbers their zones.
  const Result<Ring> blank = BlankAfter(ring, changes, *fates);
  if (!blank) return blank;

  const Numbering nodes = NumberNodes(ring, *fates, *blank);
  std::vector<std::uint32_t> from;
  from.reserve(ring.partition_count());
  for (const NodeId owner : ring.owners()) from.push_back(nodes.numbers.at(owner));
  ChangeLayout layout(nodes, std::move(from), replicas);
  std::vector<NodeId> owners;
  owners.reserve(ring.partition_count());
  for (const std::uint32_t owner : layout.Run(ListsBefore(ring, *blank, replicas), replicas)) {
    owners.push_back(blank->members()[owner].id);
  }
  return Ring::Create(blank->epoch(), ring.partitioner(), blank->members(), std::move(owners));
}

}  // namespace gyre
