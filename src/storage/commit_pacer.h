// When the next commit begins. A commit costs an fsync however little it carries, so right after
// one the commit thread waits until as many rows are there as can be expected: those just
// acknowledged, whose clients ask again, and those that came meanwhile. Without this, clients that
// wait for their answers fall into two halves that take turns, each with an fsync of its own. The
// wait is no longer than a commit takes, so nobody waits twice as long as without it; a lone
// client's next write is all there is to expect, and goes at once.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>

namespace gyre {

class CommitPacer {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr Clock::duration kWaitMax = std::chrono::milliseconds(1);

  void OnCommit(std::size_t rows, Clock::time_point begun, Clock::time_point done) {
    constexpr int kSmoothing = 8;
    usual_ += (done - begun - usual_) / kSmoothing;
    rows_ = rows;
    wait_until_ = done + std::min(usual_, kWaitMax);
  }
  // So many rows end the wait, and no later than at wait_until(). `queued` rows are there already.
  std::size_t RowsWanted(std::size_t queued) const {
    return std::max<std::size_t>(1, rows_ + queued);
  }
  Clock::time_point wait_until() const { return wait_until_; }
  // The wait is over, by time: nothing is known of who may come.
  void OnWaited() { rows_ = 0; }

 private:
  std::size_t rows_ = 0;      // of the last commit
  Clock::duration usual_{0};  // how long a commit takes: a moving average
  Clock::time_point wait_until_;
};

}  // namespace gyre
