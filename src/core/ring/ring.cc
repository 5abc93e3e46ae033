#include "core/ring/ring.h"

#include <algorithm>
#include <bit>
#include <map>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "core/config.h"

namespace gyre {
namespace {

using Index = std::uint32_t;  // into members
inline constexpr Index kNone = ~Index{0};

std::vector<Ring::Domain> NumberDomains(const std::vector<Member>& members) {
  std::map<std::string_view, Index> regions;
  std::map<std::pair<std::string_view, std::string_view>, Index> zones;
  for (const Member& member : members) {
    regions.try_emplace(member.region, 0);
    zones.try_emplace({member.region, member.zone}, 0);
  }
  Index next = 0;
  for (auto& [name, number] : regions) number = next++;
  next = 0;
  for (auto& [name, number] : zones) number = next++;
  std::vector<Ring::Domain> domains;
  domains.reserve(members.size());
  for (const Member& member : members) {
    domains.push_back(
        {.zone = zones.at({member.region, member.zone}), .region = regions.at(member.region)});
  }
  return domains;
}

Status CheckMembers(const std::vector<Member>& members) {
  if (members.empty()) return Fail(ErrorCode::kInvalidArgument, "a ring needs a member");
  if (members.size() > kNodesMax) {
    return Fail(ErrorCode::kInvalidArgument,
                "a ring has at most " + std::to_string(kNodesMax) + " members");
  }
  std::set<std::string_view> names;
  const Member* previous = nullptr;
  for (const Member& member : members) {  // sorted by id
    if (member.id.value == 0 || member.id.value > kNodeIdMax) {
      return Fail(ErrorCode::kInvalidArgument, "node '" + member.name + "' has an impossible id");
    }
    if (member.weight < 1 || member.weight > kWeightMax) {
      return Fail(ErrorCode::kInvalidArgument, "the weight of node '" + member.name +
                                                   "' must be from 1 to " +
                                                   std::to_string(kWeightMax));
    }
    if (!names.insert(member.name).second) {
      return Fail(ErrorCode::kInvalidArgument, "two nodes are named '" + member.name + "'");
    }
    if (previous != nullptr && previous->id == member.id) {
      return Fail(ErrorCode::kInvalidArgument, "nodes '" + previous->name + "' and '" +
                                                   member.name + "' have the same id; rename one");
    }
    previous = &member;
  }
  return {};
}

// A list of 0..size-1 whose front is always the one touched last: swept anticlockwise over the
// ring, it is the order in which the partitions clockwise from here first name things.
class RecencyList {
 public:
  // In the order of 0, 1, ... until touched.
  explicit RecencyList(std::size_t size) : next_(size + 1), previous_(size + 1) {
    for (std::size_t i = 0; i <= size; ++i) {  // the last entry is the ends of the list
      next_[i] = static_cast<Index>(i == size ? 0 : i + 1);
      previous_[i] = static_cast<Index>(i == 0 ? size : i - 1);
    }
  }
  void Touch(Index item) {
    next_[previous_[item]] = next_[item];
    previous_[next_[item]] = previous_[item];
    next_[item] = next_[end()];
    previous_[item] = end();
    previous_[next_[item]] = item;
    next_[end()] = item;
  }
  Index end() const { return static_cast<Index>(next_.size() - 1); }
  Index front() const { return next_[end()]; }
  Index After(Index item) const { return next_[item]; }

 private:
  std::vector<Index> next_;
  std::vector<Index> previous_;
};

// The owners of each partition in turn, last partition first.
class OwnerSweep {
 public:
  OwnerSweep(const std::vector<Ring::Domain>& domains, int count)
      : domains_(domains),
        count_(static_cast<std::size_t>(count)),
        nodes_(domains.size()),
        zones_(CountOf(domains, &Ring::Domain::zone)),
        regions_(CountOf(domains, &Ring::Domain::region)),
        nearest_in_zone_(zones_.end(), kNone),
        nearest_in_region_(regions_.end(), kNone) {
    for (std::size_t i = domains.size(); i-- > 0;) {  // for members without partitions: by id
      nearest_in_zone_[domains[i].zone] = static_cast<Index>(i);
      nearest_in_region_[domains[i].region] = static_cast<Index>(i);
    }
    // Domains without partitions come last, those whose first member has the lower id first.
    for (std::size_t i = domains.size(); i-- > 0;) {
      zones_.Touch(domains[i].zone);
      regions_.Touch(domains[i].region);
    }
  }

