#include "core/coordinator/scan_coordinator.h"

#include <algorithm>
#include <utility>

#include "core/coordinator/admission.h"

namespace gyre {

ScanCoordinator::ScanCoordinator(ShardState& shard, const Origin& origin, ScanRequest request,
                                 const NodeList& candidates, RingEpoch epoch)
    : RequestMachine(shard, origin),
      request_(std::move(request)),
      candidates_(candidates),
      epoch_(epoch) {
  GYRE_CHECK(!candidates_.empty());
}

void ScanCoordinator::Start(Env& env) {
  deadline_ = env.now.instant + TimeoutOf(request_.options, shard().config);
  AskNext(env);
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
  if (asked_ == shard().self) {
    own_outcome_ = {};
    ReadOwnRows(request_.after, env);
  } else {
    env.out.emplace_back(SendEffect{asked_, std::nullopt, ReplicaScan{id(), epoch_, request_}});
  }
}

void ScanCoordinator::Take(Result<ScanOutcome> outcome, Env& env) {
  if (outcome) {
    Answer(std::move(*outcome), env);
    return Finish();
  }
  last_error_ = std::move(outcome.error());
  AskNext(env);
}

void ScanCoordinator::OnReply(NodeId from, Message& reply, Env& env) {
  auto* scan = std::get_if<ReplicaScanReply>(&reply);
  if (scan == nullptr || from != asked_) return;
  if (scan->error) return Take(Fail(std::move(*scan->error)), env);
  Take(std::move(scan->outcome), env);
}

void ScanCoordinator::ReadOwnRows(std::optional<RowKey> after, Env& env) {
  const TokenSpan span = SpanOf(request_.partition.value, view().ring.partition_bits());
  ScanRange range{{}, request_.keyspace, span.first, span.last, std::move(after), 0, 0};
  range.rows_max = request_.count_only ? shard().config.scan_rows_max : request_.limit;
  range.bytes_max = shard().config.scan_bytes_max;
  env.out.emplace_back(ScanEffect{id(), std::move(range)});
}

void ScanCoordinator::OnScanDone(Result<ScanPage> page, Env& env) {
  if (asked_ != shard().self) return;
  if (!page) return Take(Fail(std::move(page.error())), env);
  for (const ScannedRow& row : page->rows) {
    const Result<Record> record = Record::Decode(row.row.record);
    if (!record) return Take(Fail(record.error()), env);
    const Sibling* newest = record->NewestLive(env.now.wall);
    if (newest == nullptr) continue;
    ++own_outcome_.live_count;
    if (!request_.count_only) own_outcome_.keys.push_back({row.key.key.Compact(), newest->type});
  }
  if (page->done) return Take(std::move(own_outcome_), env);
  GYRE_CHECK(!page->rows.empty());
  RowKey last = std::move(page->rows.back().key);
  if (request_.count_only) return ReadOwnRows(std::move(last), env);
  own_outcome_.next = std::move(last);
  Take(std::move(own_outcome_), env);
}

void ScanCoordinator::OnPeerDown(NodeId peer, Env& env) {
  if (peer == asked_) Take(Fail(ErrorCode::kUnavailable, "the owner's link went down"), env);
}

void ScanCoordinator::OnView(Env& env) {
  if (finished() || view().EpochOf(request_.partition) == epoch_) return;
  const Duration left = deadline_ - env.now.instant;
  if (left.us <= 0) return;  // OnTimer is due
  request_.options.timeout = left;
  FinishWith(Admit(shard(), origin(), std::move(request_), env.now));
}

void ScanCoordinator::OnTimer(Env& env) {
  if (env.now.instant >= try_deadline_) {
    Take(Fail(ErrorCode::kUnavailable, "no owner answered in time"), env);
  }
}

}  // namespace gyre
