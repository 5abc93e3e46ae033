#include "server/shard_leaves.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gyre {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Goal: a shard starts with the sums of its own partitions, all of them and no others.
TEST(ShardLeavesTest, GoToTheShardOfTheirPartition) {
  const auto leaf = [](std::uint32_t partition, std::uint32_t below, std::uint64_t sum) {
    return LeafSum{KeyspaceId(1), partition << kLeafBitsPerSection | below, sum};
  };
  const auto shards = LeavesByShard(
      {leaf(0, 0, 1), leaf(0, 4095, 2), leaf(1, 0, 3), leaf(3, 7, 4), leaf(255, 1, 5)},
      /*shard_count=*/3);
  EXPECT_THAT(shards, ElementsAre(ElementsAre(leaf(0, 0, 1), leaf(0, 4095, 2), leaf(3, 7, 4),
                                              leaf(255, 1, 5)),
                                  ElementsAre(leaf(1, 0, 3)), IsEmpty()));
  EXPECT_THAT(LeavesByShard({}, 2), ElementsAre(IsEmpty(), IsEmpty()));
}

}  // namespace
}  // namespace gyre
