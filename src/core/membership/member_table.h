// What a node knows of all members: a table that merges by a join, so that whatever order news come
// in, and however often, all tables end the same. Paper 4.8.1. Knows no messages.
//
// Join: the higher incarnation wins; of equal ones the more severe life. Two descriptions with one
// id and one incarnation are a double identity (a cloned disk): it is told, and the greater by
// (digest, bytes) stays, everywhere the same.
//
// Digest: each record adds a hash of (id, incarnation, life, description) to one of kTableBuckets
// sums, as rows do in ledger/merkle_tree.h: a change is one addition, equal tables have equal sums.
//
// Who has left stays as a tombstone, so that nobody brings it back by old news: for
// `tombstone_life`, the first half of which it counts in the digest. The second half makes sure
// that all have stopped to tell of it before the first forgets it; else it would never go.
//
// Invariants: sorted by id; at most kNodesMax records that are no tombstones, and tombstones_max
// that are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "core/config.h"
#include "core/ids.h"
#include "core/membership/member_record.h"
#include "core/membership/membership_config.h"

namespace gyre {

// A bucket is an arc of the ids (hashes of names, of 24 bits), so a stretch of the table.
inline constexpr std::size_t kTableBuckets = 64;
inline constexpr int kBucketShift = 24 - 6;
static_assert(kNodeIdMax >> kBucketShift == kTableBuckets - 1);
using TableSums = std::array<std::uint64_t, kTableBuckets>;
constexpr std::size_t BucketOf(NodeId id) { return id.value >> kBucketShift; }

class MemberTable {
 public:
  struct Entry {
    DescriptionPtr description;
    std::uint64_t incarnation = 0;
    Life life = Life::kAlive;
    bool quiet = false;  // a tombstone that is not told of any more
  };

  explicit MemberTable(const MembershipConfig& config) : config_(config) {}

  enum class Merged : std::uint8_t {
    kNothing,      // the table knew as much or more
    kLife,         // another life or incarnation, the description as before
    kDescription,  // the description is new too
    kUnknown,      // it would be news, but came without the description, which is not here
    kRefused,      // a limit was reached
  };
  struct Outcome {
    Merged merged = Merged::kNothing;
    std::optional<Life> before;  // nullopt: was not in the table
    bool double_identity = false;
  };
  // O(log n); O(n) for a new member. REQUIRES: 1 <= news.id <= kNodeIdMax.
  Outcome Merge(const MemberNews& news, Instant now);

  // Null if unknown; valid until the next Merge or Age. O(log n).
  const Entry* Find(NodeId id) const;
  bool IsLiveMember(NodeId id) const {
    const Entry* const entry = Find(id);
    return entry != nullptr && IsLive(entry->life);
  }
  // By position, in the order of ids. REQUIRES: index < size().
  std::size_t size() const { return ids_.size(); }
  NodeId id_at(std::size_t index) const { return ids_[index]; }
  const Entry& at(std::size_t index) const { return entries_[index]; }
  // The first position of a bucket; of kTableBuckets: size().
  std::size_t BeginOf(std::size_t bucket) const {
    return PositionOf(NodeId(static_cast<std::uint32_t>(bucket << kBucketShift)));
  }
  // The record as news. REQUIRES: id is in the table.
  MemberNews NewsOf(NodeId id, bool with_description) const;

  std::size_t live() const { return live_; }  // alive or suspect
  std::size_t tombstones() const { return tombstones_.size(); }
  std::uint64_t sum() const { return sum_; }
  const TableSums& sums() const { return sums_; }

  // Any member that `wanted(id, entry)`; nullopt if there is none. O(1) if many are, else O(n).
  template <typename Wanted>
  std::optional<NodeId> Draw(Prng& prng, Wanted wanted) const;

  // Tombstones fall quiet and are forgotten. O(1) if none is due.
  void Age(Instant now);

 private:
  struct Tombstone {
    NodeId id;
    Instant since;
  };

  std::size_t PositionOf(NodeId id) const;
  // Takes the entry out of all counts and sums, or puts it in.
  void Count(NodeId id, const Entry& entry, bool in);
  void Bury(NodeId id, Instant now);
  void Unbury(NodeId id);
  void ForgetOldest();

  const MembershipConfig config_;
  std::vector<NodeId> ids_;  // apart from entries_: what is searched stays dense
  std::vector<Entry> entries_;
  TableSums sums_{};
  std::uint64_t sum_ = 0;
  std::size_t live_ = 0;
  std::deque<Tombstone> tombstones_;  // by age, the oldest first
  std::size_t quiet_ = 0;             // so many of them, from the front
};

template <typename Wanted>
std::optional<NodeId> MemberTable::Draw(Prng& prng, Wanted wanted) const {
  if (ids_.empty()) return std::nullopt;
  constexpr int kTries = 8;
  for (int i = 0; i < kTries; ++i) {
    const std::size_t at = prng.Below(ids_.size());
    if (wanted(ids_[at], entries_[at])) return ids_[at];
  }
  std::vector<NodeId> all;
  for (std::size_t at = 0; at < ids_.size(); ++at) {
    if (wanted(ids_[at], entries_[at])) all.push_back(ids_[at]);
  }
  if (all.empty()) return std::nullopt;
  return all[prng.Below(all.size())];
}

}  // namespace gyre
