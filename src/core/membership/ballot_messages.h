// What nodes say to each other to decide the next layout (layout_ballot.h): one small struct per
// type. The binary form is in ballot_codec.h. Any may be lost, doubled or late.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "core/ids.h"
#include "core/ring/layout.h"

namespace gyre {

// Append only: the number is the type byte.
enum class BallotMessageType : std::uint8_t {
  kPrepare = 1,
  kPromise = 2,
  kAccept = 3,
  kAccepted = 4,
  kRefusal = 5,
  kDecided = 6,
};

// So that there always is a next one.
inline constexpr std::uint64_t kBallotRoundMax = std::uint64_t{1} << 62;

// One attempt to have a layout decided. Greater ones win. Round 0 stands for none.
struct LayoutBallot {
  std::uint64_t round = 0;
  NodeId proposer;
  // Drawn anew each time, so that a proposer that has forgotten its rounds makes no ballot twice.
  std::uint64_t draw = 0;

  auto operator<=>(const LayoutBallot&) const = default;
};

// What each message is about. `number` is that of the layout to be decided.
struct BallotTopic {
  Lineage lineage;
  RingEpoch number;
  LayoutBallot ballot;

  bool operator==(const BallotTopic&) const = default;
};

// A layout's bytes (Layout::Encode), and the greatest ballot that they were accepted in.
struct AcceptedLayout {
  LayoutBallot ballot;
  std::string bytes;

  bool operator==(const AcceptedLayout&) const = default;
};

// Take part in nothing below this ballot; what have you accepted?
struct BallotPrepare {
  BallotTopic topic;
  bool operator==(const BallotPrepare&) const = default;
};
struct BallotPromise {
  BallotTopic topic;
  std::optional<AcceptedLayout> accepted;
  bool operator==(const BallotPromise&) const = default;
};
// This is to be the layout.
struct BallotAccept {
  BallotTopic topic;
  std::string bytes;
  bool operator==(const BallotAccept&) const = default;
};
struct BallotAccepted {
  BallotTopic topic;
  bool operator==(const BallotAccepted&) const = default;
};
struct BallotRefusal {
  enum class Reason : std::uint8_t {
    kOutbid = 1,   // a greater ballot was promised
    kLags = 2,     // the layout before is not known here
    kLineage = 3,  // not of this node's lineage
  };
  BallotTopic topic;  // with the receiver's lineage, if that was the reason
  Reason reason = Reason::kOutbid;
  LayoutBallot promised;  // if outbid
  bool operator==(const BallotRefusal&) const = default;
};
// This layout was decided: to whoever asks for it or for one before, and to who lags.
struct BallotDecided {
  std::string bytes;
  bool operator==(const BallotDecided&) const = default;
};

// In the order of their types.
using BallotMessage = std::variant<BallotPrepare, BallotPromise, BallotAccept, BallotAccepted,
                                   BallotRefusal, BallotDecided>;

}  // namespace gyre
