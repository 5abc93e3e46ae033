#include "core/wire/message_codec.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/codec.h"
#include "base/hash.h"
#include "base/size_counter.h"
#include "core/config.h"
#include "core/wire/background_codec.h"
#include "core/wire/codec_parts.h"

// Each struct has an Encode into any sink (SizeCounter or Writer) and a Decode, side by side. One
// value has one form: a flag byte with unknown bits, a field that its neighbours rule out, or a
// byte left over is refused, so that what decodes encodes to the same bytes. Here are those that
// serve clients' requests; the rest is in background_codec.h.

namespace gyre {
namespace {

constexpr std::uint16_t kNoShard = 0xFFFF;
constexpr std::size_t kErrorMessageBytesMax = 1024;
constexpr std::int64_t kTimeoutUsMax = std::int64_t{24} * 3600 * 1'000'000;
constexpr std::size_t kScannedKeyBytesMin = 3;  // size, one byte, type

static_assert(static_cast<int>(MessageType::kReplicaGetReply) == 2);
static_assert(std::variant_size_v<Message> == 20, "a new message needs its Encode and Decode");

// ---- parts -----------------------------------------------------------------------------------

void EncodeClock(SizeCounter& out, const VersionVector& clock) { out.Skip(clock.EncodedBytes()); }
void EncodeClock(Writer& out, const VersionVector& clock) { clock.Encode(out); }

template <typename Out>
void Encode(Out& out, const Error& error) {
  out.U8(static_cast<std::uint8_t>(error.code));
  out.Sized(std::string_view(error.message).substr(0, kErrorMessageBytesMax));
}
template <typename Out>
void Encode(Out& out, const std::optional<Error>& error) {
  if (error.has_value()) {
    Encode(out, *error);
  } else {
    out.U8(0);
  }
}
void Decode(BodyReader& in, std::optional<Error>& error) {
  const ErrorCode code = DecodeErrorCode(in, 0);
  if (code != ErrorCode{}) error = Error{code, std::string(in.Sized(kErrorMessageBytesMax))};
}

template <typename Out>
void Encode(Out& out, const QuorumSpec& spec) {
  out.U8(static_cast<std::uint8_t>(spec.kind()));
  if (spec.kind() == QuorumSpec::Kind::kNumber) out.U8(spec.number());
}
void Decode(BodyReader& in, QuorumSpec& spec) {
  switch (static_cast<QuorumSpec::Kind>(in.U8())) {
    case QuorumSpec::Kind::kOne:
      spec = QuorumSpec::One();
      return;
    case QuorumSpec::Kind::kQuorum:
      spec = QuorumSpec::Quorum();
      return;
    case QuorumSpec::Kind::kAll:
      spec = QuorumSpec::All();
      return;
    case QuorumSpec::Kind::kNumber:
      spec = QuorumSpec::Number(in.Choice(1, kReplicasMax));
      return;
    case QuorumSpec::Kind::kLocalQuorum:
      spec = QuorumSpec::LocalQuorum();
      return;
    case QuorumSpec::Kind::kEachQuorum:
      spec = QuorumSpec::EachQuorum();
      return;
  }
  in.SetFailed();
}

enum : std::uint8_t { kHasReadQuorum = 1, kHasWriteQuorum = 2, kHasSloppy = 4, kSloppy = 8 };

template <typename Out>
void Encode(Out& out, const RequestOptions& options) {
  out.U8(static_cast<std::uint8_t>(
      (options.read_quorum ? kHasReadQuorum : 0) | (options.write_quorum ? kHasWriteQuorum : 0) |
      (options.sloppy ? kHasSloppy : 0) | (options.sloppy.value_or(false) ? kSloppy : 0)));
  if (options.read_quorum) Encode(out, *options.read_quorum);
  if (options.write_quorum) Encode(out, *options.write_quorum);
  out.Varint(
      static_cast<std::uint64_t>(std::clamp<std::int64_t>(options.timeout.us, 0, kTimeoutUsMax)));
}
void Decode(BodyReader& in, RequestOptions& options) {
  const std::uint8_t flags = in.Choice(0, 16);
  if ((flags & (kHasSloppy | kSloppy)) == kSloppy) in.SetFailed();
  if ((flags & kHasSloppy) != 0) options.sloppy = (flags & kSloppy) != 0;
  if ((flags & kHasReadQuorum) != 0) Decode(in, options.read_quorum.emplace());
  if ((flags & kHasWriteQuorum) != 0) Decode(in, options.write_quorum.emplace());
  options.timeout.us = static_cast<std::int64_t>(in.VarintAtMost(kTimeoutUsMax));
}

template <typename Out>
void Encode(Out& out, WallTime time) {
  out.Varint(static_cast<std::uint64_t>(std::clamp<std::int64_t>(time.ms, 0, kWallTimeMsMax)));
}
WallTime DecodeWallTime(BodyReader& in) {
  return {static_cast<std::int64_t>(in.VarintAtMost(kWallTimeMsMax))};
}

// An expiry before 1970 is as past as one a millisecond after; 0 would mean "never".
template <typename Out>
void EncodeExpiry(Out& out, WallTime expiry) {
  Encode(out, expiry.ms < 0 ? WallTime{1} : expiry);
}

// Bytes whose checksum was made where they entered the system, and is proven at each station.
template <typename Out>
void EncodeValue(Out& out, const Bytes& value, std::uint64_t checksum) {
  out.U64(checksum);
  out.Sized(value.view());
}
void DecodeValue(BodyReader& in, Bytes& value, std::uint64_t& checksum) {
  checksum = in.U64();
  value = in.SizedSlice(kValueBytesHardMax);
  if (in.ok() && Xxh3_64(value.view()) != checksum) in.SetFailed();
}

template <typename Out>
void Encode(Out& out, const Sibling& sibling) {
  out.U64(sibling.dot.actor.value);
  out.Varint(sibling.dot.epoch);
  out.Varint(sibling.dot.n);
  out.U64(sibling.time.value);
  out.U8(static_cast<std::uint8_t>(sibling.type));
  if (sibling.type == ValueType::kTombstone) return;
  EncodeExpiry(out, sibling.expiry);
  EncodeValue(out, sibling.value, sibling.checksum);
}
void Decode(BodyReader& in, Sibling& sibling) {
  sibling.dot.actor = ActorId(in.U64());
  sibling.dot.epoch = in.Varint();
  sibling.dot.n = in.Varint();
  sibling.time.value = in.U64();
  sibling.type = in.Type();
  if (sibling.dot.n == 0) in.SetFailed();
  if (sibling.type == ValueType::kTombstone) return;
  sibling.expiry = DecodeWallTime(in);
  DecodeValue(in, sibling.value, sibling.checksum);
}

template <typename Out>
void Encode(Out& out, const std::optional<VersionVector>& context) {
  out.U8(context.has_value() ? 1 : 0);
  if (context.has_value()) EncodeClock(out, *context);
}
void Decode(BodyReader& in, std::optional<VersionVector>& context) {
  if (in.Flag()) context = VersionVector::Decode(in);
}

template <typename Out>
void Encode(Out& out, const WriteValue& write) {
  Encode(out, write.context);
  out.U8(write.keep_expiry ? 1 : 0);
  EncodeExpiry(out, write.expiry);
  EncodeValue(out, write.value, write.checksum);
}
void Decode(BodyReader& in, WriteValue& write) {
  Decode(in, write.context);
  write.keep_expiry = in.Flag();
  write.expiry = DecodeWallTime(in);
  DecodeValue(in, write.value, write.checksum);
}
template <typename Out>
void Encode(Out& out, const DeleteValue& deletion) {
  Encode(out, deletion.context);
}
void Decode(BodyReader& in, DeleteValue& deletion) { Decode(in, deletion.context); }
template <typename Out>
void Encode(Out& out, const SetExpiry& change) {
  EncodeExpiry(out, change.expiry);
  out.U8(static_cast<std::uint8_t>(change.condition));
}
void Decode(BodyReader& in, SetExpiry& change) {
  change.expiry = DecodeWallTime(in);
  change.condition = static_cast<SetExpiry::Condition>(in.Choice(0, 5));
}

template <typename Out>
void Encode(Out& out, const Mutation& mutation) {
  out.U8(static_cast<std::uint8_t>(mutation.index() + 1));
  std::visit([&out](const auto& alternative) { Encode(out, alternative); }, mutation);
}
void Decode(BodyReader& in, Mutation& mutation) {
  switch (in.U8()) {
    case 1:
      return Decode(in, mutation.emplace<WriteValue>());
    case 2:
      return Decode(in, mutation.emplace<DeleteValue>());
    case 3:
      return Decode(in, mutation.emplace<SetExpiry>());
    default:
      in.SetFailed();
  }
}

// ---- messages, without the id that all begin with ----------------------------------------------

template <typename Out>
void Encode(Out& out, const ReplicaGet& get) {
  out.Varint(get.epoch.value);
  Encode(out, get.key);
  out.U8(get.owed ? 1 : 0);
  out.Varint(get.floor);
  out.Varint(get.digest_over);
}
void Decode(BodyReader& in, ReplicaGet& get) {
  get.epoch = RingEpoch(in.Varint());
  Decode(in, get.key);
  get.owed = in.Flag();
  get.floor = in.Varint();
  get.digest_over = in.Varint();
}

template <typename Out>
void Encode(Out& out, const ReplicaGetReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) return;
  out.Varint(reply.stamp);
  out.U8(reply.digest.has_value() ? 1 : 0);
  if (reply.digest) return out.U64(*reply.digest);
  out.Sized(reply.record.view());
}
void Decode(BodyReader& in, ReplicaGetReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) return;
  reply.stamp = in.Varint();
  if (in.Flag()) {
    reply.digest = in.U64();
  } else {
    reply.record = in.SizedSlice(kRecordBytesMax);
  }
}

