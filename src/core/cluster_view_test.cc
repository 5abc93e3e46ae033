#include "core/cluster_view.h"

#include <gtest/gtest.h>

#include <string>

namespace gyre {
namespace {

// Goal: ids are part of the disk and wire formats, so the same name must give the same id forever.
TEST(ClusterViewTest, IdsOfNamesNeverChange) {
  EXPECT_EQ(KeyspaceIdOf("default"), KeyspaceId(0));
  // XXH3_64("") = 2d06800538d394c2
  EXPECT_EQ(KeyspaceIdOf(""), KeyspaceId(0x38d394c2));
  EXPECT_EQ(NodeIdOf(""), NodeId(0xd394c2));
}

// Goal: 0 means `default` and "no node"; no other name may claim it, and node ids fit 24 bits.
TEST(ClusterViewTest, IdsStayInRange) {
  for (int i = 0; i < 100'000; ++i) {
    const std::string name = "n" + std::to_string(i);
    ASSERT_NE(KeyspaceIdOf(name), KeyspaceId(0)) << name;
    ASSERT_GE(NodeIdOf(name).value, 1u) << name;
    ASSERT_LE(NodeIdOf(name).value, kNodeIdMax) << name;
  }
}

}  // namespace
}  // namespace gyre
