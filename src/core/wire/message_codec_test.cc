#include "core/wire/message_codec.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>

#include "base/codec.h"
#include "core/config.h"
#include "core/wire/arbitrary_message.h"

namespace gyre {
namespace {

Result<Envelope> DecodeFrame(const Bytes& frame) {
  const auto header = DecodeFrameHeader(frame.view().substr(0, kFrameHeaderBytes));
  if (!header.has_value()) return Fail(header.error());
  return DecodeFrameBody(*header, frame.Slice(kFrameHeaderBytes, frame.size() - kFrameHeaderBytes));
}

// The body under a header that is right for it.
Result<Envelope> DecodeBody(std::string_view body) {
  return DecodeFrameBody({static_cast<std::uint32_t>(body.size()), Crc32c(body)}, Bytes(body));
}

std::string BodyOf(const Envelope& envelope) {
  return std::string(EncodeFrame(envelope).view().substr(kFrameHeaderBytes));
}

ErrorCode CodeOf(const Result<Envelope>& result) {
  return result.has_value() ? ErrorCode::kNotFound : result.error().code;
}

template <typename T>
T RoundTrip(const T& message) {
  Envelope envelope{ShardId(3), std::nullopt, message};
  if (NamesItsShard(envelope.message)) envelope.to_shard = ShardId(4);
  const Envelope decoded = DecodeFrame(EncodeFrame(envelope)).value();
  EXPECT_EQ(decoded.from_shard, ShardId(3));
  EXPECT_EQ(decoded.to_shard, envelope.to_shard);
  return std::get<T>(decoded.message);
}

// ---- properties ------------------------------------------------------------------------------

RC_GTEST_PROP(MessageProperty, WhatDecodesEncodesToTheSameBytes, ()) {
  for (int index = 0; index < kMessageTypes; ++index) {
    const Envelope envelope = AnyEnvelope(index);
    const Bytes frame = EncodeFrame(envelope);
    RC_ASSERT(frame.size() == FrameBytes(envelope));
    const auto decoded = DecodeFrame(frame);
    RC_ASSERT(decoded.has_value());
    RC_ASSERT(decoded->message.index() == static_cast<std::size_t>(index));
    RC_ASSERT(EncodeFrame(*decoded) == frame);
  }
}

RC_GTEST_PROP(MessageProperty, EveryCutAndEveryByteTooManyIsRefused, ()) {
  for (int index = 0; index < kMessageTypes; ++index) {
    const std::string body = BodyOf(AnyEnvelope(index));
    for (std::size_t size = 0; size < body.size(); ++size) {
      RC_ASSERT(CodeOf(DecodeBody(body.substr(0, size))) == ErrorCode::kCorruption);
    }
    RC_ASSERT(CodeOf(DecodeBody(body + '\0')) == ErrorCode::kCorruption);
  }
}

RC_GTEST_PROP(MessageProperty, EveryFlippedBitOfABodyIsFound, ()) {
  const Bytes frame = EncodeFrame(AnyEnvelope(*rc::gen::inRange(0, kMessageTypes)));
  for (std::size_t bit = kFrameHeaderBytes * 8; bit < frame.size() * 8; ++bit) {
    std::string flipped = frame.ToString();
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ 1 << bit % 8);
    RC_ASSERT(CodeOf(DecodeFrame(Bytes(flipped))) == ErrorCode::kCorruption);
  }
}

// Goal: a peer that sends nonsense under a right checksum is refused or understood in one way only.
RC_GTEST_PROP(MessageProperty, AlteredBodiesAreRefusedOrCanonical, ()) {
  std::string body = BodyOf(AnyEnvelope(*rc::gen::inRange(0, kMessageTypes)));
  for (std::size_t at = 0; at < body.size(); ++at) {
    const char before = body[at];
    body[at] = *rc::gen::arbitrary<char>();
    const auto decoded = DecodeBody(body);
    if (decoded.has_value()) RC_ASSERT(BodyOf(*decoded) == body);
    body[at] = before;
  }
}

// ---- field by field --------------------------------------------------------------------------

RC_GTEST_PROP(MessageProperty, ReplicaMessagesKeepTheirFields, ()) {
  const auto get = std::get<ReplicaGet>(AnyMessage(0));
  const auto got = RoundTrip(get);
  RC_ASSERT(got.id == get.id);
  RC_ASSERT(got.epoch == get.epoch);
  RC_ASSERT(got.key == get.key);
  RC_ASSERT(got.owed == get.owed);
  const auto answer = std::get<ReplicaGetReply>(AnyMessage(1));
  const auto answered = RoundTrip(answer);
  RC_ASSERT(answered.id == answer.id);
  RC_ASSERT(answered.error == answer.error);
  RC_ASSERT(answered.record == answer.record);
  const auto put = std::get<ReplicaPut>(AnyMessage(2));
  const auto stored = RoundTrip(put);
  RC_ASSERT(stored.id == put.id);
  RC_ASSERT(stored.epoch == put.epoch);
  RC_ASSERT(stored.key == put.key);
  RC_ASSERT(stored.record == put.record);
  RC_ASSERT(stored.repair == put.repair);
  const auto acknowledgement = std::get<ReplicaPutReply>(AnyMessage(3));
  RC_ASSERT(RoundTrip(acknowledgement).id == acknowledgement.id);
  RC_ASSERT(RoundTrip(acknowledgement).error == acknowledgement.error);
}

// Goal: a forwarded request is the whole request: its context, expiry, quorums and deadline too.
RC_GTEST_PROP(MessageProperty, ForwardedRequestsKeepTheirFields, ()) {
  const auto get = std::get<ForwardGet>(AnyMessage(4));
  RC_ASSERT(RoundTrip(get).epoch == get.epoch);
  RC_ASSERT(RoundTrip(get).request.key == get.request.key);
  RC_ASSERT(RoundTrip(get).request.options == get.request.options);
  const auto got = std::get<ForwardGetReply>(AnyMessage(5));
  RC_ASSERT(RoundTrip(got).error == got.error);
  RC_ASSERT(RoundTrip(got).record == got.record);

  const auto put = std::get<ForwardPut>(AnyMessage(6));
  const auto same = RoundTrip(put);
  RC_ASSERT(same.id == put.id);
  RC_ASSERT(same.request.key == put.request.key);
  RC_ASSERT(same.request.options == put.request.options);
  RC_ASSERT(same.request.read_first == put.request.read_first);
  RC_ASSERT(same.request.mutation.index() == put.request.mutation.index());
  if (const auto* write = std::get_if<WriteValue>(&put.request.mutation)) {
    const auto& twin = std::get<WriteValue>(same.request.mutation);
    RC_ASSERT(twin.context == write->context);
    RC_ASSERT(twin.value == write->value);
    RC_ASSERT(twin.checksum == write->checksum);
    RC_ASSERT(twin.expiry == write->expiry);
    RC_ASSERT(twin.keep_expiry == write->keep_expiry);
  } else if (const auto* deletion = std::get_if<DeleteValue>(&put.request.mutation)) {
    RC_ASSERT(std::get<DeleteValue>(same.request.mutation).context == deletion->context);
  } else {
    const auto& change = std::get<SetExpiry>(put.request.mutation);
    RC_ASSERT(std::get<SetExpiry>(same.request.mutation).expiry == change.expiry);
    RC_ASSERT(std::get<SetExpiry>(same.request.mutation).condition == change.condition);
  }
  const auto done = std::get<ForwardPutReply>(AnyMessage(7));
  RC_ASSERT(RoundTrip(done).error == done.error);
  RC_ASSERT(RoundTrip(done).outcome.context == done.outcome.context);
  RC_ASSERT(RoundTrip(done).outcome.changed == done.outcome.changed);
  RC_ASSERT(RoundTrip(done).outcome.before == done.outcome.before);
  RC_ASSERT(RoundTrip(done).outcome.copies == done.outcome.copies);
  RC_ASSERT(RoundTrip(done).outcome.hints == done.outcome.hints);
  RC_ASSERT(RoundTrip(done).outcome.zones == done.outcome.zones);
  RC_ASSERT(RoundTrip(done).outcome.strict == done.outcome.strict);
}

RC_GTEST_PROP(MessageProperty, ScansKeepTheirFields, ()) {
  const auto scan = std::get<ReplicaScan>(AnyMessage(8));
  const auto same = RoundTrip(scan);
  RC_ASSERT(same.epoch == scan.epoch);
  RC_ASSERT(same.request.keyspace == scan.request.keyspace);
  RC_ASSERT(same.request.partition == scan.request.partition);
  RC_ASSERT(same.request.after == scan.request.after);
  RC_ASSERT(same.request.limit == scan.request.limit);
  RC_ASSERT(same.request.count_only == scan.request.count_only);
  RC_ASSERT(same.request.options == scan.request.options);
  const auto page = std::get<ReplicaScanReply>(AnyMessage(9));
  const auto twin = RoundTrip(page);
  RC_ASSERT(twin.error == page.error);
  RC_ASSERT(twin.outcome.keys.size() == page.outcome.keys.size());
  for (std::size_t i = 0; i < page.outcome.keys.size(); ++i) {
    RC_ASSERT(twin.outcome.keys[i].key == page.outcome.keys[i].key);
    RC_ASSERT(twin.outcome.keys[i].type == page.outcome.keys[i].type);
  }
  RC_ASSERT(twin.outcome.next == page.outcome.next);
  RC_ASSERT(twin.outcome.live_count == page.outcome.live_count);
}

// ---- frames ----------------------------------------------------------------------------------

TEST(FrameTest, ImpossibleLengthsAreRefusedBeforeAnythingIsRead) {
  const auto header = [](std::uint32_t length) {
    std::string bytes(8, '\0');
    Writer(bytes.data()).U32(length);
    return DecodeFrameHeader(bytes);
  };
  EXPECT_FALSE(header(0).has_value());
  EXPECT_FALSE(header(kFrameBodyBytesMax + 1).has_value());
  EXPECT_EQ(header(kFrameBodyBytesMax)->body_bytes, kFrameBodyBytesMax);
}

// Goal: in a rolling upgrade an older node skips what it does not know and keeps the link.
TEST(FrameTest, UnknownTypesAreUnsupportedNotCorrupt) {
  std::string body =
      BodyOf({ShardId(1), std::nullopt, ReplicaGet{RequestId(1), {}, {{}, {}, Bytes("k")}}});
  body[0] = static_cast<char>(std::variant_size_v<Message> + 1);
  EXPECT_EQ(CodeOf(DecodeBody(body)), ErrorCode::kUnsupported);
  body[0] = 0;
  EXPECT_EQ(CodeOf(DecodeBody(body)), ErrorCode::kCorruption);

  ReplicaScanReply page;
  page.outcome.keys.push_back({Bytes("k"), ValueType::kBytes});
  std::string typed = BodyOf({ShardId(1), ShardId(2), page});
  const std::size_t type_at = 5 + 1 + 1 + 1 + 2;
  ASSERT_EQ(typed[type_at], 1);
  typed[type_at] = 2;
  EXPECT_EQ(CodeOf(DecodeBody(typed)), ErrorCode::kUnsupported);
}

TEST(FrameTest, OnlyRepliesNameTheShardTheyAreFor) {
  std::string request =
      BodyOf({ShardId(1), std::nullopt, ReplicaGet{RequestId(1), {}, {{}, {}, Bytes("k")}}});
  request[3] = request[4] = 0;
  EXPECT_EQ(CodeOf(DecodeBody(request)), ErrorCode::kCorruption);
  std::string reply = BodyOf({ShardId(1), ShardId(2), ReplicaPutReply{RequestId(1), {}}});
  EXPECT_EQ(CodeOf(DecodeBody(reply)), ErrorCode::kNotFound);
  reply[3] = reply[4] = static_cast<char>(0xFF);
  EXPECT_EQ(CodeOf(DecodeBody(reply)), ErrorCode::kCorruption);
}

TEST(FrameTest, KeysAreOneByteToTheLimit) {
  const auto frame_of = [](std::size_t size) {
    return EncodeFrame({ShardId(1), std::nullopt,
                        ReplicaGet{RequestId(1), {}, {{}, {}, Bytes(std::string(size, 'k'))}}});
  };
  EXPECT_FALSE(DecodeFrame(frame_of(0)).has_value());
  EXPECT_TRUE(DecodeFrame(frame_of(kKeyBytesMax)).has_value());
  EXPECT_FALSE(DecodeFrame(frame_of(kKeyBytesMax + 1)).has_value());
}

// Goal: a page of a scan may begin before every key of a token, as SCAN's cursors do.
TEST(FrameTest, WhereToGoOnMayHaveNoKey) {
  const RowKey place{KeyspaceId(1), Token{7, 0}, Bytes()};
  ReplicaScan scan{RequestId(1), RingEpoch(1), {}};
  scan.request.after = place;
  const Result<Envelope> asked = DecodeFrame(EncodeFrame({ShardId(1), std::nullopt, scan}));
  ASSERT_TRUE(asked.has_value());
  EXPECT_EQ(std::get<ReplicaScan>(asked->message).request.after, place);
  ReplicaScanReply page{RequestId(1), {}, {}};
  page.outcome.next = place;
  const Result<Envelope> answer = DecodeFrame(EncodeFrame({ShardId(1), ShardId(0), page}));
  ASSERT_TRUE(answer.has_value());
  EXPECT_EQ(std::get<ReplicaScanReply>(answer->message).outcome.next, place);
}

// Goal: a value that went bad in a sender's memory before it was framed is not taken in.
TEST(FrameTest, AForwardedValueThatFailsItsChecksumIsRefused) {
  ForwardPut put;
  put.request.key.key = Bytes("k");
  put.request.mutation = WriteValue{std::nullopt, Bytes("value"), Xxh3_64("value") + 1};
  EXPECT_EQ(CodeOf(DecodeFrame(EncodeFrame({ShardId(1), std::nullopt, put}))),
            ErrorCode::kCorruption);
}

TEST(FrameTest, LargeValuesAreSlicesOfTheFrame) {
  Record record;
  record.clock.Add({ActorId(1), 1, 1}, {1});
  record.siblings.push_back(SiblingOf({ActorId(1), 1, 1}, {1}, std::string(1 << 20, 'x')));
  ReplicaPut put;
  put.key.key = Bytes("k");
  put.record = record.Encode();
  const Bytes frame = EncodeFrame({ShardId(1), std::nullopt, put});
  const Envelope decoded = DecodeFrame(frame).value();
  const Bytes& taken = std::get<ReplicaPut>(decoded.message).record;
  EXPECT_GE(taken.data(), frame.data());
  EXPECT_LE(taken.data() + taken.size(), frame.data() + frame.size());
  EXPECT_EQ(Record::Decode(taken).value(), record);
}

// Goal: what a message announces and does not bring costs no memory.
TEST(FrameTest, AnnouncedCountsAreBoundedByTheBytesThatCame) {
  ReplicaScanReply page;
  page.outcome.keys.push_back({Bytes("k"), ValueType::kBytes});
  const std::string body = BodyOf({ShardId(1), ShardId(2), page});
  const std::string huge = body.substr(0, 7) + "\xff\xff\xff\xff\x0f" + body.substr(8);
  EXPECT_EQ(CodeOf(DecodeBody(huge)), ErrorCode::kCorruption);
}

TEST(FrameTest, LongErrorSentencesAreCutAndOddTimesTakenAsTheNearestWithin) {
  ForwardPutReply reply;
  reply.error = Error{ErrorCode::kUnavailable, std::string(5'000, 'e')};
  EXPECT_EQ(RoundTrip(reply).error->message, std::string(1'024, 'e'));
  ForwardPut put;
  put.request.key.key = Bytes("k");
  put.request.options.timeout = Duration::Micros(-1);
  put.request.mutation = SetExpiry{WallTime{-7}};
  EXPECT_EQ(RoundTrip(put).request.options.timeout.us, 0);
  EXPECT_EQ(std::get<SetExpiry>(RoundTrip(put).request.mutation).expiry.ms, 1)
      << "long past, and not `never`";
}

}  // namespace
}  // namespace gyre
