#include "sim/truth.h"

#include "base/check.h"

namespace gyre::sim {
namespace {

// The name part of a value; what follows is only there for its length.
std::string Name(const Sibling& sibling) {
  if (sibling.type == ValueType::kTombstone) return "deleted";
  const std::string value = sibling.value.ToString();
  return value.substr(0, value.find('.'));
}

}  // namespace

std::string ToString(const Dot& dot) {
  return "[" + std::to_string(NodeOf(dot.actor).value % 1000) + "." +
         std::to_string(dot.actor.value % 10000) + "/" + std::to_string(dot.epoch) + "," +
         std::to_string(dot.n) + "]";
}

std::string ToString(const VersionVector& clock) {
  std::string text;
  for (const VersionVector::Entry& entry : clock.entries()) text += ToString(entry.dot());
  return text.empty() ? "[]" : text;
}

const VersionVector::Entry* EntryOf(const VersionVector& clock, const Dot& dot) {
  return clock.Find(dot.actor, dot.epoch);
}

std::string ToString(const Record& record) {
  std::string text = "clock " + ToString(record.clock) + " siblings";
  for (const Sibling& sibling : record.siblings) {
    text += " " + ToString(sibling.dot) + "=" + Name(sibling);
  }
  return text;
}

std::size_t KeyTruth::Add(const Sibling& sibling, std::size_t write, const Seen& seen) {
  const std::size_t index = events_.size();
  GYRE_CHECK(by_dot_.emplace(sibling.dot, index).second);
  Bits surely = seen.surely;
  for (const std::size_t i : seen.surely.Indexes()) surely.Add(events_[i].history);
  Bits at_most = Closure(seen.at_most);
  at_most.Add(surely);
  events_.push_back({sibling, write, std::move(surely), std::move(at_most), 0});
  events_.back().sibling.value = sibling.value.Compact();
  return index;
}

std::size_t KeyTruth::Find(const Dot& dot) const {
  const auto it = by_dot_.find(dot);
  return it == by_dot_.end() ? kNone : it->second;
}

Bits KeyTruth::Covered(const VersionVector& clock) const {
  Bits covered;
  for (const VersionVector::Entry& entry : clock.entries()) {
    for (auto it = by_dot_.lower_bound(Dot{entry.actor, entry.epoch, 0});
         it != by_dot_.end() && it->first <= entry.dot(); ++it) {
      covered.Set(it->second);
    }
  }
  return covered;
}

Bits KeyTruth::Closure(const Bits& set) const {
  Bits closure = set;
  for (const std::size_t index : set.Indexes()) closure.Add(events_[index].history_most);
  return closure;
}

Bits KeyTruth::SurelyMaximal(const Bits& set) const {
  Bits maximal = set;
  for (const std::size_t index : set.Indexes()) maximal.Remove(events_[index].history_most);
  return maximal;
}

Bits KeyTruth::PossiblyMaximal(const Bits& set) const {
  Bits maximal = set;
  for (const std::size_t index : set.Indexes()) maximal.Remove(events_[index].history);
  return maximal;
}

Bits KeyTruth::SiblingsOf(const Record& record) const {
  Bits siblings;
  for (const Sibling& sibling : record.siblings) {
    const std::size_t index = Find(sibling.dot);
    if (index != kNone) siblings.Set(index);
  }
  return siblings;
}

Bits KeyTruth::Settled(const Record& record) const { return Closure(SiblingsOf(record)); }

std::string KeyTruth::Describe(const Bits& set) const {
  std::string text;
  for (const std::size_t index : set.Indexes()) {
    const Sibling& sibling = events_[index].sibling;
    text += (text.empty() ? "" : " ") + ToString(sibling.dot) + "=" + Name(sibling);
  }
  return text;
}

}  // namespace gyre::sim
