// Serves reads and writes of this shard's rows, for coordinators of this shard and for peers.
// Paper 4.5 (what a replica does), 4.4 (merging). Called by the shard only.
//
// Invariants, per key:
// - Changes are applied one after the other, each to the result of the one before: a row is read
//   from storage at most once for all that wait for it, and never written from a stale read.
// - A get sees only what is as durable as configured: it waits for the writes that were in flight
//   when it came, and no longer. What a client has read does not vanish in a crash.
// - An acknowledgement means durable, also for a merge that changed nothing; and that the partition
//   has the owners that the sender of the copy knows, still. What a new owner has been given of it
//   since may lack that copy, so that it must not count for the owners of before.
// A key's own row and the hints kept for each of its owners are rows of their own
// (RowKey::owed_to), and all of this holds for each.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/prng.h"
#include "base/result.h"
#include "core/causality/merge.h"
#include "core/cluster_view.h"
#include "core/config.h"
#include "core/counters.h"
#include "core/effects.h"
#include "core/fifo.h"
#include "core/key.h"
#include "core/ledger/row_ledger.h"
#include "core/replica/key_table.h"
#include "core/replica/rows_at_hand.h"
#include "core/request.h"
#include "core/slot_map.h"

namespace gyre {

// Whom an outcome is for.
struct Ticket {
  enum class Kind : std::uint8_t { kNobody, kLocal, kPeer };
  Kind kind = Kind::kNobody;
  RequestId request;              // of the coordinator here, or of the peer
  NodeId peer;                    // kPeer
  ShardId peer_shard;             // kPeer
  std::uint64_t stamp = 0;        // of a get: when its reading began
  std::uint64_t digest_over = 0;  // of a get: as in ReplicaGet
  // Of what a peer asks: since when its partition has the owners that it knows.
  PartitionId partition;
  RingEpoch epoch;  // 0: none is named

  static Ticket Nobody() { return {}; }
  static Ticket Local(RequestId request) { return {Kind::kLocal, request, {}, {}}; }
  static Ticket Peer(NodeId peer, ShardId shard, RequestId request) {
    return {Kind::kPeer, request, peer, shard};
  }
};

// Outcomes for coordinators of this shard; those for peers leave as messages.
struct LocalGetDone {
  Result<Bytes> record;  // encoded; empty: none
  std::uint64_t stamp = 0;
};
struct LocalApplied {
  Bytes record;             // what now goes to the other owners; empty if unchanged
  PutOutcome outcome;       // what the client is told once it is durable at enough of them
  std::uint64_t stamp = 0;  // of `record`
};
// The change is durable, or failed; for a mutation it follows LocalApplied. A failure before
// LocalApplied means that nothing was changed.
struct LocalDurable {
  Status status;
};
struct LocalOutcome {
  RequestId request;
  std::variant<LocalGetDone, LocalApplied, LocalDurable> what;
};

// What handlers of the core may use during one event.
struct Env {
  Now now;
  Effects& out;
  std::vector<LocalOutcome>& local;  // drained by the shard before it returns
};

class Replica {
 public:
  // `at_hand` may be null: then every row is waited for.
  Replica(NodeId self, const CoreConfig& config, DotSource dots, Prng& prng,
          ShardCounters& counters, RowLedger& ledger, RowsAtHand* at_hand);

  // Before all else, and with each new view. It outlives its use.
  void SetView(const ClusterView* view) { view_ = view; }

  void Get(const RowKey& key, const Ticket& ticket, Env& env);
  // Joins an encoded record into the row. `repair` may also replace a row that is damaged. `run` as
  // in WriteEffect. Errors: kStaleCopy: it was read before a ballot that forbids it here
  // (BallotBook::Floor).
  void Merge(const RowKey& key, Bytes record, std::uint64_t stamp, bool repair,
             const Ticket& ticket, Env& env, RequestId run = {});
  // What a read brought, for those that read first.
  struct Seen {
    Record record;
    std::uint64_t stamp = 0;
  };
  // Coordinates one write: joins `seen`, then applies `mutation` under a fresh dot. Errors: as of
  // Merge, for what was seen.
  void Mutate(const RowKey& key, Mutation mutation, std::optional<Seen> seen, const Ticket& ticket,
              Env& env);

