// What a node tells of itself and of the ring, read from its JSON. A node may be of another version
// or no Gyre at all: what is not understood is an Error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/ring/ring.h"

namespace gyre {

// From KV.STATUS.
struct NodeFacts {
  std::string name;
  std::string cluster;
  // What a ring was learned with; another one means that it has changed.
  std::uint64_t epoch = 0;
  std::uint64_t nodes = 0;
  int replicas = 1;  // N of the keyspace asked for
};
// Errors: kUnsupported; kInvalidArgument (there is no such keyspace).
Result<NodeFacts> ParseNodeFacts(std::string_view status_json, std::string_view keyspace);

// The ring as a client needs it. Immutable.
class RingView {
 public:
  // From KV.RING. Errors: kUnsupported.
  static Result<RingView> Parse(std::string_view ring_json, const NodeFacts& told_by);

  // The names of the key's owners, best first.
  std::vector<std::string_view> OwnersOf(std::string_view key) const;
  // Would a node that tells this know of a later ring, or of another N? One that lags does not.
  bool OutdatedBy(const NodeFacts& facts) const;

 private:
  RingView(Ring ring, const NodeFacts& facts) : ring_(std::move(ring)), learned_with_(facts) {}
  Ring ring_;
  NodeFacts learned_with_;
};

}  // namespace gyre
