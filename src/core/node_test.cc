#include "core/node.h"

#include <gtest/gtest.h>

namespace gyre {
namespace {

Ring FourPartitions() {
  return Ring::Create(RingEpoch(1), PartitionerKind::kMd5, {{NodeId(1), "a"}},
                      std::vector<NodeId>(4, NodeId(1)))
      .value();
}

// A key of partition `partition` of four.
RowKey KeyIn(std::uint64_t partition) {
  return {KeyspaceId(0), {partition << 62 | 12345, 0}, Bytes("k")};
}

// Goal: everything about one key meets in one shard, whichever way it comes: partition p mod T.
TEST(NodeTest, RequestsAndMessagesOfAKeyGoToTheShardOfItsPartition) {
  const Ring ring = FourPartitions();
  for (std::uint32_t partition = 0; partition < 4; ++partition) {
    for (const std::uint16_t shard_count : {1, 2, 3, 16}) {
      const ShardId expected(static_cast<std::uint16_t>(partition % shard_count));
      const RowKey key = KeyIn(partition);
      EXPECT_EQ(ShardOfRequest(GetRequest{key, {}}, ring, shard_count), expected);
      EXPECT_EQ(ShardOfRequest(PutRequest{key}, ring, shard_count), expected);
      EXPECT_EQ(ShardOfRequest(ExplainRequest{key, {}}, ring, shard_count), expected);
      ScanRequest scan;
      scan.partition = PartitionId(partition);
      scan.partition_bits = 2;
      EXPECT_EQ(ShardOfRequest(scan, ring, shard_count), expected);
      const auto shard_of = [&](Message message) {
        return ShardOfMessage({ShardId(9), std::nullopt, std::move(message)}, ring, shard_count);
      };
      EXPECT_EQ(shard_of(ReplicaGet{{}, {}, key}), expected);
      EXPECT_EQ(shard_of(ReplicaPut{{}, {}, key}), expected);
      EXPECT_EQ(shard_of(ForwardGet{{}, {}, {key, {}}}), expected);
      EXPECT_EQ(shard_of(ForwardPut{{}, {}, {key}}), expected);
      EXPECT_EQ(shard_of(ReplicaScan{{}, {}, scan}), expected);
    }
  }
}

// Goal: a reply finds the shard that asked; a number from outside names some shard that exists.
TEST(NodeTest, RepliesGoToTheShardTheyName) {
  const Ring ring = FourPartitions();
  const auto shard_of = [&](std::uint16_t to_shard) {
    return ShardOfMessage({ShardId(0), ShardId(to_shard), ReplicaPutReply{}}, ring, 3);
  };
  EXPECT_EQ(shard_of(2), ShardId(2));
  EXPECT_EQ(shard_of(4), ShardId(1));
  EXPECT_EQ(shard_of(65'533), ShardId(1));
}

}  // namespace
}  // namespace gyre
