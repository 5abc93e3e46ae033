// What every record must satisfy, wherever it shows up: G1 to G5 and the limits, at every moment.
#include <algorithm>
#include <utility>

#include "core/causality/record.h"
#include "sim/judge.h"

namespace gyre::sim {
namespace {

std::uint32_t NodeBit(int node) { return std::uint32_t{1} << node; }

const VersionVector::Entry* FindEntry(const VersionVector& clock, const Dot& dot) {
  for (const VersionVector::Entry& entry : clock.entries()) {
    if (entry.actor == dot.actor && entry.epoch == dot.epoch) return &entry;
  }
  return nullptr;
}

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
  }
}

void Judge::OnRowRead(int node, const RowKey& key, const Row& row) {
  const Result<Record> record = Record::Decode(row.record);
  if (record) Learn(node, KeyIndex(key), record->clock);
}

void Judge::OnCrash(int node) {
  for (KeyState& state : states_) {
    state.known[static_cast<std::size_t>(node)] = VersionVector();
    state.arrived[static_cast<std::size_t>(node)].clear();
  }
}

// ---- records -----------------------------------------------------------------------------------

Record Judge::BeforeOf(const Witness& witness, std::size_t key) const {
  const Row* row = witness.storage->Latest(keys_[key]);
  if (row == nullptr) return {};
  Result<Record> record = Record::Decode(row->record);
  return record ? std::move(*record) : Record{};
}

void Judge::OnWriteAsked(const Witness& witness, const RowKey& row_key, const Row& row) {
  const std::size_t key = KeyIndex(row_key);
  const Result<Record> record = Record::Decode(row.record);
  if (!record) return Report(Checker::kInvented, "a row is written that does not decode");
  const Record before = BeforeOf(witness, key);
  const std::size_t fresh = CheckRecord(witness, key, *record, before, Xxh3_64(row.record.view()));
  CheckMonotone(witness, key, before, *record, fresh > 0);
  if (fresh > 0) CheckLimits(witness, key, before, *record);
  if (row.own.actor.value != 0 && NodeOf(row.own.actor) != node_ids_[witness.node]) {
    Report(Checker::kDots, "a row claims writes of another node's actor as its own");
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
  }
}

