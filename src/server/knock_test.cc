#include "server/knock.h"

#include <gtest/gtest.h>

#include "core/cluster_view.h"

namespace gyre {
namespace {

TEST(KnockTest, BytesAndBack) {
  const Member member{NodeIdOf("n4"),  "n4",           3, "rack1", "eu", "10.0.0.4:7381",
                      "10.0.0.4:7379", "10.0.0.4:7380"};
  EXPECT_EQ(DecodeKnock(EncodeKnock(member)), member);
  EXPECT_EQ(DecodeKnockRefusal(EncodeKnockRefusal("no")), "no");
  EXPECT_EQ(DecodeKnockRefusal(EncodeKnockRefusal(std::string(9'000, 'x')))->size(), 512u);
  EXPECT_FALSE(DecodeKnock(EncodeKnockRefusal("no")));
  EXPECT_FALSE(DecodeKnockRefusal(EncodeKnock(member)));
}

// Goal: a newer node, which may say more of itself, can knock at an older one.
TEST(KnockTest, FieldsOfALaterVersionAreSkipped) {
  const Member member{NodeIdOf("n4"), "n4", 1, "", "", "h:1"};
  EXPECT_EQ(DecodeKnock(EncodeKnock(member) + "later"), member);
}

// Goal: a guest may send anything.
TEST(KnockTest, DamagedBytesAreNoKnock) {
  const std::string body = EncodeKnock({NodeIdOf("n4"), "n4", 1, "", "", "h:1"});
  for (std::size_t size = 0; size < body.size(); ++size) {
    EXPECT_FALSE(DecodeKnock(std::string_view(body).substr(0, size))) << size;
  }
  EXPECT_FALSE(DecodeKnock(EncodeKnock({NodeId(1), "", 1, "", "", "h:1"})));
  EXPECT_FALSE(DecodeKnock(EncodeKnock({NodeId(1), "n4", 0, "", "", "h:1"})));
}

}  // namespace
}  // namespace gyre
