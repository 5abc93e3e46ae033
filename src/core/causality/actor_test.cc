#include "core/causality/actor.h"

#include <gtest/gtest.h>

#include <set>

namespace gyre {
namespace {

constexpr NodeId kNode{77};

CleanStop Stop(Prng& prng) {
  return {"boot 1, inode 5", {{DrawActor(kNode, prng), 9}, {DrawActor(kNode, prng), 1'000'000}}};
}

// Goal: scenario 5, 25, 37 of the plan in one rule: only a proven clean stop keeps an actor.
TEST(ActorTest, GoesOnOnlyAfterACleanStopOnTheVerySameFolder) {
  Prng prng(1);
  const CleanStop stop = Stop(prng);
  std::vector<ShardActor> going_on = stop.shards;
  for (ShardActor& shard : going_on) shard.resumes = true;
  EXPECT_EQ(ChooseActors(kNode, 2, stop, stop.fingerprint, prng), going_on);

  const auto all_fresh = [&](const std::vector<ShardActor>& chosen) {
    std::set<ActorId> actors;
    for (const ShardActor& shard : chosen) {
      EXPECT_EQ(NodeOf(shard.actor).value & kNodeIdMax, NodeOf(shard.actor).value);
      EXPECT_EQ(shard.next_epoch, 1u);
      for (const ShardActor& former : stop.shards) {
        if (former.actor == shard.actor) return false;
      }
      actors.insert(shard.actor);
    }
    return actors.size() == chosen.size();
  };
  EXPECT_TRUE(all_fresh(ChooseActors(kNode, 2, std::nullopt, stop.fingerprint, prng))) << "crash";
  EXPECT_TRUE(all_fresh(ChooseActors(kNode, 2, stop, "boot 2, inode 5", prng))) << "another boot";
  EXPECT_TRUE(all_fresh(ChooseActors(kNode, 3, stop, stop.fingerprint, prng))) << "other shards";
  EXPECT_TRUE(all_fresh(ChooseActors(NodeId(78), 2, stop, stop.fingerprint, prng))) << "renamed";
  CleanStop unproven = stop;
  unproven.fingerprint.clear();
  EXPECT_TRUE(all_fresh(ChooseActors(kNode, 2, unproven, "", prng))) << "no fingerprint to be had";
}

TEST(ActorTest, ACleanStopRoundTrips) {
  Prng prng(2);
  const CleanStop stop = Stop(prng);
  EXPECT_EQ(DecodeCleanStop(EncodeCleanStop(stop)).value(), stop);
  const CleanStop empty;
  EXPECT_EQ(DecodeCleanStop(EncodeCleanStop(empty)).value(), empty);
}

// Goal: a damaged note is no proof of anything.
TEST(ActorTest, EveryFlippedBitAndEveryCutIsFound) {
  Prng prng(3);
  const std::string bytes = EncodeCleanStop(Stop(prng));
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    EXPECT_FALSE(DecodeCleanStop(flipped).has_value()) << bit;
  }
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(DecodeCleanStop(bytes.substr(0, size)).error().code, ErrorCode::kCorruption);
  }
}

TEST(ActorTest, TwoShardsOfOneActorAreRefused) {
  Prng prng(4);
  CleanStop stop = Stop(prng);
  stop.shards[1] = stop.shards[0];
  EXPECT_FALSE(DecodeCleanStop(EncodeCleanStop(stop)).has_value());
}

}  // namespace
}  // namespace gyre
