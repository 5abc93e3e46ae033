#include "sim/operator.h"

#include <algorithm>
#include <utility>

#include "core/ring/claim.h"

namespace gyre::sim {

std::string_view ChangeName(Operator::Change change) {
  constexpr std::string_view kNames[Operator::kChanges] = {"join", "leave", "remove dead",
                                                           "take back", "split partitions"};
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
  constexpr Change kDraws[] = {Change::kJoin,       Change::kJoin,     Change::kLeave,
                               Change::kRemoveDead, Change::kTakeBack, Change::kSplit};
  for (int i = 0; i < 10; ++i) {
    const Change change = kDraws[prng_.Below(std::size(kDraws))];
    const bool moving = world_.layout().moves().any();
    const Ring before = world_.layout().ring();
    if (!Try(change)) continue;
    former_.push_back(before);
    ++counters_.decided[static_cast<std::size_t>(change)];
    counters_.while_moving += moving;
    world_.Note("operator: " + std::string(ChangeName(change)));
    return;
  }
}

bool Operator::Try(Change change) {
  switch (change) {
    case Change::kJoin:
      return Join();
    case Change::kLeave:
      return Leave();
    case Change::kRemoveDead:
      return RemoveDead();
    case Change::kTakeBack:
      return TakeBack();
    case Change::kSplit:
      return Split();
  }
  return false;
}

bool Operator::Join() {
  const Layout& layout = world_.layout();
  std::vector<int> spare;
  for (int i = 0; i < static_cast<int>(world_.node_count()); ++i) {
    const NodeId id = world_.node(i).id();
    if (layout.FindMember(id) == nullptr && !removed_.contains(id) && !world_.node(i).up()) {
      spare.push_back(i);
    }
  }
  const int proposer = DrawProposer();
  if (spare.empty() || proposer < 0) return false;
  const int joiner = spare[prng_.Below(spare.size())];
  // It has promised nothing of what was purged without it: as one whose disk has gone back.
  if (!world_.MayReplaceDisk(joiner)) return false;
  MemberChanges changes;
  changes.joins = {world_.spec().members[static_cast<std::size_t>(joiner)]};
  const Result<Ring> ring = ChangeRing(layout.ring(), changes, layout.replicas());
  if (!ring || !world_.Decide(proposer, *layout.ChangeTo(*ring, {}))) return false;
  world_.Tell(proposer, joiner);
  world_.node(joiner).NoteJoin();
  world_.StartNode(joiner);
  return true;
}

Ring Operator::RingWithout(NodeId gone) const {
  MemberChanges changes;
  changes.leaves = {gone};
  return *ChangeRing(world_.layout().ring(), changes, world_.layout().replicas());
}

bool Operator::Leave() {
  const Layout& layout = world_.layout();
  const std::vector<Member>& members = layout.ring().members();
  const int proposer = DrawProposer();
  if (proposer < 0 || members.size() <= 2) return false;
  const NodeId leaver = members[prng_.Below(members.size())].id;
  return world_.Decide(proposer, *layout.ChangeTo(RingWithout(leaver), {}));
}

// One that is down, or goes down now and does not come back.
bool Operator::RemoveDead() {
  const Layout& layout = world_.layout();
  const std::vector<Member>& members = layout.ring().members();
  if (members.size() <= 2) return false;
  const NodeId dead = members[prng_.Below(members.size())].id;
  const int proposer = DrawProposer();
  int index = 0;
  while (world_.node(index).id() != dead) ++index;
  if (proposer < 0 || proposer == index || !world_.MayReplaceDisk(index)) return false;
  if (world_.node(index).up()) world_.CrashNode(index, CrashKind::kPower);
  const std::vector<NodeId> removed = {dead};
  if (!world_.Decide(proposer, *layout.ChangeTo(RingWithout(dead), removed))) return false;
  world_.WipeNode(index);
  removed_.insert(dead);
  world_.NoteRemoved(index);
  // Somebody starts it again all the same; it knows the ring of its time.
  if (prng_.Chance(500'000)) {
    world_.events().After(prng_.Between(1'000, 500'000), [this, index] {
      if (!world_.rumours_ended()) world_.StartNode(index);
    });
  }
  return true;
}

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
    int index = 0;
    while (world_.node(index).id() != member.id) ++index;
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
