#include "server/node_identity.h"

#include "base/hash.h"

namespace gyre {
namespace {

constexpr char kIdentityName[] = "identity";

}  // namespace

std::string IdentityText(const ServerConfig& config) {
  return "cluster=" + config.cluster_id + "\nnode=" + config.node_name +
         "\npartitioner=" + std::string(PartitionerName(config.partitioner)) + "\n";
}

Status ClaimIdentity(Engine& engine, const ServerConfig& config) {
  const std::string wanted = IdentityText(config);
  const auto found = engine.GetMeta(kIdentityName);
  if (!found) return Fail(found.error());
  if (!*found) return engine.PutMeta(kIdentityName, wanted);
  if (**found == wanted) return {};
  return Fail(ErrorCode::kInvalidArgument,
              "the data folder " + config.data_folder + " was written as\n" + **found +
                  "and the config says\n" + wanted +
                  "Start it with its own config, or give this node another folder.");
}

std::uint64_t RingDigest(const Ring& ring) {
  // The sizes keep neighbouring texts apart.
  std::string text;
  const auto add = [&text](std::string_view part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  };
  add(PartitionerName(ring.partitioner()));
  add(std::to_string(ring.partition_count()));
  for (const Member& member : ring.members()) {
    add(member.name);
    add(std::to_string(member.weight));
    add(member.zone);
    add(member.region);
  }
  for (const NodeId owner : ring.owners()) add(std::to_string(owner.value));
  return Xxh3_64(text);
}

}  // namespace gyre