  // Takes one step anticlockwise, to a partition of `owner`.
  void Step(Index owner) {
    nodes_.Touch(owner);
    zones_.Touch(domains_[owner].zone);
    regions_.Touch(domains_[owner].region);
    nearest_in_zone_[domains_[owner].zone] = owner;
    nearest_in_region_[domains_[owner].region] = owner;
  }

  // Of the partition just stepped to. An unlisted region has no listed node, so its nearest node is
  // its first in the walk; likewise zones.
  const std::vector<Index>& Owners() {
    owners_.clear();
    while (owners_.size() < count_) {
      Index found = FirstUnlisted(regions_, [&](Index node) { return domains_[node].region; });
      if (found != regions_.end()) {
        owners_.push_back(nearest_in_region_[found]);
        continue;
      }
      found = FirstUnlisted(zones_, [&](Index node) { return domains_[node].zone; });
      if (found != zones_.end()) {
        owners_.push_back(nearest_in_zone_[found]);
        continue;
      }
      owners_.push_back(FirstUnlisted(nodes_, [](Index node) { return node; }));
    }
    return owners_;
  }
  // Calls `visit` with the first `count` others of the walk. REQUIRES: Owners() was called.
  template <typename Visit>
  void Fallbacks(std::size_t count, Visit visit) const {
    for (Index node = nodes_.front(); count > 0; node = nodes_.After(node)) {
      if (std::find(owners_.begin(), owners_.end(), node) != owners_.end()) continue;
      visit(node);
      --count;
    }
  }

 private:
  static std::size_t CountOf(const std::vector<Ring::Domain>& domains, Index Ring::Domain::*field) {
    Index largest = 0;
    for (const Ring::Domain& domain : domains) largest = std::max(largest, domain.*field);
    return std::size_t{largest} + 1;
  }
  template <typename GroupOf>
  Index FirstUnlisted(const RecencyList& list, GroupOf group_of) const {
    Index item = list.front();
    while (item != list.end() && std::any_of(owners_.begin(), owners_.end(), [&](Index owner) {
             return group_of(owner) == item;
           })) {
      item = list.After(item);
    }
    return item;
  }

