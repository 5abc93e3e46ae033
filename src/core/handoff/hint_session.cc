#include "core/handoff/hint_session.h"

#include <utility>

#include "core/handoff/hint_delivery.h"

namespace gyre {

void HintSession::NextPlace(Env& env) {
  place_ = shard().ledger.hints().Next(target_, place_);
  if (!place_) return End(/*ok=*/!failed_, env);
  debt_at_start_ = shard().ledger.hints().At(*place_);
  any_found_ = false;
  steps_.emplace(place_->partition, shard().ledger.tree().leaf_bits());
  after_.reset();
  ReadPage(env);
}

void HintSession::ReadPage(Env& env) {
  const TokenSpan span = steps_->Span();
  stamp_ = shard().ledger.ballots().Durable(place_->partition).promised;
  env.out.emplace_back(
      ScanEffect{id(),
                 {target_, place_->keyspace, span.first, span.last, after_,
                  shard().config.hint_replay_window, shard().config.scan_bytes_max}});
}

void HintSession::OnScanDone(Result<ScanPage> page, Env& env) {
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
  any_found_ = any_found_ || !page->rows.empty();
  std::uint64_t bytes = 0;
  delivering_ = page->rows.size();
  for (ScannedRow& hint : page->rows) {
    bytes += hint.key.key.size() + hint.row.record.size();
    after_ = hint.key;
    shard().spawned.push_back(
        std::make_unique<HintDelivery>(shard(), id(), std::move(hint.key), hint.row.record, stamp_));
  }
  resume_at_ = shard().budget.Spend(bytes, env.now.instant);
  if (delivering_ == 0) GoOn(env);
}

void HintSession::OnLocal(LocalOutcome& outcome, Env& env) {
  const auto* ended = std::get_if<LocalDurable>(&outcome.what);
  if (ended == nullptr || delivering_ == 0) return;
  if (!ended->status) {
    failed_ = true;
    const ErrorCode code = ended->status.error().code;
    if (code != ErrorCode::kCorruption && code != ErrorCode::kStaleCopy) unreachable_ = true;
  }
  if (--delivering_ > 0) return;
  if (unreachable_) return End(/*ok=*/false, env);
  GoOn(env);
}

// To the next page, once it is paid for.
void HintSession::GoOn(Env& env) {
  if (env.now.instant < resume_at_) return SetTimer(resume_at_);
  OnTimer(env);
}

void HintSession::OnTimer(Env& env) {
  if (finished() || delivering_ > 0 || env.now.instant < resume_at_) return;
  resume_at_ = Instant::Max();
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

void HintSession::End(bool ok, Env& env) {
  replayer_.OnSessionEnd(target_, ok, env);
  Finish();
}

}  // namespace gyre
