#include "core/antientropy/repair_scheduler.h"

#include <algorithm>
#include <memory>

#include "core/antientropy/exchange_session.h"

namespace gyre {
namespace {

// So many sessions of a partition, one soon after the other; then it takes its turn again: one that
// never ends must not hold up the others.
constexpr int kBegunSessionsMax = 16;

}  // namespace

void RepairScheduler::Start(Env& env) {
  partition_bits_ = view().ring.partition_bits();
  ListPairs();
  for (std::uint32_t p = 0; p < view().ring.partition_count(); ++p) {
    if (Keeps(PartitionId(p))) whole_.insert(PartitionId(p));
  }
  MarkMoving();
  if (shared_.empty()) return;
  // Nodes that start together do not begin with the same partition.
  if (!pairs_.empty()) next_ = shard().prng.Below(pairs_.size());
  next_turn_ = env.now.instant;
  OnTimer(env);
}

// Of two owners the one that comes first in the preference list begins.
void RepairScheduler::ListPairs() {
  pairs_.clear();
  shared_.clear();
  for (std::uint32_t p = 0; p < view().ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (!shard().Serves(partition)) continue;
    for (const auto& [id, keyspace] : view().keyspaces) {
      const NodeList owners = view().SetsOf(partition, keyspace).All();
      if (!owners.Contains(shard().self)) continue;
      bool first = false;  // has this node come already?
      for (const NodeId owner : owners) {
        if (owner == shard().self) {
          first = true;
        } else if (shared_.insert({partition, owner}).second && first) {
          pairs_.push_back({partition, owner});
        }
      }
    }
  }
}

void RepairScheduler::MarkMoving() {
  for (const Pair& pair : shared_) {
    if (view().moves.FromOwners(pair.partition) != nullptr) dirty_.insert(pair);
  }
}

namespace {

// Those that hold what was written: the owners of before while a partition moves.
const NodeList& Keepers(const OwnerSets& sets) { return sets.moving() ? sets.from : sets.now; }

}  // namespace

void RepairScheduler::BeginFilling() {
  for (std::uint32_t p = 0; p < view().ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (shard().Serves(partition) && KeptWithOthers(partition)) shard().unfilled.insert(partition);
  }
  shard().empty_disk = !shard().unfilled.empty();
}

bool RepairScheduler::KeptWithOthers(PartitionId partition) const {
  for (const auto& [id, keyspace] : view().keyspaces) {
    const OwnerSets sets = view().SetsOf(partition, keyspace);
    const NodeList& keepers = Keepers(sets);
    if (keepers.size() > 1 && keepers.Contains(shard().self)) return true;
  }
  return false;
}

bool RepairScheduler::IsFilled(PartitionId partition) const {
  for (const auto& [id, keyspace] : view().keyspaces) {
    const OwnerSets sets = view().SetsOf(partition, keyspace);
    const NodeList& keepers = Keepers(sets);
    if (!keepers.Contains(shard().self)) continue;
    for (const NodeId keeper : keepers) {
      const bool asked = keeper != shard().self && view().FindMember(keeper) != nullptr;
      if (asked && !Synced(partition, keeper)) return false;
    }
  }
  return true;
}

bool RepairScheduler::Keeps(PartitionId partition) const {
  return shard().Serves(partition) &&
         std::any_of(view().keyspaces.begin(), view().keyspaces.end(), [&](const auto& each) {
           return Keepers(view().SetsOf(partition, each.second)).Contains(shard().self);
         });
}

bool RepairScheduler::Owns(PartitionId partition) const {
  return std::any_of(view().keyspaces.begin(), view().keyspaces.end(), [&](const auto& each) {
    return view().Owns(shard().self, partition, each.second);
  });
}

void RepairScheduler::FillGained() {
  std::erase_if(whole_, [&](PartitionId partition) { return !Owns(partition); });
  for (std::uint32_t p = 0; p < view().ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (!Keeps(partition) || !whole_.insert(partition).second) continue;
    if (!KeptWithOthers(partition)) continue;
    shard().unfilled.insert(partition);
    for (auto it = shared_.lower_bound({partition, NodeId{}});
         it != shared_.end() && it->partition == partition; ++it) {
      dirty_.insert(*it);
    }
  }
}

void RepairScheduler::RenumberIfSplit() {
  const int bits =
      view().ring.partition_bits() - std::exchange(partition_bits_, view().ring.partition_bits());
  if (bits <= 0) return;
  const auto for_parts = [&](const Pair& pair, auto visit) {
    const std::uint32_t first = pair.partition.value << bits;
    for (std::uint32_t p = first; p < first + (1u << bits); ++p) visit({PartitionId(p), pair.peer});
  };
  for (std::set<Pair>* pairs : {&dirty_, &unequal_}) {
    for (const Pair& pair : std::exchange(*pairs, {})) {
      for_parts(pair, [&](const Pair& part) { pairs->insert(part); });
    }
  }
  for (const auto& each : std::exchange(failed_, {})) {
    for_parts(each.first, [&](const Pair& part) { failed_[part] = each.second; });
  }
  // These end now, as the epochs are others.
  for (const auto& each : under_way_) {
    for_parts(each.first, [&](const Pair& part) { dirty_.insert(part); });
  }
  for (std::set<PartitionId>* partitions : {&shard().unfilled, &whole_}) {
    for (const PartitionId partition : std::exchange(*partitions, {})) {
      for_parts({partition, {}}, [&](const Pair& part) { partitions->insert(part.partition); });
    }
  }
  stream_leaves_max_.clear();
  last_dirty_.reset();
  begun_.clear();
}

void RepairScheduler::OnView(Env& env) {
  RenumberIfSplit();
  ListPairs();
  FillGained();
  next_ = pairs_.empty() ? 0 : next_ % pairs_.size();
  const auto gone = [&](const Pair& pair) { return !shared_.contains(pair); };
  std::erase_if(dirty_, gone);
  std::erase_if(unequal_, gone);
  std::erase_if(stream_leaves_max_, [&](const auto& limit) { return gone(limit.first.first); });
  std::erase_if(failed_, [&](const auto& failed) { return gone(failed.first); });
  std::erase_if(synced_, [&](const auto& synced) {
    return gone(synced.first) || synced.second != view().EpochOf(synced.first.partition);
  });
  const auto not_shared = [&](const DamagedLeaf& each) {
    return gone({shard().PartitionOfLeaf(each.leaf), each.peer});
  };
  std::erase_if(shard().unfilled, [&](PartitionId partition) {
    return !KeptWithOthers(partition) || IsFilled(partition);
  });
  if (shard().unfilled.empty()) shard().empty_disk = false;
  std::erase_if(begun_, [&](const auto& begun) { return !shard().unfilled.contains(begun.first); });
  std::erase_if(damaged_, not_shared);
  std::erase_if(fetched_in_vain_, not_shared);
  MarkMoving();
  if (next_turn_.us == INT64_MIN && !shared_.empty()) next_turn_ = env.now.instant;
  SetTimer(next_turn_);
  BeginDirty(env);
}

void RepairScheduler::CompareSurplus(PartitionId partition, Env& env) {
  for (const auto& [id, keyspace] : view().keyspaces) {
    if (!shard().HoldsSurplus(id, keyspace, partition)) continue;
    for (const NodeId owner : view().SetsOf(partition, keyspace).All()) {
      if (owner == shard().self) continue;
      shared_.insert({partition, owner});
      if (!Synced(partition, owner)) dirty_.insert({partition, owner});
    }
  }
  BeginDirty(env);
}

void RepairScheduler::BeginDrop(PartitionId partition) {
  dropping_ = view().ring.SectionOf(partition);
}

void RepairScheduler::EndDrop(Env& env) {
  view().ring.ForEachPartitionOf(*std::exchange(dropping_, {}), [&](PartitionId partition) {
    std::erase_if(synced_, [&](const auto& synced) { return synced.first.partition == partition; });
    MarkDirty(partition, env);
  });
}

bool RepairScheduler::Synced(PartitionId partition, NodeId peer) const {
  const auto it = synced_.find({partition, peer});
  return it != synced_.end() && it->second == view().EpochOf(partition) &&
         dropping_ != view().ring.SectionOf(partition);
}

bool RepairScheduler::HasArrived(PartitionId partition) const {
  for (const auto& [id, keyspace] : view().keyspaces) {
    const OwnerSets sets = view().SetsOf(partition, keyspace);
    if (!sets.now.Contains(shard().self)) continue;
    // Where there are fewer owners than before, of all or of the region, those that stay must have
    // what the others had.
    const bool fewer =
        sets.now.size() < sets.from.size() || view().CountInRegionOf(shard().self, sets.now) <
                                                  view().CountInRegionOf(shard().self, sets.from);
    if (sets.from.Contains(shard().self) && !fewer) continue;
    for (const NodeId owner : sets.from) {
      const bool asked = owner != shard().self && view().FindMember(owner) != nullptr;
      if (asked && !Synced(partition, owner)) return false;
    }
  }
  return true;
}

bool RepairScheduler::Gives(PartitionId partition, NodeId from, NodeId to) const {
  for (const auto& [id, keyspace] : view().keyspaces) {
    const OwnerSets sets = view().SetsOf(partition, keyspace);
    if (sets.now.Contains(to) && !sets.from.Contains(to) && sets.from.Contains(from)) return true;
  }
  return false;
}

bool RepairScheduler::Fetches(PartitionId partition) const {
  if (view().moves.FromOwners(partition) == nullptr) return false;
  bool any = false;
  for (auto it = shared_.lower_bound({partition, NodeId{}});
       it != shared_.end() && it->partition == partition; ++it) {
    if (!IsGivenBy(*it) || view().FindMember(it->peer) == nullptr) continue;
    if (Synced(partition, it->peer)) return false;
    any = true;
  }
  return any;
}

// Not all partitions from the same one.
std::optional<NodeId> RepairScheduler::SourceOf(PartitionId partition) const {
  std::vector<NodeId> sources;
  for (auto it = shared_.lower_bound({partition, NodeId{}});
       it != shared_.end() && it->partition == partition; ++it) {
    if (IsGivenBy(*it) && shard().Reachable(it->peer) && !failed_.contains(*it)) {
      sources.push_back(it->peer);
    }
  }
  if (sources.empty()) return std::nullopt;
  return sources[partition.value % sources.size()];
}

// What is fetched is asked of one owner; of another as well if that one is silent.
bool RepairScheduler::MayCompare(const Pair& pair, Instant now) const {
  if (!CanBegin(pair) || streams_.contains(pair.partition)) return false;
  if (!Fetches(pair.partition)) return true;
  const std::optional<NodeId> source = SourceOf(pair.partition);
  if (!source || *source == pair.peer) return source.has_value();
  const auto asked = under_way_.find({pair.partition, *source});
  return asked != under_way_.end() && now >= asked->second.since + shard().config.exchange_settle;
}

void RepairScheduler::OnPeerUp(NodeId peer, Env& env) {
  for (const Pair& pair : shared_) {
    if (pair.peer == peer) dirty_.insert(pair);
  }
  BeginDirty(env);
}

void RepairScheduler::MarkDirty(PartitionId partition, NodeId peer, Env& env) {
  if (!shared_.contains({partition, peer})) return;
  dirty_.insert({partition, peer});
  BeginDirty(env);
}

void RepairScheduler::MarkDirty(PartitionId partition, Env& env) {
  for (auto it = shared_.lower_bound({partition, NodeId{}});
       it != shared_.end() && it->partition == partition; ++it) {
    dirty_.insert(*it);
  }
  BeginDirty(env);
}

void RepairScheduler::RepairLeaf(KeyspaceId keyspace, std::uint32_t leaf, Env& env) {
  const PartitionId partition = shard().PartitionOfLeaf(leaf);
  for (auto it = shared_.lower_bound({partition, NodeId{}});
       it != shared_.end() && it->partition == partition; ++it) {
    damaged_.insert({it->peer, keyspace, leaf});
  }
  BeginDirty(env);
}

void RepairScheduler::MarkAllDirty(Env& env) {
  dirty_ = shared_;
  BeginDirty(env);
}

bool RepairScheduler::Agree(SectionId section) const {
  bool agree = true;
  view().ring.ForEachPartitionOf(section, [&](PartitionId partition) {
    const Pair first{partition, NodeId{}};
    for (const std::set<Pair>* pairs : {&unequal_, &dirty_}) {
      const auto it = pairs->lower_bound(first);
      agree = agree && (it == pairs->end() || it->partition != partition);
    }
    for (auto it = under_way_.lower_bound(first);
         it != under_way_.end() && it->first.partition == partition; ++it) {
      agree = agree && it->second.in_turn;
    }
  });
  return agree;
}

bool RepairScheduler::HasRoom(NodeId peer) const {
  const std::size_t sessions_max = shard().config.exchange_sessions_max;
  if (under_way_.size() >= sessions_max) return false;
  // One that is silent does not hold up what others could give.
  const auto with_peer = std::count_if(under_way_.begin(), under_way_.end(),
                                       [&](const auto& each) { return each.first.peer == peer; });
  const bool spare_one = sessions_max > 1 && shard().up.size() > 1;
  return static_cast<std::size_t>(with_peer) < sessions_max - (spare_one ? 1 : 0);
}

bool RepairScheduler::CanBegin(const Pair& pair) const {
  return HasRoom(pair.peer) && !under_way_.contains(pair) && shard().Reachable(pair.peer);
}

void RepairScheduler::BeginSession(const Pair& pair, bool in_turn, Instant now) {
  under_way_.emplace(pair, UnderWay{now, in_turn});
  shard().spawned.push_back(
      std::make_unique<ExchangeSession>(shard(), *this, pair.peer, pair.partition));
}

void RepairScheduler::BeginFetch(Env& env) {
  for (auto it = damaged_.begin(); it != damaged_.end();) {
    const Pair pair{shard().PartitionOfLeaf(it->leaf), it->peer};
    if (!CanBegin(pair)) {
      ++it;
      continue;
    }
    under_way_.emplace(pair, UnderWay{env.now.instant, false});
    shard().spawned.push_back(std::make_unique<ExchangeSession>(
        shard(), *this, pair.peer, pair.partition, LeafName{it->keyspace, it->leaf}));
    it = damaged_.erase(it);
  }
}

void RepairScheduler::BeginBegun(Env& env) {
  for (const auto& [partition, sessions] : begun_) {
    if (sessions >= kBegunSessionsMax) continue;
    auto it = dirty_.lower_bound({partition, NodeId{}});
    while (it != dirty_.end() && it->partition == partition) {
      // What differs again after that, as writes are under way, can wait.
      if (Synced(partition, it->peer) || !MayCompare(*it, env.now.instant)) {
        ++it;
        continue;
      }
      BeginSession(*it, /*in_turn=*/false, env.now.instant);
      it = dirty_.erase(it);
    }
  }
}

void RepairScheduler::BeginDirty(Env& env) {
  BeginFetch(env);
  BeginBegun(env);
  // In turn: one that differs each time it is looked at must not hold up the others.
  auto it = last_dirty_ ? dirty_.upper_bound(*last_dirty_) : dirty_.begin();
  for (std::size_t left = dirty_.size(); left > 0; --left) {
    if (under_way_.size() >= shard().config.exchange_sessions_max) return;
    if (it == dirty_.end()) it = dirty_.begin();
    if (!MayCompare(*it, env.now.instant)) {
      ++it;
      continue;
    }
    BeginSession(*it, /*in_turn=*/false, env.now.instant);
    last_dirty_ = *it;
    it = dirty_.erase(it);
  }
}

void RepairScheduler::OnTimer(Env& env) {
  BeginFailed(env);
  if (env.now.instant < next_turn_) return;
  damaged_.merge(fetched_in_vain_);
  fetched_in_vain_.clear();
  BeginDirty(env);
  if (!pairs_.empty()) {
    const Pair& pair = pairs_[next_];
    // Passed over for want of room it would be again in the next cycle, where sessions are as long
    // as turns.
    const bool waits = !HasRoom(pair.peer) && shard().Reachable(pair.peer);
    if (MayCompare(pair, env.now.instant)) {
      BeginSession(pair, /*in_turn=*/!dirty_.contains(pair), env.now.instant);
    }
    if (!waits) next_ = (next_ + 1) % pairs_.size();
  }
  const auto turns = static_cast<std::int64_t>(std::max<std::size_t>(pairs_.size(), 1));
  constexpr std::int64_t kTurnUsMin = 1'000;
  next_turn_ =
      env.now.instant + Duration{std::max(shard().config.repair_cycle.us / turns, kTurnUsMin)};
  SetTimer(next_turn_);
}

// Those whose time to be compared again has come.
void RepairScheduler::BeginFailed(Env& env) {
  const std::size_t waiting = failed_.size();
  std::erase_if(failed_, [&](const auto& failed) {
    const bool due = env.now.instant >= failed.second;
    if (due) dirty_.insert(failed.first);
    return due;
  });
  if (failed_.size() < waiting) BeginDirty(env);
}

void RepairScheduler::OnFetchEnd(const Pair& pair, KeyspaceId keyspace, std::uint32_t leaf, bool ok,
                                 Env& env) {
  under_way_.erase(pair);
  if (!ok && shared_.contains(pair)) fetched_in_vain_.insert({pair.peer, keyspace, leaf});
  BeginDirty(env);
}

void RepairScheduler::OnSessionEnd(const Pair& pair, RingEpoch epoch, Outcome outcome, Env& env) {
  under_way_.erase(pair);
  if (!shared_.contains(pair)) return BeginDirty(env);
  switch (outcome) {
    case Outcome::kEqual:
      unequal_.erase(pair);
      break;
    case Outcome::kRepaired:
      // Owners go on writing what is surplus here: it stays different, and is given all the same.
      if (shard().HoldsSurplus(pair.partition)) {
        unequal_.erase(pair);
        break;
      }
      [[fallthrough]];
    case Outcome::kPartly:  // there was progress: looked at again at once
      unequal_.insert(pair);
      dirty_.insert(pair);
      break;
    case Outcome::kOtherView:
      unequal_.insert(pair);
      RetryAt(pair, env.now.instant + shard().config.view_retry);
      break;
    case Outcome::kFailed:
      unequal_.insert(pair);
      RetryAt(pair, env.now.instant + shard().config.exchange_retry);
      break;
  }
  if (outcome == Outcome::kEqual || outcome == Outcome::kRepaired) {
    synced_[pair] = epoch;
    if (Owns(pair.partition) && HasArrived(pair.partition)) whole_.insert(pair.partition);
    if (shard().unfilled.contains(pair.partition) && IsFilled(pair.partition)) {
      shard().unfilled.erase(pair.partition);
      if (shard().unfilled.empty()) shard().empty_disk = false;
    }
    std::erase_if(stream_leaves_max_, [&](const auto& limit) { return limit.first.first == pair; });
  }
  if (shard().unfilled.contains(pair.partition)) {
    ++begun_[pair.partition];
  } else {
    begun_.erase(pair.partition);
  }
  BeginDirty(env);
}

void RepairScheduler::RetryAt(const Pair& pair, Instant at) {
  failed_[pair] = at;
  if (at < next_turn_) SetTimer(at);
}

}  // namespace gyre
