#include "core/membership/member_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace gyre {
namespace {

constexpr std::uint64_t Mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

std::uint64_t HashOf(NodeId id, const MemberTable::Entry& entry) {
  std::uint64_t hash = Mix(id.value + 0x9E3779B97F4A7C15u);
  hash = Mix(hash ^ (entry.incarnation * 4 + static_cast<std::uint64_t>(entry.life)));
  return Mix(hash + entry.description->digest());
}

// Is `a` the description that stays, of two with one incarnation?
bool Outranks(const SharedDescription& a, const SharedDescription& b) {
  return std::tuple(a.digest(), a.encoded()) > std::tuple(b.digest(), b.encoded());
}

}  // namespace

std::size_t MemberTable::PositionOf(NodeId id) const {
  return static_cast<std::size_t>(std::lower_bound(ids_.begin(), ids_.end(), id) - ids_.begin());
}

const MemberTable::Entry* MemberTable::Find(NodeId id) const {
  const std::size_t at = PositionOf(id);
  return at < ids_.size() && ids_[at] == id ? &entries_[at] : nullptr;
}

MemberNews MemberTable::NewsOf(NodeId id, bool with_description) const {
  const Entry* const entry = Find(id);
  GYRE_CHECK(entry != nullptr);
  return {id,
          entry->incarnation,
          entry->life,
          entry->description->digest(),
          with_description ? entry->description : nullptr,
          NodeId()};
}

void MemberTable::Count(NodeId id, const Entry& entry, bool in) {
  if (IsLive(entry.life)) in ? ++live_ : --live_;
  if (entry.quiet) return;
  const std::uint64_t hash = HashOf(id, entry);
  const std::uint64_t delta = in ? hash : -hash;
  sums_[BucketOf(id)] += delta;
  sum_ += delta;
}

MemberTable::Outcome MemberTable::Merge(const MemberNews& news, Instant now) {
  const std::size_t at = PositionOf(news.id);
  const bool known = at < ids_.size() && ids_[at] == news.id;
  Outcome outcome;
  if (!known) {
    if (news.description == nullptr) {
      outcome.merged = Merged::kUnknown;
      return outcome;
    }
    const bool left = news.life == Life::kLeft;
    const std::size_t members = ids_.size() - tombstones_.size();
    if (left ? tombstones_.size() >= config_.tombstones_max : members >= kNodesMax) {
      outcome.merged = Merged::kRefused;
      return outcome;
    }
    const auto offset = static_cast<std::ptrdiff_t>(at);
    ids_.insert(ids_.begin() + offset, news.id);
    entries_.insert(entries_.begin() + offset,
                    Entry{news.description, news.incarnation, news.life, false});
    Count(news.id, entries_[at], /*in=*/true);
    if (left) Bury(news.id, now);
    outcome.merged = Merged::kDescription;
    return outcome;
  }

  Entry& entry = entries_[at];
  outcome.before = entry.life;
  Entry next = entry;
  if (news.incarnation < entry.incarnation) return outcome;
  const bool other =
      news.digest != entry.description->digest() ||
      (news.description != nullptr && news.description->encoded() != entry.description->encoded());
  if (news.incarnation == entry.incarnation) {
    outcome.double_identity = other;
    next.life = std::max(entry.life, news.life);
    if (other && news.description != nullptr && Outranks(*news.description, *entry.description)) {
      next.description = news.description;
    }
  } else {
    if (other && news.description == nullptr) {
      outcome.merged = Merged::kUnknown;
      return outcome;
    }
    next.incarnation = news.incarnation;
    next.life = news.life;
    if (other) next.description = news.description;
  }
  const bool described = next.description != entry.description;
  if (!described && next.incarnation == entry.incarnation && next.life == entry.life) {
    return outcome;
  }
  if (next.life != Life::kLeft) next.quiet = false;
  Count(news.id, entry, /*in=*/false);
  const bool was_left = entry.life == Life::kLeft;
  const bool is_left = next.life == Life::kLeft;
  entry = std::move(next);
  Count(news.id, entry, /*in=*/true);
  outcome.merged = described ? Merged::kDescription : Merged::kLife;
  if (was_left && !is_left) Unbury(news.id);
  if (!was_left && is_left) Bury(news.id, now);
  return outcome;
}

void MemberTable::Bury(NodeId id, Instant now) {
  tombstones_.push_back({id, now});
  if (tombstones_.size() > config_.tombstones_max) ForgetOldest();
}

void MemberTable::Unbury(NodeId id) {
  const auto it = std::find_if(tombstones_.begin(), tombstones_.end(),
                               [id](const Tombstone& each) { return each.id == id; });
  GYRE_CHECK(it != tombstones_.end());
  if (static_cast<std::size_t>(it - tombstones_.begin()) < quiet_) --quiet_;
  tombstones_.erase(it);
}

void MemberTable::ForgetOldest() {
  const std::size_t at = PositionOf(tombstones_.front().id);
  Count(ids_[at], entries_[at], /*in=*/false);
  ids_.erase(ids_.begin() + static_cast<std::ptrdiff_t>(at));
  entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(at));
  tombstones_.pop_front();
  if (quiet_ > 0) --quiet_;
}

void MemberTable::Age(Instant now) {
  const Duration told{config_.tombstone_life.us / 2};
  while (quiet_ < tombstones_.size() && now - tombstones_[quiet_].since >= told) {
    Entry& entry = entries_[PositionOf(tombstones_[quiet_].id)];
    Count(tombstones_[quiet_].id, entry, /*in=*/false);
    entry.quiet = true;
    ++quiet_;
  }
  while (!tombstones_.empty() && now - tombstones_.front().since >= config_.tombstone_life) {
    ForgetOldest();
  }
}

}  // namespace gyre
