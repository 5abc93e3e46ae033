// Ballot messages as bytes: a type byte, then the fields; bounded, one form for each message. The
// frame around it (length, checksum, shards) is the link's, as in wire/message_codec.h.
//
// Ballot: varint round, u32 proposer, u64 draw. Topic: varint generation, u64 founding, varint
// number, ballot. Prepare, Accepted: topic. Promise: topic, 0, or 1 with ballot and sized bytes.
// Accept: topic, sized bytes. Refusal: topic, reason, ballot. Decided: sized bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/membership/ballot_messages.h"

namespace gyre {

// Of one encoded layout: 65,536 partitions that all move, among as many members as there can be.
inline constexpr std::size_t kLayoutBytesMax = 16 * 1024 * 1024;

// What an acceptor must remember, as layout_ballot.h says. Round 0: nothing promised or accepted.
struct AcceptorState {
  Lineage lineage;
  RingEpoch number;
  LayoutBallot promised;
  std::optional<AcceptedLayout> accepted;

  bool operator==(const AcceptorState&) const = default;
};

// REQUIRES: layouts in it have at most kLayoutBytesMax bytes.
std::string EncodeBallot(const BallotMessage& message);
// Errors: kCorruption (format, limits), kUnsupported (a type of a later version: skip it).
Result<BallotMessage> DecodeBallot(std::string_view bytes);

// For disk: a format byte, topic (its ballot is what was promised), and what was accepted as in a
// promise. Whoever stores it adds a checksum.
std::string EncodeAcceptorState(const AcceptorState& state);
// Errors: kCorruption.
Result<AcceptorState> DecodeAcceptorState(std::string_view bytes);

}  // namespace gyre
