// Random values for property tests. The domains are small, so that records of a run overlap: same
// actors, same dots, equal times.
#pragma once

#include <rapidcheck.h>

#include <string>
#include <vector>

#include "base/hash.h"
#include "core/causality/record.h"

namespace gyre {

inline Sibling SiblingOf(Dot dot, HybridTime time, std::string_view value,
                         WallTime expiry = kNeverExpires) {
  return {dot, time, expiry, ValueType::kBytes, Xxh3_64(value), Bytes(value)};
}
inline Sibling TombstoneOf(Dot dot, HybridTime time) {
  return {dot, time, kNeverExpires, ValueType::kTombstone, 0, Bytes()};
}

// Up to 3 actors with 2 epochs each; n from 1 to 4.
inline VersionVector AnyClock() {
  VersionVector clock;
  for (std::uint64_t counter = 0; counter < 6; ++counter) {
    const auto n = *rc::gen::inRange<std::uint64_t>(0, 5);
    if (n == 0) continue;
    clock.Add({ActorId(7 + counter / 2), 1 + counter % 2, n}, {*rc::gen::inRange(0, 5)});
  }
  return clock;
}

// A record as the rules of the project could make it: one dot has one content everywhere.
inline Record AnyRecord() {
  Record record;
  record.clock = AnyClock();
  for (const VersionVector::Entry& entry : record.clock.entries()) {
    for (std::uint64_t n = 1; n <= entry.n; ++n) {
      if (*rc::gen::inRange(0, 3) != 0) continue;
      const Dot dot{entry.actor, entry.epoch, n};
      const std::uint64_t mix = Xxh3_64(std::string_view(reinterpret_cast<const char*>(&dot), 24));
      const HybridTime time{(mix % 5) << 16 | mix % 3};
      if (mix % 4 == 0) {
        record.siblings.push_back(TombstoneOf(dot, time));
      } else {
        const std::string value(mix % 7, static_cast<char>('a' + mix % 26));
        record.siblings.push_back(
            SiblingOf(dot, time, value, mix % 3 == 0 ? WallTime{5} : kNeverExpires));
      }
    }
  }
  return record;
}

// A record with anything that its form can hold, and as no run of the project would make it: the
// same dot may have another content elsewhere.
inline Record AnyWildRecord() {
  const auto any64 = [] { return *rc::gen::arbitrary<std::uint64_t>(); };
  Record record = AnyRecord();
  const auto more = *rc::gen::inRange(0, 4);
  for (int i = 0; i < more; ++i) {
    const Dot dot{ActorId(any64()), any64(), any64() | 1};
    record.clock.Add(dot, {*rc::gen::inRange<std::int64_t>(0, kWallTimeMsMax)});
  }
  record.siblings.clear();
  for (const VersionVector::Entry& entry : record.clock.entries()) {
    if (*rc::gen::inRange(0, 2) == 0) continue;
    const Dot dot{entry.actor, entry.epoch, 1 + any64() % entry.n};
    if (*rc::gen::inRange(0, 4) == 0) {
      record.siblings.push_back(TombstoneOf(dot, {any64() % 4}));
    } else {
      record.siblings.push_back(SiblingOf(dot, {any64() % 4}, *rc::gen::arbitrary<std::string>(),
                                          {*rc::gen::inRange<std::int64_t>(0, kWallTimeMsMax)}));
    }
  }
  return record;
}

}  // namespace gyre
