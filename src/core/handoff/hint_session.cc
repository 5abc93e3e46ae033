#include "core/handoff/hint_session.h"

#include <utility>

#include "core/handoff/hint_delivery.h"

namespace gyre {
namespace {

// Hints that were sent and are not dropped yet, past which no more are read.
constexpr std::size_t kOpenMax = 8'192;

bool IsForOthers(const HintLedger::Place& place, const ShardState& shard) {
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(place.keyspace);
  bool any = false;
  shard.view->ring.ForEachPartitionOf(place.section, [&](PartitionId partition) {
    any = any ||
          (keyspace != nullptr && HintIsForOthers(place.target, partition, *keyspace, *shard.view));
  });
  return any;
}

}  // namespace

bool HintSession::AnyForOthers(NodeId target, const ShardState& shard) {
  const HintLedger& hints = shard.ledger.hints();
  std::optional<HintLedger::Place> place = hints.Next(target, std::nullopt);
  while (place && !IsForOthers(*place, shard)) place = hints.Next(target, place);
  return place.has_value();
}

void HintSession::NextPlace(Env& env) {
  do {
    place_ = shard().ledger.hints().Next(target_, place_);
  } while (place_ && !shard().Reachable(target_) && !IsForOthers(*place_, shard()));
  if (!place_) {
    all_sent_ = true;
    return EndIfLast(env);
  }
  debt_at_start_ = shard().ledger.hints().At(*place_);
  any_found_ = false;
  steps_.emplace(place_->section, shard().ledger.tree().leaf_bits());
  after_.reset();
  ReadPage(env);
}

void HintSession::ReadPage(Env& env) {
  const TokenSpan span = steps_->Span();
  stamp_ = shard().ledger.ballots().Durable(place_->section).promised;
  reading_ = true;
  env.out.emplace_back(
      ScanEffect{id(),
                 {target_, place_->keyspace, span.first, span.last, after_,
                  shard().config.hint_replay_window, shard().config.scan_bytes_max}});
}

void HintSession::OnScanDone(Result<ScanPage> page, Env& env) {
  reading_ = false;
  page_.clear();
  sent_ = 0;
  if (!page) {
    failed_ = true;
    any_found_ = true;  // something is there
    if (page.error().code != ErrorCode::kCorruption) return End(/*ok=*/false, env);
    after_.reset();
    steps_->PassDamage();
    resume_at_ = shard().budget.Spend(0, env.now.instant);
    step_done_ = false;
    return GoOn(env);
  }
  step_done_ = page->done;
  page_ = std::move(page->rows);
  any_found_ = any_found_ || !page_.empty();
  if (!page_.empty()) after_ = page_.back().key;
  resume_at_ = shard().budget.Spend(0, env.now.instant);
  GoOn(env);
}

// Those that are paid for.
void HintSession::Deliver(Env& env) {
  while (sent_ < page_.size() && env.now.instant >= resume_at_) {
    ScannedRow& hint = page_[sent_++];
    ++delivering_;
    ++open_;
    const std::uint64_t price = Budget::PriceOfMoved(hint.key.key.size() + hint.row.record.size());
    resume_at_ = shard().budget.Spend(price, env.now.instant);
    shard().spawned.push_back(std::make_unique<HintDelivery>(shard(), id(), std::move(hint.key),
                                                             std::move(hint.row.record), stamp_));
  }
}

void HintSession::OnLocal(LocalOutcome& outcome, Env& env) {
  if (std::holds_alternative<LocalApplied>(outcome.what)) {
    --delivering_;
  } else if (const auto* ended = std::get_if<LocalDurable>(&outcome.what)) {
    --open_;
    if (!ended->status) {
      failed_ = true;
      const ErrorCode code = ended->status.error().code;
      if (code != ErrorCode::kCorruption && code != ErrorCode::kStaleCopy) unreachable_ = true;
    }
  }
  if (unreachable_) sent_ = page_.size();  // no more of them
  if (unreachable_ || all_sent_) return EndIfLast(env);
  GoOn(env);
}

// To the next hint or the next page, once it is paid for.
void HintSession::GoOn(Env& env) {
  if (finished() || reading_) return;
  if (env.now.instant < resume_at_) return AwaitBudget();
  OnTimer(env);
}

void HintSession::AwaitBudget() {
  if (timer_at_ == resume_at_) return;
  timer_at_ = resume_at_;
  SetTimer(resume_at_);
}

void HintSession::OnTimer(Env& env) {
  if (finished() || reading_ || env.now.instant < resume_at_) return;
  if (sent_ < page_.size()) {
    Deliver(env);
    if (sent_ < page_.size()) AwaitBudget();
    return;
  }
  // Those that linger hold nobody up, until there are many.
  if (unreachable_ || all_sent_ || delivering_ > 0 || open_ > kOpenMax) return;
  if (step_done_) {
    after_.reset();
    steps_->Pass();
    step_done_ = false;
  }
  if (!steps_->done()) return ReadPage(env);
  // Damage may have miscounted what is owed: nothing is.
  if (!any_found_) shard().ledger.ForgetHints(*place_, debt_at_start_);
  NextPlace(env);
}

// Not before the last hint is dropped: the session that follows would find it again.
void HintSession::EndIfLast(Env& env) {
  if (open_ == 0) End(/*ok=*/!failed_, env);
}

void HintSession::End(bool ok, Env& env) {
  replayer_.OnSessionEnd(target_, ok, env);
  Finish();
}

}  // namespace gyre
