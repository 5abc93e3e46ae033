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

}  // namespace gyre
