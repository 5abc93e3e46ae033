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

// What tells one ring, as this client uses it, from another.
struct RingMark {
  std::uint64_t epoch = 0;
  std::uint64_t nodes = 0;
  int replicas = 1;  // N of the keyspace in use
};

// From KV.STATUS.
struct NodeFacts {
  std::string name;
  std::string cluster;
  RingMark ring;
};
// Errors: kUnsupported; kInvalidArgument (there is no such keyspace).
Result<NodeFacts> ParseNodeFacts(std::string_view status_json, std::string_view keyspace);

// The ring as a client needs it. Immutable.
class RingView {
 public:
  // From KV.RING; `replicas` is the keyspace's N, which it does not tell. Errors: kUnsupported.
  static Result<RingView> Parse(std::string_view ring_json, int replicas);

  // The names of the key's owners, best first.
  std::vector<std::string_view> OwnersOf(std::string_view key) const;
  // With the RESP addresses that they tell.
  const std::vector<Member>& members() const { return ring_.members(); }
  const RingMark& mark() const { return mark_; }
  // Is a ring with this mark a later one, or of another N? A node that lags tells neither.
  bool OutdatedBy(const RingMark& mark) const;

 private:
  RingView(Ring ring, int replicas)
      : ring_(std::move(ring)), mark_{ring_.epoch().value, ring_.members().size(), replicas} {}
  Ring ring_;
  RingMark mark_;
};

}  // namespace gyre
