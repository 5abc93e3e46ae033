// What is to be told: changes of the table that ride along on other messages, and are sent alone
// while they are new. SWIM (Das et al. 2002), 4.1: each is told lambda * log2(n + 1) times, those
// told least first, of those the newest first. What is told is read from the table at that moment,
// so an old rumour never travels beside a newer one about the same member.
//
// A rumour is a name only: a member, or a member and who accuses it beside the first. A new rumour
// of the same name takes the place of the old and starts from none told.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "core/ids.h"
#include "core/membership/membership_config.h"

namespace gyre {

struct RumourName {
  NodeId about;
  NodeId accuser;  // 0: the member's record itself

  auto operator<=>(const RumourName&) const = default;
};

class RumourQueue {
 public:
  explicit RumourQueue(const MembershipConfig& config) : config_(config) {}

  // `in_full`: with the description, as others will not have it. O(log waiting).
  void Add(RumourName name, bool in_full);

  bool empty() const { return newest_.empty(); }
  std::size_t size() const { return newest_.size(); }
  std::uint64_t dropped() const { return dropped_; }  // past rumours_max: told too seldom
  // With those that are over and not yet cleared away: at most twice size(), and some.
  std::size_t stored() const { return stored_; }

  // Hands out rumours for one message. Calls take(name, in_full) for each in its turn, which says
  // how it went; ends at the first that does not fit. `members`: n of the formula.
  enum class Taken : std::uint8_t { kYes, kDoesNotFit, kNothingToTell };
  template <typename Take>
  void Tell(std::size_t members, Take take);

 private:
  struct Rumour {
    RumourName name;
    bool in_full = false;
    std::uint64_t sequence = 0;
  };
  // How often each is told. O(1).
  std::size_t ToldMax(std::size_t members) const;
  bool IsNewest(const Rumour& rumour) const;
  void DropMostTold();
  // Rumours that are over lie between the others until they come up; here they go, when they are
  // more than those.
  void Compact();

  const MembershipConfig config_;
  // By how often they were told; within a level the newest last. Those that newest_ does not name
  // by their sequence are over.
  std::vector<std::vector<Rumour>> levels_;
  std::map<RumourName, std::uint64_t> newest_;
  std::uint64_t next_sequence_ = 1;
  std::size_t stored_ = 0;  // in levels_
  std::uint64_t dropped_ = 0;
};

template <typename Take>
void RumourQueue::Tell(std::size_t members, Take take) {
  const std::size_t told_max = ToldMax(members);
  std::vector<std::pair<std::size_t, Rumour>> told;  // and their next level
  bool full = false;
  for (std::size_t level = 0; level < levels_.size() && !full; ++level) {
    std::vector<Rumour>& rumours = levels_[level];
    while (!rumours.empty()) {
      const Rumour rumour = rumours.back();
      Taken taken = Taken::kNothingToTell;
      const bool newest = IsNewest(rumour);
      if (newest) taken = take(rumour.name, rumour.in_full);
      full = taken == Taken::kDoesNotFit;
      if (full) break;
      rumours.pop_back();
      --stored_;
      if (!newest) continue;
      if (taken == Taken::kYes && level + 1 < told_max) {
        told.emplace_back(level + 1, rumour);
      } else {
        newest_.erase(rumour.name);
      }
    }
  }
  for (auto it = told.rbegin(); it != told.rend(); ++it) {
    if (levels_.size() <= it->first) levels_.resize(it->first + 1);
    levels_[it->first].push_back(it->second);
    ++stored_;
  }
}

}  // namespace gyre
