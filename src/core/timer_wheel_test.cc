#include "core/timer_wheel.h"

#include <gtest/gtest.h>

#include <map>

#include "base/prng.h"
#include "core/slot_map.h"

namespace gyre {
namespace {

// Goal: each timer comes once, never early, and within a tick or two of any waking at NextWake().
TEST(TimerWheelTest, EachTimerComesOnceAndInTime) {
  Prng prng(7);
  TimerWheel wheel;
  std::map<std::uint64_t, Instant> set;
  Instant now{5'000'000};
  std::uint64_t next = 1;
  for (int step = 0; step < 5000; ++step) {
    if (prng.Chance(600'000)) {
      const Instant at = now + Duration::Micros(prng.Between(-10'000, 20'000'000));
      wheel.Set(RequestId(next), at);
      set[next++] = at;
    } else {
      now = prng.Chance(300'000) || set.empty() ? now + Duration::Micros(prng.Between(0, 6'000'000))
                                                : std::max(now, wheel.NextWake());
      for (const RequestId id : wheel.TakeDue(now)) {
        ASSERT_EQ(set.count(id.value), 1u);
        EXPECT_LE(set[id.value], now);
        set.erase(id.value);
      }
      for (const auto& [id, at] : set) EXPECT_GT(at + Duration::Micros(2 * 1024), now) << id;
      if (set.empty()) {
        EXPECT_EQ(wheel.NextWake(), Instant::Max());
      } else {
        EXPECT_GT(wheel.NextWake(), now);
      }
    }
  }
}

// Goal: under another id it is the same object, and its old id finds nothing.
TEST(SlotMapTest, RenewedIdsFindTheSame) {
  Prng prng(1);
  SlotMap<int> slots(prng);
  const RequestId first = slots.Insert(1);
  const RequestId other = slots.Insert(2);
  const RequestId second = slots.Renew(first);
  EXPECT_EQ(slots.Find(first), nullptr);
  EXPECT_EQ(*slots.Find(second), 1);
  EXPECT_EQ(*slots.Find(other), 2);
  EXPECT_EQ(slots.size(), 2u);
  EXPECT_EQ(slots.Take(second), 1);
  EXPECT_EQ(slots.Find(second), nullptr);
}

// Goal: an id that was taken finds nothing, also when its slot is in use again.
TEST(SlotMapTest, LateIdsFindNothing) {
  Prng prng(1);
  SlotMap<int> slots(prng);
  const RequestId first = slots.Insert(1);
  const RequestId second = slots.Insert(2);
  EXPECT_EQ(*slots.Find(first), 1);
  EXPECT_EQ(slots.Take(first), 1);
  const RequestId third = slots.Insert(3);
  EXPECT_EQ(slots.Find(first), nullptr);
  EXPECT_EQ(*slots.Find(third), 3);
  EXPECT_EQ(slots.Find(RequestId(0)), nullptr);
  EXPECT_EQ(slots.Find(RequestId(~std::uint64_t{0})), nullptr);
  EXPECT_EQ(slots.Ids().size(), 2u);
  EXPECT_EQ(slots.size(), 2u);
  EXPECT_EQ(*slots.Find(second), 2);
  // A restarted shard draws other ids.
  Prng other(2);
  EXPECT_NE(SlotMap<int>(other).Insert(1), first);
}

}  // namespace
}  // namespace gyre
