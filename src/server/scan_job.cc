#include "server/scan_job.h"

#include <utility>

namespace gyre {

ScanJob::ScanJob(const ScanRequest& request, const Ring& ring, const CoreConfig& config)
    : count_only_(request.count_only) {
  const int bits = ring.partition_bits();
  const std::uint64_t low = bits == 0 ? 0 : std::uint64_t{request.partition.value} << (64 - bits);
  const std::uint64_t span = bits == 0 ? ~std::uint64_t{0} : (~std::uint64_t{0} >> bits);
  range_.keyspace = request.keyspace;
  range_.first = {low, 0};
  range_.last = {low | span, ~std::uint64_t{0}};
  range_.after = request.after;
  range_.rows_max = count_only_ ? config.scan_rows_max : request.limit;
  range_.bytes_max = config.scan_bytes_max;
}

std::optional<Result<ScanOutcome>> ScanJob::OnPage(Result<ScanPage> page, WallTime now) {
  if (!page) return Result<ScanOutcome>(Fail(std::move(page.error())));
  for (const ScannedRow& row : page->rows) {
    const Result<Record> record = Record::Decode(row.row.record);
    if (!record) return Result<ScanOutcome>(Fail(record.error()));
    const Sibling* newest = record->NewestLive(now);
    if (newest == nullptr) continue;
    ++outcome_.live_count;
    if (!count_only_) outcome_.keys.push_back({row.key.key.Compact(), newest->type});
  }
  if (page->done) return Result<ScanOutcome>(std::move(outcome_));
  GYRE_CHECK(!page->rows.empty());
  range_.after = page->rows.back().key;
  if (count_only_) return std::nullopt;
  outcome_.next = range_.after;
  return Result<ScanOutcome>(std::move(outcome_));
}

}  // namespace gyre
