#include "core/membership/membership_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/causality/golden.h"
#include "core/membership/arbitrary_member.h"

namespace gyre {
namespace {

constexpr int kTypes = static_cast<int>(std::variant_size_v<MembershipMessage>);

NodeId AnyId() { return NodeId(*rc::gen::inRange(1u, kNodeIdMax + 1)); }

MemberNews AnyNews() {
  MemberNews news;
  news.id = AnyId();
  news.incarnation = *rc::gen::arbitrary<std::uint64_t>();
  news.life = static_cast<Life>(*rc::gen::inRange(0, 4));
  if (*rc::gen::arbitrary<bool>()) {
    news.description = AnyDescription();
    news.digest = news.description->digest();
  } else {
    news.digest = *rc::gen::inRange<std::uint64_t>(1, UINT64_MAX);
  }
  if (news.life == Life::kSuspect && *rc::gen::arbitrary<bool>()) news.accuser = AnyId();
  return news;
}
std::vector<MemberNews> AnyNewsList() {
  std::vector<MemberNews> all(*rc::gen::inRange<std::size_t>(0, 4));
  for (MemberNews& news : all) news = AnyNews();
  return all;
}
LayoutVersion AnyLayout() {
  return {*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>()};
}

MembershipMessage AnyMessage(int index) {
  const auto sequence = *rc::gen::arbitrary<std::uint32_t>();
  const auto sum = *rc::gen::arbitrary<std::uint64_t>();
  switch (index) {
    case 0:
      return Ping{sequence, AnyNewsList()};
    case 1:
      return PingAck{sequence, AnyNewsList()};
    case 2:
      return PingRequest{sequence, AnyId(), *rc::gen::arbitrary<bool>(), AnyNewsList()};
    case 3:
      return PingNack{sequence, AnyNewsList()};
    case 4:
      return Rumours{AnyNewsList()};
    case 5:
      return SyncBegin{AnyLayout(), sum, AnyNewsList()};
    case 6: {
      SyncSums sums{AnyLayout(), sum, *rc::gen::arbitrary<bool>(), {}};
      if (!sums.differs) return sums;
      for (std::uint64_t& each : sums.sums) each = *rc::gen::arbitrary<std::uint64_t>();
      return sums;
    }
    case 7: {
      SyncEntries entries{{}, AnyNewsList(), *rc::gen::arbitrary<bool>()};
      for (std::uint8_t i = 0; i < kTableBuckets; ++i) {
        if (*rc::gen::arbitrary<bool>()) entries.buckets.push_back(i);
      }
      return entries;
    }
    default: {
      SyncRecords records{AnyNewsList(), {}, *rc::gen::arbitrary<bool>()};
      records.wanted.resize(*rc::gen::inRange<std::size_t>(0, 4));
      for (NodeId& id : records.wanted) id = AnyId();
      return records;
    }
  }
}

ErrorCode CodeOf(std::string_view bytes) {
  const auto decoded = DecodeMembership(bytes);
  return decoded.has_value() ? ErrorCode::kNotFound : decoded.error().code;
}

RC_GTEST_PROP(MembershipCodecProperty, WhatDecodesEncodesToTheSameBytes, ()) {
  for (int index = 0; index < kTypes; ++index) {
    const MembershipMessage message = AnyMessage(index);
    const Bytes bytes = EncodeMembership(message);
    RC_ASSERT(bytes.size() == MembershipBytes(message));
    const auto decoded = DecodeMembership(bytes.view());
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(decoded->index() == static_cast<std::size_t>(index));
    RC_ASSERT(EncodeMembership(*decoded) == bytes);
  }
}

RC_GTEST_PROP(MembershipCodecProperty, NewsKeepTheirFields, ()) {
  const MemberNews news = AnyNews();
  RC_ASSERT(NewsBytes(news) <= kNewsBytesMax);
  const auto message = DecodeMembership(EncodeMembership(Rumours{{news}}).view());
  const MemberNews same = std::get<Rumours>(*message).news.at(0);
  RC_ASSERT(same.id == news.id);
  RC_ASSERT(same.incarnation == news.incarnation);
  RC_ASSERT(same.life == news.life);
  RC_ASSERT(same.digest == news.digest);
  RC_ASSERT(same.accuser == news.accuser);
  RC_ASSERT((same.description == nullptr) == (news.description == nullptr));
  if (news.description) RC_ASSERT(same.description->fields() == news.description->fields());
}

RC_GTEST_PROP(MembershipCodecProperty, EveryCutAndEveryByteTooManyIsRefused, ()) {
  for (int index = 0; index < kTypes; ++index) {
    const std::string bytes = EncodeMembership(AnyMessage(index)).ToString();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      RC_ASSERT(CodeOf(std::string_view(bytes).substr(0, size)) == ErrorCode::kCorruption);
    }
    RC_ASSERT(CodeOf(bytes + '\0') == ErrorCode::kCorruption);
  }
}

// Goal: a peer that sends nonsense is refused, or understood in one way only.
RC_GTEST_PROP(MembershipCodecProperty, AlteredBytesAreRefusedOrCanonical, ()) {
  std::string bytes = EncodeMembership(AnyMessage(*rc::gen::inRange(0, kTypes))).ToString();
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    const char before = bytes[at];
    bytes[at] = *rc::gen::arbitrary<char>();
    const auto decoded = DecodeMembership(bytes);
    if (decoded.has_value()) RC_ASSERT(EncodeMembership(*decoded).view() == bytes);
    bytes[at] = before;
  }
}

