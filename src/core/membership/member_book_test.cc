#include "core/membership/member_book.h"

#include <gtest/gtest.h>

#include <string>

#include "core/causality/golden.h"
#include "core/membership/arbitrary_member.h"
#include "core/membership/membership_codec.h"

namespace gyre {
namespace {

MemberNews Record(std::uint32_t id, std::uint64_t incarnation, Life life, int description = 0) {
  const DescriptionPtr told = DescriptionNumber(description);
  return {NodeId(id), incarnation, life, told->digest(), told, NodeId()};
}

// Goal: what comes back is who was known, where, and in which life; not how each fared, which may
// be long over, but that it left.
TEST(MemberBookTest, KeepsWhereMembersAreAndNotHowTheyFare) {
  MemberTable table({});
  table.Merge(Record(1, 7, Life::kAlive, 1), Instant());
  table.Merge(Record(2, 3, Life::kDown, 2), Instant());
  table.Merge(Record(3, 1, Life::kSuspect, 3), Instant());
  table.Merge(Record(4, 9, Life::kLeft, 4), Instant());
  const auto book = DecodeMemberBook(EncodeMemberBook(table));
  ASSERT_TRUE(book.has_value());
  ASSERT_EQ(book->size(), 4u);
  const Life lives[] = {Life::kAlive, Life::kAlive, Life::kAlive, Life::kLeft};
  for (std::size_t i = 0; i < book->size(); ++i) {
    const MemberTable::Entry& entry = table.at(i);
    EXPECT_EQ((*book)[i].id, table.id_at(i));
    EXPECT_EQ((*book)[i].incarnation, entry.incarnation);
    EXPECT_EQ((*book)[i].description->encoded(), entry.description->encoded());
    EXPECT_EQ((*book)[i].life, lives[i]);
  }
}

TEST(MemberBookTest, HoldsTheLargestCluster) {
  MemberTable table({});
  MemberDescription longest;
  longest.name = std::string(kMemberNameBytesMax, 'n');
  for (std::string* address :
       {&longest.peer_address, &longest.resp_address, &longest.http_address}) {
    *address = std::string(kMemberAddressBytesMax, 'a');
  }
  const DescriptionPtr told = SharedDescription::Make(longest).value();
  for (std::uint32_t id = 1; id <= kNodesMax; ++id) {
    table.Merge({NodeId(id), UINT64_MAX, Life::kAlive, told->digest(), told, NodeId()}, Instant());
  }
  EXPECT_EQ(DecodeMemberBook(EncodeMemberBook(table)).value().size(), kNodesMax);
  EXPECT_TRUE(DecodeMemberBook("").value().empty());
}

// Goal: bytes on disks of earlier versions stay readable.
TEST(MemberBookTest, GoldenBytes) {
  MemberTable table({});
  table.Merge(Record(2, 300, Life::kAlive, 5), Instant());
  EXPECT_EQ(
      EncodeMemberBook(table),
      FromHex("28 09 01 04 02000000 ac02 1c 046e6f6465 0d31302e302e302e353a37333831 00 00 00 00 "
              "01 0000 0000 00 00"));
}

// Goal: no bytes are taken for another book than they are.
TEST(MemberBookTest, DamageIsAnError) {
  MemberTable table({});
  table.Merge(Record(2, 300, Life::kAlive, 5), Instant());
  const std::string book = EncodeMemberBook(table);
  for (std::size_t size = 1; size < book.size(); ++size) {
    EXPECT_FALSE(DecodeMemberBook(book.substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(DecodeMemberBook(book + '\0').has_value());
  const auto sized = [](const MembershipMessage& message) {
    const Bytes bytes = EncodeMembership(message);
    return std::string(1, static_cast<char>(bytes.size())) + bytes.ToString();
  };
  EXPECT_FALSE(DecodeMemberBook(sized(Ping{})).has_value());
  MemberNews bare = Record(3, 1, Life::kAlive);
  bare.description = nullptr;
  SyncRecords part;
  part.records = {bare};
  EXPECT_FALSE(DecodeMemberBook(sized(part)).has_value());
}

}  // namespace
}  // namespace gyre
