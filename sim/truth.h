// What really happened to one key: every write by its dot, and for each the writes that it had
// seen. This is the causal history that version vectors stand for, kept as plain sets: the checkers
// compare the records of the system with it.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/causality/record.h"
#include "sim/bits.h"

namespace gyre::sim {

std::string ToString(const Dot& dot);
std::string ToString(const VersionVector& clock);
std::string ToString(const Record& record);
// The clock's entry of this dot's counter; null if it has none.
const VersionVector::Entry* EntryOf(const VersionVector& clock, const Dot& dot);

class KeyTruth {
 public:
  struct Event {
    Sibling sibling;        // as first seen
    std::size_t write = 0;  // of the history; kNone: nobody asked for it
    // Every write it had seen, however indirectly; not itself. Where that cannot be told for sure
    // (two deletes that arrived together; what a truncation dropped in the same step), `history`
    // is what it had surely seen and `history_most` what it may have seen.
    Bits history;
    Bits history_most;
    std::uint32_t holders = 0;  // nodes that held it durably, or something that covers it
  };
  static constexpr std::size_t kNone = SIZE_MAX;
  using EpochName = std::pair<ActorId, std::uint64_t>;

  struct Seen {
    Bits surely;
    Bits at_most;
  };
  // `seen` is closed under history here. Returns the index. REQUIRES: the dot is new.
  std::size_t Add(const Sibling& sibling, std::size_t write, const Seen& seen);
  // kNone if no such write is known.
  std::size_t Find(const Dot& dot) const;

  // The known writes that the clock covers.
  Bits Covered(const VersionVector& clock) const;
  // `set` and all that its members may have seen.
  Bits Closure(const Bits& set) const;
  // The members of `set` that no other member can have seen: a reader must find these as siblings.
  Bits SurelyMaximal(const Bits& set) const;
  // ... that no other member had surely seen: a reader may find no others.
  Bits PossiblyMaximal(const Bits& set) const;
  // The siblings of the record that are known.
  Bits SiblingsOf(const Record& record) const;
  // What the record holds or may have superseded.
  Bits Settled(const Record& record) const;
  std::string Describe(const Bits& set) const;

  Event& event(std::size_t index) { return events_[index]; }
  const Event& event(std::size_t index) const { return events_[index]; }
  std::size_t size() const { return events_.size(); }

  // Clock entries that some record dropped (paper 4.4). A write of such an epoch may come back as a
  // false sibling; that is the price the paper names.
  std::set<EpochName> truncated;
  bool MayReturn(std::size_t index) const {
    const Dot& dot = events_[index].sibling.dot;
    return truncated.contains({dot.actor, dot.epoch});
  }

 private:
  std::vector<Event> events_;
  std::map<Dot, std::size_t> by_dot_;
};

}  // namespace gyre::sim
