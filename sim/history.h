// What clients asked for and were told. A value names its write, so little has to be remembered.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/causality/merge.h"
#include "core/ids.h"
#include "sim/bits.h"

namespace gyre::sim {

enum class OpKind : std::uint8_t { kGet, kPut, kDelete, kExpire, kScan, kExplain };
enum class OpOutcome : std::uint8_t {
  kPending,
  kOk,
  kRefused,  // surely not applied (of a get: no answer)
  kUnknown,  // may be applied
};

constexpr std::string_view OpKindName(OpKind kind) {
  constexpr std::string_view kNames[] = {"get", "put", "delete", "expire", "scan", "explain"};
  return kNames[static_cast<int>(kind)];
}

// One thing that a client wants changed; tried once or more.
struct Write {
  std::size_t id = 0;
  std::size_t key = 0;
  OpKind kind = OpKind::kPut;
  std::optional<VersionVector> context;  // nullopt: over what the coordinator knows
  bool read_first = false;
  std::string value;              // kPut: unique
  WallTime expiry;                // kPut: never, or unique; kExpire: unique
  std::vector<std::size_t> dots;  // under which it was seen, as indexes of KeyTruth
  int attempts = 0;
  int refused = 0;
  int acknowledged = 0;
  // The network delivered a forwarded copy of it twice; the second may be applied after the first
  // was refused. TCP links cannot do that, so such a write is excused from G7's "refused".
  bool doubled = false;

  // Nobody who was asked may have applied it.
  bool surely_not_applied() const { return attempts > 0 && refused == attempts && !doubled; }
};

// One request to one node.
struct Op {
  std::uint64_t id = 0;
  int session = 0;
  OpKind kind = OpKind::kGet;
  std::size_t key = 0;
  std::optional<std::size_t> write;
  bool reads = false;  // a get, or a write that reads first
  int read_needed = 1;
  int write_needed = 1;
  int copies = 1;  // min(N, nodes)
  bool sloppy = false;
  // R or W is a quorum of each of these regions, which have copies; empty: it is one of all owners.
  std::vector<std::string> read_regions;
  std::vector<std::string> write_regions;
  // It is one of the region of whoever coordinates, whichever that is.
  bool read_local = false;
  bool write_local = false;
  int node = 0;
  std::int64_t start = 0;
  std::int64_t end = 0;
  Instant local_start;
  Duration timeout;
  std::uint64_t node_pauses = 0;
  OpOutcome outcome = OpOutcome::kPending;
  std::optional<ErrorCode> error;
  // What must be visible to it (G8), unless a copy of the key was lost meanwhile; to a sloppy one
  // only if it shows nothing else.
  Bits must_see;
  std::uint64_t losses = 0;
  // What had been purged as superseded before it began: must not be shown any more (G1).
  Bits undead;
};

}  // namespace gyre::sim