TEST(MembershipCodecTest, LaterTypesAreToldFromDamage) {
  EXPECT_EQ(CodeOf("\x0a"), ErrorCode::kUnsupported);
  EXPECT_EQ(CodeOf(std::string(1, '\0')), ErrorCode::kCorruption);
  EXPECT_EQ(CodeOf(""), ErrorCode::kCorruption);
}

TEST(MembershipCodecTest, ImpossibleFieldsAreRefused) {
  const auto refused = [](const char* hex) {
    return CodeOf(FromHex(hex)) == ErrorCode::kCorruption;
  };
  // Rumours: one, of node 5, incarnation 1, alive, with a digest.
  EXPECT_FALSE(refused("05 01 00 05000000 01 0100000000000000"));
  EXPECT_TRUE(refused("05 01 00 00000000 01 0100000000000000"));           // node 0
  EXPECT_TRUE(refused("05 01 00 00000001 01 0100000000000000"));           // node 2^24
  EXPECT_TRUE(refused("05 01 00 05000000 01 0000000000000000"));           // digest 0
  EXPECT_TRUE(refused("05 01 10 05000000 01 0100000000000000"));           // unknown flag
  EXPECT_TRUE(refused("05 01 08 05000000 01 0100000000000000 06000000"));  // alive, accused
  EXPECT_FALSE(refused("05 01 09 05000000 01 0100000000000000 06000000"));
  EXPECT_TRUE(refused("05 ff7f 00 05000000 01 0100000000000000"));  // more than there is room for
  EXPECT_FALSE(refused("08 02 0102 00 00"));                        // entries of buckets 1, 2
  EXPECT_TRUE(refused("08 02 0201 00 00"));
  EXPECT_TRUE(refused("08 01 40 00 00"));
}

// ---- golden bytes ------------------------------------------------------------------------------

void ExpectBytes(const MembershipMessage& message, const char* hex) {
  EXPECT_EQ(ToHex(EncodeMembership(message).view()), ToHex(FromHex(hex)));
  EXPECT_EQ(CodeOf(FromHex(hex)), ErrorCode::kNotFound);
}

TEST(MembershipGoldenTest, Messages) {
  MemberDescription d;
  d.name = "n1";
  d.peer_address = "h:1";
  d.resp_address = "h:2";
  d.zone = "z";
  d.region = "r";
  d.weight = 300;
  d.protocol_min = 3;
  d.protocol_max = 4;
  d.unknown = "u";
  const DescriptionPtr description = SharedDescription::Make(d).value();
  const MemberNews full{NodeId(0x010203),      300,         Life::kAlive,
                        description->digest(), description, {}};
  const std::string full_hex =
      "04 03020100 ac02 17 02 6e31 03 683a31 03 683a32 00 01 7a 01 72 ac02 0300 0400 75";
  const MemberNews brief{NodeId(0x010203),   300,     Life::kSuspect,
                         0x0102030405060708, nullptr, NodeId(7)};
  const std::string brief_hex = "09 03020100 ac02 0807060504030201 07000000";
  const MemberNews down{NodeId(0x010203), 300, Life::kDown, 1, nullptr, {}};
  const LayoutVersion layout{300, 0x1112131415161718};
  ExpectBytes(Ping{0x0a0b0c0d, {}}, "01 0d0c0b0a 00");
  ExpectBytes(PingAck{1, {brief, down}},
              ("02 01000000 02" + brief_hex + "02 03020100 ac02 0100000000000000").c_str());
  ExpectBytes(PingRequest{1, NodeId(7), true, {}}, "03 01000000 07000000 01 00");
  ExpectBytes(PingNack{1, {}}, "04 01000000 00");
  ExpectBytes(Rumours{{full}}, ("05 01" + full_hex).c_str());
  ExpectBytes(SyncBegin{layout, 2, {}}, "06 ac02 1817161514131211 0200000000000000 00");
  ExpectBytes(SyncSums{layout, 2, false, {}}, "07 ac02 1817161514131211 0200000000000000 00");
  SyncSums sums{layout, 2, true, {}};
  std::string sums_hex = "07 ac02 1817161514131211 0200000000000000 01";
  for (std::size_t i = 0; i < kTableBuckets; ++i) {
    sums.sums[i] = 3;
    sums_hex += "0300000000000000";
  }
  ExpectBytes(sums, sums_hex.c_str());
  ExpectBytes(SyncEntries{{1, 63}, {brief}, true}, ("08 02 013f 01" + brief_hex + "01").c_str());
  ExpectBytes(SyncRecords{{full}, {NodeId(7)}, false},
              ("09 01" + full_hex + "01 07000000 00").c_str());
}

}  // namespace
}  // namespace gyre
