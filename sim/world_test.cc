// The world itself: its queue, links, disks and clocks do what the checkers rely on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/network.h"
#include "sim/sim_clock.h"
#include "sim/sim_storage.h"

namespace gyre::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

RowKey Key(const std::string& name) { return {KeyspaceId(0), Xxh3_128(name), Bytes(name)}; }
Row RowOf(const std::string& text) { return {{}, Bytes(text)}; }
std::string TextOf(const Row* row) { return row == nullptr ? "-" : row->record.ToString(); }

// Goal: one order of events, whatever asked for them: by time, then as asked.
TEST(EventQueueTest, RunsByTimeThenByOrderAsked) {
  EventQueue events;
  std::vector<int> ran;
  events.At(20, [&] { ran.push_back(3); });
  events.At(10, [&] {
    ran.push_back(1);
    events.At(5, [&] { ran.push_back(2); });  // has passed: now
  });
  events.At(20, [&] { ran.push_back(4); });
  while (events.RunNext()) {
  }
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(events.now(), 20);
}

// Goal: a tick planned by WorldTimeOf comes when the local clock shows what was asked for, not a
// microsecond earlier, at any rate.
TEST(SimClockTest, WorldTimeOfIsTheFirstMomentThatShowsIt) {
  for (const std::int64_t rate : {500'000, 999'983, 1'000'000, 1'700'003}) {
    SimClock clock(WallTime{1'000}, rate);
    clock.SetRate(12'345, rate + 7);
    for (const std::int64_t wanted : {40'000, 123'457, 9'999'999}) {
      const std::int64_t at = clock.WorldTimeOf(Instant{wanted});
      EXPECT_GE(clock.At(at).instant.us, wanted);
      EXPECT_LT(clock.At(at - 1).instant.us, wanted);
    }
  }
}

TEST(SimClockTest, WallClockJumpsWithoutTheMonotonicOne) {
  SimClock clock(WallTime{5'000}, 1'000'000);
  const Now before = clock.At(1'000'000);
  clock.JumpWall(Duration::Seconds(-3));
  EXPECT_EQ(clock.At(1'000'000).instant, before.instant);
  EXPECT_EQ(clock.At(1'000'000).wall.ms, before.wall.ms - 3'000);
  clock.SetWall(2'000'000, WallTime{1'000});
  EXPECT_EQ(clock.At(2'500'000).wall.ms, 1'500);
}

struct NetworkTest : ::testing::Test {
  NetworkTest()
      : network(events, 7, 2, profile, [this](int, int, const Bytes& frame, Fate fate) {
          got.push_back(frame.ToString());
          fates.push_back(fate);
        }) {}
  void SendAll(int count) {
    for (int i = 0; i < count; ++i) network.Send(0, 1, Bytes(std::to_string(1'000 + i)));
    while (events.RunNext()) {
    }
  }
  EventQueue events;
  NetworkProfile profile;
  Network network;
  std::vector<std::string> got;
  std::vector<Fate> fates;
};

TEST_F(NetworkTest, LosesDoublesFlipsAndReorders) {
  network.profile().lost_per_million = 100'000;
  network.profile().doubled_per_million = 100'000;
  network.profile().flipped_per_million = 100'000;
  SendAll(1'000);
  const NetworkCounters& c = network.counters();
  EXPECT_GT(c.lost, 50u);
  EXPECT_GT(c.doubled, 50u);
  EXPECT_GT(c.flipped, 50u);
  EXPECT_GT(c.overtaken, 50u);
  EXPECT_EQ(c.delivered, c.sent - c.lost + c.doubled);
  std::size_t doubled = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    doubled += fates[i].doubled;
    const int number = std::atoi(got[i].c_str());
    if (!fates[i].flipped) {
      EXPECT_TRUE(number >= 1'000 && number < 2'000) << got[i];
    }
  }
  EXPECT_EQ(doubled, 2 * c.doubled);
}

TEST_F(NetworkTest, InOrderAsTcp) {
  network.profile().in_order = true;
  SendAll(500);
  ASSERT_THAT(got, SizeIs(500));
  EXPECT_TRUE(std::is_sorted(got.begin(), got.end()));
}

TEST_F(NetworkTest, CutsAddUpAndAreOneWay) {
  network.Cut(0, 1);
  network.Cut(0, 1);
  network.Uncut(0, 1);
  SendAll(1);
  EXPECT_THAT(got, IsEmpty());
  network.Send(1, 0, Bytes("back"));
  while (events.RunNext()) {
  }
  EXPECT_THAT(got, ElementsAre("back"));
  network.Uncut(0, 1);
  SendAll(1);
  EXPECT_THAT(got, SizeIs(2));
}

struct SimStorageTest : ::testing::Test {
  explicit SimStorageTest(bool sync = true) : storage(events, 3, Profile(sync), 17) {}
  static StorageProfile Profile(bool sync) {
    StorageProfile profile;
    profile.sync = sync;
    profile.slow_per_million = 0;
    return profile;
  }
  void Write(const std::string& text) {
    storage.Write(Key("k"), RowOf(text), 0, [this, text](Status status) {
      done.push_back(text + (status ? "" : " failed"));
    });
  }
  std::string Read() {
    std::string text = "no answer";
    storage.Read(Key("k"), [&](Result<std::optional<Row>> row) {
      text = !row ? std::string(ErrorCodeName(row.error().code))
                  : (*row ? (*row)->record.ToString() : "-");
    });
    events.RunUntil(events.now() + 10'000);
    return text;
  }
  void RunAll() {
    while (events.RunNext()) {
    }
  }
  EventQueue events;
  SimStorage storage;
  std::vector<std::string> done;
};
struct IntervalStorageTest : SimStorageTest {
  IntervalStorageTest() : SimStorageTest(/*sync=*/false) {}
};

TEST_F(SimStorageTest, CompletesInOrderAlsoThroughAStall) {
  Write("1");
  storage.StallUntil(50'000);
  Write("2");
  Write("3");
  events.RunUntil(49'999);
  EXPECT_THAT(done, IsEmpty());
  RunAll();
  EXPECT_THAT(done, ElementsAre("1", "2", "3"));
  EXPECT_EQ(Read(), "3");
}

// Goal: what sync storage has acknowledged survives power loss; what it has not may survive as a
// prefix, never with a gap, and is never acknowledged afterwards.
TEST_F(SimStorageTest, PowerLossKeepsWhatWasAcknowledged) {
  int kept_some = 0;
  for (int round = 0; round < 50; ++round) {
    done.clear();
    Write("a" + std::to_string(round));
    RunAll();
    ASSERT_THAT(done, SizeIs(1));
    Write("b");
    Write("c");
    EXPECT_THAT(storage.Crash(CrashKind::kPower), IsEmpty());
    RunAll();
    EXPECT_THAT(done, SizeIs(1));
    const std::string now = TextOf(storage.Latest(Key("k")));
    EXPECT_TRUE(now == "a" + std::to_string(round) || now == "b" || now == "c") << now;
    kept_some += now == "b" || now == "c";
  }
  EXPECT_GT(kept_some, 10);
  EXPECT_LT(kept_some, 45);
}

TEST_F(IntervalStorageTest, PowerLossTakesUnsyncedAcknowledgedWritesAndSaysSo) {
  Write("old");
  events.RunUntil(2'000'000);  // past the sync
  std::size_t lost = 0;
  for (int round = 0; round < 60; ++round) {
    done.clear();
    Write("new");
    events.RunUntil(events.now() + 10'000);
    ASSERT_THAT(done, ElementsAre("new"));
    EXPECT_THAT(storage.Crash(CrashKind::kProcess), IsEmpty());
    EXPECT_EQ(TextOf(storage.Latest(Key("k"))), "new");
    Write("newer");
    events.RunUntil(events.now() + 10'000);
    lost += storage.Crash(CrashKind::kPower).size();
  }
  EXPECT_GT(lost, 2u);
  EXPECT_LT(lost, 60u);
}

// Goal: after a failed write all later ones fail until recovery, and reads see none of them; after
// a crash they may be found in the log, but not once the disk has recovered.
TEST_F(SimStorageTest, FailedWritesFailUntilRecoveryAndMayReappear) {
  Write("good");
  RunAll();
  int reappeared = 0;
  for (int round = 0; round < 40; ++round) {
    done.clear();
    storage.FailWrites();
    Write("bad");
    Write("bad too");
    RunAll();
    EXPECT_THAT(done, ElementsAre("bad failed", "bad too failed"));
    EXPECT_EQ(Read(), "good");
    storage.Crash(CrashKind::kProcess);
    reappeared += TextOf(storage.Latest(Key("k"))) != "good";
    Write("good");
    RunAll();
  }
  EXPECT_GT(reappeared, 5);
  storage.FailWrites();
  Write("bad");
  RunAll();
  storage.Recover();
  Write("good again");
  RunAll();
  storage.Crash(CrashKind::kPower);
  EXPECT_EQ(TextOf(storage.Latest(Key("k"))), "good again");
}

TEST_F(SimStorageTest, RotIsAnErrorUntilWrittenAgain) {
  EXPECT_FALSE(storage.Rot(Key("k")));
  Write("good");
  RunAll();
  EXPECT_TRUE(storage.Rot(Key("k")));
  EXPECT_EQ(Read(), "corruption");
  storage.Crash(CrashKind::kPower);
  EXPECT_EQ(Read(), "corruption");
  Write("repaired");
  RunAll();
  EXPECT_EQ(Read(), "repaired");
}

// Goal: a read shows what was asked to be written before it, and of later writes only durable ones.
TEST_F(SimStorageTest, ReadsNeverShowALaterWriteThatIsNotDurable) {
  storage.profile().cached_reads_per_million = 0;
  storage.profile().write_us_min = 20'000;
  storage.profile().write_us_max = 20'000;
  Write("old");
  RunAll();
  for (int round = 0; round < 30; ++round) {
    std::string seen;
    storage.Read(Key("k"),
                 [&](Result<std::optional<Row>> row) { seen = (*row)->record.ToString(); });
    storage.Write(Key("k"), RowOf("new"), 0, [](Status) {});
    events.RunUntil(events.now() + 5'000);
    EXPECT_EQ(seen, "old");
    EXPECT_EQ(Read(), "new");  // asked for before
    RunAll();
    Write("old");
    RunAll();
  }
}

// Goal: a restored disk is as it was, leaves and all, and says what that has undone.
TEST_F(SimStorageTest, ARestoredDiskIsAsItWasBackedUp) {
  Write("1");
  RunAll();
  storage.RotLeaf(Key("k"), 7);
  const std::vector<LeafSum> leaves = storage.Leaves();
  const DiskImage image = storage.BackUp();
  Write("2");
  storage.Write(Key("other"), RowOf("new"), 9, [](Status) {});
  RunAll();
  storage.Crash(CrashKind::kProcess);
  const auto lost = storage.Restore(image);
  EXPECT_THAT(lost, SizeIs(2));
  EXPECT_EQ(Read(), "1");
  EXPECT_EQ(TextOf(storage.Latest(Key("other"))), "-");
  ASSERT_THAT(storage.Leaves(), SizeIs(leaves.size()));
  EXPECT_EQ(storage.Leaves().front().sum, leaves.front().sum);
  EXPECT_THAT(storage.Restore(image), IsEmpty());
}

TEST_F(SimStorageTest, AnEmptyDiskIsEmpty) {
  Write("gone");
  RunAll();
  storage.Crash(CrashKind::kPower);
  EXPECT_THAT(storage.Wipe(), SizeIs(1));
  EXPECT_EQ(Read(), "-");
}

}  // namespace
}  // namespace gyre::sim
