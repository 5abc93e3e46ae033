#include "core/cluster_view.h"

#include "base/hash.h"

namespace gyre {

KeyspaceId KeyspaceIdOf(std::string_view name) {
  if (name == "default") return KeyspaceId(0);
  const auto id = static_cast<std::uint32_t>(Xxh3_64(name));
  return id == 0 || id == kNotesKeyspace.value ? KeyspaceId(1) : KeyspaceId(id);
}

NodeId NodeIdOf(std::string_view name) {
  const auto id = static_cast<std::uint32_t>(Xxh3_64(name) & kNodeIdMax);
  return NodeId(id == 0 ? 1 : id);
}

int ClusterView::CopiesIn(const RegionCopies& region) const {
  const auto nodes = std::count_if(ring.members().begin(), ring.members().end(),
                                   [&](const Member& m) { return m.region == region.region; });
  return std::min(region.copies, static_cast<int>(nodes));
}

int ClusterView::CopiesOf(const KeyspaceConfig& keyspace) const {
  int copies = 0;
  for (const RegionCopies& region : keyspace.regions) copies += CopiesIn(region);
  if (copies > 0) return copies;
  return std::min(keyspace.replicas, static_cast<int>(ring.members().size()));
}

Result<int> ClusterView::LeastCopies(const QuorumSpec& spec, const KeyspaceConfig& keyspace) const {
  if (!spec.local() || OneRegion()) return spec.Resolve(keyspace.replicas, CopiesOf(keyspace));
  std::optional<int> least;
  for (const RegionCopies& region : keyspace.regions) {
    const int copies = CopiesIn(region);
    if (copies > 0) least = std::min(least.value_or(kReplicasMax), copies / 2 + 1);
  }
  return least.value_or(1);
}

}  // namespace gyre
