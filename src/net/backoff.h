// How long to wait before the next attempt: doubles from `first` to `last`, and is drawn from the
// upper half of that span, so that many who lost one peer do not come back all at once.
#pragma once

#include <algorithm>

#include "base/prng.h"
#include "base/time.h"

namespace gyre {

class Backoff {
 public:
  Backoff(Duration first, Duration last) : first_(first), last_(last), span_(first) {}

  Duration Next(Prng& prng) {
    const Duration span = span_;
    span_ = std::min(span_ * 2, last_);
    return Duration{prng.Between(span.us / 2, span.us)};
  }
  void Reset() { span_ = first_; }

 private:
  Duration first_;
  Duration last_;
  Duration span_;
};

}  // namespace gyre