template <typename Out>
void Encode(Out& out, const ReplicaPut& put) {
  out.Varint(put.epoch.value);
  Encode(out, put.key);
  out.U32(put.key.owed_to.value);
  out.U8(put.repair ? 1 : 0);
  out.Varint(put.stamp);
  out.Sized(put.record.view());
}
void Decode(BodyReader& in, ReplicaPut& put) {
  put.epoch = RingEpoch(in.Varint());
  Decode(in, put.key);
  put.key.owed_to = NodeId(in.U32());
  if (put.key.owed_to.value > kNodeIdMax) in.SetFailed();
  put.repair = in.Flag();
  put.stamp = in.Varint();
  put.record = in.SizedSlice(kRecordBytesMax);
}

template <typename Out>
void Encode(Out& out, const ReplicaPutReply& reply) {
  Encode(out, reply.error);
  if (reply.error == ErrorCode::kStaleCopy) out.Varint(reply.promised);
}
void Decode(BodyReader& in, ReplicaPutReply& reply) {
  Decode(in, reply.error);
  if (reply.error == ErrorCode::kStaleCopy) reply.promised = in.Varint();
}

template <typename Out>
void Encode(Out& out, const ForwardGet& forward) {
  out.Varint(forward.epoch.value);
  Encode(out, forward.request.key);
  Encode(out, forward.request.options);
}
void Decode(BodyReader& in, ForwardGet& forward) {
  forward.epoch = RingEpoch(in.Varint());
  Decode(in, forward.request.key);
  Decode(in, forward.request.options);
}

