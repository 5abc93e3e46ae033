// What a client asks of the core, and what it is told. The front ends (RESP, HTTP) translate to and
// from these; nothing of a protocol is left in them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "core/causality/merge.h"
#include "core/causality/record.h"
#include "core/key.h"
#include "core/quorum/quorum_spec.h"
#include "core/scan_range.h"

namespace gyre {

// Unset fields take the keyspace's setting.
struct RequestOptions {
  std::optional<QuorumSpec> read_quorum;
  std::optional<QuorumSpec> write_quorum;
  Duration timeout;  // zero: request_timeout of the config
  std::optional<bool> sloppy;

  bool names_regions() const {
    return (read_quorum && read_quorum->by_region()) || (write_quorum && write_quorum->by_region());
  }
  bool operator==(const RequestOptions&) const = default;
};

struct GetRequest {
  RowKey key;
  RequestOptions options;
};

struct PutRequest {
  RowKey key;
  Mutation mutation;
  // First read with R and join what came, so that the mutation sees all that a get would (plain
  // DEL, GETDEL, EXPIRE, SET GET, ...). Without it the mutation sees the coordinator's own record.
  bool read_first = false;
  RequestOptions options;
};

// One page of the live keys of one partition, in token order, from one of its owners: it may lag
// behind acknowledged writes.
struct ScanRequest {
  KeyspaceId keyspace;
  PartitionId partition;
  int partition_bits = 0;       // of the ring that numbers it so; not sent: there the epoch tells
  std::optional<RowKey> after;  // exclusive; nullopt: from the partition's start
  std::uint32_t limit = 100;    // rows visited, at most scan_rows_max
  bool count_only = false;      // the number of live rows, no keys
  RequestOptions options;
};

// Where its page begins, or just before. REQUIRES: partition < 2^partition_bits.
constexpr Token StartOf(const ScanRequest& request) {
  return request.after ? request.after->token
                       : SpanOf(request.partition.value, request.partition_bits).first;
}

// What the node asked holds of a key itself, and each owner beside it: for `gyre key explain`.
struct ExplainRequest {
  RowKey key;
  RequestOptions options;
};

using ClientRequest = std::variant<GetRequest, PutRequest, ScanRequest, ExplainRequest>;

// The key that the request is for; null for a scan.
inline RowKey* KeyOf(ClientRequest& request) {
  if (auto* get = std::get_if<GetRequest>(&request)) return &get->key;
  if (auto* put = std::get_if<PutRequest>(&request)) return &put->key;
  if (auto* explain = std::get_if<ExplainRequest>(&request)) return &explain->key;
  return nullptr;
}

// ---- answers ---------------------------------------------------------------------------------

struct GetOutcome {
  Record record;  // the join of R replies, siblings and tombstones included; empty if none has it
};

struct PutOutcome {
  // What the writer has seen now: what it had seen before, and its own write. Never what others
  // wrote beside it: who goes on with this context must not replace that. Unchanged: of what was
  // found.
  VersionVector context;
  bool changed = true;            // false: the mutation had nothing to do (EXPIRE of an absent key)
  std::optional<Sibling> before;  // the newest live sibling it saw; only if it read first
  // Durable copies when the client was answered, each on a node of its own; while the partition
  // moves, in the owner set that has fewer.
  std::uint8_t copies = 0;
  std::uint8_t hints = 0;  // of them: with fallbacks
  std::uint8_t zones = 0;  // distinct ones among them
  // R + W > N over the owners that hold it: every read with R over owners sees this write.
  bool strict = false;
  Dot dot;  // the name of the write; n = 0 if unchanged
};

struct ScannedKey {
  Bytes key;
  ValueType type = ValueType::kBytes;
};
struct ScanOutcome {
  std::vector<ScannedKey> keys;  // live ones only
  std::optional<RowKey> next;    // where to go on; nullopt: the partition is done
  std::uint64_t live_count = 0;  // with count_only
};

struct ExplainOutcome {
  struct Copy {
    NodeId node;
    std::optional<Error> error;  // it could not say
    Record record;               // values left out are not: small values are the rule
  };
  std::vector<Copy> copies;  // in the order of the preference list
};

using ClientOutcome = std::variant<GetOutcome, PutOutcome, ScanOutcome, ExplainOutcome>;

// Exactly one per request. Errors, and what they say of a put:
// kInvalidArgument, kUnavailable, kOverloaded, kUnsupported: surely not applied.
// kOutcomeUnknown: may be applied. kCorruption, kIoError: of a get.
using ClientResult = Result<ClientOutcome>;

}  // namespace gyre
