// What this shard keeps for owners that could not be reached: how many hints, bytes and since when,
// by target, keyspace and section. The hints themselves are rows (RowKey::owed_to); this is what
// is known of them without looking. Paper 4.6. Pure; kept up by RowLedger.
#pragma once

#include <algorithm>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "base/time.h"
#include "core/config.h"
#include "core/ids.h"

namespace gyre {

class HintLedger {
 public:
  struct Place {
    NodeId target;
    KeyspaceId keyspace;
    SectionId section;

    auto operator<=>(const Place&) const = default;
  };
  struct Debt {
    std::uint64_t hints = 0;
    std::uint64_t bytes = 0;
    WallTime oldest{INT64_MAX};  // when the oldest write among them was made, or earlier

    bool operator==(const Debt&) const = default;
  };

  // A hint came (made_at: when it was stored, or its newest write made), or went.
  void Add(const Place& place, std::uint64_t bytes, WallTime made_at) {
    Debt& debt = debts_[place];
    ++debt.hints;
    debt.bytes += bytes;
    debt.oldest = std::min(debt.oldest, made_at);
    Debt& all = by_target_[place.target];
    ++all.hints;
    all.bytes += bytes;
    all.oldest = std::min(all.oldest, made_at);
    total_bytes_ += bytes;
    ++by_section_[place.section];
  }
  void Remove(const Place& place, std::uint64_t bytes) {
    const auto debt = debts_.find(place);
    const auto all = by_target_.find(place.target);
    if (debt == debts_.end() || all == by_target_.end()) return;  // miscounted by damage
    const bool last = --debt->second.hints == 0;
    bytes = last ? debt->second.bytes : std::min(bytes, debt->second.bytes);
    debt->second.bytes -= bytes;
    all->second.bytes -= bytes;
    total_bytes_ -= bytes;
    if (last) debts_.erase(debt);
    DropFrom(place.section, 1);
    if (--all->second.hints == 0) by_target_.erase(all);
  }

  // Zeros if nothing is owed there.
  Debt At(const Place& place) const {
    const auto it = debts_.find(place);
    return it == debts_.end() ? Debt{} : it->second;
  }
  // Nothing was found where `debt` was thought to be owed. No effect if that has changed since.
  void Forget(const Place& place, const Debt& debt) {
    const auto it = debts_.find(place);
    if (it == debts_.end() || it->second != debt) return;
    Debt& all = by_target_[place.target];
    all.hints -= debt.hints;
    all.bytes -= debt.bytes;
    total_bytes_ -= debt.bytes;
    if (all.hints == 0) by_target_.erase(place.target);
    DropFrom(place.section, debt.hints);
    debts_.erase(it);
  }

  // May so much more be kept for the target?
  bool Fits(NodeId target, std::uint64_t bytes, const CoreConfig& config) const {
    return Of(target).bytes + bytes <= config.hint_bytes_per_target_max &&
           total_bytes_ + bytes <= config.hint_bytes_max;
  }

  bool empty() const { return by_target_.empty(); }
  bool Has(const Place& place) const { return !debts_.empty() && debts_.contains(place); }
  bool HasOf(SectionId section) const { return by_section_.contains(section); }
  std::uint64_t total_bytes() const { return total_bytes_; }
  // Of one target; zeros if nothing is owed to it.
  Debt Of(NodeId target) const {
    const auto it = by_target_.find(target);
    return it == by_target_.end() ? Debt{} : it->second;
  }
  const std::map<NodeId, Debt>& by_target() const { return by_target_; }
  // The first place of this target after `after`; nullopt: there is none.
  std::optional<Place> Next(NodeId target, const std::optional<Place>& after) const {
    const auto it = after ? debts_.upper_bound(*after)
                          : debts_.lower_bound(Place{target, KeyspaceId{}, SectionId{}});
    if (it == debts_.end() || it->first.target != target) return std::nullopt;
    return it->first;
  }

 private:
  void DropFrom(SectionId section, std::uint64_t hints) {
    const auto it = by_section_.find(section);
    if ((it->second -= hints) == 0) by_section_.erase(it);
  }

  std::map<Place, Debt> debts_;
  std::map<SectionId, std::uint64_t> by_section_;  // hints, of all targets and keyspaces
  std::map<NodeId, Debt> by_target_;
  std::uint64_t total_bytes_ = 0;
};

}  // namespace gyre
