// What clients are told: G7 (honest outcomes) and G8 (sessions); and after the heal phase what the
// owners hold: G1, G3, G6.
#include <algorithm>
#include <bit>
#include <utility>

#include "sim/judge.h"

namespace gyre::sim {

// ---- requests ----------------------------------------------------------------------------------

void Judge::OnOpStart(Op& op) {
  KeyState& state = states_[op.key];
  op.copies = CopiesOf(op.key);
  LoosenLocal(op);
  op.losses = state.losses;
  op.undead = state.undead;
  if (op.write) ++writes_[*op.write].attempts;
  if (!op.reads) return;
  if (op.sloppy) {
    // With fallbacks that count towards R nothing is promised but that it takes an owner to say
    // that there is nothing.
    op.must_see.Add(state.held[static_cast<std::size_t>(op.copies)]);
    return;
  }
  // Whatever more than copies - R owners hold meets every R of them. (R may be from a time when
  // there were more copies.)
  const int held_least = std::max(op.copies - op.read_needed + 1, 1);
  for (int held_by = held_least; held_by <= op.copies; ++held_by) {
    op.must_see.Add(state.held[static_cast<std::size_t>(held_by)]);
  }
  for (const std::string& region : op.read_regions) op.must_see.Add(state.held_in[region]);
}

// How many copies a region has is what the coordinator's view says, which may be another.
void Judge::LoosenLocal(Op& op) const {
  if (!views_differ_) return;
  if (op.read_local) op.read_needed = 1;
  if (op.write_local) op.write_needed = 1;
}

// What an answer promises to later reads; nothing if a copy was destroyed while it was on its way.
void Judge::Hold(const Op& op, int copies, const Bits& held) {
  KeyState& state = states_[op.key];
  if (state.losses == op.losses && !promises_nothing_)
    state.held[static_cast<std::size_t>(copies)].Add(held);
}

// The same of a majority of the owners in each of these regions.
void Judge::HoldIn(const Op& op, const std::vector<std::string>& regions, const Bits& held) {
  KeyState& state = states_[op.key];
  if (state.losses != op.losses || promises_nothing_ || op.sloppy) return;
  for (const std::string& region : regions) state.held_in[region].Add(held);
}

void Judge::CheckSeen(const Op& op, const Bits& seen) {
  ++counters_.reads_checked;
  const KeyState& state = states_[op.key];
  // A copy that it relied on was destroyed meanwhile, or an owner is none any more.
  if (state.losses != op.losses || promises_nothing_) return;
  const Bits missed = op.must_see.Without(seen).Without(state.purged);
  if (!missed.any()) return;
  Report(Checker::kSessions,
         std::string(OpKindName(op.kind)) + " " + std::to_string(op.id) + " of key " +
             std::to_string(op.key) + " with R=" + std::to_string(op.read_needed) + " of " +
             std::to_string(op.copies) + " does not see " + state.truth.Describe(missed) +
             ", which an earlier answer promised");
}

void Judge::CheckRefused(const Write& write) {
  if (!write.surely_not_applied() || write.dots.empty()) return;
  const KeyTruth& truth = states_[write.key].truth;
  Report(Checker::kOutcomes, std::string(OpKindName(write.kind)) + " '" + write.value +
                                 "' of key " + std::to_string(write.key) +
                                 " was refused, yet it was applied as " +
                                 ToString(truth.event(write.dots.front()).sibling.dot));
}

void Judge::OnNoAnswer(Op& op) { op.outcome = OpOutcome::kUnknown; }

void Judge::OnAnswer(const Witness& witness, Op& op, const ClientResult& result) {
  if (op.outcome != OpOutcome::kPending) {
    return Report(Checker::kOutcomes, "a request was answered twice");
  }
  if (!result) {
    op.error = result.error().code;
    op.outcome = OpOutcome::kRefused;
    if (!op.write) return;
    switch (result.error().code) {
      case ErrorCode::kOutcomeUnknown:
        op.outcome = OpOutcome::kUnknown;
        return;
      case ErrorCode::kInvalidArgument:
      case ErrorCode::kUnavailable:
      case ErrorCode::kOverloaded:
      case ErrorCode::kUnsupported:
        ++writes_[*op.write].refused;
        return CheckRefused(writes_[*op.write]);
      default:
        op.outcome = OpOutcome::kUnknown;
        return Report(Checker::kOutcomes,
                      "a put was answered with a code that does not say whether it was applied: " +
                          std::string(ErrorCodeName(result.error().code)));
    }
  }
  op.outcome = OpOutcome::kOk;
  LoosenLocal(op);
  KeyState& state = states_[op.key];
  if (const auto* get = std::get_if<GetOutcome>(&*result)) {
    CheckRecord(witness, op.key, get->record, get->record, Xxh3_64(get->record.Encode().view()));
    Bits seen = state.truth.Covered(get->record.clock);
    seen.Add(state.truth.Settled(get->record));
    if (!op.sloppy || get->record.empty()) CheckSeen(op, seen);
    if (PurgesAreKnownTo(witness)) CheckUndead(op.key, get->record, op.undead, "an answer");
    // Replies that differ are written back to N-R+1 owners before the answer if 2R > N, and R equal
    // ones are at least as many: reads of as large an R see this from now on.
    if (2 * op.read_needed > op.copies && !op.sloppy) {
      Hold(op, std::max(op.copies - op.read_needed + 1, 1), seen);
    }
    // So are those that a region's quorum gives.
    HoldIn(op, op.read_regions, seen);
  } else if (const auto* put = std::get_if<PutOutcome>(&*result)) {
    OnPutAnswer(op, *put);
  } else if (const auto* explain = std::get_if<ExplainOutcome>(&*result)) {
    for (const ExplainOutcome::Copy& copy : explain->copies) {
      if (copy.error || copy.record.empty()) continue;
      CheckExact(op.key, copy.record, Xxh3_64(copy.record.Encode().view()));
    }
  }
}

void Judge::OnPutAnswer(Op& op, const PutOutcome& outcome) {
  KeyState& state = states_[op.key];
  Write& write = writes_[*op.write];
  ++write.acknowledged;
  ++counters_.acknowledged;
  Bits covered = state.truth.Covered(outcome.context);
  if (op.reads && (!op.sloppy || outcome.context.empty())) {
    CheckSeen(op, state.truth.Closure(covered));
  }
  if (!outcome.changed) return;
  const std::size_t written = state.truth.Find(outcome.dot);
  if (written == KeyTruth::kNone) {
    return Report(Checker::kInvented,
                  "the answer to a put names a write that nobody made: " + ToString(outcome.dot));
  }
  // Who goes on with this context replaces all that it covers: it must have seen it.
  if (write.context && state.truth.truncated.empty()) {
    Bits all;
    for (std::size_t i = 0; i < state.truth.size(); ++i) all.Set(i);
    Bits seen = state.truth.event(written).history_most;
    seen.Set(written);
    for (const std::size_t index : covered.Without(seen).Indexes()) {
      if (!state.truth.SurelyMaximal(all).Test(index)) continue;  // gone anyway
      if (state.truth.event(index).sibling.type == ValueType::kTombstone) continue;
      Report(Checker::kLost, "the context given back for " + ToString(outcome.dot) + " of key " +
                                 std::to_string(op.key) + " covers " +
                                 ToString(state.truth.event(index).sibling.dot) +
                                 ", which its writer never saw");
      break;
    }
  }
  covered.Set(written);
  bool took_effect = false;
  // Whoever owned it by the view with which the put was made.
  const std::uint32_t owners = views_differ_ ? ~std::uint32_t{0} : OwnersMask(op.key);
  const int owners_told = outcome.copies - outcome.hints;
  if ((outcome.copies < op.write_needed && !promises_nothing_) ||
      (!op.sloppy && outcome.hints > 0)) {
    Report(Checker::kOutcomes, "a put with W=" + std::to_string(op.write_needed) + " tells of " +
                                   std::to_string(outcome.copies) + " copies, " +
                                   std::to_string(outcome.hints) + " of them hints");
  }
  for (const std::size_t index : write.dots) {
    if (!covered.Test(index)) continue;
    took_effect = true;
    const std::uint32_t holders = state.truth.event(index).holders;
    const int copies = std::popcount(holders);
    if (copies >= outcome.copies && std::popcount(holders & owners) >= owners_told) continue;
    Report(Checker::kOutcomes, std::string(OpKindName(op.kind)) + " " + std::to_string(op.id) +
                                   " of key " + std::to_string(op.key) + " is acknowledged with " +
                                   std::to_string(copies) +
                                   " durable copies, W=" + std::to_string(op.write_needed));
  }
  // Tombstones bear no name: two deletes may be taken for each other.
  if (!took_effect && write.kind == OpKind::kPut && write.expiry == kNeverExpires) {
    Report(Checker::kOutcomes, "put " + std::to_string(op.id) + " of key " +
                                   std::to_string(op.key) +
                                   " is acknowledged with a context that does not name it");
  }
  state.acknowledged.Add(covered);
  if (owners_told > 0) Hold(op, owners_told, covered);
  HoldIn(op, op.write_regions, covered);
}

// ---- losses ------------------------------------------------------------------------------------

void Judge::OnLoss(int node, const RowKey& row_key, const Row& row,
                   const std::vector<const SimStorage*>& others, Loss loss) {
  if (IsNote(row_key)) return;
  const std::size_t key = KeyIndex(row_key);
  KeyState& state = states_[key];
  ++state.losses;
  // What had a single copy has nobody to fill up from.
  if (loss != Loss::kDisk || CopiesOf(key) == 1) {
    for (Bits& held : state.held) held.clear();
    state.held_in.clear();
  }
  const Result<Record> lost = Record::Decode(row.record);
  if (!lost) return;
  Bits gone = state.truth.Covered(lost->clock);
  gone.Add(state.truth.Settled(*lost));
  // Nobody who is asked by reads has it: neither hints are asked for, nor what others than the
  // owners have left.
  Bits unread = gone;
  const std::uint32_t owners = OwnersMask(key);
  // What was in the node's own row may have been acknowledged to those who keep it for this node:
  // their hints are on the way out.
  const NodeId loser = node_ids_[static_cast<std::size_t>(node)];
  const NodeId not_for = row_key.is_hint() ? NodeId{} : loser;
  const Row* going = loss == Loss::kStillThere
                         ? others[static_cast<std::size_t>(node)]->Durable(row_key)
                         : nullptr;
  for (std::size_t other = 0; other < others.size(); ++other) {
    const SimStorage* storage = others[other];
    for (const Row* copy : DurableCopies(key, *storage, not_for)) {
      if (copy == &row || copy == going) continue;
      const Result<Record> record = Record::Decode(copy->record);
      if (!record) continue;
      Bits kept = state.truth.Covered(record->clock);
      kept.Add(state.truth.Settled(*record));
      gone.Remove(kept);
      const bool of_owner = (owners >> other & 1) != 0;
      if (of_owner && copy == storage->Durable(keys_[key])) unread.Remove(kept);
    }
  }
  for (Bits& held : state.held) held.Remove(unread);
  for (auto& [region, held] : state.held_in) held.Remove(unread);
  counters_.forgiven += gone.Without(state.forgiven).count();
  state.forgiven.Add(gone);
}

// The row of its own, if it is not on its way out as surplus, and each hint but those for
// `not_for`.
std::vector<const Row*> Judge::DurableCopies(std::size_t key, const SimStorage& storage,
                                             NodeId not_for) const {
  std::vector<const Row*> copies;
  if (const Row* own = storage.Durable(keys_[key]); own && storage.Latest(keys_[key])) {
    copies.push_back(own);
  }
  for (const NodeId target : node_ids_) {
    if (target == not_for) continue;
    if (const Row* hint = storage.Durable(keys_[key].OwedTo(target))) copies.push_back(hint);
  }
  return copies;
}

// ---- the end -----------------------------------------------------------------------------------

namespace {

std::optional<Record> HeldBy(const SimStorage& storage, const RowKey& key) {
  const Row* row = storage.Latest(key);
  if (row == nullptr) return Record{};
  Result<Record> record = Record::Decode(row->record);
  if (!record) return std::nullopt;
  return std::move(*record);
}

}  // namespace

bool Judge::OwnersEqual(std::size_t key, const std::vector<const SimStorage*>& storages) const {
  const std::uint32_t owners = OwnersMask(key);
  std::optional<Bytes> first;
  for (std::size_t node = 0; node < storages.size(); ++node) {
    if ((owners >> node & 1) == 0) continue;
    if (storages[node]->IsRotten(keys_[key])) return false;
    const Row* row = storages[node]->Latest(keys_[key]);
    const Bytes record = row == nullptr ? Bytes() : row->record;
    if (!first) first = record;
    if (*first != record) return false;  // to the byte
  }
  return true;
}

void Judge::CheckFinal(std::size_t key, const std::vector<const SimStorage*>& storages) {
  KeyState& state = states_[key];
  const std::uint32_t owners = OwnersMask(key);
  for (std::size_t node = 0; node < storages.size(); ++node) {
    const Row* row = storages[node]->Latest(keys_[key]);
    const bool member = view_->FindMember(node_ids_[node]) != nullptr;
    for (const NodeId target : node_ids_) {
      // A disk that lost its power may hold again what its node dropped before it was let go.
      if (!member || storages[node]->Latest(keys_[key].OwedTo(target)) == nullptr) continue;
      Report(Checker::kConvergence,
             "node " + std::to_string(node) + " still has a hint of key " + std::to_string(key));
    }
    if ((owners >> node & 1) == 0) {
      if (row == nullptr || !member) continue;
      Report(Checker::kConvergence, "node " + std::to_string(node) + " holds key " +
                                        std::to_string(key) + ", which it does not own");
      continue;
    }
    const std::optional<Record> record = HeldBy(*storages[node], keys_[key]);
    if (!record) {
      Report(Checker::kConvergence, "after the heal phase a row does not decode");
      continue;
    }
    Bits settled = state.truth.Settled(*record);
    const Bits lost =
        state.acknowledged.Without(settled).Without(state.forgiven).Without(state.purged);
    if (lost.any()) {
      Report(Checker::kLost, "after the heal phase node " + std::to_string(node) +
                                 " has lost acknowledged writes of key " + std::to_string(key) +
                                 ": " + state.truth.Describe(lost) + "; it holds " +
                                 ToString(*record));
    }
    // Exactly the maximal ones of what is there, whoever claims what.
    Bits extra = state.truth.SiblingsOf(*record);
    extra.Remove(state.truth.PossiblyMaximal(extra));
    for (const std::size_t index : extra.Indexes()) {
      if (state.truth.MayReturn(index)) continue;
      Report(Checker::kSiblings, "after the heal phase key " + std::to_string(key) +
                                     " shows a superseded write: " + ToString(*record));
    }
  }
}

}  // namespace gyre::sim
