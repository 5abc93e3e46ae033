// What every record must satisfy, wherever it shows up: G1 to G5 and the limits, at every moment.
#include <algorithm>
#include <utility>

#include "core/causality/record.h"
#include "sim/judge.h"

namespace gyre::sim {
namespace {

std::uint32_t NodeBit(int node) { return std::uint32_t{1} << node; }

// Two sightings of one dot must be of one write. The time of the hybrid clock is part of it.
bool SameWrite(const Sibling& a, const Sibling& b) {
  return a.type == b.type && a.expiry == b.expiry && a.time == b.time && a.value == b.value;
}

}  // namespace

// ---- what reached a node -----------------------------------------------------------------------

void Judge::Learn(int node, std::size_t key, const VersionVector& clock) {
  states_[key].known[static_cast<std::size_t>(node)].Merge(clock);
}

std::optional<std::size_t> Judge::KeyOfClock(const VersionVector& clock) const {
  for (const VersionVector::Entry& entry : clock.entries()) {
    const auto it = epoch_keys_.find({entry.actor, entry.epoch});
    if (it != epoch_keys_.end()) return it->second;
  }
  return std::nullopt;
}

void Judge::LearnRecord(int node, const Bytes& encoded) {
  if (encoded.empty()) return;
  const Result<Record> record = Record::Decode(encoded);
  if (!record) return;
  if (const auto key = KeyOfClock(record->clock)) Learn(node, *key, record->clock);
}

void Judge::OnRequest(int node, const ClientRequest& request, bool doubled) {
  const auto* put = std::get_if<PutRequest>(&request);
  if (put == nullptr) return;
  const std::size_t key = KeyIndex(put->key);
  KeyState& state = states_[key];
  std::optional<VersionVector> context;
  if (const auto* write = std::get_if<WriteValue>(&put->mutation)) context = write->context;
  if (const auto* deletion = std::get_if<DeleteValue>(&put->mutation)) context = deletion->context;
  if (context) Learn(node, key, *context);
  // Which writes of the history may this be? A delete carries no name: all that look like it.
  std::vector<std::size_t>& arrived = state.arrived[static_cast<std::size_t>(node)];
  const auto arrive = [&](std::size_t id) {
    if (doubled) writes_[id].doubled = true;
    if (std::find(arrived.begin(), arrived.end(), id) == arrived.end()) arrived.push_back(id);
  };
  if (const auto* write = std::get_if<WriteValue>(&put->mutation)) {
    const auto it = state.by_value.find(write->value.view());
    if (it != state.by_value.end()) arrive(it->second);
  } else if (const auto* expire = std::get_if<SetExpiry>(&put->mutation)) {
    const auto it = state.by_expiry.find(expire->expiry.ms);
    if (it != state.by_expiry.end()) arrive(it->second);
  } else {
    for (const Write& candidate : writes_) {
      if (candidate.key == key && candidate.kind == OpKind::kDelete &&
          candidate.context == context && candidate.attempts > 0) {
        arrive(candidate.id);
      }
    }
  }
}

void Judge::OnDelivered(int node, const Message& message) {
  if (const auto* put = std::get_if<ReplicaPut>(&message)) {
    LearnRecord(node, put->record);
  } else if (const auto* get = std::get_if<ReplicaGetReply>(&message)) {
    LearnRecord(node, get->record);
  } else if (const auto* forward = std::get_if<ForwardGetReply>(&message)) {
    LearnRecord(node, forward->record);
  } else if (const auto* leaf = std::get_if<LeafKeysReply>(&message)) {
    for (const KeyedRecord& each : leaf->records) LearnRecord(node, each.record);
  } else if (const auto* range = std::get_if<RangeGetReply>(&message)) {
    for (const KeyedRecord& each : range->records) LearnRecord(node, each.record);
  } else if (const auto* ballot = std::get_if<Ballot>(&message)) {
    if (ballot->step == Ballot::Step::kDrop) NoteListed(node, *ballot);
  }
}

void Judge::OnRowRead(int node, const RowKey& key, const Row& row) {
  if (IsNote(key)) return;
  const Result<Record> record = Record::Decode(row.record);
  if (record) Learn(node, KeyIndex(key), record->clock);
}

void Judge::OnCrash(int node) {
  listed_[static_cast<std::size_t>(node)].clear();
  for (KeyState& state : states_) {
    state.known[static_cast<std::size_t>(node)] = VersionVector();
    state.arrived[static_cast<std::size_t>(node)].clear();
  }
}

// ---- records -----------------------------------------------------------------------------------

Record Judge::BeforeOf(const Witness& witness, const RowKey& key) const {
  const Row* row = witness.storage->Latest(key);
  if (row == nullptr) return {};
  Result<Record> record = Record::Decode(row->record);
  return record ? std::move(*record) : Record{};
}

void Judge::OnWriteAsked(const Witness& witness, const RowKey& row_key,
                         const std::optional<Row>& row) {
  if (IsNote(row_key) || (!row && row_key.key.empty())) return;  // the correction of a leaf
  if (!row) return CheckDrop(witness, row_key);
  const std::size_t key = KeyIndex(row_key);
  const Result<Record> record = Record::Decode(row->record);
  if (!record) return Report(Checker::kInvented, "a row is written that does not decode");
  const Record before = BeforeOf(witness, row_key);
  const std::size_t fresh = CheckRecord(witness, key, *record, before, Xxh3_64(row->record.view()));
  CheckMonotone(witness, key, before, *record, fresh > 0);
  if (fresh > 0) CheckLimits(witness, key, before, *record);
  if (!row_key.is_hint() && PurgesAreKnownTo(witness)) {
    CheckUndead(key, *record, states_[key].undead, "a row");
  }
  if (row->own.actor.value != 0 && NodeOf(row->own.actor) != node_ids_[witness.node]) {
    Report(Checker::kDots, "a row claims writes of another node's actor as its own");
  }
}

void Judge::NoteListed(int node, const Ballot& ballot) {
  for (const Ballot::Tombstone& row : ballot.rows) {
    listed_[static_cast<std::size_t>(node)].insert(row.digest);
  }
}

// Only what is dead may be purged, and only by a ballot. A disk that has gone back in time is
// emptied, which is a loss.
void Judge::OnPurge(const Witness& witness, const RowKey& row_key) {
  const std::size_t key = KeyIndex(row_key);
  KeyState& state = states_[key];
  const Row* row = witness.storage->Latest(row_key);
  if (row == nullptr) return;
  const Record record = BeforeOf(witness, row_key);
  const std::uint64_t digest = RowDigest(row_key, row->record.view());
  const KeyspaceConfig* keyspace = witness.view->FindKeyspace(row_key.keyspace);
  const NodeId self = node_ids_[static_cast<std::size_t>(witness.node)];
  const OwnerSets sets =
      witness.view->SetsOf(witness.view->ring.PartitionOf(row_key.token), *keyspace);
  if (!sets.Contains(self)) return CheckSurplus(witness, row_key, record);
  const bool live = record.AnyLiveAt(witness.wall_max);
  const bool listed =
      (node_ids_.size() == 1) || listed_[static_cast<std::size_t>(witness.node)].contains(digest);
  if (witness.sets_aside && (live || !listed)) {
    return OnLoss(witness.node, row_key, *row, all_storages(), Loss::kStillThere);
  }
  const auto report = [&](const char* why) {
    Report(Checker::kLost, "node " + std::to_string(witness.node) + " purges its row of key " +
                               std::to_string(key) + why + ToString(record));
  };
  // What moves to it again it may have begun to drop as surplus; those of before have it.
  if (!listed && sets.moving() && !sets.from.Contains(self)) {
    return CheckSurplus(witness, row_key, record);
  }
  if (!listed) return report(", which no ballot has told it to: ");
  if (live) return report(", which is alive: ");
  ++counters_.purges;
  Bits gone = state.truth.Covered(record.clock);
  gone.Add(state.truth.Settled(record));
  state.purged.Add(gone);
  for (Bits& held : state.held) held.Remove(gone);
  for (auto& [region, held] : state.held_in) held.Remove(gone);
  gone.Remove(state.truth.SiblingsOf(record));
  state.undead.Add(gone);
}

// Rows that others own are not dropped while nobody else has had all of them (failures of disks
// apart), or has it on its way to the disk: nobody has been told that such a write was made. Not
// each owner need have had it: a copy that was on its way when the view changed may come after all
// that was here was given, and its coordinator, who is refused, goes on with those of now.
void Judge::CheckSurplus(const Witness& witness, const RowKey& row_key, const Record& record) {
  const std::size_t key = KeyIndex(row_key);
  KeyState& state = states_[key];
  if (state.losses > 0) return;
  Bits held = state.truth.Covered(record.clock);
  held.Add(state.truth.SiblingsOf(record));
  for (const SimStorage* other : all_storages()) {
    const Row* row = other == witness.storage ? nullptr : other->Latest(row_key);
    if (row == nullptr) continue;
    if (const Result<Record> there = Record::Decode(row->record)) {
      held.Remove(state.truth.Covered(there->clock));
    }
  }
  for (const std::size_t index : held.Indexes()) {
    if ((state.truth.event(index).holders & ~NodeBit(witness.node)) != 0) continue;
    return Report(Checker::kLost, "node " + std::to_string(witness.node) +
                                      " drops its row of key " + std::to_string(key) +
                                      ", which nobody else has had: " + ToString(record));
  }
}

// Ballots go on without a node that was removed: what it shows, if it has not heard so, is of
// before.
bool Judge::PurgesAreKnownTo(const Witness& witness) const {
  const NodeId node = node_ids_[static_cast<std::size_t>(witness.node)];
  return !witness.went_back && view_->FindMember(node) != nullptr;
}

void Judge::CheckUndead(std::size_t key, const Record& record, const Bits& undead,
                        const char* where) {
  if (!undead.any()) return;
  const KeyTruth& truth = states_[key].truth;
  for (const std::size_t index : truth.SiblingsOf(record).Indexes()) {
    if (!undead.Test(index) || truth.MayReturn(index)) continue;
    Report(Checker::kLost, std::string(where) + ": a purged write of key " + std::to_string(key) +
                               " is back: " + ToString(truth.event(index).sibling.dot) + " in " +
                               ToString(record));
  }
}

// A row may go only if it is a hint whose target had all of it (failures of disks apart), or dead.
void Judge::CheckDrop(const Witness& witness, const RowKey& row_key) {
  const std::size_t key = KeyIndex(row_key);
  KeyState& state = states_[key];
  if (!row_key.is_hint()) return OnPurge(witness, row_key);
  if (witness.sets_aside) {
    const Row* row = witness.storage->Latest(row_key);
    if (row != nullptr) OnLoss(witness.node, row_key, *row, all_storages(), Loss::kStillThere);
    return;
  }
  const Record record = BeforeOf(witness, row_key);
  const auto target = std::find(node_ids_.begin(), node_ids_.end(), row_key.owed_to);
  const std::uint32_t bit = NodeBit(static_cast<int>(target - node_ids_.begin()));
  if (state.losses > 0) return;
  Bits held = state.truth.Covered(record.clock);
  held.Add(state.truth.SiblingsOf(record));
  for (const std::size_t index : held.Indexes()) {
    const std::uint32_t holders = state.truth.event(index).holders;
    // Those of now have it instead, once the target is no owner any more.
    if ((holders & bit) != 0 || (views_differ_ && holders != 0)) continue;
    return Report(Checker::kLost, "a hint of key " + std::to_string(key) +
                                      " is dropped before its target has it: " + ToString(record));
  }
}

void Judge::OnSend(const Witness& witness, const Message& message) {
  if (const auto* put = std::get_if<ReplicaPut>(&message)) {
    CheckEncoded(witness, KeyIndex(put->key), put->record);
  } else if (const auto* get = std::get_if<ReplicaGetReply>(&message)) {
    const Result<Record> record = Record::Decode(get->record);
    if (get->record.empty() || !record) return;
    if (const auto key = KeyOfClock(record->clock)) CheckEncoded(witness, *key, get->record);
  } else if (const auto* forward = std::get_if<ForwardGetReply>(&message)) {
    const Result<Record> record = Record::Decode(forward->record);
    if (forward->record.empty() || !record) return;
    if (const auto key = KeyOfClock(record->clock)) CheckEncoded(witness, *key, forward->record);
  } else if (const auto* leaf = std::get_if<LeafKeysReply>(&message)) {
    for (const KeyedRecord& each : leaf->records) {
      CheckEncoded(witness, KeyIndex(each.key), each.record);
    }
  } else if (const auto* range = std::get_if<RangeGetReply>(&message)) {
    for (const KeyedRecord& each : range->records) {
      CheckEncoded(witness, KeyIndex(each.key), each.record);
    }
  } else if (const auto* ballot = std::get_if<Ballot>(&message)) {
    NoteListed(witness.node, *ballot);
  }
}

void Judge::CheckEncoded(const Witness& witness, std::size_t key, const Bytes& encoded) {
  const Result<Record> record = Record::Decode(encoded);
  if (!record) return Report(Checker::kInvented, "a record is sent that does not decode");
  CheckRecord(witness, key, *record, BeforeOf(witness, keys_[key]), Xxh3_64(encoded.view()));
}

std::size_t Judge::CheckRecord(const Witness& witness, std::size_t key, const Record& record,
                               const Record& before, std::uint64_t hash) {
  ++counters_.records_checked;
  KeyState& state = states_[key];
  const std::size_t known_dots = state.truth.size();
  bool fresh = false;
  for (const Sibling& sibling : record.siblings) {
    const std::size_t index = state.truth.Find(sibling.dot);
    if (index == KeyTruth::kNone) {
      fresh = true;
    } else if (!SameWrite(sibling, state.truth.event(index).sibling)) {
      Report(Checker::kDots, "dot " + ToString(sibling.dot) + " of key " + std::to_string(key) +
                                 " names two writes: '" + sibling.value.ToString() + "' and '" +
                                 state.truth.event(index).sibling.value.ToString() + "'");
    }
    if (!record.clock.Covers(sibling.dot)) {
      Report(Checker::kSiblings, "a sibling that its record's clock does not cover");
    }
  }
  if (fresh) RegisterNewDots(witness, key, record, before);
  CheckExact(key, record, hash);
  CheckKnown(witness, key, record);
  counters_.siblings_max = std::max<std::uint64_t>(counters_.siblings_max, record.siblings.size());
  counters_.clock_entries_max =
      std::max<std::uint64_t>(counters_.clock_entries_max, record.clock.size());
  counters_.sibling_records += record.siblings.size() > 1;
  return state.truth.size() - known_dots;
}

// ---- what must hold of every record ------------------------------------------------------------

void Judge::CheckExact(std::size_t key, const Record& record, std::uint64_t hash) {
  KeyState& state = states_[key];
  if (!state.approved.insert(hash).second) return;
  const Bits covered = state.truth.Covered(record.clock);
  const Bits held = state.truth.SiblingsOf(record);
  const Bits missing = state.truth.SurelyMaximal(covered).Without(held);
  if (missing.any()) {
    Report(Checker::kLost, "key " + std::to_string(key) + ": a record claims to have seen " +
                               state.truth.Describe(missing) +
                               " and has neither it nor a successor: " + ToString(record));
  }
  for (const std::size_t index : held.Without(state.truth.PossiblyMaximal(covered)).Indexes()) {
    if (state.truth.MayReturn(index)) continue;
    Bits one;
    one.Set(index);
    Report(Checker::kSiblings, "key " + std::to_string(key) + ": " + state.truth.Describe(one) +
                                   " is back among its successors: " + ToString(record));
  }
}

// A node cannot know more than what reached it, and what it wrote itself.
void Judge::CheckKnown(const Witness& witness, std::size_t key, const Record& record) {
  const auto place = static_cast<std::size_t>(witness.node);
  VersionVector& known = states_[key].known[place];
  if (known.Dominates(record.clock)) return;
  known.Merge(BeforeOf(witness, keys_[key]).clock);
  if (known.Dominates(record.clock)) return;
  Report(Checker::kInvented, "node " + std::to_string(witness.node) + " claims for key " +
                                 std::to_string(key) + " " + ToString(record.clock) +
                                 ", but only " + ToString(known) + " reached it");
  known.Merge(record.clock);
}

void Judge::CheckMonotone(const Witness& witness, std::size_t key, const Record& before,
                          const Record& after, bool made_here) {
  for (const VersionVector::Entry& entry : before.clock.entries()) {
    const VersionVector::Entry* now = EntryOf(after.clock, entry.dot());
    if (now != nullptr && now->n >= entry.n) continue;
    // A later write of this counter that was joined in the same step may bear an older time, and
    // the copies of one entry may differ in it (contexts are limited): then its age is not known
    // here.
    const VersionVector::Entry* later =
        EntryOf(states_[key].known[static_cast<std::size_t>(witness.node)], entry.dot());
    const bool old = entry.time.ms < witness.wall.ms - config_.clock_entry_age_safe.ms() ||
                     (later != nullptr && later->n > entry.n);
    bool allowed =
        made_here && now == nullptr && after.clock.size() >= config_.clock_entries_max && old;
    for (const Sibling& sibling : after.siblings) {
      if (sibling.dot.actor == entry.actor && sibling.dot.epoch == entry.epoch) allowed = false;
    }
    if (allowed) continue;
    Report(Checker::kMonotone, "node " + std::to_string(witness.node) + " forgets " +
                                   ToString(entry.dot()) + " of key " + std::to_string(key) + ": " +
                                   ToString(before) + " becomes " + ToString(after));
  }
}

void Judge::CheckLimits(const Witness& witness, std::size_t key, const Record& before,
                        const Record& after) {
  // What a quorum read brings along may be more than each copy had.
  const KeyTruth& truth = states_[key].truth;
  const std::size_t id = truth.event(truth.size() - 1).write;
  const bool joined = id == KeyTruth::kNone || writes_[id].read_first;
  if (!joined && after.siblings.size() > config_.siblings_max &&
      after.siblings.size() > before.siblings.size()) {
    Report(Checker::kBounds, "a write left " + std::to_string(after.siblings.size()) +
                                 " siblings of key " + std::to_string(key) + ", at most " +
                                 std::to_string(config_.siblings_max) + " are allowed");
  }
  if (after.clock.size() <= config_.clock_entries_max) return;
  for (const VersionVector::Entry& entry : after.clock.entries()) {
    const bool young = entry.time.ms >= witness.wall.ms - config_.clock_entry_age_safe.ms();
    const bool named =
        std::any_of(after.siblings.begin(), after.siblings.end(), [&](const Sibling& sibling) {
          return sibling.dot.actor == entry.actor && sibling.dot.epoch == entry.epoch;
        });
    if (young || named) continue;
    Report(Checker::kBounds, "a clock of " + std::to_string(after.clock.size()) +
                                 " entries keeps " + ToString(entry.dot()) +
                                 ", which is old enough to go");
    return;
  }
}

void Judge::OnDurable(int node, const RowKey& row_key, const std::optional<Row>& row) {
  if (IsNote(row_key)) return;
  if (!row) return;
  const std::size_t key = KeyIndex(row_key);
  const Result<Record> record = Record::Decode(row->record);
  if (!record) return;
  KeyTruth& truth = states_[key].truth;
  Bits held = truth.Covered(record->clock);
  held.Add(truth.Settled(*record));
  for (const std::size_t index : held.Indexes()) truth.event(index).holders |= NodeBit(node);
}

}  // namespace gyre::sim
