// What nodes say to each other: one small struct per type. The binary form is in message_codec.h
// and docs/wire-format.md. Every request carries the id that its answer gives back, and the epoch
// of the ring it was planned with. Every record bears a stamp: how many ballots its reader had
// promised in that partition when the reading began (docs/adr/0006-safe-deletes.md).
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
  kTreeCompare = 11,
  kTreeCompareReply = 12,
  kLeafKeys = 13,
  kLeafKeysReply = 14,
  kBallot = 15,
  kBallotReply = 16,
  kGreeting = 17,
  kNodeMessage = 18,
  kRangeGet = 19,
  kRangeGetReply = 20,
};

// Asks one owner for its copy (paper 4.5).
struct ReplicaGet {
  RequestId id;
  RingEpoch epoch;
  RowKey key;
  // Asked as a stand-in: for what it keeps of this key for its owners, joined.
  bool owed = false;
  // The copy must bear at least this stamp: who is asked raises its `promised` first.
  std::uint64_t floor = 0;
  // A record of more bytes comes as its digest only; 0: none does.
  std::uint64_t digest_over = 0;
};
struct ReplicaGetReply {
  RequestId id;
  std::optional<ErrorCode> error;
  Bytes record;  // encoded; empty: this owner has none, or gives the digest
  std::uint64_t stamp = 0;
  std::optional<std::uint64_t> digest;  // RecordDigest
};

// Gives one owner a record to merge into its own; or a fallback one to keep for an owner
// (key.owed_to).
struct ReplicaPut {
  RequestId id;
  RingEpoch epoch;
  RowKey key;
  Bytes record;         // encoded
  bool repair = false;  // read repair: counted apart
  std::uint64_t stamp = 0;
};
struct ReplicaPutReply {
  RequestId id;
  std::optional<ErrorCode> error;  // nullopt: merged and as durable as configured
  std::uint64_t promised = 0;      // kStaleCopy: the receiver's, for the sender to raise its own to
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

// ---- tree exchange (paper 4.7) -----------------------------------------------------------------

// The sender's sums of some nodes of one partition's tree, all at one depth.
struct TreeCompare {
  RequestId id;
  RingEpoch epoch;
  KeyspaceId keyspace;
  std::uint8_t bits = 0;  // MerkleTree::Node::bits
  struct NodeSum {
    std::uint32_t index = 0;
    std::uint64_t sum = 0;

    bool operator==(const NodeSum&) const = default;
  };
  std::vector<NodeSum> nodes;  // by index, of one partition, 1 to kTreeNodesMax
};
struct TreeCompareReply {
  RequestId id;
  std::optional<ErrorCode> error;
  std::vector<std::uint32_t> differing;  // of those indexes: where the receiver's sum is another
};

// What the sender holds of one leaf, or of a stretch of one: keys and versions.
struct LeafKeys {
  RequestId id;
  RingEpoch epoch;
  KeyspaceId keyspace;
  std::uint8_t bits = 0;  // of a leaf, as in TreeCompare
  std::uint32_t leaf = 0;
  std::optional<RowKey> after;  // the stretch begins behind it; nullopt: with the leaf
  std::optional<RowKey> upto;   // it ends with it; nullopt: with the leaf
  // The sender cannot read its rows there: it wants all.
  bool damaged = false;
  struct Version {
    RowKey key;
    std::uint64_t digest = 0;  // RowDigest
  };
  std::vector<Version> rows;  // in order
};
struct KeyedRecord {
  RowKey key;
  Bytes record;  // encoded
};
struct LeafKeysReply {
  RequestId id;
  std::optional<ErrorCode> error;     // kCorruption: the receiver cannot read its own rows there
  std::vector<std::uint32_t> wanted;  // positions in `rows` whose records the receiver lacks
  std::vector<KeyedRecord> records;   // those that the sender lacks, or has another version of
  bool more = false;                  // there were too many for one message
  std::uint64_t stamp = 0;            // of all the records
};

// Asks an owner for all that it holds of some leaves of one partition, batch by batch
// (docs/adr/0010-range-streams.md).
struct RangeGet {
  RequestId id;
  RingEpoch epoch;
  KeyspaceId keyspace;
  std::uint8_t bits = 0;        // of a leaf, as in TreeCompare
  std::uint32_t first = 0;      // leaf
  std::uint32_t last = 0;       // leaf, inclusive; of the same partition
  std::optional<RowKey> after;  // the batch begins behind it; nullopt: with the first leaf
  std::uint64_t bytes_max = 0;  // of the batch, give or take a record
};
struct RangeGetReply {
  RequestId id;
  std::optional<ErrorCode> error;    // kCorruption: the receiver cannot read its rows there
  std::vector<KeyedRecord> records;  // in order
  bool done = false;                 // nothing is behind them
  std::uint64_t stamp = 0;           // of all the records
};

// ---- purges (docs/adr/0006-safe-deletes.md) ----------------------------------------------------

// One step of a ballot on tombstones of one section. Asked of every member; kDrop of the
// owners, and not answered.
struct Ballot {
  enum class Step : std::uint8_t { kPromise = 1, kCommit = 2, kDrop = 3 };
  RequestId id;
  RingEpoch epoch;
  Step step = Step::kPromise;
  SectionId section;
  std::uint64_t number = 0;
  struct MemberRun {
    NodeId node;
    std::uint64_t run = 0;

