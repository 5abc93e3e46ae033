#include "server/node_identity.h"

namespace gyre {
namespace {

constexpr char kIdentityName[] = "identity";

}  // namespace

std::string IdentityText(const ServerConfig& config) {
  return "cluster=" + config.cluster_id + "\nnode=" + config.node_name +
         "\npartitioner=" + std::string(PartitionerName(config.partitioner)) + "\n";
}

Result<bool> HasIdentity(Engine& engine) {
  const auto found = engine.GetMeta(kIdentityName);
  if (!found) return Fail(found.error());
  return found->has_value();
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

}  // namespace gyre
