#include "core/greeting/peer_table.h"

#include <gtest/gtest.h>

#include <set>

namespace gyre {
namespace {

constexpr NodeId kPeer(7);

void Meet(PeerTable& peers, ShardId shard, std::uint64_t run) {
  PeerTable::Contact* contact = peers.Find(kPeer, shard);
  ASSERT_NE(contact, nullptr);
  *contact = {run, true, true, true};
}

// Goal: a shard meets exactly those shards of a peer that serve a partition which it serves too.
TEST(PeerTableTest, MeetsWhoeverServesTheSamePartitions) {
  for (std::uint16_t own = 1; own <= 6; ++own) {
    for (std::uint16_t theirs = 1; theirs <= 6; ++theirs) {
      for (std::uint16_t self = 0; self < own; ++self) {
        std::set<std::uint16_t> common;
        for (std::uint32_t p = self; p < 256; p += own) {
          common.insert(static_cast<std::uint16_t>(p % theirs));
        }
        PeerTable peers;
        peers.Link(kPeer, {.shard_count = theirs}, ShardId(self), own);
        for (std::uint16_t s = 0; s < theirs; ++s) {
          EXPECT_EQ(peers.Find(kPeer, ShardId(s)) != nullptr, common.contains(s));
        }
      }
    }
  }
}

// Goal: nobody is sent what it may not know: neither a peer of an older version, nor one without a
// link, of which nothing is known.
TEST(PeerTableTest, SpeaksWhatItsLinkHasSettled) {
  PeerTable peers;
  const std::uint16_t first = FirstVersionOf(Feature::kSplit);
  EXPECT_FALSE(peers.Speaks(kPeer, Feature::kSplit));
  peers.Link(kPeer, {.version = static_cast<std::uint16_t>(first - 1)}, ShardId(0), 1);
  EXPECT_FALSE(peers.Speaks(kPeer, Feature::kSplit));
  peers.Link(kPeer, {.version = first}, ShardId(0), 1);  // restarted, as a newer one
  EXPECT_TRUE(peers.Speaks(kPeer, Feature::kSplit));
  peers.Unlink(kPeer);
  EXPECT_FALSE(peers.Speaks(kPeer, Feature::kSplit));
}

// Goal: a peer has been met when all of these have; and each partition is of one life of one shard.
TEST(PeerTableTest, IsMetShardByShard) {
  PeerTable peers;
  peers.Link(kPeer, {.shard_count = 2}, ShardId(0), 1);
  Meet(peers, ShardId(0), 11);
  EXPECT_FALSE(peers.HasMet(kPeer));
  EXPECT_EQ(peers.RunOf(kPeer, SectionId(4)), 11u);
  EXPECT_EQ(peers.RunOf(kPeer, SectionId(5)), 0u);
  Meet(peers, ShardId(1), 12);
  EXPECT_TRUE(peers.HasMet(kPeer));
  EXPECT_EQ(peers.RunOf(kPeer, SectionId(5)), 12u);
  // Over a new link it is met anew.
  peers.Link(kPeer, {.shard_count = 2}, ShardId(0), 1);
  EXPECT_FALSE(peers.HasMet(kPeer));
  peers.Unlink(kPeer);
  EXPECT_EQ(peers.RunOf(kPeer, SectionId(4)), 0u);
}

}  // namespace
}  // namespace gyre
