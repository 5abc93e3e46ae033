// Watches the world from outside and says what broke which invariant (shared list: G1 to G10 in
// docs/simulator.md). It sees every client request and answer, every message, every storage write
// and every fault, and keeps the true causal history (truth.h). The system under test sees nothing
// of it.
//
// What it takes as truth: a write with a context had seen what that context covers; a write without
// one had seen what its coordinator's new record covers, and that may hold nothing which did not
// reach that node (the check of knowledge below).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "core/cluster_view.h"
#include "core/config.h"
#include "core/effects.h"
#include "sim/history.h"
#include "sim/sim_storage.h"
#include "sim/truth.h"

namespace gyre::sim {

enum class Checker : std::uint8_t {
  kLost,         // G1 nothing acknowledged, and nothing that a clock covers, is lost
  kInvented,     // G2 nothing comes from nowhere
  kSiblings,     // G2, G3 exactly the causally maximal writes are siblings
  kDots,         // G4 a dot names one write for ever
  kMonotone,     // G5 a replica's clock shrinks only by a recorded truncation or loss
  kConvergence,  // G6 by read repair: owners end equal
  kOutcomes,     // G7 ok, refused and unknown are honest
  kSessions,     // G8 read your writes, monotonic reads
  kDeterminism,  // G9 same seed, same trace
  kBounds,       // G10 within limits; every request is answered in time
};
inline constexpr int kCheckerCount = 10;
// Such as "G3 siblings".
std::string_view CheckerName(Checker checker);

struct Violation {
  Checker checker;
  std::int64_t time = 0;
  std::string text;
};

// What the judge must know of one node at the moment of an event.
struct Witness {
  int node = 0;
  WallTime wall;
  // Actors that may make dots: of the shard that acts, before and after the event.
  ActorId actor_before;
  ActorId actor_after;
  const SimStorage* storage = nullptr;
  WallTime wall_max;        // the latest that its clock has shown
  bool sets_aside = false;  // this shard has found, in this life, that its disk went back in time
  bool went_back = false;   // it has, and this shard has met nobody yet who could tell
  ClusterViewPtr view;      // as the shard knows it
};

class Judge {
 public:
  // `nodes`: all that ever are, by their index.
  Judge(ClusterViewPtr view, const CoreConfig& config, std::vector<RowKey> keys,
        std::vector<NodeId> nodes);
  // Decided after the one before. Some may not know it yet.
  void OnView(ClusterViewPtr view);
  // From here on reads may miss what an answer told of.
  void PromiseNothing();

  // ---- the history ----
  Write& NewWrite(std::size_t key, OpKind kind);
  Write& write(std::size_t id) { return writes_[id]; }
  std::size_t KeyIndex(const RowKey& key) const;
  const std::vector<RowKey>& keys() const { return keys_; }
  KeyTruth& truth(std::size_t key) { return states_[key].truth; }

  // ---- events, in the order in which they happen ----
  // The write's value or expiry is final; to be called before its first attempt.
  void OnNewWrite(const Write& write);
  void OnOpStart(Op& op);
  // A request reached a node: from its client, or forwarded. `doubled`: the network made a second
  // one of it.
  void OnRequest(int node, const ClientRequest& request, bool doubled);
  void OnDelivered(int node, const Message& message);
  void OnRowRead(int node, const RowKey& key, const Row& row);
  // nullopt: the row goes.
  void OnWriteAsked(const Witness& witness, const RowKey& key, const std::optional<Row>& row);
  void OnSend(const Witness& witness, const Message& message);
  void OnDurable(int node, const RowKey& key, const std::optional<Row>& row);
  // The node forgot everything it had not stored.
  void OnCrash(int node);
  // A copy that had been durable is gone. `others`: the storages of all nodes; this one after the
  // loss, unless it is kStillThere.
  enum class Loss : std::uint8_t {
    kRow,         // rotten, unsynced with interval durability, or undone by a backup
    kStillThere,  // it is about to go
    kDisk,  // with its whole disk; on the empty one no read is answered until it has filled up
  };
  void OnLoss(int node, const RowKey& key, const Row& row,
              const std::vector<const SimStorage*>& others, Loss loss = Loss::kRow);
  // The one answer; fills in op.outcome.
  void OnAnswer(const Witness& witness, Op& op, const ClientResult& result);
  // A node is about to refuse a copy that was read before a ballot.
  void CountStaleCopy(bool repair) {
    ++(repair ? counters_.stale_repairs : counters_.stale_copies);
  }
  // The node crashed, or the client's connection broke.
  void OnNoAnswer(Op& op);

  // ---- after the heal phase ----
  // `copies`: what each owner holds.
  bool OwnersEqual(std::size_t key, const std::vector<const SimStorage*>& storages) const;
  void CheckFinal(std::size_t key, const std::vector<const SimStorage*>& storages);

  void Report(Checker checker, std::string text);
  void SetTime(std::int64_t now) { now_ = now; }
  // Of all nodes, by their index.
  std::function<std::vector<const SimStorage*>()> all_storages;
  // Tells of every new write, for people who look into one seed.
  std::function<void(const std::string&)> on_new_write;
  const std::vector<Violation>& violations() const { return violations_; }
  std::uint64_t count(Checker checker) const { return counts_[static_cast<std::size_t>(checker)]; }

