#include "core/membership/member_record.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "core/membership/arbitrary_member.h"

namespace gyre {
namespace {

RC_GTEST_PROP(MemberRecordProperty, ADescriptionComesBackAsItWas, ()) {
  const DescriptionPtr made = AnyDescription();
  const auto parsed = SharedDescription::Parse(made->encoded());
  RC_ASSERT(parsed.has_value());
  RC_ASSERT((*parsed)->fields() == made->fields());
  RC_ASSERT((*parsed)->encoded() == made->encoded());
  RC_ASSERT((*parsed)->digest() == made->digest());
}

// Goal: what a later version adds travels through a node that does not know it.
TEST(MemberRecordTest, UnknownFieldsAreKept) {
  const DescriptionPtr known = DescriptionNumber(1);
  const std::string later = std::string(known->encoded()) + "\x01later";
  const DescriptionPtr parsed = SharedDescription::Parse(later).value();
  EXPECT_EQ(parsed->fields().unknown, "\x01later");
  EXPECT_EQ(parsed->fields().peer_address, known->fields().peer_address);
  EXPECT_EQ(parsed->encoded(), later);
  EXPECT_NE(parsed->digest(), known->digest());
  EXPECT_EQ(SharedDescription::Make(parsed->fields()).value()->encoded(), later);
}

TEST(MemberRecordTest, FieldsOutOfRangeAreRefused) {
  const MemberDescription good = DescriptionNumber(1)->fields();
  const auto refused = [](const MemberDescription& d) {
    const auto made = SharedDescription::Make(d);
    return !made.has_value() && made.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused(good));
  MemberDescription bad = good;
  bad.name = "";
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.name = std::string(kMemberNameBytesMax + 1, 'n');
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.http_address = std::string(kMemberAddressBytesMax + 1, 'h');
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.weight = 0;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.weight = kWeightMax + 1;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.protocol_min = 2;
  bad.protocol_max = 1;
  EXPECT_TRUE(refused(bad));
  bad = good;
  bad.unknown = std::string(kDescriptionBytesMax, 'u');
  EXPECT_TRUE(refused(bad));
}

TEST(MemberRecordTest, DamagedBytesAreRefused) {
  const std::string good(DescriptionNumber(1)->encoded());
  for (std::size_t size = 0; size < good.size(); ++size) {
    const auto parsed = SharedDescription::Parse(std::string_view(good).substr(0, size));
    ASSERT_FALSE(parsed.has_value()) << size;
    EXPECT_EQ(parsed.error().code, ErrorCode::kCorruption);
  }
}

}  // namespace
}  // namespace gyre
