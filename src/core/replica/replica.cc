#include "core/replica/replica.h"

#include <algorithm>
#include <utility>

namespace gyre {
namespace {

// What the writer is told.
void NoteWritten(const Mutation& mutation, const Applied& applied, Record& record,
                 PutOutcome& outcome) {
  if (!applied.changed) {
    outcome.context = std::move(record.clock);
    return;
  }
  outcome.dot = {applied.own.actor, applied.own.epoch, applied.own.n};
  outcome.context = record.siblings.size() < 2 ? std::move(record.clock)
                                               : ContextOf(mutation, record, applied.own);
}

tl::unexpected<Error> TooOld() {
  return Fail(ErrorCode::kStaleCopy, "the copy was read before a purge");
}

std::optional<OwnWrites> OwnOf(const std::optional<Row>& row) {
  if (!row) return std::nullopt;
  return row->own;
}

}  // namespace

Replica::Replica(NodeId self, const CoreConfig& config, DotSource dots, Prng& prng,
                 ShardCounters& counters, RowLedger& ledger, RowsAtHand* at_hand)
    : self_(self),
      config_(config),
      dots_(dots),
      clock_(config.hybrid_clock_lead_max),
      prng_(prng),
      counters_(counters),
      ledger_(ledger),
      at_hand_(at_hand),
      operations_(prng) {}

ApplyLimits Replica::limits() const {
  return {config_.siblings_max, config_.clock_entries_max, config_.clock_entry_age_safe};
}

void Replica::CountReadError(const Error& error) {
  ++(error.code == ErrorCode::kCorruption ? counters_.corrupt_rows : counters_.storage_errors);
}

// ---- reads -----------------------------------------------------------------------------------

void Replica::Get(const RowKey& key, const Ticket& asker, Env& env) {
  Ticket ticket = asker;
  ticket.stamp = ledger_.ballots().Stamp(key);
  if (InFlightWrite* write = WriteInFlight(key)) return AwaitWrite(*write, ticket, env);
  if (at_hand_ != nullptr) {
    if (auto row = at_hand_->ReadAtHand(key)) {
      if (!*row) CountReadError(row->error());
      return AnswerRead(ticket, *row, env);
    }
  }
  const RequestId op =
      operations_.Insert({Operation::Kind::kGet, Keys::kNone, key, ticket, writes_failed_});
  env.out.emplace_back(ReadEffect{op, key});
}

Replica::InFlightWrite* Replica::WriteInFlight(const RowKey& key) {
  const Keys::Number at = keys_.Find(key);
  return at == Keys::kNone || keys_[at].writes.empty() ? nullptr : &keys_[at].writes.back();
}

// The get is answered once the newest write in flight is durable.
void Replica::AwaitWrite(InFlightWrite& write, const Ticket& ticket, Env& env) {
  if (write.gets.size() >= config_.waiters_per_key_max) {
    return AnswerGet(ticket, Fail(ErrorCode::kOverloaded, "too many reads of one key wait"), env);
  }
  write.gets.push_back(ticket);
}

void Replica::AnswerRead(const Ticket& ticket, ReadRow& row, Env& env) {
  if (!row) return AnswerGet(ticket, Fail(row.error()), env);
  AnswerGet(ticket, *row ? std::move((*row)->record) : Bytes(), env);
}

void Replica::AnswerGet(const Ticket& ticket, Result<Bytes> record, Env& env) {
  if (ticket.kind == Ticket::Kind::kLocal) {
    env.local.push_back({ticket.request, LocalGetDone{std::move(record), ticket.stamp}});
  } else if (ticket.kind == Ticket::Kind::kPeer) {
    ReplicaGetReply reply{ticket.request, std::nullopt, {}};
    if (record && OwnersChanged(ticket)) {
      record = Fail(ErrorCode::kWrongEpoch, "the partition has other owners by now");
    }
    // A digest says nothing of the values themselves: those are checked here.
    const bool digested = record && ticket.digest_over > 0 && record->size() > ticket.digest_over;
    if (digested && !Record::Decode(*record)) {
      reply.error = ErrorCode::kCorruption;
    } else if (digested) {
      reply.digest = RecordDigest(record->view());
      reply.stamp = ticket.stamp;
    } else if (record) {
      reply.record = std::move(*record);
      reply.stamp = ticket.stamp;
    } else {
      reply.error = record.error().code;
    }
    env.out.emplace_back(SendEffect{ticket.peer, ticket.peer_shard, std::move(reply)});
  }
}

bool Replica::GetNow(const RowKey& key, Record& record) {
  if (at_hand_ == nullptr || WriteInFlight(key) != nullptr) return false;
  const auto row = at_hand_->ReadAtHand(key);
  if (!row || !*row) return false;
  return !row->value() || (record.DecodeFrom((**row)->record) && record.CheckValues());
}

// ---- changes ---------------------------------------------------------------------------------

void Replica::Merge(const RowKey& key, Bytes record, std::uint64_t stamp, bool repair,
                    const Ticket& ticket, Env& env, RequestId run) {
  Submit(key, MergeChange{std::move(record), stamp, repair, run}, ticket, env);
}

void Replica::Mutate(const RowKey& key, Mutation mutation, std::optional<Seen> seen,
                     const Ticket& ticket, Env& env) {
  const std::uint64_t stamp = ledger_.ballots().Stamp(key);
  Submit(key, MutateChange{std::move(mutation), std::move(seen), stamp}, ticket, env);
}

void Replica::Drop(const RowKey& key, std::uint64_t digest, const Ticket& ticket, Env& env) {
  Submit(key, DropChange{digest}, ticket, env);
}

void Replica::Raise(SectionId section, const BallotNumbers& numbers, const Ticket& ticket,
                    Env& env) {
  Submit(ledger_.ballots().KeyOf(section), NoteChange{numbers}, ticket, env);
}

void Replica::RetireActor() {
  ++counters_.actors_retired;
  dots_.Retire(DrawActor(self_, prng_));
}

std::optional<Status> Replica::MutateNow(const RowKey& key, const Mutation& mutation,
                                         bool read_first, Now now, PutOutcome& outcome) {
  if (at_hand_ == nullptr || !at_hand_->WritesAtHand() || !Writable(now.instant)) {
    return std::nullopt;
  }
  if (!Idle(key)) return std::nullopt;
  // What was there is given away only if it was asked for.
  const auto row = read_first ? at_hand_->ReadAtHand(key) : at_hand_->PeekAtHand(key);
  if (!row || !*row) return std::nullopt;
  Record record;
  const auto applied =
      MutateRow(**row, mutation, /*seen=*/nullptr, read_first, now.wall, record, outcome);
  if (!applied) {
    const ErrorCode code = applied.error().code;
    const bool refused = code == ErrorCode::kInvalidArgument || code == ErrorCode::kOverloaded;
    if (!refused) return std::nullopt;  // a damaged row: for the long way to deal with
    return Fail(applied.error());
  }
  if (applied->changed && ledger_.keeps_tree()) {
    const Row next{applied->own, record.Encode()};
    const RowLedger::Entry entry =
        ledger_.Note(key, row->value() ? &*row->value() : nullptr, &next, now.wall);
    at_hand_->WriteAtHand(key, next, entry.leaf_delta);
  } else if (applied->changed) {
    at_hand_->WriteAtHand(key, applied->own, record);
  }
  if (applied->changed) NoteEnd(key, record);
  NoteWritten(mutation, *applied, record, outcome);
  return Status();
}

template <typename What>
void Replica::Submit(const RowKey& key, What&& what, const Ticket& ticket, Env& env) {
  if (!Writable(env.now.instant)) {
    return AnswerChange(
        ticket, Fail(ErrorCode::kUnavailable, "this node's storage failed a write a moment ago"),
        env);
  }
  const auto too_many = [&] {
    AnswerChange(ticket, Fail(ErrorCode::kOverloaded, "too many writes of one key wait"), env);
  };
  Keys::Number at = keys_.Find(key);
  if (at == Keys::kNone) {
    if (at_hand_ != nullptr) {
      auto read = GivesAway(what) ? at_hand_->ReadAtHand(key) : at_hand_->PeekAtHand(key);
      if (read) {
        if (!*read) CountReadError(read->error());
        if (!*read && !StandsIn(what, read->error())) {
          return AnswerChange(ticket, Fail(read->error()), env);
        }
        std::optional<Row> present = *read ? std::move(**read) : std::nullopt;
        return MakeChange(key, Keys::kNone, present, what, ticket, env);
      }
    }
    at = keys_.Insert(key);
  }
  KeyState& state = keys_[at];
  if (!state.writes.empty()) {
    // The newest row is at hand; nothing can be waiting for a read.
    if (state.writes.back().changes.size() >= config_.waiters_per_key_max ||
        state.writes.size() >= config_.waiters_per_key_max) {
      return too_many();
    }
    std::optional<Row> row = state.writes.back().row;
    return MakeChange(key, at, row, what, ticket, env);
  }
  if (state.waiting.size() >= config_.waiters_per_key_max) return too_many();
  state.waiting.push_back({ticket, std::forward<What>(what)});
  if (state.waiting.size() > 1) return;  // it is being read
  const RequestId op = operations_.Insert({Operation::Kind::kLoad, at});
  env.out.emplace_back(ReadEffect{op, key});
}

void Replica::OnReadDone(RequestId op, ReadRow row, Env& env) {
  if (operations_.Find(op) == nullptr) return;
  const Operation operation = operations_.Take(op);
  if (!row) CountReadError(row.error());
  if (operation.kind == Operation::Kind::kGet) {
    // While storage was reading, a write may have begun: what was read may be that, and not
    // durable.
    if (InFlightWrite* write = WriteInFlight(operation.key)) {
      return AwaitWrite(*write, operation.ticket, env);
    }
    // Or one may have begun and failed.
    if (operation.writes_failed != writes_failed_) {
      return Get(operation.key, operation.ticket, env);
    }
    return AnswerRead(operation.ticket, row, env);
  }
  GYRE_CHECK(operation.kind == Operation::Kind::kLoad);
  OnRowLoaded(operation.at, row, env);
  if (keys_[operation.at].writes.empty()) keys_.Erase(operation.at);
}

// The row is here: makes the changes that wait for it.
// A coordinator that cannot read its own row does not coordinate, and nothing is merged into a row
// that may be there: a read error is not "absent". Only a repair may stand in for a row that is
// known to be damaged; the row then counts as one that came from elsewhere.
void Replica::OnRowLoaded(Keys::Number at, ReadRow& row, Env& env) {
  const RowKey& key = keys_.KeyOf(at);
  auto waiting = std::exchange(keys_[at].waiting, {});
  GYRE_CHECK(!waiting.empty());
  std::optional<Row> present = row ? std::move(*row) : std::nullopt;
  for (Change& change : waiting) {
    std::visit(
        [&](auto& what) {
          const bool known = row || present || StandsIn(what, row.error());
          if (!known) return AnswerChange(change.ticket, Fail(row.error()), env);
          MakeChange(key, at, present, what, change.ticket, env);
        },
        change.what);
  }
}

bool Replica::StandsIn(const MergeChange& merge, const Error& error) {
  return error.code == ErrorCode::kCorruption && merge.repair;
}

template <typename What>
void Replica::MakeChange(const RowKey& key, Keys::Number at, std::optional<Row>& row,
                         const What& what, const Ticket& ticket, Env& env) {
  Result<NextState> next = NextRow(key, row, what, ticket, env);
  if (!next) return RefuseChange(key, ticket, std::move(next.error()), env);
  if (!next->changed) {
    // Nothing to write: durable once what is in flight is.
    if (at == Keys::kNone || keys_[at].writes.empty()) return AnswerChange(ticket, {}, env);
    return keys_[at].writes.back().changes.push_back(ticket);
  }
  const RowLedger::Entry entry =
      ledger_.Note(key, row ? &*row : nullptr, next->row ? &*next->row : nullptr, env.now.wall);
  if (at == Keys::kNone) {
    if (at_hand_ != nullptr && at_hand_->WritesAtHand()) {
      at_hand_->WriteAtHand(key, next->row, entry.leaf_delta);
      OnStored(key, next->row);
      return AnswerChange(ticket, {}, env);
    }
    at = keys_.Insert(key);
  }
  row = next->row;
  StartWrite(at, std::move(next->row), entry, RunOf(what), ticket, env);
}

Result<Replica::NextState> Replica::NextRow(const RowKey& key, const std::optional<Row>& row,
                                            const MergeChange& merge, const Ticket& /*ticket*/,
                                            Env& env) {
  const auto becomes = [](OwnWrites own, Bytes record) {
    return NextState{true, Row{own, std::move(record)}};
  };
  if (merge.stamp < ledger_.ballots().Floor(key)) return TooOld();
  if (row && row->record == merge.record) return NextState{};
  Result<Record> theirs = Record::Decode(merge.record);
  if (!theirs) {
    ++counters_.corrupt_messages;
    return Fail(theirs.error());
  }
  for (const Sibling& sibling : theirs->siblings) clock_.Observe(sibling.time, env.now.wall);
  NoteEnd(key, *theirs);
  if (!row) return becomes({}, merge.record);
  Record ours;
  Status readable = ours.DecodeFrom(row->record);
  // A repair comes because of values that may be damaged.
  if (readable && merge.repair) readable = ours.CheckValues();
  if (readable) {
    switch (Compare(ours, *theirs)) {
      case Causal::kNewer:
        return NextState{};
      case Causal::kOlder:
        return becomes(row->own, merge.record);
      case Causal::kEqual:
      case Causal::kConcurrent:
        if (!merge.repair) readable = ours.CheckValues();
        break;
    }
  }
  if (!readable) {
    ++counters_.corrupt_rows;
    if (!merge.repair) return Fail(std::move(readable.error()));
    return becomes({}, merge.record);
  }
  // Equal ones may still differ in the times of their clock entries: owners end with equal bytes.
  const Record join = Join(ours, *theirs);
  if (Status fits = join.CheckLimits(); !fits) return Fail(fits.error());
  Bytes joined = join.Encode();
  if (joined == row->record) return NextState{};
  NoteEnd(key, join);
  return becomes(row->own, std::move(joined));
}

Result<Replica::NextState> Replica::NextRow(const RowKey& key, const std::optional<Row>& row,
                                            const MutateChange& mutate, const Ticket& ticket,
                                            Env& env) {
  GYRE_CHECK(ticket.kind == Ticket::Kind::kLocal);
  const Seen* seen = mutate.seen ? &*mutate.seen : nullptr;
  if (seen != nullptr && seen->stamp < ledger_.ballots().Floor(key)) return TooOld();
  env.local.push_back({ticket.request, LocalApplied{}});
  auto& answer = std::get<LocalApplied>(env.local.back().what);
  Record record;
  answer.stamp = seen == nullptr ? mutate.stamp : std::min(mutate.stamp, seen->stamp);
  const auto applied = MutateRow(row, mutate.mutation, seen == nullptr ? nullptr : &seen->record,
                                 seen != nullptr, env.now.wall, record, answer.outcome);
  if (!applied) {
    env.local.pop_back();
    return Fail(applied.error());
  }
  if (applied->changed) {
    answer.record =
        at_hand_ != nullptr ? at_hand_->EncodeAtHand(key, applied->own, record) : record.Encode();
    NoteEnd(key, record);
  }
  NoteWritten(mutate.mutation, *applied, record, answer.outcome);
  if (!applied->changed) return NextState{};
  return NextState{true, Row{applied->own, answer.record}};
}

Result<Replica::NextState> Replica::NextRow(const RowKey& key, const std::optional<Row>& row,
                                            const DropChange& drop, const Ticket& /*ticket*/,
                                            Env& /*env*/) {
  if (!row || RowDigest(key, row->record.view()) != drop.digest) return NextState{};
  ++(key.is_hint() ? counters_.hints_replayed : counters_.rows_dropped);
  return NextState{true, std::nullopt};
}

Result<Replica::NextState> Replica::NextRow(const RowKey& key, const std::optional<Row>& row,
                                            const NoteChange& note, const Ticket& /*ticket*/,
                                            Env& /*env*/) {
  BallotBook& ballots = ledger_.ballots();
  const SectionId section = ballots.SectionOf(key);
  ballots.Pend(section, note.numbers);
  Bytes next = EncodeNote(ballots.Pending(section));
  if (row && row->record == next) return NextState{};
  return NextState{true, Row{{}, std::move(next)}};
}

Result<Applied> Replica::MutateRow(const std::optional<Row>& row, const Mutation& mutation,
                                   const Record* seen, bool read_first, WallTime now,
                                   Record& record, PutOutcome& outcome) {
  Status readable = row ? record.DecodeFrom(row->record) : Status();
  if (readable && read_first) readable = record.CheckValues();
  if (!readable) {
    ++counters_.corrupt_rows;
    return Fail(std::move(readable.error()));
  }
  if (seen != nullptr && !seen->empty()) {
    for (const Sibling& sibling : seen->siblings) clock_.Observe(sibling.time, now);
    record = Join(record, *seen);  // Apply checks its limits
  }
  if (read_first) {
    if (const Sibling* newest = record.NewestLive(now)) outcome.before = *newest;
  }
  Result<Applied> applied = Apply(mutation, record, OwnOf(row), dots_, clock_, now, limits());
  if (!applied) return applied;
  outcome.changed = applied->changed;
  if (!read_first &&
      (record.siblings.size() > 1 || !std::holds_alternative<WriteValue>(mutation))) {
    // Values of before stay: they go on to the other owners.
    if (Status good = record.CheckValues(); !good) {
      ++counters_.corrupt_rows;
      return Fail(std::move(good.error()));
    }
  }
  if (!applied->changed) return applied;
  counters_.clock_entries_truncated += static_cast<std::uint64_t>(applied->entries_truncated);
  int live = 0;
  for (const Sibling& sibling : record.siblings) live += sibling.LiveAt(now);
  if (live > 1) ++counters_.siblings_created;
  return applied;
}

void Replica::StartWrite(Keys::Number at, std::optional<Row> next, const RowLedger::Entry& entry,
                         RequestId run, const Ticket& ticket, Env& env) {
  const RequestId op = operations_.Insert({Operation::Kind::kWrite, at});
  env.out.emplace_back(WriteEffect{op, keys_.KeyOf(at), next, entry.leaf_delta, run});
  keys_[at].writes.PushBack({op, std::move(next), entry, {ticket}, {}});
}

void Replica::OnWriteDone(RequestId op, const Status& status, Env& env) {
  if (operations_.Find(op) == nullptr) return;
  const Operation operation = operations_.Take(op);
  Fifo<InFlightWrite>& writes = keys_[operation.at].writes;
  // Storage completes the writes of one key in order, so this is the first.
  GYRE_CHECK(!writes.empty() && writes.front().op == op);
  const InFlightWrite write = writes.PopFront();
  const RowKey key = writes.empty() ? keys_.Erase(operation.at) : keys_.KeyOf(operation.at);
  if (!status) {
    ++counters_.storage_errors;
    ++writes_failed_;
    unwritable_until_ = env.now.instant + config_.storage_retry_after;
    ledger_.Revert(key, write.entry, env.now.wall);
    if (write.row && write.row->own.actor == dots_.actor()) {
      // Its dot may be on a peer and not on this disk: the counters behind it must not go on.
      RetireActor();
    }
  }
  if (status) OnStored(key, write.row);
  for (const Ticket& ticket : write.changes) AnswerChange(ticket, status, env);
  for (const Ticket& ticket : write.gets) {
    if (status) {
      AnswerGet(ticket, write.row ? write.row->record : Bytes(), env);
    } else {
      AnswerGet(ticket, Fail(status.error()), env);
    }
  }
}

// Rows that are dead, or will be, are purged some day.
void Replica::NoteEnd(const RowKey& key, const Record& record) {
  const std::optional<WallTime> from = record.DeadFrom();
  if (!from) return;
  const bool dead = std::all_of(record.siblings.begin(), record.siblings.end(),
                                [](const Sibling& s) { return s.type == ValueType::kTombstone; });
  dead ? ledger_.NoteDead(key) : ledger_.NoteExpiry(key, *from);
}

// A note that is on disk is what others may be told.
void Replica::OnStored(const RowKey& key, const std::optional<Row>& row) {
  if (!IsNote(key) || !row) return;
  const Result<BallotNumbers> numbers = DecodeNote(row->record);
  GYRE_CHECK(numbers.has_value());
  ledger_.ballots().MakeDurable(ledger_.ballots().SectionOf(key), *numbers);
}

void Replica::RefuseChange(const RowKey& key, const Ticket& ticket, Error error, Env& env) {
  if (error.code != ErrorCode::kStaleCopy || ticket.kind != Ticket::Kind::kPeer) {
    return AnswerChange(ticket, Fail(std::move(error)), env);
  }
  const BallotBook& ballots = ledger_.ballots();
  const std::uint64_t promised = ballots.Pending(ballots.SectionOf(key)).promised;
  env.out.emplace_back(SendEffect{ticket.peer, ticket.peer_shard,
                                  ReplicaPutReply{ticket.request, error.code, promised}});
}

bool Replica::OwnersChanged(const Ticket& ticket) {
  if (ticket.epoch.value == 0 || view_->EpochOf(ticket.partition) == ticket.epoch) return false;
  ++counters_.wrong_epoch;
  return true;
}

void Replica::AnswerChange(const Ticket& ticket, const Status& status, Env& env) {
  if (ticket.kind == Ticket::Kind::kLocal) {
    env.local.push_back({ticket.request, LocalDurable{status}});
  } else if (ticket.kind == Ticket::Kind::kPeer) {
    ReplicaPutReply reply{ticket.request, std::nullopt};
    if (!status) {
      reply.error = status.error().code;
    } else if (OwnersChanged(ticket)) {
      reply.error = ErrorCode::kWrongEpoch;
    }
    env.out.emplace_back(SendEffect{ticket.peer, ticket.peer_shard, std::move(reply)});
  }
}

}  // namespace gyre
