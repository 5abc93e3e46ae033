// The join of two records, and the changes a coordinator makes to one. All pure.
#pragma once

#include <optional>
#include <variant>

#include "core/causality/record.h"
#include "core/config.h"

namespace gyre {

// Commutative, associative, idempotent: a sibling stays if both have it, or if the side that lacks
// it has not seen its dot. Cost: linear in siblings and clock entries.
// The result may exceed what the format can hold: see Record::CheckLimits.
Record Join(const Record& a, const Record& b);

// How `a` stands to `b` by what they have seen and hold.
enum class Causal : std::uint8_t { kEqual, kNewer, kOlder, kConcurrent };
// kEqual: same dots seen and same siblings. kNewer: Join(a, b) has the dots and siblings of `a`.
Causal Compare(const Record& a, const Record& b);

// Names writes: draws epochs for one actor, which only rise. One per shard.
class DotSource {
 public:
  DotSource(ActorId actor, std::uint64_t next_epoch) : actor_(actor), next_epoch_(next_epoch) {}

  // The next dot for a row whose own writes are `own` (nullopt: no row). Begins a new epoch unless
  // the row was begun by this very actor. Updates nothing in the row: the caller stores the
  // OwnWrites {dot.actor, dot.epoch, dot.n} with the record, in one write. `seen` is the row's
  // clock: if it covers the dot already (another node took a forged context), a new epoch begins.
  Dot Next(const std::optional<OwnWrites>& own, const VersionVector& seen);
  // From now on as another incarnation: after a failed write, whose dot must not come twice.
  // REQUIRES: another actor than the present one.
  void Retire(ActorId fresh);

  ActorId actor() const { return actor_; }
  std::uint64_t next_epoch() const { return next_epoch_; }

 private:
  ActorId actor_;
  std::uint64_t next_epoch_;
};

// Draws an actor for `node`: the node's id over 40 random bits.
ActorId DrawActor(NodeId node, class Prng& prng);

// Hybrid logical clock of one shard.
class HybridClock {
 public:
  explicit HybridClock(Duration lead_max) : lead_max_(lead_max) {}
  // Later than everything returned or observed before.
  HybridTime Tick(WallTime now);
  // Takes over a peer's time, unless it is more than lead_max ahead of `now`.
  void Observe(HybridTime peer, WallTime now);

 private:
  Duration lead_max_;
  HybridTime last_;
};

// ---- What a client asks of one key --------------------------------------------------------

// Stores a value over what `context` covers (KV.PUT, HTTP PUT); nullopt: over what the coordinator
// knows (plain SET).
struct WriteValue {
  std::optional<VersionVector> context;
  Bytes value;
  std::uint64_t checksum = 0;
  WallTime expiry = kNeverExpires;
  bool keep_expiry = false;  // SET KEEPTTL: take over the newest live sibling's expiry
};
// Deletes what `context` covers; nullopt: what the coordinator knows.
struct DeleteValue {
  std::optional<VersionVector> context;
};
// Gives each live sibling a new expiry (kNeverExpires: PERSIST), as new writes of the same values.
// Siblings stay siblings.
struct SetExpiry {
  // As Redis: only if there is no expiry (NX), there is one (XX), it is later (GT), earlier (LT).
  enum class Condition : std::uint8_t { kAlways, kIfNone, kIfAny, kIfLater, kIfEarlier };
  WallTime expiry = kNeverExpires;
  Condition condition = Condition::kAlways;
};
using Mutation = std::variant<WriteValue, DeleteValue, SetExpiry>;

struct Applied {
  OwnWrites own;         // to be stored with the record
  bool changed = false;  // false: nothing to write (EXPIRE of an absent key); record is as before
  int entries_truncated = 0;  // clock entries that Truncate dropped
};

struct ApplyLimits {
  std::size_t siblings_max;
  std::size_t clock_entries_max;
  Duration clock_entry_age_safe;
};

// Changes the coordinator's record (design: life of a put, step 3): joins the context into the
// clock, drops the covered siblings, adds the new one under a fresh dot, truncates the clock.
// - A delete with an explicit context writes a tombstone unless neither the record nor the context
//   has seen anything; one without a context only if something live is there to cover.
// - SetExpiry writes all live siblings anew, in the order of their times, so that the newest stays
//   the newest; those that the condition excludes keep their expiry. It resolves nothing:
//   tombstones beside them stay, under their own dots. Expired siblings, which nobody can read, go.
// - What would be expired at `now` is stored as a tombstone at once.
// A refused mutation draws no dot and leaves the record as it is.
// Errors: kInvalidArgument (expiry or value out of range; a context that claims dots of this very
// actor that it never gave: such a forgery would hide later writes), kOverloaded (one more sibling
// than siblings_max, or more than the format holds).
Result<Applied> Apply(const Mutation& mutation, Record& record, const std::optional<OwnWrites>& own,
                      DotSource& dots, HybridClock& clock, WallTime now, const ApplyLimits& limits);

// The context of one who has made `mutation`, which left `record` and bears the dot of `own`: all
// that it had seen, and its own write, but no sibling that it had not seen. A clock can only say
// "all up to n" of a counter: if the writer had not seen all of this counter before its own write,
// that is left out, and the next write with this context becomes a sibling of this one.
VersionVector ContextOf(const Mutation& mutation, const Record& record, const OwnWrites& own);

// Paper 4.4: past `entries_max` drops the entries with the oldest time, if older than `age_safe`,
// never one that names a sibling of the record (every sibling stays covered), nor `keep`. It can
// make an overwritten value return as a sibling, never hide one. Returns how many went.
int Truncate(Record& record, const Dot& keep, WallTime now, const ApplyLimits& limits);

}  // namespace gyre