  struct Counters {
    std::uint64_t records_checked = 0, dots = 0, sibling_records = 0, siblings_max = 0;
    std::uint64_t clock_entries_max = 0, truncations = 0, forgiven = 0, purges = 0;
    std::uint64_t stale_copies = 0, stale_repairs = 0;  // refused because of a purge
    std::uint64_t reads_checked = 0, acknowledged = 0;
    std::uint64_t extra_dots = 0;  // writes that took effect more than once (retried or doubled)
  };
  const Counters& counters() const { return counters_; }

 private:
  struct KeyState {
    KeyTruth truth;
    Bits acknowledged;
    Bits forgiven;  // acknowledged, and every copy destroyed by faults
    Bits purged;    // was deleted, and the tombstone has been purged with all that it covered
    Bits undead;    // of those: what was not the tombstone itself. Must never be seen again
    // held[c]: known to be held by at least c owners, by the word of the answers given so far.
    std::array<Bits, kReplicasMax + 1> held;
    // Known to be held by a majority of the owners in a region.
    std::map<std::string, Bits> held_in;
    std::uint64_t losses = 0;
    std::unordered_set<std::uint64_t> approved;                // hashes of records found exact
    std::map<std::string, std::size_t, std::less<>> by_value;  // writes
    std::map<std::int64_t, std::size_t> by_expiry;             // writes
    std::vector<std::vector<std::size_t>> arrived;             // by node: writes that reached it
    std::vector<VersionVector> known;                          // by node: what reached it
  };

  // records (judge_records.cc) and new writes (judge_writes.cc)
  // Returns how many writes were new in it.
  std::size_t CheckRecord(const Witness& witness, std::size_t key, const Record& record,
                          const Record& before, std::uint64_t hash);
  void RegisterNewDots(const Witness& witness, std::size_t key, const Record& record,
                       const Record& before);
  // The writes that this may be, the likeliest first: one, but for tombstones.
  std::vector<std::size_t> FindWrites(int node, std::size_t key, const Sibling& sibling,
                                      const Record& record, const Record& before) const;
  bool CouldHaveMade(const Write& write, const Sibling& tombstone, const Record& record,
                     const Record& before) const;
  KeyTruth::Seen SeenBy(const Witness& witness, std::size_t key, const Write& write,
                        const std::vector<const Sibling*>& fresh, const Record& record,
                        const Record& before);
  void CheckExpire(const Witness& witness, std::size_t key, const Bits& seen,
                   const std::vector<const Sibling*>& fresh, const Record& record);
  void NoteTruncation(const Witness& witness, std::size_t key, const VersionVector& expected,
                      const Record& record);
  void CheckExact(std::size_t key, const Record& record, std::uint64_t hash);
  void CheckKnown(const Witness& witness, std::size_t key, const Record& record);
  Record BeforeOf(const Witness& witness, const RowKey& key) const;
  void CheckDrop(const Witness& witness, const RowKey& key);
  void CheckSurplus(const Witness& witness, const RowKey& row_key, const Record& record);
  void OnPurge(const Witness& witness, const RowKey& key);
  void NoteListed(int node, const Ballot& ballot);
  bool PurgesAreKnownTo(const Witness& witness) const;
  void CheckUndead(std::size_t key, const Record& record, const Bits& undead, const char* where);
  std::vector<const Row*> DurableCopies(std::size_t key, const SimStorage& storage,
                                        NodeId not_for) const;
  void CheckEncoded(const Witness& witness, std::size_t key, const Bytes& encoded);
  void CheckMonotone(const Witness& witness, std::size_t key, const Record& before,
                     const Record& after, bool made_here);
  void CheckLimits(const Witness& witness, std::size_t key, const Record& before,
                   const Record& after);
  std::optional<std::size_t> KeyOfClock(const VersionVector& clock) const;
  void Learn(int node, std::size_t key, const VersionVector& clock);
  void LearnRecord(int node, const Bytes& encoded);
  // answers (judge_answers.cc)
  void OnPutAnswer(Op& op, const PutOutcome& outcome);
  void CheckSeen(const Op& op, const Bits& seen);
  void LoosenLocal(Op& op) const;
  void Hold(const Op& op, int copies, const Bits& held);
  void HoldIn(const Op& op, const std::vector<std::string>& regions, const Bits& held);
  void CheckRefused(const Write& write);
  std::uint32_t OwnersMask(std::size_t key) const;
  int CopiesOf(std::size_t key) const;

  ClusterViewPtr view_;
  bool views_differ_ = false;  // there has been another
  // There have been fewer members than N, so that how many copies R and W are of depends on whose
  // view it is; or a node that was removed answers as if it were none: nothing is promised.
  bool promises_nothing_ = false;
  CoreConfig config_;
  std::vector<RowKey> keys_;
  std::map<RowKey, std::size_t> key_index_;
  std::vector<KeyState> states_;
  std::vector<Write> writes_;
  std::map<KeyTruth::EpochName, std::size_t> epoch_keys_;
  std::vector<NodeId> node_ids_;
  std::vector<std::set<std::uint64_t>> listed_;  // by node: rows that ballots have told it of
  std::int64_t now_ = 0;
  std::vector<Violation> violations_;
  std::array<std::uint64_t, kCheckerCount> counts_{};
  Counters counters_;
};

}  // namespace gyre::sim
