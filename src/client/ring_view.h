// What a node tells of itself and of the ring, read from its JSON. A node may be of another version
// or no Gyre at all: what is not understood is an Error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/ring/region_copies.h"
#include "core/ring/ring.h"

namespace gyre {

// How many copies there are of a key of the keyspace in use.
struct Copies {
  int replicas = 1;                        // N
  std::vector<RegionCopies> regions = {};  // not empty: so many of them in each region

  bool operator==(const Copies&) const = default;
};

// What tells one ring, as this client uses it, from another.
struct RingMark {
  std::uint64_t epoch = 0;
  std::uint64_t nodes = 0;
  Copies copies;
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
  // From KV.RING. `copies` are the keyspace's, which it does not tell. Errors: kUnsupported.
  static Result<RingView> Parse(std::string_view ring_json, Copies copies);

  // The names of those to ask for the key, best first: its owners. With a home region, first the
  // owners there, then all others there, who hand it to these, and then the owners elsewhere.
  std::vector<std::string_view> BestFor(std::string_view key, std::string_view home = {}) const;
  // With the RESP addresses that they tell.
  const std::vector<Member>& members() const { return ring_.members(); }
  const RingMark& mark() const { return mark_; }
  // Is a ring with this mark a later one, or are the copies others? A node that lags tells neither.
  bool OutdatedBy(const RingMark& mark) const;

 private:
  RingView(Ring ring, Copies copies)
      : ring_(std::move(ring)),
        mark_{ring_.epoch().value, ring_.members().size(), std::move(copies)} {}
  std::vector<const Member*> OwnersOf(PartitionId partition) const;

  Ring ring_;
  RingMark mark_;
};

}  // namespace gyre
