// The messages of handoff and of the tree exchange (paper 4.6, 4.7): what they keep, and what is
// refused although its checksum is right.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

#include "core/config.h"
#include "core/wire/arbitrary_message.h"
#include "core/wire/message_codec.h"

namespace gyre {
namespace {

Result<Envelope> Decode(const Bytes& frame) {
  const auto header = DecodeFrameHeader(frame.view().substr(0, kFrameHeaderBytes));
  if (!header.has_value()) return Fail(header.error());
  return DecodeFrameBody(*header, frame.Slice(kFrameHeaderBytes, frame.size() - kFrameHeaderBytes));
}
Envelope EnvelopeOf(Message message) {
  Envelope envelope{ShardId(3), std::nullopt, std::move(message)};
  if (NamesItsShard(envelope.message)) envelope.to_shard = ShardId(4);
  return envelope;
}
template <typename T>
T RoundTrip(const T& message) {
  return std::get<T>(Decode(EncodeFrame(EnvelopeOf(message))).value().message);
}
// A sender that does not know the rules, or does not keep them.
bool Accepted(Message message) {
  const auto decoded = Decode(EncodeFrame(EnvelopeOf(std::move(message))));
  EXPECT_TRUE(decoded || decoded.error().code == ErrorCode::kCorruption);
  return decoded.has_value();
}
// The body of a message whose bytes from `at` on are replaced.
bool AcceptedWith(const Message& message, std::size_t at, std::string_view bytes) {
  std::string body(EncodeFrame(EnvelopeOf(message)).view().substr(kFrameHeaderBytes));
  body.replace(at, bytes.size(), bytes);
  return DecodeFrameBody({static_cast<std::uint32_t>(body.size()), Crc32c(body)}, Bytes(body))
      .has_value();
}

constexpr std::size_t kFieldsAt = 1 + 2 + 2 + 1;  // type, shards, an id of one byte
RowKey Key(std::string_view name, std::uint64_t high = 0) {
  return {KeyspaceId(0), {high, 0}, Bytes(name)};
}
TreeCompare CompareOf(std::uint8_t bits, const std::vector<std::uint32_t>& indexes) {
  TreeCompare compare{RequestId(1), RingEpoch(1), KeyspaceId(0), bits, {}};
  for (const std::uint32_t index : indexes) compare.nodes.push_back({index, 7});
  return compare;
}
LeafKeys LeafKeysOf(std::uint8_t bits, std::uint32_t leaf, const std::vector<RowKey>& rows = {}) {
  LeafKeys keys{RequestId(1), RingEpoch(1), KeyspaceId(0), bits, leaf};
  for (const RowKey& key : rows) keys.rows.push_back({key, 7});
  return keys;
}

RC_GTEST_PROP(ExchangeMessageProperty, TreeComparisonsKeepTheirFields, ()) {
  const auto compare = std::get<TreeCompare>(AnyMessage(10));
  const auto same = RoundTrip(compare);
  RC_ASSERT(same.id == compare.id);
  RC_ASSERT(same.epoch == compare.epoch);
  RC_ASSERT(same.keyspace == compare.keyspace);
  RC_ASSERT(same.bits == compare.bits);
  RC_ASSERT(same.nodes == compare.nodes);
  const auto reply = std::get<TreeCompareReply>(AnyMessage(11));
  RC_ASSERT(RoundTrip(reply).id == reply.id);
  RC_ASSERT(RoundTrip(reply).error == reply.error);
  RC_ASSERT(RoundTrip(reply).differing == reply.differing);
}

RC_GTEST_PROP(ExchangeMessageProperty, LeavesKeepTheirFields, ()) {
  const auto keys = std::get<LeafKeys>(AnyMessage(12));
  const auto same = RoundTrip(keys);
  RC_ASSERT(same.id == keys.id);
  RC_ASSERT(same.epoch == keys.epoch);
  RC_ASSERT(same.keyspace == keys.keyspace);
  RC_ASSERT(same.bits == keys.bits);
  RC_ASSERT(same.leaf == keys.leaf);
  RC_ASSERT(same.after == keys.after);
  RC_ASSERT(same.upto == keys.upto);
  RC_ASSERT(same.damaged == keys.damaged);
  RC_ASSERT(same.rows.size() == keys.rows.size());
  for (std::size_t i = 0; i < keys.rows.size(); ++i) {
    RC_ASSERT(same.rows[i].key == keys.rows[i].key);
    RC_ASSERT(same.rows[i].digest == keys.rows[i].digest);
  }
  const auto reply = std::get<LeafKeysReply>(AnyMessage(13));
  const auto twin = RoundTrip(reply);
  RC_ASSERT(twin.id == reply.id);
  RC_ASSERT(twin.error == reply.error);
  RC_ASSERT(twin.wanted == reply.wanted);
  RC_ASSERT(twin.records.size() == reply.records.size());
  for (std::size_t i = 0; i < reply.records.size(); ++i) {
    RC_ASSERT(twin.records[i].key == reply.records[i].key);
    RC_ASSERT(twin.records[i].record == reply.records[i].record);
  }
  RC_ASSERT(twin.more == reply.more);
}

// Goal: a comparison is of nodes that exist, each once, as many as may be asked in one message.
TEST(ExchangeMessageTest, ComparisonsOfWhatIsNotThereAreRefused) {
  EXPECT_TRUE(Accepted(CompareOf(8, {0, 3, 255})));
  EXPECT_FALSE(Accepted(CompareOf(8, {})));
  EXPECT_FALSE(Accepted(CompareOf(8, {3, 0})));
  EXPECT_FALSE(Accepted(CompareOf(8, {3, 3})));
  EXPECT_FALSE(Accepted(CompareOf(8, {256})));
  EXPECT_TRUE(Accepted(CompareOf(0, {0})));
  EXPECT_FALSE(Accepted(CompareOf(0, {1})));
  EXPECT_TRUE(Accepted(CompareOf(32, {0xFFFF'FFFF})));
  EXPECT_FALSE(Accepted(CompareOf(33, {0})));
  EXPECT_FALSE(Accepted(CompareOf(182, {0})));
  std::vector<std::uint32_t> many(kTreeNodesMax);
  for (std::uint32_t i = 0; i < many.size(); ++i) many[i] = i;
  EXPECT_TRUE(Accepted(CompareOf(16, many)));
  many.push_back(kTreeNodesMax);
  EXPECT_FALSE(Accepted(CompareOf(16, many)));
}

TEST(ExchangeMessageTest, AnswersOfTooManyNodesAreRefused) {
  TreeCompareReply reply{RequestId(1), std::nullopt, {}};
  reply.differing.resize(kTreeNodesMax);
  EXPECT_TRUE(Accepted(reply));
  reply.differing.resize(kTreeNodesMax + 1);
  EXPECT_FALSE(Accepted(reply));
}

// Goal: a leaf lies in its tree, and its rows come in order, each once: who answers walks both
// lists.
TEST(ExchangeMessageTest, LeavesOutOfRangeOrOrderAreRefused) {
  EXPECT_TRUE(Accepted(LeafKeysOf(16, 0xFFFF)));
  EXPECT_FALSE(Accepted(LeafKeysOf(16, 0x1'0000)));
  EXPECT_TRUE(Accepted(LeafKeysOf(32, 0xFFFF'FFFF)));
  EXPECT_FALSE(Accepted(LeafKeysOf(33, 0)));
  EXPECT_FALSE(Accepted(LeafKeysOf(182, 0)));
  EXPECT_FALSE(Accepted(LeafKeysOf(0, 0)));
  EXPECT_TRUE(Accepted(LeafKeysOf(16, 1, {Key("a"), Key("b"), Key("a", 1)})));
  EXPECT_FALSE(Accepted(LeafKeysOf(16, 1, {Key("b"), Key("a")})));
  EXPECT_FALSE(Accepted(LeafKeysOf(16, 1, {Key("a"), Key("a")})));
  EXPECT_FALSE(Accepted(LeafKeysOf(16, 1, {Key("a", 1), Key("b")})));
  std::vector<RowKey> many;
  for (std::uint64_t i = 0; i < kLeafRowsMax; ++i) many.push_back(Key("k", i));
  EXPECT_TRUE(Accepted(LeafKeysOf(16, 1, many)));
  many.push_back(Key("k", kLeafRowsMax));
  EXPECT_FALSE(Accepted(LeafKeysOf(16, 1, many)));
}

TEST(ExchangeMessageTest, AnswersOfALeafThatAreTooLongAreRefused) {
  LeafKeysReply reply{RequestId(1), std::nullopt, {kLeafRowsMax - 1}, {}, true};
  EXPECT_TRUE(Accepted(reply));
  reply.wanted = {kLeafRowsMax};  // a position that no question can have
  EXPECT_FALSE(Accepted(reply));
  reply.wanted.assign(kLeafRowsMax, 0);
  EXPECT_TRUE(Accepted(reply));
  reply.wanted.assign(kLeafRowsMax + 1, 0);
  EXPECT_FALSE(Accepted(reply));
  reply.wanted.clear();
  reply.records.assign(kLeafRowsMax, {Key("k"), Bytes("r")});
  EXPECT_TRUE(Accepted(reply));
  reply.records.push_back({Key("k"), Bytes("r")});
  EXPECT_FALSE(Accepted(reply));
}

// Goal: what a message announces and does not bring costs no memory.
TEST(ExchangeMessageTest, AnnouncedCountsAreBoundedByTheBytesThatCame) {
  constexpr std::string_view kMany("\xff\x1f", 2);  // 4095
  const std::size_t nodes_at = kFieldsAt + 1 + 4 + 1;
  EXPECT_TRUE(AcceptedWith(CompareOf(8, {1}), nodes_at, "\x01"));
  EXPECT_FALSE(AcceptedWith(CompareOf(8, {1}), nodes_at, kMany));
  const LeafKeys keys = LeafKeysOf(16, 1, {Key("a")});
  const std::size_t rows_at = kFieldsAt + 1 + 4 + 1 + 4 + 1 + 1 + 1;
  EXPECT_TRUE(AcceptedWith(keys, rows_at, "\x01"));
  EXPECT_FALSE(AcceptedWith(keys, rows_at, kMany));
  const LeafKeysReply reply{RequestId(1), std::nullopt, {0}, {{Key("a"), Bytes("r")}}, false};
  EXPECT_FALSE(AcceptedWith(reply, kFieldsAt + 1, kMany));
  EXPECT_FALSE(AcceptedWith(reply, kFieldsAt + 1 + 2, kMany));
}

// Goal: a hint names a node that can be: ids have 24 bits.
TEST(ExchangeMessageTest, HintsForNodesThatCannotBeAreRefused) {
  const auto put = [](std::uint32_t owed_to) {
    ReplicaPut message{RequestId(1), RingEpoch(1), Key("k"), Bytes("record"), false};
    message.key.owed_to = NodeId(owed_to);
    return message;
  };
  EXPECT_TRUE(Accepted(put(0)));
  EXPECT_TRUE(Accepted(put(kNodeIdMax)));
  EXPECT_FALSE(Accepted(put(kNodeIdMax + 1)));
  EXPECT_EQ(RoundTrip(put(0x123456)).key.owed_to, NodeId(0x123456));
  EXPECT_EQ(RoundTrip(put(0)).key.is_hint(), false);
}

// Goal: each option has one form: no value for what is not set, no flag that nobody knows.
TEST(ExchangeMessageTest, OptionsHaveOneFormEach) {
  const ForwardGet get{RequestId(1), RingEpoch(1), {Key("k"), {}}};
  const std::size_t flags_at = kFieldsAt + 1 + 4 + 16 + 2;
  EXPECT_TRUE(AcceptedWith(get, flags_at, std::string_view("\0", 1)));
  EXPECT_TRUE(AcceptedWith(get, flags_at, "\x04"));   // sloppy: no
  EXPECT_TRUE(AcceptedWith(get, flags_at, "\x0c"));   // sloppy: yes
  EXPECT_FALSE(AcceptedWith(get, flags_at, "\x08"));  // yes, and not set
  EXPECT_FALSE(AcceptedWith(get, flags_at, "\x10"));
  EXPECT_FALSE(AcceptedWith(get, flags_at, "\x80"));
  ForwardGet same = get;
  for (const std::optional<bool> sloppy :
       {std::optional<bool>(), std::optional(false), std::optional(true)}) {
    same.request.options.sloppy = sloppy;
    EXPECT_EQ(RoundTrip(same).request.options.sloppy, sloppy);
  }
}

}  // namespace
}  // namespace gyre