template <typename Out>
void Encode(Out& out, const ForwardGetReply& reply) {
  Encode(out, reply.error);
  if (!reply.error.has_value()) out.Sized(reply.record.view());
}
void Decode(BodyReader& in, ForwardGetReply& reply) {
  Decode(in, reply.error);
  if (!reply.error.has_value()) reply.record = in.SizedSlice(kRecordBytesMax);
}

template <typename Out>
void Encode(Out& out, const ForwardPut& forward) {
  out.Varint(forward.epoch.value);
  Encode(out, forward.request.key);
  Encode(out, forward.request.options);
  out.U8(forward.request.read_first ? 1 : 0);
  Encode(out, forward.request.mutation);
}
void Decode(BodyReader& in, ForwardPut& forward) {
  forward.epoch = RingEpoch(in.Varint());
  Decode(in, forward.request.key);
  Decode(in, forward.request.options);
  forward.request.read_first = in.Flag();
  Decode(in, forward.request.mutation);
}

template <typename Out>
void Encode(Out& out, const ForwardPutReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) return;
  EncodeClock(out, reply.outcome.context);
  out.U8(reply.outcome.changed ? 1 : 0);
  out.U8(reply.outcome.before.has_value() ? 1 : 0);
  if (reply.outcome.before.has_value()) Encode(out, *reply.outcome.before);
  out.U8(reply.outcome.copies);
  out.U8(reply.outcome.hints);
  out.U8(reply.outcome.zones);
  out.U8(reply.outcome.strict ? 1 : 0);
  out.U64(reply.outcome.dot.actor.value);
  out.Varint(reply.outcome.dot.epoch);
  out.Varint(reply.outcome.dot.n);
}
void Decode(BodyReader& in, ForwardPutReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) return;
  reply.outcome.context = VersionVector::Decode(in);
  reply.outcome.changed = in.Flag();
  if (in.Flag()) Decode(in, reply.outcome.before.emplace());
  reply.outcome.copies = in.U8();
  reply.outcome.hints = in.U8();
  reply.outcome.zones = in.U8();
  reply.outcome.strict = in.Flag();
  reply.outcome.dot.actor = ActorId(in.U64());
  reply.outcome.dot.epoch = in.Varint();
  reply.outcome.dot.n = in.Varint();
}

