// Whose is a dot that was never seen before, and what had its write seen? The judge's half of the
// causal truth (truth.h is the other).
#include <algorithm>
#include <utility>

#include "core/causality/record.h"
#include "sim/judge.h"

namespace gyre::sim {

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
    const VersionVector::Entry* entry = EntryOf(record.clock, sibling.dot);
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
    const VersionVector::Entry* mine = EntryOf(record.clock, entry.dot());
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
    if (EntryOf(record.clock, entry.dot()) != nullptr) continue;
    if (states_[key].truth.truncated.insert({entry.actor, entry.epoch}).second) {
      ++counters_.truncations;
    }
  }
}

}  // namespace gyre::sim
