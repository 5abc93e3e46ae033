#include "core/membership/ballot_codec.h"

#include <utility>

#include "base/codec.h"
#include "base/size_counter.h"

namespace gyre {
namespace {

constexpr std::uint8_t kStateFormat = 1;

template <typename Out>
void Encode(Out& out, const LayoutBallot& ballot) {
  out.Varint(ballot.round);
  out.U32(ballot.proposer.value);
  out.U64(ballot.draw);
}
void Decode(Reader& in, LayoutBallot& ballot) {
  ballot.round = in.VarintAtMost(kBallotRoundMax);
  ballot.proposer = NodeId(in.U32());
  ballot.draw = in.U64();
}

template <typename Out>
void Encode(Out& out, const BallotTopic& topic) {
  out.Varint(topic.lineage.generation);
  out.U64(topic.lineage.founding);
  out.Varint(topic.number.value);
  Encode(out, topic.ballot);
}
void Decode(Reader& in, BallotTopic& topic) {
  topic.lineage.generation = in.Varint();
  topic.lineage.founding = in.U64();
  topic.number = RingEpoch(in.Varint());
  Decode(in, topic.ballot);
}

template <typename Out>
void Encode(Out& out, const std::optional<AcceptedLayout>& accepted) {
  out.U8(accepted.has_value() ? 1 : 0);
  if (!accepted) return;
  Encode(out, accepted->ballot);
  out.Sized(accepted->bytes);
}
void Decode(Reader& in, std::optional<AcceptedLayout>& accepted) {
  const std::uint8_t flag = in.U8();
  if (flag > 1) in.SetFailed();
  if (flag != 1) return;
  accepted.emplace();
  Decode(in, accepted->ballot);
  accepted->bytes = in.Sized(kLayoutBytesMax);
}

template <typename Out>
void Encode(Out& out, const BallotPrepare& prepare) {
  Encode(out, prepare.topic);
}
void Decode(Reader& in, BallotPrepare& prepare) { Decode(in, prepare.topic); }

template <typename Out>
void Encode(Out& out, const BallotPromise& promise) {
  Encode(out, promise.topic);
  Encode(out, promise.accepted);
}
void Decode(Reader& in, BallotPromise& promise) {
  Decode(in, promise.topic);
  Decode(in, promise.accepted);
}

template <typename Out>
void Encode(Out& out, const BallotAccept& accept) {
  Encode(out, accept.topic);
  out.Sized(accept.bytes);
}
void Decode(Reader& in, BallotAccept& accept) {
  Decode(in, accept.topic);
  accept.bytes = in.Sized(kLayoutBytesMax);
}

template <typename Out>
void Encode(Out& out, const BallotAccepted& accepted) {
  Encode(out, accepted.topic);
}
void Decode(Reader& in, BallotAccepted& accepted) { Decode(in, accepted.topic); }

template <typename Out>
void Encode(Out& out, const BallotRefusal& refusal) {
  Encode(out, refusal.topic);
  out.U8(static_cast<std::uint8_t>(refusal.reason));
  Encode(out, refusal.promised);
}
void Decode(Reader& in, BallotRefusal& refusal) {
  Decode(in, refusal.topic);
  const std::uint8_t reason = in.U8();
  if (reason < 1 || reason > static_cast<std::uint8_t>(BallotRefusal::Reason::kLineage)) {
    in.SetFailed();
  }
  refusal.reason = static_cast<BallotRefusal::Reason>(reason);
  Decode(in, refusal.promised);
}

template <typename Out>
void Encode(Out& out, const BallotDecided& decided) {
  out.Sized(decided.bytes);
}
void Decode(Reader& in, BallotDecided& decided) { decided.bytes = in.Sized(kLayoutBytesMax); }

template <typename Out>
void EncodeAny(Out& out, const BallotMessage& message) {
  out.U8(static_cast<std::uint8_t>(message.index() + 1));
  std::visit([&](const auto& each) { Encode(out, each); }, message);
}

template <typename Body>
Result<BallotMessage> DecodeAs(Reader& in) {
  Body body;
  Decode(in, body);
  if (!in.done()) return Fail(ErrorCode::kCorruption, "a ballot message is cut short or damaged");
  return body;
}

template <typename Out>
void EncodeState(Out& out, const AcceptorState& state) {
  out.U8(kStateFormat);
  Encode(out, BallotTopic{state.lineage, state.number, state.promised});
  Encode(out, state.accepted);
}

// One pass for the size, one for the bytes.
template <typename EncodeTo>
std::string ToBytes(EncodeTo encode_to) {
  SizeCounter size;
  encode_to(size);
  std::string bytes(size.size(), '\0');
  Writer out(bytes.data());
  encode_to(out);
  return bytes;
}

}  // namespace

std::string EncodeBallot(const BallotMessage& message) {
  return ToBytes([&](auto& out) { EncodeAny(out, message); });
}

Result<BallotMessage> DecodeBallot(std::string_view bytes) {
  Reader in(bytes);
  switch (static_cast<BallotMessageType>(in.U8())) {
    case BallotMessageType::kPrepare:
      return DecodeAs<BallotPrepare>(in);
    case BallotMessageType::kPromise:
      return DecodeAs<BallotPromise>(in);
    case BallotMessageType::kAccept:
      return DecodeAs<BallotAccept>(in);
    case BallotMessageType::kAccepted:
      return DecodeAs<BallotAccepted>(in);
    case BallotMessageType::kRefusal:
      return DecodeAs<BallotRefusal>(in);
    case BallotMessageType::kDecided:
      return DecodeAs<BallotDecided>(in);
  }
  if (!in.ok()) return Fail(ErrorCode::kCorruption, "a ballot message without a type");
  return Fail(ErrorCode::kUnsupported, "a ballot message of a type that is not known here");
}

std::string EncodeAcceptorState(const AcceptorState& state) {
  return ToBytes([&](auto& out) { EncodeState(out, state); });
}

Result<AcceptorState> DecodeAcceptorState(std::string_view bytes) {
  Reader in(bytes);
  const std::uint8_t format = in.U8();
  BallotTopic topic;
  Decode(in, topic);
  AcceptorState state;
  Decode(in, state.accepted);
  if (!in.done() || format != kStateFormat) {
    return Fail(ErrorCode::kCorruption, "what was promised for the next layout: damaged");
  }
  state.lineage = topic.lineage;
  state.number = topic.number;
  state.promised = topic.ballot;
  return state;
}

}  // namespace gyre
