#include "core/coordinator/read_set.h"

#include <algorithm>
#include <utility>

#include "core/causality/merge.h"

namespace gyre {

ReadSet::ReadSet(const ReplicaPlan& plan)
    : tally_(plan.Tally(plan.reads)), standins_count_(plan.standins.empty()) {
  copies_.reserve(plan.reachable.size() + plan.standins.size());
  for (const NodeId node : plan.reachable) {
    copies_.push_back({node, State::kWaiting, NodeId{}, plan.HasAll(node)});
  }
  for (std::size_t i = 0; i < plan.standins.size(); ++i) {
    copies_.push_back({plan.standins.span()[i], State::kWaiting, plan.away.span()[i]});
  }
  for (const Copy& copy : copies_) tally_.AddAsked(copy.counts_for());
  CountStandinsIfDue();
}

bool ReadSet::OneWithAllReplied() const {
  return std::any_of(copies_.begin(), copies_.end(), [](const Copy& copy) {
    return copy.has_all && copy.state == State::kReplied;
  });
}

void ReadSet::EndPatience() {
  patient_ = false;
  CountStandinsIfDue();
}

void ReadSet::CountStandinsIfDue() {
  if (standins_count_) return;
  const bool owner_waits = std::any_of(copies_.begin(), copies_.end(), [](const Copy& copy) {
    return !copy.standin() && copy.state == State::kWaiting;
  });
  if (owner_waits && (patient_ || !OneWithAllReplied())) return;
  standins_count_ = true;
  for (const Copy& copy : copies_) {
    if (copy.standin() && copy.state == State::kReplied) tally_.AddOk(copy.counts_for());
  }
}

bool ReadSet::knows_nothing() const { return joined_.empty() && !OneWithAllReplied(); }

ReadSet::Copy* ReadSet::FindWaiting(NodeId node) {
  for (Copy& copy : copies_) {
    if (copy.node == node) return copy.state == State::kWaiting ? &copy : nullptr;
  }
  return nullptr;
}

void ReadSet::AddReply(NodeId node, Bytes record, std::uint64_t stamp) {
  Copy* copy = FindWaiting(node);
  if (copy == nullptr) return;
  bool known = record.empty();  // adds nothing to the join
  bool same_as_all = true;
  for (const Copy& other : copies_) {
    if (other.state != State::kReplied) continue;
    const bool same = other.record == record;
    known = known || same;
    // A fallback that holds nothing agrees with everybody.
    const bool silent =
        (copy->standin() && record.empty()) || (other.standin() && other.record.empty());
    same_as_all = same_as_all && (same || silent);
  }
  if (!known) {
    Result<Record> decoded = Record::Decode(record);
    if (!decoded) return AddFailure(node, /*corrupt=*/true);
    Record joined = joined_.empty() ? std::move(*decoded) : Join(joined_, *decoded);
    // More siblings together than a record can hold: this copy cannot take part.
    if (!joined.CheckLimits()) return AddFailure(node, /*corrupt=*/false);
    joined_ = std::move(joined);
  }
  agree_ = agree_ && same_as_all;
  if (!record.empty()) stamp_ = std::min(stamp_, stamp);
  copy->state = State::kReplied;
  copy->record = std::move(record);
  if (!copy->standin() || standins_count_) tally_.AddOk(copy->counts_for());
  CountStandinsIfDue();
}

void ReadSet::AddFailure(NodeId node, bool corrupt) {
  Copy* copy = FindWaiting(node);
  if (copy == nullptr) return;
  copy->state = State::kFailed;
  copy->corrupt = corrupt;
  any_corrupt_ = any_corrupt_ || corrupt;
  tally_.AddFailed(copy->counts_for());
  CountStandinsIfDue();
}

bool ReadSet::HasAnswered(NodeId node) const {
  for (const Copy& copy : copies_) {
    if (copy.node == node) return copy.state != State::kWaiting;
  }
  return false;
}

const Bytes* ReadSet::FindRecord(std::uint64_t digest) const {
  for (const Copy& copy : copies_) {
    if (copy.state != State::kReplied || copy.record.empty()) continue;
    if (RecordDigest(copy.record.view()) == digest) return &copy.record;
  }
  return nullptr;
}

Bytes ReadSet::JoinedBytes() const {
  if (joined_.empty()) return {};
  if (agree_) {
    for (const Copy& copy : copies_) {
      if (copy.state == State::kReplied && !copy.record.empty()) return copy.record;
    }
  }
  return joined_.Encode();
}

}  // namespace gyre
