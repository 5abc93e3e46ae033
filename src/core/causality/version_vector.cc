#include "core/causality/version_vector.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "core/config.h"

namespace gyre {
namespace {

using Entry = VersionVector::Entry;

// Order of the entries: which counter, not how far.
bool Before(const Entry& a, const Entry& b) {
  return a.actor != b.actor ? a.actor < b.actor : a.epoch < b.epoch;
}
bool SameCounter(const Entry& a, const Entry& b) {
  return a.actor == b.actor && a.epoch == b.epoch;
}

// Clocks are short: ten entries as a rule, so a walk beats halving.
template <typename Entries>
auto LowerBound(Entries& entries, ActorId actor, std::uint64_t epoch) {
  const Entry wanted{actor, epoch, 0, {}};
  if (entries.size() > 16) {
    return std::lower_bound(entries.begin(), entries.end(), wanted, Before);
  }
  auto at = entries.begin();
  while (at != entries.end() && Before(*at, wanted)) ++at;
  return at;
}

// actor 8, epoch and n at least 1 each, time 6.
constexpr std::size_t kEntryBytesMin = 16;

}  // namespace

const Entry* VersionVector::Find(ActorId actor, std::uint64_t epoch) const {
  const auto at = LowerBound(entries_, actor, epoch);
  if (at == entries_.end() || at->actor != actor || at->epoch != epoch) return nullptr;
  return &*at;
}

bool VersionVector::Covers(const Dot& dot) const {
  const Entry* entry = Find(dot.actor, dot.epoch);
  return entry != nullptr && entry->n >= dot.n;
}

bool VersionVector::Dominates(const VersionVector& other) const {
  auto mine = entries_.begin();
  for (const Entry& theirs : other.entries_) {
    while (mine != entries_.end() && Before(*mine, theirs)) ++mine;
    if (mine == entries_.end() || !SameCounter(*mine, theirs) || mine->n < theirs.n) return false;
  }
  return true;
}

bool VersionVector::SameDots(const VersionVector& other) const {
  return std::equal(entries_.begin(), entries_.end(), other.entries_.begin(), other.entries_.end(),
                    [](const Entry& a, const Entry& b) { return a.dot() == b.dot(); });
}

void VersionVector::Merge(const VersionVector& other) {
  if (this == &other || other.entries_.empty()) return;
  if (entries_.empty()) {
    entries_ = other.entries_;
    return;
  }
  Entries merged;
  merged.reserve(std::max(entries_.size(), other.entries_.size()));
  auto mine = entries_.begin();
  auto theirs = other.entries_.begin();
  while (mine != entries_.end() && theirs != other.entries_.end()) {
    if (Before(*mine, *theirs)) {
      merged.push_back(*mine++);
    } else if (Before(*theirs, *mine)) {
      merged.push_back(*theirs++);
    } else {
      merged.push_back(std::pair(mine->n, mine->time) < std::pair(theirs->n, theirs->time) ? *theirs
                                                                                           : *mine);
      ++mine, ++theirs;
    }
  }
  merged.insert(merged.end(), mine, entries_.end());
  merged.insert(merged.end(), theirs, other.entries_.end());
  entries_ = std::move(merged);
}

void VersionVector::Add(const Dot& dot, WallTime time) {
  GYRE_CHECK(dot.n >= 1);
  time.ms = std::clamp<std::int64_t>(time.ms, 0, kWallTimeMsMax);
  const auto at = LowerBound(entries_, dot.actor, dot.epoch);
  if (at == entries_.end() || at->actor != dot.actor || at->epoch != dot.epoch) {
    entries_.insert(at, Entry{dot.actor, dot.epoch, dot.n, time});
  } else if (at->n < dot.n) {
    at->n = dot.n;
    at->time = time;
  }
}

void VersionVector::LimitTimes(WallTime latest) {
  latest.ms = std::clamp<std::int64_t>(latest.ms, 0, kWallTimeMsMax);
  for (Entry& entry : entries_) entry.time = std::min(entry.time, latest);
}

void VersionVector::Remove(ActorId actor, std::uint64_t epoch) {
  const auto at = LowerBound(entries_, actor, epoch);
  if (at != entries_.end() && at->actor == actor && at->epoch == epoch) entries_.erase(at);
}

std::size_t VersionVector::EncodedBytes() const {
  std::size_t bytes = VarintBytes(entries_.size());
  for (const Entry& entry : entries_) {
    bytes += 8 + VarintBytes(entry.epoch) + VarintBytes(entry.n) + 6;
  }
  return bytes;
}

void VersionVector::Encode(Writer& out) const {
  out.Varint(entries_.size());
  for (const Entry& entry : entries_) {
    out.U64(entry.actor.value);
    out.Varint(entry.epoch);
    out.Varint(entry.n);
    const auto ms = static_cast<std::uint64_t>(entry.time.ms);
    out.U32(static_cast<std::uint32_t>(ms));
    out.U16(static_cast<std::uint16_t>(ms >> 32));
  }
}

void VersionVector::DecodeFrom(Reader& in) {
  const std::uint64_t count = in.VarintAtMost(kClockEntriesHardMax);
  if (count > in.remaining() / kEntryBytesMin) {  // memory by bytes received, not announced
    return in.SetFailed();
  }
  entries_.reserve(count);
  for (std::uint64_t i = 0; i < count; ++i) {
    Entry& entry = entries_.emplace_back();
    entry.actor = ActorId(in.U64());
    entry.epoch = in.Varint();
    entry.n = in.Varint();
    const std::uint64_t low = in.U32();
    entry.time.ms = static_cast<std::int64_t>(low | std::uint64_t{in.U16()} << 32);
    const bool in_order = i == 0 || Before((&entry)[-1], entry);
    if (!in.ok() || entry.n == 0 || !in_order) {
      entries_.clear();
      return in.SetFailed();
    }
  }
}

}  // namespace gyre