void Judge::CheckEncoded(const Witness& witness, std::size_t key, const Bytes& encoded) {
  const Result<Record> record = Record::Decode(encoded);
  if (!record) return Report(Checker::kInvented, "a record is sent that does not decode");
  CheckRecord(witness, key, *record, BeforeOf(witness, key), Xxh3_64(encoded.view()));
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

// ---- new writes --------------------------------------------------------------------------------

void Judge::RegisterNewDots(const Witness& witness, std::size_t key, const Record& record,
                            const Record& before) {
  KeyState& state = states_[key];
  // Those of one write together: an expire renews several siblings at once.
  struct NewDots {
    std::vector<const Sibling*> siblings;
    std::vector<std::size_t> candidates;
  };
  std::map<std::size_t, NewDots> by_write;
  for (const Sibling& sibling : record.siblings) {
    if (state.truth.Find(sibling.dot) != KeyTruth::kNone) continue;
    const auto actor = sibling.dot.actor;
    if (actor != witness.actor_before && actor != witness.actor_after) {
      Report(Checker::kInvented, "dot " + ToString(sibling.dot) + " first shows up at node " +
                                     std::to_string(witness.node) + ", whose actor it is not");
    }
    const auto [place, is_new] =
        epoch_keys_.try_emplace(KeyTruth::EpochName{actor, sibling.dot.epoch}, key);
    if (!is_new && place->second != key) {
      Report(Checker::kDots, "one epoch names writes of two keys: " + ToString(sibling.dot));
    }
    std::vector<std::size_t> writes = FindWrites(witness.node, key, sibling, record, before);
    if (writes.empty()) {
      Report(Checker::kInvented, "no client asked for " + ToString(sibling.dot) + " = '" +
                                     sibling.value.ToString() + "' of key " + std::to_string(key));
      state.truth.Add(sibling, KeyTruth::kNone, {});
      continue;
    }
    auto& group = by_write[writes.front()];
    group.siblings.push_back(&sibling);
    group.candidates = std::move(writes);
  }
  // A record in which several writes are new comes from a coordinator that applied them at once:
  // the earlier dot was there first.
  std::vector<std::pair<Dot, std::size_t>> order;
  for (const auto& [write, group] : by_write) {
    order.emplace_back(group.siblings.front()->dot, write);
  }
  std::sort(order.begin(), order.end());
  for (const auto& [dot, id] : order) {
    Write& write = writes_[id];
    const NewDots& group = by_write[id];
    KeyTruth::Seen seen = SeenBy(witness, key, write, group.siblings, record, before);
    for (std::size_t i = 1; i < group.candidates.size(); ++i) {
      const KeyTruth::Seen other =
          SeenBy(witness, key, writes_[group.candidates[i]], group.siblings, record, before);
      seen.surely.Intersect(other.surely);
      seen.at_most.Add(other.at_most);
    }
    // One of several that it may be: then it is nobody's.
    const bool sure = group.candidates.size() == 1;
    counters_.extra_dots += sure && !write.dots.empty();
    for (const Sibling* sibling : group.siblings) {
      const std::size_t index = state.truth.Add(*sibling, id, seen);
      if (sure) write.dots.push_back(index);
      ++counters_.dots;
      if (!on_new_write) continue;
      Bits one;
      one.Set(index);
      on_new_write(
          "  key " + std::to_string(key) + " node " + std::to_string(witness.node) + " writes " +
          state.truth.Describe(one) + " (" + std::string(OpKindName(write.kind)) + " " +
          std::to_string(id) + ") over {" +
          state.truth.Describe(state.truth.SurelyMaximal(state.truth.event(index).history)) +
          "}: " + ToString(record));
    }
    if (sure) CheckRefused(write);
  }
  // Its own dots are no news to a node; the rest of the clock still is to be checked.
  VersionVector own;
  for (const Sibling& sibling : record.siblings) {
    const VersionVector::Entry* entry = FindEntry(record.clock, sibling.dot);
    const bool made_now =
        sibling.dot.actor == witness.actor_before || sibling.dot.actor == witness.actor_after;
    if (made_now && entry != nullptr) own.Add(sibling.dot, entry->time);
  }
  Learn(witness.node, key, own);
}

std::vector<std::size_t> Judge::FindWrites(int node, std::size_t key, const Sibling& sibling,
                                           const Record& record, const Record& before) const {
  const KeyState& state = states_[key];
  if (sibling.type != ValueType::kTombstone) {
    // An expire keeps the value and brings its own expiry.
    if (sibling.expiry != kNeverExpires) {
      const auto it = state.by_expiry.find(sibling.expiry.ms);
      if (it == state.by_expiry.end()) return {};
      return {it->second};
    }
    const auto it = state.by_value.find(sibling.value.view());
    if (it == state.by_value.end()) return {};
    return {it->second};
  }
  std::vector<std::size_t> candidates;
  for (const std::size_t id : state.arrived[static_cast<std::size_t>(node)]) {
    if (CouldHaveMade(writes_[id], sibling, record, before)) candidates.push_back(id);
  }
  std::stable_partition(candidates.begin(), candidates.end(),
                        [&](std::size_t id) { return !writes_[id].surely_not_applied(); });
  return candidates;
}

// A tombstone bears no name, so it is matched with what reached the node: it may be any of those
// whose effect it can be.
bool Judge::CouldHaveMade(const Write& write, const Sibling& tombstone, const Record& record,
                          const Record& before) const {
  if (write.kind == OpKind::kPut && write.expiry == kNeverExpires) return false;
  const auto others_satisfy = [&](auto&& claim) {
    return std::all_of(record.siblings.begin(), record.siblings.end(), [&](const Sibling& other) {
      return other.dot == tombstone.dot || claim(other);
    });
  };
  if (write.kind == OpKind::kExpire) {
    return others_satisfy([](const Sibling& o) { return o.type == ValueType::kTombstone; });
  }
  if (!write.context) return record.siblings.size() == 1;
  if (!others_satisfy([&](const Sibling& o) { return !write.context->Covers(o.dot); })) {
    return false;
  }
  for (const VersionVector::Entry& entry : write.context->entries()) {
    const VersionVector::Entry* mine = FindEntry(record.clock, entry.dot());
    // Left out by truncation, perhaps; but not with fewer writes.
    if (mine != nullptr && mine->n < entry.n) return false;
    if (mine == nullptr && record.clock.size() < config_.clock_entries_max) return false;
  }
  // What it did not see must have stayed.
  return std::all_of(before.siblings.begin(), before.siblings.end(), [&](const Sibling& old) {
    return write.context->Covers(old.dot) ||
           std::any_of(record.siblings.begin(), record.siblings.end(),
                       [&](const Sibling& now) { return now.dot == old.dot; });
  });
}

KeyTruth::Seen Judge::SeenBy(const Witness& witness, std::size_t key, const Write& write,
                             const std::vector<const Sibling*>& fresh, const Record& record,
                             const Record& before) {
  KeyState& state = states_[key];
  const VersionVector& known = state.known[static_cast<std::size_t>(witness.node)];
  VersionVector expected = before.clock;
  if (write.context) expected.Merge(*write.context);
  if (write.read_first) expected.Merge(known);
  NoteTruncation(witness, key, expected, record);
  if (write.context) {
    const Bits seen = state.truth.Covered(*write.context);
    return {seen, seen};
  }

  Bits seen = state.truth.Covered(record.clock);
  seen.Add(state.truth.Covered(before.clock));
  Bits at_most = seen;
  if (write.read_first && record.clock.size() >= config_.clock_entries_max) {
    // What the read brought may have been dropped by truncation in the same step.
    at_most.Add(state.truth.Covered(known));
  }
  if (write.kind == OpKind::kExpire) {
    CheckExpire(witness, key, seen, fresh, record);
    return {state.truth.SurelyMaximal(seen).Without(state.truth.SiblingsOf(record)), at_most};
  }
  // A plain write leaves nothing beside it; what the same event wrote before it is known by now.
  if (record.siblings.size() > fresh.size() || fresh.size() > 1) {
    Report(Checker::kSiblings,
           "a write over all that its coordinator knew left others beside it: key " +
               std::to_string(key) + " " + ToString(record));
  }
  return {seen, at_most};
}

// An expire writes each live value again, and nothing else.
void Judge::CheckExpire(const Witness& witness, std::size_t key, const Bits& seen,
                        const std::vector<const Sibling*>& fresh, const Record& record) {
  const KeyTruth& truth = states_[key].truth;
  if (!truth.truncated.empty()) return;
  std::vector<std::string> renewed;
  for (const Sibling* sibling : fresh) {
    if (sibling->type == ValueType::kTombstone) return;  // it ended them all
    renewed.push_back(sibling->value.ToString());
  }
  std::sort(renewed.begin(), renewed.end());
  const auto live_values = [&](const Bits& set) {
    std::vector<std::string> values;
    for (const std::size_t index : set.Without(truth.SiblingsOf(record)).Indexes()) {
      const Sibling& old = truth.event(index).sibling;
      if (old.LiveAt(witness.wall)) values.push_back(old.value.ToString());
    }
    std::sort(values.begin(), values.end());
    return values;
  };
  const std::vector<std::string> least = live_values(truth.SurelyMaximal(seen));
  const std::vector<std::string> most = live_values(truth.PossiblyMaximal(seen));
  if (std::includes(most.begin(), most.end(), renewed.begin(), renewed.end()) &&
      std::includes(renewed.begin(), renewed.end(), least.begin(), least.end())) {
    return;
  }
  Report(Checker::kSiblings, "an expire renewed " + std::to_string(renewed.size()) +
                                 " values in place of " + std::to_string(least.size()) + ": key " +
                                 std::to_string(key) + " " + ToString(record));
}

// Paper 4.4: which entries did the coordinator drop as too old? Their writes may come back.
void Judge::NoteTruncation(const Witness& /*witness*/, std::size_t key,
                           const VersionVector& expected, const Record& record) {
  if (record.clock.size() < config_.clock_entries_max) return;
  for (const VersionVector::Entry& entry : expected.entries()) {
    if (FindEntry(record.clock, entry.dot()) != nullptr) continue;
    if (states_[key].truth.truncated.insert({entry.actor, entry.epoch}).second) {
      ++counters_.truncations;
    }
  }
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
  known.Merge(BeforeOf(witness, key).clock);
  if (known.Dominates(record.clock)) return;
  Report(Checker::kInvented, "node " + std::to_string(witness.node) + " claims for key " +
                                 std::to_string(key) + " " + ToString(record.clock) +
                                 ", but only " + ToString(known) + " reached it");
  known.Merge(record.clock);
}

void Judge::CheckMonotone(const Witness& witness, std::size_t key, const Record& before,
                          const Record& after, bool made_here) {
  for (const VersionVector::Entry& entry : before.clock.entries()) {
    const VersionVector::Entry* now = FindEntry(after.clock, entry.dot());
    if (now != nullptr && now->n >= entry.n) continue;
    // A later write of this counter that was joined in the same step may bear an older time, and
    // the copies of one entry may differ in it (contexts are limited): then its age is not known
    // here.
    const VersionVector::Entry* later =
        FindEntry(states_[key].known[static_cast<std::size_t>(witness.node)], entry.dot());
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

void Judge::OnDurable(int node, const RowKey& row_key, const Row& row) {
  const std::size_t key = KeyIndex(row_key);
  const Result<Record> record = Record::Decode(row.record);
  if (!record) return;
  KeyTruth& truth = states_[key].truth;
  Bits held = truth.Covered(record->clock);
  held.Add(truth.Settled(*record));
  for (const std::size_t index : held.Indexes()) truth.event(index).holders |= NodeBit(node);
}

}  // namespace gyre::sim
