#include "core/antientropy/repair_scheduler.h"

#include <algorithm>
#include <memory>

#include "core/antientropy/exchange_session.h"

namespace gyre {

void RepairScheduler::Start(Env& env) {
  ListPairs();
  if (shared_.empty()) return;
  // Nodes that start together do not begin with the same partition.
  if (!pairs_.empty()) next_ = shard().prng.Below(pairs_.size());
  next_turn_ = env.now.instant;
  OnTimer(env);
}

// Of two owners the one that comes first in the preference list begins.
void RepairScheduler::ListPairs() {
  const Ring& ring = view().ring;
  for (std::uint32_t p = 0; p < ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (!shard().Serves(partition)) continue;
    for (const auto& [id, keyspace] : view().keyspaces) {
      const Ring::Owners owners = ring.OwnersOf(partition, keyspace.replicas);
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
  const PartitionId partition = shard().ledger.tree().PartitionOfLeaf(leaf);
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

bool RepairScheduler::Agree(PartitionId partition) const {
  for (const std::set<Pair>* pairs : {&unequal_, &dirty_, &under_way_}) {
    const auto it = pairs->lower_bound({partition, NodeId{}});
    if (it != pairs->end() && it->partition == partition) return false;
  }
  return true;
}

bool RepairScheduler::CanBegin(const Pair& pair) const {
  return under_way_.size() < shard().config.exchange_sessions_max && !under_way_.contains(pair) &&
         shard().Reachable(pair.peer);
}

void RepairScheduler::BeginSession(const Pair& pair) {
  under_way_.insert(pair);
  shard().spawned.push_back(
      std::make_unique<ExchangeSession>(shard(), *this, pair.peer, pair.partition));
}

void RepairScheduler::BeginFetch(Env& /*env*/) {
  for (auto it = damaged_.begin(); it != damaged_.end();) {
    const Pair pair{shard().ledger.tree().PartitionOfLeaf(it->leaf), it->peer};
    if (!CanBegin(pair)) {
      ++it;
      continue;
    }
    under_way_.insert(pair);
    shard().spawned.push_back(std::make_unique<ExchangeSession>(
        shard(), *this, pair.peer, pair.partition, LeafName{it->keyspace, it->leaf}));
    it = damaged_.erase(it);
  }
}

void RepairScheduler::BeginDirty(Env& env) {
  BeginFetch(env);
  for (auto it = dirty_.begin(); it != dirty_.end();) {
    if (under_way_.size() >= shard().config.exchange_sessions_max) return;
    if (!CanBegin(*it)) {
      ++it;
      continue;
    }
    BeginSession(*it);
    it = dirty_.erase(it);
  }
}

void RepairScheduler::OnTimer(Env& env) {
  if (env.now.instant < next_turn_) return;
  damaged_.merge(fetched_in_vain_);
  fetched_in_vain_.clear();
  std::erase_if(failed_, [&](const auto& failed) {
    const bool due = env.now.instant >= failed.second;
    if (due) dirty_.insert(failed.first);
    return due;
  });
  BeginDirty(env);
  if (!pairs_.empty() && CanBegin(pairs_[next_])) BeginSession(pairs_[next_]);
  if (!pairs_.empty()) next_ = (next_ + 1) % pairs_.size();
  const auto turns = static_cast<std::int64_t>(std::max<std::size_t>(pairs_.size(), 1));
  constexpr std::int64_t kTurnUsMin = 1'000;
  next_turn_ =
      env.now.instant + Duration{std::max(shard().config.repair_cycle.us / turns, kTurnUsMin)};
  SetTimer(next_turn_);
}

void RepairScheduler::OnFetchEnd(const Pair& pair, KeyspaceId keyspace, std::uint32_t leaf, bool ok,
                                 Env& env) {
  under_way_.erase(pair);
  if (!ok) fetched_in_vain_.insert({pair.peer, keyspace, leaf});
  BeginDirty(env);
}

void RepairScheduler::OnSessionEnd(const Pair& pair, Outcome outcome, Env& env) {
  under_way_.erase(pair);
  if (outcome == Outcome::kEqual) {
    unequal_.erase(pair);
  } else {
    unequal_.insert(pair);
    // Looked at again: at once if there was progress, after a while if not.
    if (outcome == Outcome::kRepaired) dirty_.insert(pair);
    if (outcome == Outcome::kFailed) {
      failed_[pair] = env.now.instant + shard().config.exchange_retry;
    }
  }
  BeginDirty(env);
}

}  // namespace gyre
