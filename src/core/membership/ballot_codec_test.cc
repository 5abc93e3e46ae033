#include "core/membership/ballot_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace gyre {
namespace {

std::string Hex(std::string_view bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

const BallotTopic kTopic{
    {2, 0x0102030405060708}, RingEpoch(300), {5, NodeId(9), 0x1112131415161718}};
// generation, founding, number, then round, proposer, draw.
const std::string kTopicHex =
    "020807060504030201ac02"
    "05090000001817161514131211";
const AcceptedLayout kAccepted{{1, NodeId(4), 3}, "abc"};
const std::string kAcceptedHex = "0104000000030000000000000003616263";

// Goal: bytes of this version. A change here is a change of the protocol.
TEST(BallotCodecTest, GoldenBytes) {
  EXPECT_EQ(Hex(EncodeBallot(BallotPrepare{kTopic})), "01" + kTopicHex);
  EXPECT_EQ(Hex(EncodeBallot(BallotPromise{kTopic, {}})), "02" + kTopicHex + "00");
  EXPECT_EQ(Hex(EncodeBallot(BallotPromise{kTopic, kAccepted})),
            "02" + kTopicHex + "01" + kAcceptedHex);
  EXPECT_EQ(Hex(EncodeBallot(BallotAccept{kTopic, "abc"})), "03" + kTopicHex + "03616263");
  EXPECT_EQ(Hex(EncodeBallot(BallotAccepted{kTopic})), "04" + kTopicHex);
  EXPECT_EQ(
      Hex(EncodeBallot(BallotRefusal{kTopic, BallotRefusal::Reason::kLags, {1, NodeId(4), 3}})),
      "05" + kTopicHex + "0201040000000300000000000000");
  EXPECT_EQ(Hex(EncodeBallot(BallotDecided{"abc"})), "0603616263");
  EXPECT_EQ(Hex(EncodeAcceptorState({kTopic.lineage, kTopic.number, kTopic.ballot, kAccepted})),
            "01" + kTopicHex + "01" + kAcceptedHex);
}

TEST(BallotCodecTest, LaterTypesAreSkipped) {
  EXPECT_EQ(DecodeBallot("\x07xyz").error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(DecodeBallot("").error().code, ErrorCode::kCorruption);
  EXPECT_EQ(DecodeBallot(EncodeBallot(BallotDecided{"abc"}) + "d").error().code,
            ErrorCode::kCorruption);
}

LayoutBallot AnyBallot() {
  return {*rc::gen::inRange<std::uint64_t>(0, kBallotRoundMax),
          NodeId(*rc::gen::arbitrary<std::uint32_t>()), *rc::gen::arbitrary<std::uint64_t>()};
}
BallotTopic AnyTopic() {
  return {{*rc::gen::arbitrary<std::uint64_t>(), *rc::gen::arbitrary<std::uint64_t>()},
          RingEpoch(*rc::gen::arbitrary<std::uint64_t>()),
          AnyBallot()};
}
std::optional<AcceptedLayout> AnyAccepted() {
  if (*rc::gen::arbitrary<bool>()) return std::nullopt;
  return AcceptedLayout{AnyBallot(), *rc::gen::arbitrary<std::string>()};
}
BallotMessage AnyMessage() {
  switch (*rc::gen::inRange(0, 6)) {
    case 0:
      return BallotPrepare{AnyTopic()};
    case 1:
      return BallotPromise{AnyTopic(), AnyAccepted()};
    case 2:
      return BallotAccept{AnyTopic(), *rc::gen::arbitrary<std::string>()};
    case 3:
      return BallotAccepted{AnyTopic()};
    case 4:
      return BallotRefusal{AnyTopic(), static_cast<BallotRefusal::Reason>(*rc::gen::inRange(1, 4)),
                           AnyBallot()};
    default:
      return BallotDecided{*rc::gen::arbitrary<std::string>()};
  }
}

RC_GTEST_PROP(BallotCodecProperties, BytesAndBack, ()) {
  const BallotMessage message = AnyMessage();
  const Result<BallotMessage> back = DecodeBallot(EncodeBallot(message));
  RC_ASSERT(back.has_value());
  RC_ASSERT(*back == message);
  const AcceptorState state{{1, 2}, RingEpoch(3), AnyBallot(), AnyAccepted()};
  RC_ASSERT(*DecodeAcceptorState(EncodeAcceptorState(state)) == state);
}

// Goal: any bytes are refused, or are those of the message that they are taken for.
RC_GTEST_PROP(BallotCodecProperties, DamagedBytesAreRefusedOrTaken, ()) {
  std::string bytes = EncodeBallot(AnyMessage());
  const auto at = *rc::gen::inRange<std::size_t>(0, bytes.size());
  bytes[at] = *rc::gen::arbitrary<char>();
  if (*rc::gen::arbitrary<bool>()) bytes.resize(at);
  const Result<BallotMessage> message = DecodeBallot(bytes);
  if (message) RC_ASSERT(EncodeBallot(*message) == bytes);
  const Result<AcceptorState> state = DecodeAcceptorState(bytes);
  if (state) RC_ASSERT(EncodeAcceptorState(*state) == bytes);
}

}  // namespace
}  // namespace gyre
