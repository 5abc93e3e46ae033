#include "sim/planted_moves.h"

#include <optional>
#include <variant>

#include "core/ledger/merkle_tree.h"

namespace gyre::sim {
namespace {

OwnerSets SetsFor(const RowKey& key, const ClusterView& view) {
  const KeyspaceConfig* keyspace = view.FindKeyspace(key.keyspace);
  return view.SetsOf(view.ring.PartitionOf(key.token), *keyspace);
}

// Of which partition it is, if it is a question of one owner to another.
std::optional<PartitionId> PartitionOf(const Message& message, const Ring& ring) {
  if (const auto* get = std::get_if<ReplicaGet>(&message)) return ring.PartitionOf(get->key.token);
  if (const auto* put = std::get_if<ReplicaPut>(&message)) return ring.PartitionOf(put->key.token);
  if (const auto* compare = std::get_if<TreeCompare>(&message);
      compare && !compare->nodes.empty() && compare->bits >= ring.partition_bits()) {
    return PartitionId(compare->nodes[0].index >> (compare->bits - ring.partition_bits()));
  }
  if (const auto* keys = std::get_if<LeafKeys>(&message)) {
    return PartitionId(keys->leaf >> (keys->bits - ring.partition_bits()));
  }
  if (const auto* range = std::get_if<RangeGet>(&message)) {
    return PartitionId(range->first >> (range->bits - ring.partition_bits()));
  }
  return std::nullopt;
}

class SettledEarly : public PlantedBug {
  bool settles_early() const override { return true; }
};

// A receiver takes whatever comes, as if it had the sender's view.
class EpochsIgnored : public PlantedBug {
  void OnDelivered(Message& message, const LinkEnd& receiver) override {
    const std::optional<PartitionId> partition = PartitionOf(message, receiver.view.ring);
    if (!partition) return;
    const RingEpoch epoch = receiver.view.EpochOf(*partition);
    if (auto* get = std::get_if<ReplicaGet>(&message)) get->epoch = epoch;
    if (auto* put = std::get_if<ReplicaPut>(&message)) put->epoch = epoch;
    if (auto* compare = std::get_if<TreeCompare>(&message)) compare->epoch = epoch;
    if (auto* keys = std::get_if<LeafKeys>(&message)) keys->epoch = epoch;
    if (auto* range = std::get_if<RangeGet>(&message)) range->epoch = epoch;
  }
};

// Who owns a partition no more finds that everybody has what it has.
class SurplusThrownAway : public PlantedBug {
  std::optional<Message> OnAsk(const Message& message, const LinkEnd& sender) override {
    const auto* compare = std::get_if<TreeCompare>(&message);
    if (compare == nullptr) return std::nullopt;
    const std::optional<PartitionId> partition = PartitionOf(message, sender.view.ring);
    const KeyspaceConfig& keyspace = *sender.view.FindKeyspace(compare->keyspace);
    if (!partition || sender.view.Owns(sender.self, *partition, keyspace)) return std::nullopt;
    return TreeCompareReply{compare->id, std::nullopt, {}};
  }
};

// Owners of before count as asked by a get, and are not.
class NewOwnersRead : public PlantedBug {
  std::optional<Message> OnAsk(const Message& message, const LinkEnd& sender) override {
    const auto* get = std::get_if<ReplicaGet>(&message);
    if (get == nullptr || get->owed) return std::nullopt;
    const OwnerSets sets = SetsFor(get->key, sender.view);
    if (!sets.moving() || sets.now.Contains(sender.peer)) return std::nullopt;
    ReplicaGetReply reply{get->id, std::nullopt, {}};
    reply.stamp = get->floor;
    return reply;
  }
};

// W of either set are enough: the copies for those who are only in the other are acknowledged in
// their stead, and lost.
class OneSetWrites : public PlantedBug {
  std::optional<Message> OnAsk(const Message& message, const LinkEnd& sender) override {
    const auto* put = std::get_if<ReplicaPut>(&message);
    if (put == nullptr || put->repair || put->key.is_hint()) return std::nullopt;
    const OwnerSets sets = SetsFor(put->key, sender.view);
    if (!sets.moving()) return std::nullopt;
    const bool of_now = put->key.token.high % 2 == 0;
    if ((of_now ? sets.now : sets.from).Contains(sender.peer)) return std::nullopt;
    return ReplicaPutReply{put->id, std::nullopt, 0};
  }
};

// What is kept for an owner that is none any more is never found again.
class FormerHintsDropped : public PlantedBug {
  bool hides_row(const RowKey& key, const ClusterView& view) const override {
    return key.is_hint() && !SetsFor(key, view).Contains(key.owed_to);
  }
};

class LayoutsForgotten : public PlantedBug {
  bool forgets_layouts() const override { return true; }
};

template <typename Bug>
PlantInfo Moving(std::string_view name, std::string_view what, std::vector<Checker> caught_by,
                 std::uint64_t seed_first = 1) {
  return {name,
          what,
          std::move(caught_by),
          []() -> std::unique_ptr<PlantedBug> { return std::make_unique<Bug>(); },
          /*changes=*/true,
          seed_first};
}

}  // namespace

std::vector<PlantInfo> MovingBugs() {
  std::vector<PlantInfo> bugs;
  bugs.push_back(Moving<SettledEarly>(
      "settled-early", "partitions are with new owners before they have arrived there",
      {Checker::kSessions}));
  bugs.push_back(Moving<EpochsIgnored>(
      "epochs-ignored", "a receiver takes what is meant for other owners", {Checker::kSessions},
      /*seed_first=*/441));
  bugs.push_back(Moving<SurplusThrownAway>(
      "surplus-thrown-away", "rows that others own are dropped, and not given to them",
      {Checker::kLost}));
  bugs.push_back(Moving<NewOwnersRead>(
      "new-owners-read", "a get of what moves asks the new owners only", {Checker::kSessions}));
  bugs.push_back(Moving<OneSetWrites>(
      "one-set-writes", "a put of what moves needs W of one owner set only", {Checker::kOutcomes}));
  bugs.push_back(Moving<FormerHintsDropped>(
      "former-hints-dropped", "hints for an owner that is none any more are not found",
      {Checker::kConvergence}));
  bugs.push_back(Moving<LayoutsForgotten>("layouts-forgotten",
                                          "a crash undoes all layouts that a node has taken",
                                          {Checker::kConvergence}));
  return bugs;
}

}  // namespace gyre::sim
