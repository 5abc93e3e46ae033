#include "sim/judge.h"

#include <algorithm>

#include "base/check.h"

namespace gyre::sim {

std::string_view CheckerName(Checker checker) {
  constexpr std::string_view kNames[kCheckerCount] = {
      "G1 lost",        "G2 invented", "G3 siblings", "G4 dots",        "G5 monotone",
      "G6 convergence", "G7 outcomes", "G8 sessions", "G9 determinism", "G10 bounds"};
  return kNames[static_cast<int>(checker)];
}

Judge::Judge(ClusterViewPtr view, const CoreConfig& config, std::vector<RowKey> keys,
             std::vector<NodeId> nodes)
    : view_(std::move(view)),
      config_(config),
      keys_(std::move(keys)),
      states_(keys_.size()),
      node_ids_(std::move(nodes)) {
  for (std::size_t i = 0; i < keys_.size(); ++i) key_index_[keys_[i]] = i;
  GYRE_CHECK(node_ids_.size() <= 32);  // holders are a mask
  listed_.resize(node_ids_.size());
  for (KeyState& state : states_) {
    state.arrived.resize(node_ids_.size());
    state.known.resize(node_ids_.size());
  }
}

namespace {

// Of the owners of before there are fewer where one was removed by force: of copies per region it
// counts in none.
int FewestOwners(const ClusterView& view, const KeyspaceConfig& keyspace) {
  int least = view.CopiesOf(keyspace);
  for (std::uint32_t p = 0; p < view.ring.partition_count(); ++p) {
    const OwnerSets sets = view.SetsOf(PartitionId(p), keyspace);
    if (sets.moving()) least = std::min(least, static_cast<int>(sets.from.size()));
  }
  return least;
}

}  // namespace

void Judge::OnView(ClusterViewPtr view) {
  // Nodes that know the one before go on by it.
  for (const ClusterViewPtr& each : {view_, view}) {
    for (const auto& [id, keyspace] : each->keyspaces) {
      if (FewestOwners(*each, keyspace) < keyspace.replicas) PromiseNothing();
    }
  }
  view_ = std::move(view);
  views_differ_ = true;
}

void Judge::PromiseNothing() {
  promises_nothing_ = true;
  for (KeyState& state : states_) {
    for (Bits& held : state.held) held.clear();
    state.held_in.clear();
  }
}

std::size_t Judge::KeyIndex(const RowKey& key) const {
  const auto it = key_index_.find(key.OwedTo({}));
  GYRE_CHECK(it != key_index_.end());
  return it->second;
}

void Judge::Report(Checker checker, std::string text) {
  constexpr std::size_t kTextsMax = 100;
  ++counts_[static_cast<std::size_t>(checker)];
  if (violations_.size() < kTextsMax) violations_.push_back({checker, now_, std::move(text)});
}

int Judge::CopiesOf(std::size_t key) const {
  const KeyspaceConfig* keyspace = view_->FindKeyspace(keys_[key].keyspace);
  return view_->CopiesOf(*keyspace);
}

std::uint32_t Judge::OwnersMask(std::size_t key) const {
  const KeyspaceConfig* keyspace = view_->FindKeyspace(keys_[key].keyspace);
  std::uint32_t mask = 0;
  const PartitionId partition = view_->ring.PartitionOf(keys_[key].token);
  for (const NodeId owner : view_->SetsOf(partition, *keyspace).All()) {
    const auto place = std::find(node_ids_.begin(), node_ids_.end(), owner);
    mask |= std::uint32_t{1} << (place - node_ids_.begin());
  }
  return mask;
}

Write& Judge::NewWrite(std::size_t key, OpKind kind) {
  Write& write = writes_.emplace_back();
  write.id = writes_.size() - 1;
  write.key = key;
  write.kind = kind;
  return write;
}

void Judge::OnNewWrite(const Write& write) {
  KeyState& state = states_[write.key];
  if (!write.value.empty()) state.by_value[write.value] = write.id;
  if (write.expiry != kNeverExpires) state.by_expiry[write.expiry.ms] = write.id;
}

}  // namespace gyre::sim
