// Bytes that nodes of this protocol version say to each other. A change here is a change of the
// protocol: it needs a new version, docs/wire-format.md, and a rolling upgrade that works.
#include <gtest/gtest.h>

#include "base/codec.h"
#include "core/causality/arbitrary.h"
#include "core/causality/golden.h"
#include "core/wire/message_codec.h"

namespace gyre {
namespace {

const RowKey kKey{KeyspaceId(0x11223344), {0x0102030405060708, 0x1112131415161718}, Bytes("key")};
constexpr std::string_view kKeyHex = "44332211 0807060504030201 1817161514131211 03 6b6579";
constexpr RequestId kId{300};
constexpr RingEpoch kEpoch{7};

// `body` in hex under the header that belongs to it.
void ExpectFrame(Message message, const std::string& body_hex) {
  const std::string body = FromHex(body_hex);
  std::string frame(8, '\0');
  Writer header(frame.data());
  header.U32(static_cast<std::uint32_t>(body.size()));
  header.U32(Crc32c(body));
  frame += body;
  Envelope envelope{ShardId(2), std::nullopt, std::move(message)};
  if (NamesItsShard(envelope.message)) envelope.to_shard = ShardId(5);
  EXPECT_EQ(ToHex(EncodeFrame(envelope).view()), ToHex(frame));
  const auto decoded = DecodeFrameBody(*DecodeFrameHeader(std::string_view(frame).substr(0, 8)),
                                       Bytes(std::string_view(frame).substr(8)));
  ASSERT_TRUE(decoded.has_value());
  EXPECT_EQ(ToHex(EncodeFrame(*decoded).view()), ToHex(frame));
}

// type, sender's shard, receiving shard, id.
std::string Start(const char* type, bool reply) {
  return std::string(type) + (reply ? " 0200 0500 ac02 " : " 0200 ffff ac02 ");
}
std::string Key() { return std::string(kKeyHex) + " "; }

RequestOptions Options() {
  return {QuorumSpec::Number(3), QuorumSpec::All(), Duration::Micros(300)};
}
constexpr const char* kOptionsHex = "03 04 03 03 ac02 ";  // flags, number 3, all, 300 us

VersionVector Context() {
  VersionVector context;
  context.Add({ActorId(0x0a0b0c0123456789), 1, 3}, {0x018bcfe56800});
  return context;
}
constexpr const char* kContextHex = "01 8967452301 0c0b0a 01 03 0068e5cf8b01 ";

// The header itself, once in full.
TEST(MessageGoldenTest, FrameHeader) {
  const Bytes frame = EncodeFrame({ShardId(2), ShardId(5), ReplicaPutReply{kId, {}}});
  EXPECT_EQ(ToHex(frame.view()),
            "08000000"
            "0d9ece4e"
            "040200"
            "0500"
            "ac02"
            "00");
}

TEST(MessageGoldenTest, ReplicaGet) {
  ExpectFrame(ReplicaGet{kId, kEpoch, kKey}, Start("01", false) + "07" + Key() + "00 00 00");
  // As a stand-in; of at least this stamp; as a digest from this size on.
  ExpectFrame(ReplicaGet{kId, kEpoch, kKey, true, 300, 300},
              Start("01", false) + "07" + Key() + "01 ac02 ac02");
  ExpectFrame(ReplicaGetReply{kId, {}, Bytes("rec"), 300},
              Start("02", true) + "00 ac02 00 03 726563");
  ExpectFrame(ReplicaGetReply{kId, {}, {}, 300, 0x0102030405060708},
              Start("02", true) + "00 ac02 01 0807060504030201");
  ExpectFrame(ReplicaGetReply{kId, ErrorCode::kCorruption, {}}, Start("02", true) + "07");
}

TEST(MessageGoldenTest, ReplicaPut) {
  ExpectFrame(ReplicaPut{kId, kEpoch, kKey, Bytes("rec"), true},
              Start("03", false) + "07" + Key() + "00000000 01 00 03 726563");
  // A hint, and for whom.
  ExpectFrame(ReplicaPut{kId, kEpoch, kKey.OwedTo(NodeId(0x0a0b0c)), Bytes("rec"), false, 300},
              Start("03", false) + "07" + Key() + "0c0b0a00 00 ac02 03 726563");
  ExpectFrame(ReplicaPutReply{kId, {}}, Start("04", true) + "00");
  ExpectFrame(ReplicaPutReply{kId, ErrorCode::kWrongEpoch}, Start("04", true) + "06");
  ExpectFrame(ReplicaPutReply{kId, ErrorCode::kStaleCopy, 300}, Start("04", true) + "0a ac02");
}

TEST(MessageGoldenTest, ForwardGet) {
  ExpectFrame(ForwardGet{kId, kEpoch, {kKey, Options()}},
              Start("05", false) + "07" + Key() + kOptionsHex);
  // Since version 4: quorums of regions.
  ExpectFrame(
      ForwardGet{kId, kEpoch, {kKey, {QuorumSpec::LocalQuorum(), QuorumSpec::EachQuorum()}}},
      Start("05", false) + "07" + Key() + "03 05 06 00");
  ExpectFrame(ForwardGetReply{kId, {}, Bytes("rec")}, Start("06", true) + "00 03 726563");
  ExpectFrame(ForwardGetReply{kId, Error{ErrorCode::kUnavailable, "no"}, {}},
              Start("06", true) + "03 02 6e6f");
}

TEST(MessageGoldenTest, ForwardPut) {
  const std::string start = Start("07", false) + "07" + Key() + kOptionsHex;
  const WriteValue write{Context(), Bytes("hello"), Xxh3_64("hello"), {300}, true};
  // read_first, mutation 1, context given, clock, keep_expiry, expiry, checksum, value
  ExpectFrame(ForwardPut{kId, kEpoch, {kKey, write, false, Options()}},
              start + "00 01 01" + kContextHex + "01 ac02 fddc625c55e85595 05 68656c6c6f");
  ExpectFrame(ForwardPut{kId, kEpoch, {kKey, DeleteValue{}, true, Options()}}, start + "01 02 00");
  ExpectFrame(
      ForwardPut{
          kId, kEpoch, {kKey, SetExpiry{{300}, SetExpiry::Condition::kIfLater}, true, Options()}},
      start + "01 03 ac02 03");
}

TEST(MessageGoldenTest, ForwardPutReply) {
  const Sibling before =
      SiblingOf({ActorId(0x0a0b0c0123456789), 1, 3}, {0x018bcfe568000001}, "hello");
  // clock, changed, before given: dot, time, type, expiry, checksum, value; copies, hints, zones,
  // strict, dot of the write
  PutOutcome outcome{Context(), true, before, 3, 1, 2, true, before.dot};
  ExpectFrame(
      ForwardPutReply{kId, {}, outcome},
      Start("08", true) + "00" + kContextHex +
          "01 01 8967452301 0c0b0a 01 03 01000068e5cf8b01 01 00 fddc625c55e85595 05 68656c6c6f"
          "03 01 02 01 8967452301 0c0b0a 01 03");
  ExpectFrame(ForwardPutReply{kId, Error{ErrorCode::kOutcomeUnknown, "no"}, {}},
              Start("08", true) + "04 02 6e6f");
}

TEST(MessageGoldenTest, TreeCompare) {
  ExpectFrame(TreeCompare{kId, kEpoch, KeyspaceId(0x11223344), 20, {{5, 0x0102030405060708}}},
              Start("0b", false) + "07 44332211 14 01 05000000 0807060504030201");
  ExpectFrame(TreeCompareReply{kId, {}, {5}}, Start("0c", true) + "00 01 05000000");
  ExpectFrame(TreeCompareReply{kId, ErrorCode::kWrongEpoch, {}}, Start("0c", true) + "06");
}

TEST(MessageGoldenTest, LeafKeys) {
  LeafKeys keys{kId, kEpoch, KeyspaceId(0x11223344), 20, 5, kKey, std::nullopt, false, {}};
  keys.rows.push_back({kKey, 0x0102030405060708});
  ExpectFrame(keys, Start("0d", false) + "07 44332211 14 05000000 01" + Key() + "00 00 01" + Key() +
                        "0807060504030201");
  LeafKeysReply reply{kId, {}, {3}, {}, true, 300};
  reply.records.push_back({kKey, Bytes("rec")});
  ExpectFrame(reply, Start("0e", true) + "00 01 03 01" + Key() + "03 726563 01 ac02");
}

TEST(MessageGoldenTest, Ballot) {
  Ballot ballot{kId, kEpoch, Ballot::Step::kPromise, SectionId(300), 2, {}, {}};
  ballot.runs.push_back({NodeId(0x0a0b0c), 0x0102030405060708});
  ballot.rows.push_back({kKey, 0x1112131415161718});
  ExpectFrame(ballot, Start("0f", false) + "07 01 2c010000 02 01 0c0b0a00 0807060504030201 01" +
                          Key() + "1817161514131211");
  ExpectFrame(BallotReply{kId, {}}, Start("10", true) + "00");
  ExpectFrame(BallotReply{kId, ErrorCode::kUnavailable, 300}, Start("10", true) + "03 ac02");
}

TEST(MessageGoldenTest, Greeting) {
  ExpectFrame(
      Greeting{
          kId, 0x0102030405060708, 0x1112131415161718, true, true, false, {{SectionId(5), 300, 2}}},
      Start("11", true) + "0807060504030201 1817161514131211 03 01 05000000 ac02 02");
}

TEST(MessageGoldenTest, NodeMessage) {
  ExpectFrame(NodeMessage{kId, NodeMessage::Topic::kLayout, Bytes("ab")},
              Start("12", true) + "02 02 6162");
}

TEST(MessageGoldenTest, RangeGet) {
  ExpectFrame(RangeGet{kId, kEpoch, KeyspaceId(0x11223344), 20, 5, 9, kKey, 300},
              Start("13", false) + "07 44332211 14 05000000 09000000 01" + Key() + "ac02");
  RangeGetReply reply{kId, {}, {}, true, 300};
  reply.records.push_back({kKey, Bytes("rec")});
  ExpectFrame(reply, Start("14", true) + "00 01" + Key() + "03 726563 01 ac02");
  ExpectFrame(RangeGetReply{kId, ErrorCode::kCorruption, {}, false, 0}, Start("14", true) + "07");
}

TEST(MessageGoldenTest, ReplicaScan) {
  ScanRequest scan;
  scan.keyspace = KeyspaceId(0x11223344);
  scan.partition = PartitionId(300);
  scan.after = kKey;
  scan.limit = 100;
  scan.count_only = true;
  ExpectFrame(ReplicaScan{kId, kEpoch, scan},
              Start("09", false) + "07 44332211 ac02 01" + Key() + "64 01 00 00");
  ScanOutcome page;
  page.keys.push_back({Bytes("key"), ValueType::kBytes});
  page.live_count = 300;
  ExpectFrame(ReplicaScanReply{kId, {}, page}, Start("0a", true) + "00 01 03 6b6579 01 00 ac02");
}

TEST(MessageGoldenTest, Handshake) {
  Handshake hello;
  hello.version_max = 3;
  hello.cluster = "orders";
  hello.node = "node-1";
  hello.node_id = NodeId(0x123456);
  hello.shard_count = 4;
  hello.link_index = 2;
  hello.ring_digest = 0x1122334455667788;
  EXPECT_EQ(ToHex(EncodeHandshake(hello)),
            ToHex(FromHex("47595245 2200"                    // "GYRE", size of the fields
                          "0300 0300"                        // versions, lowest and highest
                          "06 6f7264657273 06 6e6f64652d31"  // cluster, node
                          "56341200 0400 0200"               // node id, shards, link
                          "8877665544332211 3ee4f519")));
}

}  // namespace
}  // namespace gyre