  // Removes the row if it is still exactly the one with this digest (RowDigest): what was handed
  // over, or is to be forgotten. Acknowledged once that is durable, also if it stays.
  void Drop(const RowKey& key, std::uint64_t digest, const Ticket& ticket, Env& env);
  // Raises the numbers of a section to at least these. Acknowledged once that is durable.
  void Raise(SectionId section, const BallotNumbers& numbers, const Ticket& ticket, Env& env);
  // Nothing of this key is being read for a change, or written.
  bool Idle(const RowKey& key) const { return keys_.Find(key) == Keys::kNone; }
  // Goes on as another actor: what this one has written may be forgotten here.
  void RetireActor();

  // The two short ways, of which nothing is left when they return: for rows at hand of keys that
  // nothing is in flight for. They concern no other owner and count no request as in flight.
  // False: nothing was done, ask with Get. `record` is the row's, empty if there is none.
  bool GetNow(const RowKey& key, Record& record);
  // nullopt: nothing was done, ask with Mutate. Otherwise the change is made and durable, or (an
  // error) refused.
  std::optional<Status> MutateNow(const RowKey& key, const Mutation& mutation, bool read_first,
                                  Now now, PutOutcome& outcome);

  // Gives a get its answer: a coordinator here by env.local, a peer by a message. A peer that knew
  // the owners of before is told so instead: what it asked for may have been dropped meanwhile.
  void AnswerGet(const Ticket& ticket, Result<Bytes> record, Env& env);

  void OnReadDone(RequestId op, Result<std::optional<Row>> row, Env& env);
  void OnWriteDone(RequestId op, const Status& status, Env& env);

  // False for storage_retry_after after a failed write: such a node takes no part in writes.
  bool Writable(Instant now) const { return now >= unwritable_until_; }
  const DotSource& dots() const { return dots_; }
  // Storage operations that are not answered yet.
  std::size_t operations_in_flight() const { return operations_.size(); }

 private:
  struct MergeChange {
    Bytes record;
    std::uint64_t stamp;
    bool repair;
    RequestId run;
  };
  struct MutateChange {
    Mutation mutation;
    std::optional<Seen> seen;
    std::uint64_t stamp;  // of the own row
  };
  struct DropChange {
    std::uint64_t digest;
  };
  struct NoteChange {
    BallotNumbers numbers;
  };
  // A change that waits for its row.
  struct Change {
    Ticket ticket;
    std::variant<MergeChange, MutateChange, DropChange, NoteChange> what;
  };
  using ReadRow = Result<std::optional<Row>>;
  // A row that was handed to storage and is not durable yet.
  struct InFlightWrite {
    RequestId op;
    std::optional<Row> row;                             // nullopt: it goes
    RowLedger::Entry entry;                             // what it did to the books
    boost::container::small_vector<Ticket, 1> changes;  // acknowledged when durable
    std::vector<Ticket> gets;                           // answered with `row` when durable
  };
  // Of a key that is being read, or written, never both.
  struct KeyState {
    std::vector<Change> waiting;  // until the row is here
    Fifo<InFlightWrite> writes;
  };
  using Keys = KeyTable<KeyState>;
  // An operation that storage will answer.
  struct Operation {
    enum class Kind : std::uint8_t { kGet, kLoad, kWrite } kind = Kind::kGet;
    Keys::Number at = Keys::kNone;  // the others: their key
    RowKey key;                     // kGet, as the next two
    Ticket ticket;
    std::uint64_t writes_failed = 0;  // of this replica, when the read began
  };