template <typename Out>
void Encode(Out& out, const ReplicaScan& scan) {
  out.Varint(scan.epoch.value);
  out.U32(scan.request.keyspace.value);
  out.Varint(scan.request.partition.value);
  Encode(out, scan.request.after);
  out.Varint(scan.request.limit);
  out.U8(scan.request.count_only ? 1 : 0);
  Encode(out, scan.request.options);
}
void Decode(BodyReader& in, ReplicaScan& scan) {
  scan.epoch = RingEpoch(in.Varint());
  scan.request.keyspace = KeyspaceId(in.U32());
  scan.request.partition =
      PartitionId(static_cast<std::uint32_t>(in.VarintAtMost((1u << kPartitionBitsMax) - 1)));
  Decode(in, scan.request.after);
  scan.request.limit = static_cast<std::uint32_t>(in.VarintAtMost(UINT32_MAX));
  scan.request.count_only = in.Flag();
  Decode(in, scan.request.options);
}

template <typename Out>
void Encode(Out& out, const ReplicaScanReply& reply) {
  Encode(out, reply.error);
  if (reply.error.has_value()) return;
  out.Varint(reply.outcome.keys.size());
  for (const ScannedKey& key : reply.outcome.keys) {
    out.Sized(key.key.view());
    out.U8(static_cast<std::uint8_t>(key.type));
  }
  Encode(out, reply.outcome.next);
  out.Varint(reply.outcome.live_count);
}
void Decode(BodyReader& in, ReplicaScanReply& reply) {
  Decode(in, reply.error);
  if (reply.error.has_value()) return;
  const std::uint64_t count = in.VarintAtMost(in.remaining() / kScannedKeyBytesMin);
  reply.outcome.keys.reserve(count);
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    ScannedKey& key = reply.outcome.keys.emplace_back();
    key.key = in.SizedSlice(kKeyBytesMax);
    key.type = in.Type();
    if (key.key.empty()) in.SetFailed();
  }
  Decode(in, reply.outcome.next);
  reply.outcome.live_count = in.Varint();
}

// ---- the whole -------------------------------------------------------------------------------

