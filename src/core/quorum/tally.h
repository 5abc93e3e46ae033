// Counting answers towards R or W (paper 4.5): pure, one per phase of a request.
#pragma once

#include "base/check.h"

namespace gyre {

enum class Standing { kPending, kReached, kImpossible };

// Invariant: ok + failed <= asked. Once reached it stays reached, whatever fails after.
class Tally {
 public:
  // `asked`: how many may answer; `needed`: how many good answers decide. needed may exceed asked:
  // then it is impossible from the start.
  constexpr Tally(int asked, int needed) : asked_(asked), needed_(needed) {
    GYRE_CHECK(asked >= 0 && needed >= 1);
  }
  // One more may answer. A decision of "impossible" may be taken back by it.
  constexpr void AddAsked() { ++asked_; }
  constexpr void AddOk() {
    ++ok_;
    GYRE_CHECK(ok_ + failed_ <= asked_);
  }
  // An error, or no answer that can still come.
  constexpr void AddFailed() {
    ++failed_;
    GYRE_CHECK(ok_ + failed_ <= asked_);
  }
  constexpr Standing standing() const {
    if (ok_ >= needed_) return Standing::kReached;
    return asked_ - failed_ < needed_ ? Standing::kImpossible : Standing::kPending;
  }
  constexpr int ok() const { return ok_; }
  constexpr int needed() const { return needed_; }
  constexpr bool all_answered() const { return ok_ + failed_ == asked_; }

 private:
  int asked_;
  int needed_;
  int ok_ = 0;
  int failed_ = 0;
};

}  // namespace gyre
