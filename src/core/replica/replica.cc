#include "core/replica/replica.h"

#include <utility>

namespace gyre {
namespace {

// A row's record, decoded. Errors: kCorruption.
Result<Record> RecordOf(const std::optional<Row>& row) {
  if (!row) return Record{};
  return Record::Decode(row->record);
}

std::optional<OwnWrites> OwnOf(const std::optional<Row>& row) {
  if (!row) return std::nullopt;
  return row->own;
}

}  // namespace

Replica::Replica(NodeId self, const CoreConfig& config, DotSource dots, Prng& prng,
                 ShardCounters& counters)
    : self_(self),
      config_(config),
      dots_(dots),
      clock_(config.hybrid_clock_lead_max),
      prng_(prng),
      counters_(counters),
      operations_(prng) {}

ApplyLimits Replica::limits() const {
  return {config_.siblings_max, config_.clock_entries_max, config_.clock_entry_age_safe};
}

// ---- reads -----------------------------------------------------------------------------------

void Replica::Get(const RowKey& key, const Ticket& ticket, Env& env) {
  if (AwaitWriteInFlight(key, ticket, env)) return;
  const RequestId op = operations_.Insert({Operation::Kind::kGet, key, ticket, writes_failed_});
  env.out.emplace_back(ReadEffect{op, key});
}

// True: the get is answered once the newest write in flight is durable.
bool Replica::AwaitWriteInFlight(const RowKey& key, const Ticket& ticket, Env& env) {
  if (keys_.empty()) return false;
  const auto it = keys_.find(key);
  if (it == keys_.end() || it->second.writes.empty()) return false;
  InFlightWrite& last = it->second.writes.back();
  if (last.gets.size() >= config_.waiters_per_key_max) {
    AnswerGet(ticket, Fail(ErrorCode::kOverloaded, "too many reads of one key wait"), env);
  } else {
    last.gets.push_back(ticket);
  }
  return true;
}

void Replica::AnswerGet(const Ticket& ticket, Result<Bytes> record, Env& env) {
  if (ticket.kind == Ticket::Kind::kLocal) {
    env.local.push_back({ticket.request, LocalGetDone{std::move(record)}});
  } else if (ticket.kind == Ticket::Kind::kPeer) {
    ReplicaGetReply reply{ticket.request, std::nullopt, {}};
    if (record) {
      reply.record = std::move(*record);
    } else {
      reply.error = record.error().code;
    }
    env.out.emplace_back(SendEffect{ticket.peer, ticket.peer_shard, std::move(reply)});
  }
}

// ---- changes ---------------------------------------------------------------------------------

void Replica::Merge(const RowKey& key, Bytes record, bool repair, const Ticket& ticket, Env& env) {
  Submit(key, {ticket, MergeChange{std::move(record), repair}}, env);
}

void Replica::Mutate(const RowKey& key, Mutation mutation, Record seen, const Ticket& ticket,
                     Env& env) {
  Submit(key, {ticket, MutateChange{std::move(mutation), std::move(seen)}}, env);
}

void Replica::Submit(const RowKey& key, Change change, Env& env) {
  if (!Writable(env.now.instant)) {
    return AnswerChange(
        change.ticket,
        Fail(ErrorCode::kUnavailable, "this node's storage failed a write a moment ago"), env);
  }
  const auto it = keys_.try_emplace(key).first;
  KeyState& state = it->second;
  if (!state.writes.empty()) {
    // The newest row is at hand; nothing can be waiting for a read.
    if (state.writes.back().changes.size() >= config_.waiters_per_key_max ||
        state.writes.size() >= config_.waiters_per_key_max) {
      return AnswerChange(change.ticket,
                          Fail(ErrorCode::kOverloaded, "too many writes of one key wait"), env);
    }
    std::optional<Row> row = state.writes.back().row;
    ApplyChange(key, state, row, change, env);
    return;
  }
  if (state.waiting.size() >= config_.waiters_per_key_max) {
    return AnswerChange(change.ticket,
                        Fail(ErrorCode::kOverloaded, "too many writes of one key wait"), env);
  }
  state.waiting.push_back(std::move(change));
  if (state.loading) return;
  state.loading = true;
  const RequestId op = operations_.Insert({Operation::Kind::kLoad, key, Ticket::Nobody(), 0});
  env.out.emplace_back(ReadEffect{op, key});
}

void Replica::OnReadDone(RequestId op, Result<std::optional<Row>> row, Env& env) {
  if (operations_.Find(op) == nullptr) return;
  const Operation operation = operations_.Take(op);
  if (!row) {
    ++(row.error().code == ErrorCode::kCorruption ? counters_.corrupt_rows
                                                  : counters_.storage_errors);
  }
  if (operation.kind == Operation::Kind::kGet) {
    // While storage was reading, a write may have begun: what was read may be that, and not
    // durable.
    if (AwaitWriteInFlight(operation.key, operation.ticket, env)) return;
    // Or one may have begun and failed.
    if (operation.writes_failed != writes_failed_) {
      return Get(operation.key, operation.ticket, env);
    }
    if (!row) return AnswerGet(operation.ticket, Fail(row.error()), env);
    return AnswerGet(operation.ticket, *row ? std::move((*row)->record) : Bytes(), env);
  }
  GYRE_CHECK(operation.kind == Operation::Kind::kLoad);
  const auto it = keys_.find(operation.key);
  GYRE_CHECK(it != keys_.end() && it->second.loading);
  KeyState& state = it->second;
  state.loading = false;
  if (!row) {
    LoadFailed(state, row.error(), operation.key, env);
  } else {
    auto waiting = std::exchange(state.waiting, {});
    for (Change& change : waiting) ApplyChange(operation.key, state, *row, change, env);
  }
  if (state.writes.empty()) keys_.erase(it);
}

// A coordinator that cannot read its own row does not coordinate, and nothing is merged into a row
// that may be there: a read error is not "absent". Only a repair may stand in for a row that is
// known to be damaged; the row then counts as one that came from elsewhere.
void Replica::LoadFailed(KeyState& state, const Error& error, const RowKey& key, Env& env) {
  auto waiting = std::exchange(state.waiting, {});
  std::optional<Row> row;
  for (Change& change : waiting) {
    const auto* merge = std::get_if<MergeChange>(&change.what);
    const bool replaces = error.code == ErrorCode::kCorruption && merge != nullptr && merge->repair;
    if (replaces || row) {
      ApplyChange(key, state, row, change, env);
    } else {
      AnswerChange(change.ticket, Fail(error), env);
    }
  }
}

void Replica::ApplyChange(const RowKey& key, KeyState& state, std::optional<Row>& row,
                          Change& change, Env& env) {
  if (const auto* merge = std::get_if<MergeChange>(&change.what)) {
    ApplyMerge(key, state, row, *merge, change.ticket, env);
  } else {
    ApplyMutation(key, state, row, std::get<MutateChange>(change.what), change.ticket, env);
  }
}

void Replica::ApplyMerge(const RowKey& key, KeyState& state, std::optional<Row>& row,
                         const MergeChange& merge, const Ticket& ticket, Env& env) {
  if (row && row->record == merge.record) return AckUnchanged(state, ticket, env);
  Result<Record> theirs = Record::Decode(merge.record);
  if (!theirs) {
    ++counters_.corrupt_messages;
    return AnswerChange(ticket, Fail(theirs.error()), env);
  }
  for (const Sibling& sibling : theirs->siblings) clock_.Observe(sibling.time, env.now.wall);
  if (!row) {
    return StartWrite(key, state, row, Row{OwnWrites{}, merge.record.Compact()}, ticket, env);
  }
  const Result<Record> ours = RecordOf(row);
  if (!ours) {
    ++counters_.corrupt_rows;
    if (!merge.repair) return AnswerChange(ticket, Fail(ours.error()), env);
    return StartWrite(key, state, row, Row{OwnWrites{}, merge.record.Compact()}, ticket, env);
  }
  switch (Compare(*ours, *theirs)) {
    case Causal::kNewer:
      return AckUnchanged(state, ticket, env);
    case Causal::kOlder:
      return StartWrite(key, state, row, Row{row->own, merge.record.Compact()}, ticket, env);
    case Causal::kEqual:
    case Causal::kConcurrent:
      break;
  }
  // Equal ones may still differ in the times of their clock entries: owners end with equal bytes.
  const Record join = Join(*ours, *theirs);
  if (Status fits = join.CheckLimits(); !fits) return AnswerChange(ticket, fits, env);
  Row joined{row->own, join.Encode()};
  if (joined.record == row->record) return AckUnchanged(state, ticket, env);
  StartWrite(key, state, row, std::move(joined), ticket, env);
}

void Replica::ApplyMutation(const RowKey& key, KeyState& state, std::optional<Row>& row,
                            const MutateChange& mutate, const Ticket& ticket, Env& env) {
  Result<Record> before = RecordOf(row);
  if (!before) {
    ++counters_.corrupt_rows;
    return AnswerChange(ticket, Fail(before.error()), env);
  }
  if (!mutate.seen.empty()) {
    for (const Sibling& sibling : mutate.seen.siblings) {
      clock_.Observe(sibling.time, env.now.wall);
    }
    *before = Join(*before, mutate.seen);  // Apply checks its limits
  }
  Result<Applied> applied =
      Apply(mutate.mutation, *before, OwnOf(row), dots_, clock_, env.now.wall, limits());
  if (!applied) return AnswerChange(ticket, Fail(applied.error()), env);
  LocalApplied outcome;
  outcome.changed = applied->changed;
  outcome.context = applied->record.clock;
  if (const Sibling* newest = before->NewestLive(env.now.wall)) outcome.before = *newest;
  if (!applied->changed) {
    env.local.push_back({ticket.request, std::move(outcome)});
    return AckUnchanged(state, ticket, env);
  }
  counters_.clock_entries_truncated += static_cast<std::uint64_t>(applied->entries_truncated);
  int live = 0;
  for (const Sibling& sibling : applied->record.siblings) live += sibling.LiveAt(env.now.wall);
  if (live > 1) ++counters_.siblings_created;
  outcome.record = applied->record.Encode();
  Row next{applied->own, outcome.record};
  GYRE_CHECK(ticket.kind == Ticket::Kind::kLocal);
  env.local.push_back({ticket.request, std::move(outcome)});
  StartWrite(key, state, row, std::move(next), ticket, env);
}

void Replica::StartWrite(const RowKey& key, KeyState& state, std::optional<Row>& row, Row next,
                         const Ticket& ticket, Env& env) {
  const RequestId op = operations_.Insert({Operation::Kind::kWrite, key, Ticket::Nobody(), 0});
  row = next;
  env.out.emplace_back(WriteEffect{op, key, next});
  state.writes.PushBack({op, std::move(next), {ticket}, {}});
}

void Replica::AckUnchanged(KeyState& state, const Ticket& ticket, Env& env) {
  if (!state.writes.empty()) {
    state.writes.back().changes.push_back(ticket);
  } else {
    AnswerChange(ticket, {}, env);
  }
}

void Replica::OnWriteDone(RequestId op, const Status& status, Env& env) {
  if (operations_.Find(op) == nullptr) return;
  const Operation operation = operations_.Take(op);
  const auto it = keys_.find(operation.key);
  GYRE_CHECK(it != keys_.end() && !it->second.writes.empty());
  // Storage completes the writes of one key in order, so this is the first.
  GYRE_CHECK(it->second.writes.front().op == op);
  const InFlightWrite write = it->second.writes.PopFront();
  if (it->second.writes.empty() && !it->second.loading) keys_.erase(it);
  if (!status) {
    ++counters_.storage_errors;
    ++writes_failed_;
    unwritable_until_ = env.now.instant + config_.storage_retry_after;
    if (write.row.own.actor == dots_.actor()) {
      // Its dot may be on a peer and not on this disk: the counters behind it must not go on.
      ++counters_.actors_retired;
      dots_.Retire(DrawActor(self_, prng_));
    }
  }
  for (const Ticket& ticket : write.changes) AnswerChange(ticket, status, env);
  for (const Ticket& ticket : write.gets) {
    if (status) {
      AnswerGet(ticket, write.row.record, env);
    } else {
      AnswerGet(ticket, Fail(status.error()), env);
    }
  }
}

void Replica::AnswerChange(const Ticket& ticket, const Status& status, Env& env) {
  if (ticket.kind == Ticket::Kind::kLocal) {
    env.local.push_back({ticket.request, LocalDurable{status}});
  } else if (ticket.kind == Ticket::Kind::kPeer) {
    ReplicaPutReply reply{ticket.request, std::nullopt};
    if (!status) reply.error = status.error().code;
    env.out.emplace_back(SendEffect{ticket.peer, ticket.peer_shard, std::move(reply)});
  }
}

}  // namespace gyre