  template <typename What>
  void Submit(const RowKey& key, What&& what, const Ticket& ticket, Env& env);
  // Makes one change to `row`, the present state of the key (nullopt: absent), and brings it up to
  // date. `at` is kNone if nothing of the key is in flight.
  template <typename What>
  void MakeChange(const RowKey& key, Keys::Number at, std::optional<Row>& row, const What& what,
                  const Ticket& ticket, Env& env);
  // What becomes of a row.
  struct NextState {
    bool changed = false;    // false: it stays
    std::optional<Row> row;  // of a change; nullopt: it goes
  };
  // Errors: the change is refused.
  Result<NextState> NextRow(const RowKey& key, const std::optional<Row>& row,
                            const MergeChange& merge, const Ticket& ticket, Env& env);
  Result<NextState> NextRow(const RowKey& key, const std::optional<Row>& row,
                            const MutateChange& mutate, const Ticket& ticket, Env& env);
  Result<NextState> NextRow(const RowKey& key, const std::optional<Row>& row,
                            const DropChange& drop, const Ticket& ticket, Env& env);
  Result<NextState> NextRow(const RowKey& key, const std::optional<Row>& row,
                            const NoteChange& note, const Ticket& ticket, Env& env);
  // Decodes `row` into `record`, which is empty, and changes it there. `seen` (may be null) is
  // joined first. Fills `outcome` but for its context, unless refused.
  Result<Applied> MutateRow(const std::optional<Row>& row, const Mutation& mutation,
                            const Record* seen, bool read_first, WallTime now, Record& record,
                            PutOutcome& outcome);
  // May this change go on with an absent row, where the row could not be read?
  static bool StandsIn(const MergeChange& merge, const Error& error);
  static bool StandsIn(const MutateChange&, const Error&) { return false; }
  static bool StandsIn(const DropChange&, const Error&) { return false; }
  // A damaged note is written anew.
  static bool StandsIn(const NoteChange&, const Error& error) {
    return error.code == ErrorCode::kCorruption;
  }
  // Is a part of the present row given to whoever asked for the change? Else a look will do.
  static bool GivesAway(const MutateChange& mutate) { return mutate.seen.has_value(); }
  template <typename What>
  static bool GivesAway(const What&) {
    return false;
  }
  static RequestId RunOf(const MergeChange& merge) { return merge.run; }
  template <typename What>
  static RequestId RunOf(const What&) {
    return {};
  }
  void StartWrite(Keys::Number at, std::optional<Row> next, const RowLedger::Entry& entry,
                  RequestId run, const Ticket& ticket, Env& env);
  void CountReadError(const Error& error);
  void OnRowLoaded(Keys::Number at, ReadRow& row, Env& env);

  // The write that a get of the key has to wait for; null if there is none.
  InFlightWrite* WriteInFlight(const RowKey& key);
  void AwaitWrite(InFlightWrite& write, const Ticket& ticket, Env& env);
  void AnswerRead(const Ticket& ticket, ReadRow& row, Env& env);
  // Since a peer asked; counted.
  bool OwnersChanged(const Ticket& ticket);
  void AnswerChange(const Ticket& ticket, const Status& status, Env& env);
  // The change was not made.
  void RefuseChange(const RowKey& key, const Ticket& ticket, Error error, Env& env);
  void NoteEnd(const RowKey& key, const Record& record);
  void OnStored(const RowKey& key, const std::optional<Row>& row);
  ApplyLimits limits() const;

  NodeId self_;
  const CoreConfig& config_;
  DotSource dots_;
  HybridClock clock_;
  Prng& prng_;
  ShardCounters& counters_;
  RowLedger& ledger_;
  RowsAtHand* const at_hand_;
  const ClusterView* view_ = nullptr;
  SlotMap<Operation> operations_;
  Keys keys_;
  std::uint64_t writes_failed_ = 0;
  Instant unwritable_until_{INT64_MIN};
};

}  // namespace gyre