    bool operator==(const MemberRun&) const = default;
  };
  std::vector<MemberRun> runs;  // kPromise, kCommit: of all members, as the sender knows them
  struct Tombstone {
    RowKey key;
    std::uint64_t digest = 0;  // RowDigest
  };
  std::vector<Tombstone> rows;  // kPromise, kDrop: in order, 1 to kPurgeRowsMax
};
struct BallotReply {
  RequestId id;
  std::optional<ErrorCode> error;  // it does not promise, or not commit
  std::uint64_t promised = 0;      // the receiver's, then
};

// First words between two shards of two nodes that have sections in common, each time that a link
// comes up: which life this is, and, once the other's life is known, what has been promised and
// purged.
struct Greeting {
  RequestId id;             // not used: a greeting is no answer
  std::uint64_t run = 0;    // drawn at each start, not 0
  std::uint64_t heard = 0;  // the receiver's run as the sender knows it; 0: not yet
  bool asks = false;        // the sender wants to be greeted
  bool taken = false;       // the sender has taken the receiver's numbers to heart, durably
  // The sender's disk has yet to fill up, or it knows that the cluster is new. To who speaks
  // kFilling only.
  bool unfilled = false;
  struct Numbers {
    SectionId section;
    std::uint64_t promised = 0;
    std::uint64_t purged = 0;

    bool operator==(const Numbers&) const = default;
  };
  // Of the sections that both shards serve, those with any; only if `heard`.
  std::vector<Numbers> numbers;
};

// For the node, not for one of its shards: what the members tell each other of themselves and agree
// on. The body is of the topic's own codec (core/membership).
struct NodeMessage {
  enum class Topic : std::uint8_t { kMembers = 1, kLayout = 2 };

  RequestId id;  // not used
  Topic topic = Topic::kMembers;
  Bytes body;  // 1 to kNodeMessageBytesMax
};

using Message =
    std::variant<ReplicaGet, ReplicaGetReply, ReplicaPut, ReplicaPutReply, ForwardGet,
                 ForwardGetReply, ForwardPut, ForwardPutReply, ReplicaScan, ReplicaScanReply,
                 TreeCompare, TreeCompareReply, LeafKeys, LeafKeysReply, Ballot, BallotReply,
                 Greeting, NodeMessage, RangeGet, RangeGetReply>;

constexpr MessageType TypeOf(const Message& message) {
  return static_cast<MessageType>(message.index() + 1);
}

// Is it for one shard that its sender names (replies, greetings), or for that of its partition?
constexpr bool NamesItsShard(const Message& message) {
  return message.index() % 2 == 1 || std::holds_alternative<Greeting>(message);
}

// The row that a coordinator's question to a replica is about; null for other messages.
inline const RowKey* KeyOf(const Message& message) {
  if (const auto* get = std::get_if<ReplicaGet>(&message)) return &get->key;
  if (const auto* put = std::get_if<ReplicaPut>(&message)) return &put->key;
  return nullptr;
}

}  // namespace gyre
