// What nodes say to each other: one small struct per type. The binary form is in message_codec.h
// and docs/wire-format.md. Every request carries the id that its answer gives back, and the epoch
// of the ring it was planned with.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "core/causality/merge.h"
#include "core/causality/record.h"
#include "core/ids.h"
#include "core/key.h"
#include "core/request.h"

namespace gyre {

// Append only: the number is the type byte of a frame.
enum class MessageType : std::uint8_t {
  kReplicaGet = 1,
  kReplicaGetReply = 2,
  kReplicaPut = 3,
  kReplicaPutReply = 4,
  kForwardGet = 5,
  kForwardGetReply = 6,
  kForwardPut = 7,
  kForwardPutReply = 8,
  kReplicaScan = 9,
  kReplicaScanReply = 10,
};

// Asks one owner for its copy (paper 4.5).
struct ReplicaGet {
  RequestId id;
  RingEpoch epoch;
  RowKey key;
};
struct ReplicaGetReply {
  RequestId id;
  std::optional<ErrorCode> error;
  Bytes record;  // encoded; empty: this owner has none
};

// Gives one owner a record to merge into its own.
struct ReplicaPut {
  RequestId id;
  RingEpoch epoch;
  RowKey key;
  Bytes record;         // encoded
  bool repair = false;  // read repair: counted apart
};
struct ReplicaPutReply {
  RequestId id;
  std::optional<ErrorCode> error;  // nullopt: merged and as durable as configured
};

// A client's request handed to an owner, which coordinates it and answers with the outcome.
struct ForwardGet {
  RequestId id;
  RingEpoch epoch;
  GetRequest request;
};
struct ForwardGetReply {
  RequestId id;
  std::optional<Error> error;
  Bytes record;  // encoded join; empty: none
};
struct ForwardPut {
  RequestId id;
  RingEpoch epoch;
  PutRequest request;
};
struct ForwardPutReply {
  RequestId id;
  std::optional<Error> error;
  PutOutcome outcome;
};

struct ReplicaScan {
  RequestId id;
  RingEpoch epoch;
  ScanRequest request;
};
struct ReplicaScanReply {
  RequestId id;
  std::optional<Error> error;
  ScanOutcome outcome;
};

using Message =
    std::variant<ReplicaGet, ReplicaGetReply, ReplicaPut, ReplicaPutReply, ForwardGet,
                 ForwardGetReply, ForwardPut, ForwardPutReply, ReplicaScan, ReplicaScanReply>;

constexpr MessageType TypeOf(const Message& message) {
  return static_cast<MessageType>(message.index() + 1);
}

// The row that a coordinator's question to a replica is about; null for other messages.
inline const RowKey* KeyOf(const Message& message) {
  if (const auto* get = std::get_if<ReplicaGet>(&message)) return &get->key;
  if (const auto* put = std::get_if<ReplicaPut>(&message)) return &put->key;
  return nullptr;
}

}  // namespace gyre
