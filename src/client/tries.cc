#include "client/tries.h"

#include <algorithm>
#include <utility>

namespace gyre {

Tries::Step Tries::Next(Source& source, std::string_view key, Instant now) {
  if (over_) return {};
  if (in_round_ && at_ == candidates_.size() && !pause_due_) {
    in_round_ = false;
    if (tries_ == tries_before_) return {};  // nobody could even be connected to
    pause_due_ = true;
  }
  if (pause_due_) {
    pause_due_ = false;
    const Instant until = now + source.Shortened(pause_);
    if (until >= deadline_) return {};
    pause_ = std::min(pause_ * 2, kPauseMax);
    return {Step::Kind::kPause, until, nullptr};
  }
  if (!in_round_) {
    candidates_ = source.CandidatesFor(key);
    at_ = 0;
    tries_before_ = tries_;
    in_round_ = true;
  }
  if (at_ == candidates_.size() || now >= deadline_) return {};
  // Nothing is sent yet: one that is slow to connect must leave time for the others.
  const bool is_last = at_ + 1 == candidates_.size();
  return {Step::Kind::kConnect, is_last ? deadline_ : HalfWay(now), candidates_[at_++]};
}

void Tries::OnNoConnection(const Error& error) {
  if (tries_ == 0) error_ = AfterNoConnection(error).error;
}

std::optional<Instant> Tries::OnConnected(Instant now) {
  if (now >= deadline_) {  // what is not sent is surely not applied
    over_ = true;
    return std::nullopt;
  }
  ++tries_;
  // A write that is not answered is not tried again, so it gets all the time there is.
  return is_read_ && tries_ < tries_max_ ? HalfWay(now) : deadline_;
}

void Tries::Take(Verdict verdict) {
  error_ = std::move(verdict.error);
  over_ = verdict.step == NextStep::kGiveUp || tries_ >= tries_max_;
  pause_due_ = verdict.step == NextStep::kPauseNext;
}

}  // namespace gyre
