// One ScanEffect carried out: pages of a partition read from storage and turned into live keys, or
// their count.
#pragma once

#include <optional>

#include "base/result.h"
#include "base/time.h"
#include "core/config.h"
#include "core/request.h"
#include "core/ring/ring.h"
#include "storage/engine.h"

namespace gyre {

class ScanJob {
 public:
  ScanJob(const ScanRequest& request, const Ring& ring, const CoreConfig& config);

  // The next range to read from storage.
  const ScanRange& range() const { return range_; }
  // Takes what storage gave. Returns the outcome, or nullopt if another page is to be read first.
  // Errors: storage's own; kCorruption for a record that does not decode.
  std::optional<Result<ScanOutcome>> OnPage(Result<ScanPage> page, WallTime now);

 private:
  bool count_only_;
  ScanRange range_;
  ScanOutcome outcome_;
};

}  // namespace gyre
