#include "core/coordinator/scan_coordinator.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"

namespace gyre {

ScanCoordinator::ScanCoordinator(ShardState& shard, const Origin& origin, ScanRequest request,
                                 const NodeList& candidates, PartitionId partition)
    : RequestMachine(shard, origin),
      request_(std::move(request)),
      candidates_(candidates),
      partition_(partition),
      epoch_(view().EpochOf(partition)) {
  GYRE_CHECK(!candidates_.empty());
}

void ScanCoordinator::Start(Env& env) {
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  if (request_.partition_bits > view().ring.partition_bits()) {
    return BeginAnewAt(env.now.instant + shard().config.view_retry);
  }
  AskNext(env);
}

void ScanCoordinator::BeginAnewAt(Instant at) {
  asked_ = {};
  begin_anew_at_ = std::min(at, deadline_);
  SetTimer(begin_anew_at_);
}

void ScanCoordinator::AskNext(Env& env) {
  if (candidates_.empty()) {
    Answer(Fail(std::move(last_error_)), env);
    return Finish();
  }
  const Duration left = deadline_ - env.now.instant;
  const auto tries = static_cast<std::int64_t>(candidates_.size());
  try_deadline_ = env.now.instant + Duration{std::max<std::int64_t>(left.us / tries, 1)};
  SetTimer(try_deadline_);
  asked_ = candidates_.TakeFront();
  if (asked_ == shard().self && shard().unfilled.contains(partition_)) {
    ++shard().counters.reads_unfilled;
    return Take(Fail(ErrorCode::kUnavailable, "this disk is new, and has yet to fill up"), env);
  }
  if (asked_ == shard().self) {
    ReadOwnRows(env);
  } else {
    ReplicaScan scan{id(), epoch_, request_};
    scan.request.partition = partition_;
    // Of no use there, and not known to each version.
    scan.request.options.read_quorum.reset();
    scan.request.options.write_quorum.reset();
    env.out.emplace_back(SendEffect{asked_, std::nullopt, std::move(scan)});
  }
}

void ScanCoordinator::Take(Result<ScanOutcome> outcome, Env& env) {
  if (outcome) {
    const Token end = SpanOf(partition_.value, view().ring.partition_bits()).last;
    const TokenSpan wanted = SpanOf(request_.partition.value, request_.partition_bits);
    // No key is empty, so this is before every key of the next part.
    if (!outcome->next && end < wanted.last) {
      outcome->next = RowKey(request_.keyspace, Token{end.high + 1, 0}, Bytes());
    }
    Answer(std::move(*outcome), env);
    return Finish();
  }
  last_error_ = std::move(outcome.error());
  AskNext(env);
}

void ScanCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  auto* scan = std::get_if<ReplicaScanReply>(&reply);
  if (scan == nullptr || from != asked_) return;
  if (scan->error && scan->error->code == ErrorCode::kWrongEpoch) {
    return BeginAnewAt(env.now.instant + shard().config.view_retry);
  }
  if (scan->error) return Take(Fail(std::move(*scan->error)), env);
  Take(std::move(scan->outcome), env);
}

void ScanCoordinator::ReadOwnRows(Env& env) {
  const TokenSpan span = SpanOf(partition_.value, view().ring.partition_bits());
  env.out.emplace_back(ScanEffect{id(),
                                  {{},
                                   request_.keyspace,
                                   span.first,
                                   span.last,
                                   request_.after,
                                   request_.limit,
                                   shard().config.scan_bytes_max}});
}

void ScanCoordinator::OnScanDone(Result<ScanPage> page, Env& env) {
  if (asked_ != shard().self) return;
  if (!page) return Take(Fail(std::move(page.error())), env);
  ScanOutcome outcome;
  for (const ScannedRow& row : page->rows) {
    const Result<Record> record = Record::Decode(row.row.record);
    if (!record) return Take(Fail(record.error()), env);
    const Sibling* newest = record->NewestLive(env.now.wall);
    if (newest == nullptr) continue;
    ++outcome.live_count;
    if (!request_.count_only) outcome.keys.push_back({row.key.key.Compact(), newest->type});
  }
  GYRE_CHECK(page->done || !page->rows.empty());
  if (!page->done) outcome.next = std::move(page->rows.back().key);
  Take(std::move(outcome), env);
}

void ScanCoordinator::OnPeerDown(NodeId peer, Env& env) {
  if (peer == asked_) Take(Fail(ErrorCode::kUnavailable, "the owner's link went down"), env);
}

void ScanCoordinator::OnView(Env& env) {
  if (finished() || view().EpochOf(partition_) == epoch_) return;
  AdmitAgain(env);
}

void ScanCoordinator::AdmitAgain(Env& env) {
  const Duration left = deadline_ - env.now.instant;
  if (left.us <= 0) return;  // OnTimer is due
  request_.options.timeout = left;
  FinishWith(Admit(shard(), origin(), std::move(request_), env.now));
}

void ScanCoordinator::OnTimer(Env& env) {
  if (begin_anew_at_ != Instant::Max()) {
    if (env.now.instant < begin_anew_at_) return;
    if (env.now.instant < deadline_) return AdmitAgain(env);
    Answer(Fail(ErrorCode::kUnavailable, "no owner agreed in time on who owns the partition"), env);
    return Finish();
  }
  if (env.now.instant >= try_deadline_) {
    Take(Fail(ErrorCode::kUnavailable, "no owner answered in time"), env);
  }
}

}  // namespace gyre