  const std::vector<Ring::Domain>& domains_;
  std::size_t count_;
  RecencyList nodes_;
  RecencyList zones_;
  RecencyList regions_;
  std::vector<Index> nearest_in_zone_;
  std::vector<Index> nearest_in_region_;
  std::vector<Index> owners_;
};

}  // namespace

Result<Ring> Ring::Create(RingEpoch epoch, PartitionerKind partitioner, std::vector<Member> members,
                          std::vector<NodeId> owners) {
  if (!std::has_single_bit(owners.size()) ||
      owners.size() > (std::size_t{1} << kPartitionBitsMax)) {
    return Fail(ErrorCode::kInvalidArgument,
                "the number of partitions must be a power of two, at most 65536");
  }
  std::sort(members.begin(), members.end(), [](const Member& a, const Member& b) {
    return std::tie(a.id, a.name) < std::tie(b.id, b.name);
  });
  if (Status status = CheckMembers(members); !status) return Fail(std::move(status.error()));

  Ring ring;
  ring.epoch_ = epoch;
  ring.partitioner_ = partitioner;
  ring.partition_bits_ = std::countr_zero(owners.size());
  ring.section_bits_ = ring.partition_bits_;
  ring.members_ = std::move(members);
  ring.owners_ = std::move(owners);
  ring.domains_ = NumberDomains(ring.members_);
  ring.one_region_ = std::all_of(
      ring.members_.begin(), ring.members_.end(),
      [&](const Member& member) { return member.region == ring.members_.front().region; });
  ring.owner_indexes_.reserve(ring.owners_.size());
  for (const NodeId owner : ring.owners_) {
    const Member* member = ring.FindMember(owner);
    if (member == nullptr) {
      return Fail(ErrorCode::kInvalidArgument, "a partition is owned by node " +
                                                   std::to_string(owner.value) +
                                                   ", which is not a member");
    }
    ring.owner_indexes_.push_back(static_cast<Index>(member - ring.members_.data()));
  }
  return ring;
}

void Ring::SetSectionBits(int section_bits) {
  GYRE_CHECK(section_bits >= 0 && section_bits <= partition_bits_);
  section_bits_ = section_bits;
}

const Member* Ring::FindMember(NodeId id) const {
  const auto it =
      std::lower_bound(members_.begin(), members_.end(), id,
                       [](const Member& member, NodeId key) { return member.id < key; });
  return it == members_.end() || it->id != id ? nullptr : &*it;
}

PreferenceList Ring::PreferenceListOf(PartitionId partition, int replicas,
                                      std::size_t fallbacks_max) const {
  GYRE_CHECK(partition.value < partition_count());
  GYRE_CHECK(replicas >= 1 && static_cast<std::size_t>(replicas) <= kReplicasMax);

  std::vector<Index> walk;
  walk.reserve(members_.size());
  std::vector<bool> seen(members_.size());
  const auto visit = [&](Index node) {
    if (!seen[node]) walk.push_back(node);
    seen[node] = true;
  };
  const std::size_t mask = partition_count() - 1;
  for (std::size_t step = 0; step <= mask && walk.size() < members_.size(); ++step) {
    visit(owner_indexes_[(partition.value + step) & mask]);
  }
  for (Index node = 0; node < members_.size(); ++node) visit(node);

  std::vector<Index> chosen;
  std::vector<bool> is_owner(members_.size());
  const auto find_where = [&](auto&& shares) {
    return std::find_if(walk.begin(), walk.end(), [&](Index node) {
      return std::none_of(chosen.begin(), chosen.end(),
                          [&](Index owner) { return shares(owner, node); });
    });
  };
  const std::size_t owners_wanted = std::min(static_cast<std::size_t>(replicas), members_.size());
  while (chosen.size() < owners_wanted) {
    auto next =
        find_where([&](Index a, Index b) { return domains_[a].region == domains_[b].region; });
    if (next == walk.end()) {
      next = find_where([&](Index a, Index b) { return domains_[a].zone == domains_[b].zone; });
    }
    if (next == walk.end()) next = find_where([](Index a, Index b) { return a == b; });
    GYRE_CHECK(next != walk.end());
    chosen.push_back(*next);
    is_owner[*next] = true;
  }

  PreferenceList list;
  for (const Index node : chosen) list.owners.push_back(members_[node].id);
  for (const Index node : walk) {
    if (list.fallbacks.size() == fallbacks_max) break;
    if (!is_owner[node]) list.fallbacks.push_back(members_[node].id);
  }
  return list;
}

void Ring::PrepareOwners(int replicas) {
  GYRE_CHECK(replicas >= 1 && static_cast<std::size_t>(replicas) <= kReplicasMax);
  const auto n = static_cast<std::size_t>(replicas);
  if (tables_.size() <= n) tables_.resize(n + 1);
  if (!tables_[n].empty()) return;

  const std::size_t width = OwnersIn(n) + FallbacksIn(n);
  std::vector<NodeId> table(partition_count() * width);
  OwnerSweep sweep(domains_, static_cast<int>(OwnersIn(n)));
  // The first time around only fills the lists: the walk wraps past the last partition.
  for (std::size_t p = partition_count(); p-- > 0;) sweep.Step(owner_indexes_[p]);
  for (std::size_t p = partition_count(); p-- > 0;) {
    sweep.Step(owner_indexes_[p]);
    NodeId* row = table.data() + p * width;
    for (const Index owner : sweep.Owners()) *row++ = members_[owner].id;
    sweep.Fallbacks(FallbacksIn(n), [&](Index node) { *row++ = members_[node].id; });
  }
  tables_[n] = std::move(table);
}

const NodeId* Ring::Row(PartitionId partition, int replicas) const {
  const auto n = static_cast<std::size_t>(replicas);
  GYRE_CHECK(partition.value < partition_count());
  GYRE_CHECK(n < tables_.size() && !tables_[n].empty());
  return tables_[n].data() + partition.value * (OwnersIn(n) + FallbacksIn(n));
}

Ring::Owners Ring::OwnersOf(PartitionId partition, int replicas) const {
  return {Row(partition, replicas), static_cast<int>(OwnersIn(static_cast<std::size_t>(replicas)))};
}

Ring::Owners Ring::FallbacksOf(PartitionId partition, int replicas) const {
  const auto n = static_cast<std::size_t>(replicas);
  return {Row(partition, replicas) + OwnersIn(n), static_cast<int>(FallbacksIn(n))};
}

}  // namespace gyre
