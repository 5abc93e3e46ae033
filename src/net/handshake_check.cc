#include "net/handshake_check.h"

namespace gyre {
namespace {

std::string Versions(const Handshake& handshake) {
  return std::to_string(handshake.version_min) + " to " + std::to_string(handshake.version_max);
}

}  // namespace

bool FoundedApart(const Handshake& theirs, const Handshake& ours) {
  return theirs.cluster == ours.cluster && theirs.ring_digest != 0 && ours.ring_digest != 0 &&
         theirs.ring_digest != ours.ring_digest;
}

// The first difference that an operator should repair comes first: in another cluster, nothing
// else about the node matters.
std::optional<std::string> ObjectionTo(const Handshake& theirs, const Handshake& ours) {
  if (theirs.cluster != ours.cluster) {
    return "it belongs to cluster '" + theirs.cluster + "', this node to '" + ours.cluster + "'";
  }
  if (theirs.version_min > ours.version_max || theirs.version_max < ours.version_min) {
    return "it speaks protocol versions " + Versions(theirs) + ", this node " + Versions(ours);
  }
  if (theirs.node_id == ours.node_id) {
    return "it claims to be this node ('" + theirs.node + "'): names must differ";
  }
  if (FoundedApart(theirs, ours)) {
    return "it belongs to another cluster of the id '" + theirs.cluster +
           "', which was founded apart from this node's, or from another list of members: compare "
           "the configurations";
  }
  if (theirs.shard_count == 0 || theirs.shard_count > kPeerShardsMax) {
    return "it says that it has " + std::to_string(theirs.shard_count) + " shards";
  }
  return std::nullopt;
}

std::optional<std::string> PeerObjectionTo(const Handshake& theirs, const Handshake& ours) {
  if (theirs.ring_digest != ours.ring_digest) return "it is in no cluster yet, or this node is not";
  return std::nullopt;
}

}  // namespace gyre
