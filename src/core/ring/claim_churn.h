// What a change of owners costs in bytes beyond what it must, and the search that lessens it.
// Called by claim_change.cc only.
//
// Whoever is among the N owners of a partition and was not before must be sent it. One partition
// that changes hands changes the owners of up to N partitions, and more where nodes or zones are
// crowded. So a node may lose some partitions and be sent others: the lesser of the two numbers is
// its *churn*, and no node needs any. Without churn as little is sent as can be, given how many
// copies each node holds. (To lessen all transfers instead would favour layouts in which joiners
// hold few copies.)
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "core/config.h"
#include "core/ring/claim_layout.h"

namespace gyre {

// The churn of all nodes, kept up to date while the layout changes.
class Churn {
 public:
  static constexpr std::uint32_t kNobody = ~std::uint32_t{0};

  // before[p * N + i] is an owner of p before, or kNobody; N is `replicas`. Keeps a reference to
  // `layout`. `members` is their number when the change is over: those that come first in
  // `domains`.
  Churn(const ClaimLayout& layout, std::vector<Ring::Domain> domains, std::size_t members,
        std::vector<std::uint32_t> before, int replicas);

  std::int64_t total() const { return total_; }
  // No more members than N: each is an owner of every partition.
  bool OwnAll() const { return copies_.size() <= replicas_; }
  // Looks again at the lists that a change of the owners of two partitions, just made in the
  // layout, may change. O(N^3), more where zones are few.
  void Update(std::size_t a, std::size_t b);
  // Takes the last Update back. REQUIRES: so was the layout's change; not twice in a row.
  void Undo();

 private:
  // The owners of one partition now.
  struct List {
    std::array<std::uint32_t, kReplicasMax> nodes;
    std::uint8_t count = 0;
    std::uint8_t reach = 0;  // partitions that were looked at, counted from its own
  };
  struct NodeCopies {
    std::int32_t before = 0;
    std::int32_t kept = 0;
    std::int32_t sent = 0;
    std::int64_t churn() const { return std::min(before - kept, sent); }
  };
  List Walk(std::size_t partition) const;
  bool WasOwner(std::size_t partition, std::uint32_t node) const;
  void Replace(std::size_t partition, const List& by);
  void Add(std::size_t partition, std::uint32_t node, int copies);

  const ClaimLayout& layout_;
  std::vector<Ring::Domain> domains_;
  std::vector<std::uint32_t> before_;
  std::size_t replicas_;
  // How many there are to be in a list, by what they share.
  std::size_t nodes_wanted_;
  std::size_t zones_wanted_;
  std::size_t regions_wanted_;
  std::size_t reach_max_;
  std::int64_t total_ = 0;
  std::vector<NodeCopies> copies_;  // by node
  std::vector<List> lists_;
  std::vector<std::pair<std::uint32_t, List>> replaced_;  // by the last Update
};

// Swaps owners of partitions as long as crowding of nodes falls, or else churn, and crowding of
// zones and regions. Two may swap if they were of one owner before, or if both have changed
// hands: so every node keeps its count, and nobody gives or takes who did not before. `from` are
// the owners before. Bounded work, some 0.2 s.
void LessenChurn(ClaimLayout& layout, Churn& churn, const std::vector<std::uint32_t>& from,
                 Prng& prng);

}  // namespace gyre