template <typename Out>
void EncodeBody(Out& out, const Envelope& envelope) {
  GYRE_CHECK(NamesItsShard(envelope.message) == envelope.to_shard.has_value());
  GYRE_CHECK(!envelope.to_shard.has_value() || envelope.to_shard->value != kNoShard);
  out.U8(static_cast<std::uint8_t>(TypeOf(envelope.message)));
  out.U16(envelope.from_shard.value);
  out.U16(envelope.to_shard.has_value() ? envelope.to_shard->value : kNoShard);
  std::visit(
      [&out](const auto& message) {
        out.Varint(message.id.value);
        Encode(out, message);
      },
      envelope.message);
}

std::size_t BodyBytes(const Envelope& envelope) {
  SizeCounter counter;
  EncodeBody(counter, envelope);
  return counter.size();
}

template <typename T>
void DecodeMessage(BodyReader& in, Message& message) {
  T& fields = message.emplace<T>();
  fields.id = RequestId(in.Varint());
  Decode(in, fields);
}

template <std::size_t... index>
void DecodeMessageOf(BodyReader& in, Message& message, std::size_t wanted,
                     std::index_sequence<index...>) {
  ((index == wanted ? DecodeMessage<std::variant_alternative_t<index, Message>>(in, message)
                    : void()),
   ...);
}

}  // namespace

std::size_t FrameBytes(const Envelope& envelope) { return kFrameHeaderBytes + BodyBytes(envelope); }

void EncodeFrame(const Envelope& envelope, std::size_t frame_bytes, char* start) {
  const std::size_t body_bytes = frame_bytes - kFrameHeaderBytes;
  GYRE_CHECK(body_bytes <= kFrameBodyBytesMax);
  char* body = start + kFrameHeaderBytes;
  Writer out(body);
  EncodeBody(out, envelope);
  GYRE_CHECK(out.position() == body + body_bytes);
  Writer header(start);
  header.U32(static_cast<std::uint32_t>(body_bytes));
  header.U32(Crc32c({body, body_bytes}));
}

Bytes EncodeFrame(const Envelope& envelope) {
  const std::size_t bytes = FrameBytes(envelope);
  return Bytes::Build(bytes, [&](char* out) { EncodeFrame(envelope, bytes, out); });
}

Result<FrameHeader> DecodeFrameHeader(std::string_view bytes) {
  GYRE_CHECK(bytes.size() == kFrameHeaderBytes);
  Reader in(bytes);
  FrameHeader header;
  header.body_bytes = in.U32();
  header.crc = in.U32();
  if (header.body_bytes == 0 || header.body_bytes > kFrameBodyBytesMax) {
    return Fail(ErrorCode::kCorruption, "frame: impossible length");
  }
  return header;
}

Result<Envelope> DecodeFrameBody(const FrameHeader& header, const Bytes& body) {
  if (header.body_bytes != body.size() || Crc32c(body.view()) != header.crc) {
    return Fail(ErrorCode::kCorruption, "frame: fails its checksum");
  }
  BodyReader in(body);
  const std::uint8_t type = in.U8();
  Result<Envelope> result;
  Envelope& envelope = *result;
  envelope.from_shard = ShardId(in.U16());
  const std::uint16_t to_shard = in.U16();
  if (!in.ok() || type == 0) return Fail(ErrorCode::kCorruption, "frame: malformed");
  constexpr std::size_t kTypes = std::variant_size_v<Message>;
  if (type > kTypes) return Fail(ErrorCode::kUnsupported, "frame: a message of unknown type");
  if (to_shard != kNoShard) envelope.to_shard = ShardId(to_shard);
  DecodeMessageOf(in, envelope.message, type - std::size_t{1}, std::make_index_sequence<kTypes>());
  if (in.unsupported()) return Fail(ErrorCode::kUnsupported, "frame: a value of unknown type");
  if (!in.done() || NamesItsShard(envelope.message) != envelope.to_shard.has_value()) {
    return Fail(ErrorCode::kCorruption, "frame: malformed");
  }
  return result;
}

}  // namespace gyre
