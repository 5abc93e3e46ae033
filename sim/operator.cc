#include "sim/operator.h"

#include <algorithm>
#include <utility>

namespace gyre::sim {

std::string_view ChangeName(Operator::Change change) {
  constexpr std::string_view kNames[Operator::kChanges] = {
      "join", "leave", "remove dead", "take back", "split partitions", "replace", "reweigh"};
  return kNames[static_cast<int>(change)];
}

void Operator::Start() { Tick(); }

void Operator::Tick() {
  world_.events().After(prng_.Between(5'000, 150'000), [this] {
    if (world_.rumours_ended()) return;
    const int asker = static_cast<int>(prng_.Below(world_.node_count()));
    const auto slowness = static_cast<std::uint64_t>(world_.spec().rumour_us_max);
    if (prng_.Below(slowness) < 60'000 && world_.CanTalk(asker, asker)) world_.CatchUp(asker);
    if (const int proposer = DrawProposer(); proposer >= 0) {
      HearArrivals(proposer);
      Settle(proposer);
      Release(proposer);
    }
    Tick();
  });
}

int Operator::DrawProposer() {
  std::vector<int> able;
  for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) {
    const bool member = world_.layout().FindMember(world_.node(i).id()) != nullptr;
    if (member && world_.CanTalk(i, i) && world_.KnowsNewest(i)) able.push_back(i);
  }
  return able.empty() ? -1 : able[prng_.Below(able.size())];
}

void Operator::Act() {
  for (int i = 0; i < 10; ++i) {
    const std::vector<Change> changes = DrawChanges();
    const bool moving = world_.layout().moves().any();
    const Ring before = world_.layout().ring();
    if (!Try(changes)) continue;
    former_.push_back(before);
    counters_.while_moving += moving;
    counters_.together += changes.size() > 1;
    for (const Change change : changes) {
      ++counters_.decided[static_cast<std::size_t>(change)];
      world_.Note("operator: " + std::string(ChangeName(change)));
    }
    return;
  }
}

std::vector<Operator::Change> Operator::DrawChanges() {
  constexpr Change kDraws[] = {Change::kJoin,       Change::kJoin,     Change::kLeave,
                               Change::kRemoveDead, Change::kTakeBack, Change::kSplit};
  constexpr Change kPlanned[] = {Change::kJoin,    Change::kLeave,   Change::kRemoveDead,
                                 Change::kReplace, Change::kReplace, Change::kReweigh};
  if (!world_.spec().plans || prng_.Chance(300'000)) {
    return {kDraws[prng_.Below(std::size(kDraws))]};
  }
  std::vector<Change> changes;
  for (std::uint64_t left = prng_.Between(1, 3); left > 0; --left) {
    changes.push_back(kPlanned[prng_.Below(std::size(kPlanned))]);
  }
  return changes;
}

bool Operator::Try(std::span<const Change> changes) {
  if (changes.front() == Change::kTakeBack) return TakeBack();
  if (changes.front() == Change::kSplit) return Split();
  Plan plan;
  return std::all_of(changes.begin(), changes.end(),
                     [&](Change change) { return Add(change, plan); }) &&
         CarryOut(plan);
}

// ---- plans -------------------------------------------------------------------------------------

int Operator::ProposerOf(Plan& plan) {
  if (!plan.proposer) plan.proposer = DrawProposer();
  return *plan.proposer;
}

NodeId Operator::DrawMember() {
  const std::vector<Member>& members = world_.layout().ring().members();
  return members[prng_.Below(members.size())].id;
}

int Operator::IndexOf(NodeId member) const {
  int index = 0;
  while (world_.node(index).id() != member) ++index;
  return index;
}

bool Operator::Add(Change change, Plan& plan) {
  switch (change) {
    case Change::kJoin:
      return AddJoin(plan);
    case Change::kLeave:
      return AddLeave(plan);
    case Change::kRemoveDead:
      return AddRemoval(plan);
    case Change::kReplace:
      return AddReplacement(plan);
    case Change::kReweigh:
      return AddWeight(plan);
    case Change::kTakeBack:
    case Change::kSplit:
      break;  // they go alone
  }
  return false;
}

std::optional<int> Operator::DrawJoiner(Plan& plan) {
  std::vector<int> spare;
  for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) {
    const NodeId id = world_.node(i).id();
    const bool taken = std::find(plan.joiners.begin(), plan.joiners.end(), i) != plan.joiners.end();
    if (world_.layout().FindMember(id) == nullptr && !removed_.contains(id) && !taken &&
        !world_.node(i).up()) {
      spare.push_back(i);
    }
  }
  if (ProposerOf(plan) < 0 || spare.empty()) return std::nullopt;
  const int joiner = spare[prng_.Below(spare.size())];
  // It has promised nothing of what was purged without it: as one whose disk has gone back.
  if (!world_.MayReplaceDisk(joiner)) return std::nullopt;
  plan.joiners.push_back(joiner);
  return joiner;
}

bool Operator::AddJoin(Plan& plan) {
  const std::optional<int> joiner = DrawJoiner(plan);
  if (!joiner) return false;
  plan.members.joins.push_back(world_.spec().members[static_cast<std::size_t>(*joiner)]);
  return true;
}

bool Operator::AddLeave(Plan& plan) {
  if (ProposerOf(plan) < 0) return false;
  if (world_.layout().ring().members().size() <= 2) return false;
  plan.members.leaves.push_back(DrawMember());
  return true;
}

bool Operator::AddRemoval(Plan& plan) {
  if (world_.layout().ring().members().size() <= 2) return false;
  const NodeId dead = DrawMember();
  plan.members.leaves.push_back(dead);
  return AddDead(dead, plan);
}

bool Operator::AddReplacement(Plan& plan) {
  const std::optional<int> joiner = DrawJoiner(plan);
  if (!joiner) return false;
  const NodeId old = DrawMember();
  plan.members.replacements.push_back(
      {old, world_.spec().members[static_cast<std::size_t>(*joiner)]});
  return prng_.Chance(500'000) || AddDead(old, plan);
}

bool Operator::AddWeight(Plan& plan) {
  if (ProposerOf(plan) < 0) return false;
  const NodeId member = DrawMember();
  plan.members.weights.push_back({member, static_cast<std::uint32_t>(prng_.Between(1, 4))});
  return true;
}

// One that is down, or goes down now and does not come back. One disk at a time is lost.
bool Operator::AddDead(NodeId member, Plan& plan) {
  const int index = IndexOf(member);
  const int proposer = ProposerOf(plan);
  if (proposer < 0 || proposer == index || !plan.dead.empty()) return false;
  plan.dead.push_back(index);
  return world_.MayReplaceDisk(index);
}

bool Operator::CarryOut(Plan& plan) {
  const Layout& layout = world_.layout();
  const Result<Ring> ring = ChangeRing(layout.ring(), plan.members, layout.replicas());
  // A member is named twice, or too few are left.
  if (!ring || ring->members().size() < 2) return false;
  std::vector<NodeId> removed;
  for (const int index : plan.dead) {
    if (world_.node(index).up()) world_.CrashNode(index, CrashKind::kPower);
    removed.push_back(world_.node(index).id());
  }
  const int proposer = ProposerOf(plan);
  if (!world_.Decide(proposer, *layout.ChangeTo(*ring, removed))) return false;
  for (const int index : plan.dead) {
    world_.WipeNode(index);
    removed_.insert(world_.node(index).id());
    world_.NoteRemoved(index);
    // Somebody starts it again all the same; it knows the ring of its time.
    if (!prng_.Chance(500'000)) continue;
    world_.events().After(prng_.Between(1'000, 500'000), [this, index] {
      if (!world_.rumours_ended()) world_.StartNode(index);
    });
  }
  for (const int joiner : plan.joiners) {
    world_.Tell(proposer, joiner);
    world_.node(joiner).NoteJoin(world_.layout().number().value);
    world_.StartNode(joiner);
  }
  return true;
}

// ---- changes that go alone ---------------------------------------------------------------------

// Everything back to a ring of before, if its members are still there.
bool Operator::TakeBack() {
  const Layout& layout = world_.layout();
  const int proposer = DrawProposer();
  if (proposer < 0 || former_.empty() || !layout.moves().any()) return false;
  const Ring& ring = former_.back();
  if (ring.partition_count() != layout.ring().partition_count()) return false;
  for (const Member& member : ring.members()) {
    if (layout.FindMember(member.id) == nullptr) return false;
  }
  return world_.Decide(proposer, *layout.ChangeTo(ring, {}));
}

// A few at most: there are few keys.
bool Operator::Split() {
  constexpr int kSplitsMax = 3;
  const Ring& ring = world_.layout().ring();
  const int proposer = DrawProposer();
  if (proposer < 0 || ring.partition_bits() >= ring.section_bits() + kSplitsMax) return false;
  for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) {
    if (world_.node(i).version() < FirstVersionOf(Feature::kSplit)) return false;
  }
  const Result<Layout> split = world_.layout().Split();
  return split && world_.Decide(proposer, *split);
}

// By word of mouth: those who can be reached from here tell of themselves.
void Operator::HearArrivals(int proposer) {
  for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) {
    if (!world_.CanTalk(proposer, i)) continue;
    for (const auto& shard : world_.node(i).shards()) {
      for (const Shard::Arrival& arrival : shard->arrivals()) {
        arrived_.insert({arrival.partition, arrival.epoch, world_.node(i).id()});
      }
    }
  }
}

void Operator::Settle(int proposer) {
  const Layout& layout = world_.layout();
  std::vector<PartitionId> settled;
  for (std::uint32_t p = 0; p < layout.ring().partition_count(); ++p) {
    const PartitionId partition(p);
    if (layout.moves().FromOwners(partition) == nullptr) continue;
    const NodeList awaited = layout.Awaited(partition);
    const RingEpoch epoch = world_.view().EpochOf(partition);
    const bool arrived = std::all_of(awaited.begin(), awaited.end(), [&](NodeId node) {
      return arrived_.contains({partition, epoch, node});
    });
    if (arrived || world_.settles_early()) settled.push_back(partition);
  }
  if (settled.empty()) return;
  if (world_.Decide(proposer, layout.Settle(settled))) counters_.settled += settled.size();
}

// Those that leave, once nothing is on them.
void Operator::Release(int proposer) {
  const Layout& layout = world_.layout();
  std::vector<NodeId> free;
  for (const Member& member : layout.leaving()) {
    const int index = IndexOf(member.id);
    SimNode& node = world_.node(index);
    // Not by itself: it would stop, and perhaps nobody else would know.
    if (!layout.Releasable(member.id) || index == proposer || !world_.CanTalk(proposer, index) ||
        !world_.KnowsNewest(index)) {
      continue;
    }
    const bool empty = std::all_of(node.shards().begin(), node.shards().end(), [](const auto& s) {
      return s->surplus_partitions() == 0 && s->ledger().hints().empty();
    });
    if (empty) free.push_back(member.id);
  }
  if (free.empty()) return;
  if (world_.Decide(proposer, layout.Release(free))) counters_.released += free.size();
}

}  // namespace gyre::sim
