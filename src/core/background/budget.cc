#include "core/background/budget.h"

namespace gyre {
namespace {

constexpr Duration kWindow = Duration::Millis(200);
// Where few requests come a window waits for more of them, but no longer.
constexpr Duration kWindowMax = Duration::Millis(1'000);
// What a piece of work costs beside its bytes: messages, reads, a write.
constexpr std::uint64_t kWorkBytes = 256;
// A little may be spent ahead, so that short work does not go by single steps. More than a tick of
// the timers, else each of them would waste what is left of it.
constexpr Duration kAhead = Duration::Millis(5);

// Of a hundred requests one is slow in quiet times; three in one window are no chance.
constexpr LatencyWatch::Options kClients = {
    .slow_share = 1, .late_share = 2, .never_slow_us = 500, .samples_min = 20};
// Deliveries go in groups, which wait for one fsync: it is the usual one that counts.
constexpr LatencyWatch::Options kDeliveries = {
    .slow_share = 25, .late_share = 50, .never_slow_us = 2'000, .samples_min = 20};

}  // namespace

Budget::Budget(const CoreConfig& config)
    : config_(config),
      rate_(config.background_bytes_per_second_min),
      clients_(kClients),
      deliveries_(kDeliveries) {}

Instant Budget::Spend(std::uint64_t bytes, Instant now) {
  // Requests that are not asked say nothing of how long they would take.
  EndWindowIfDue(now);
  spent_ += bytes;
  window_spent_ += bytes + kWorkBytes;
  const std::int64_t price = static_cast<std::int64_t>((bytes + kWorkBytes) * 1'000'000 /
                                                       std::max<std::uint64_t>(rate_, 1));
  free_at_ = std::max(free_at_, now) + Duration{price};
  return std::max(now, Instant{free_at_.us - kAhead.us});
}

void Budget::NoteForeground(Duration latency, Instant now) {
  EndWindowIfDue(now);
  clients_.Note(latency);
}

void Budget::NoteDelivery(Duration latency, Instant now) {
  EndWindowIfDue(now);
  deliveries_.Note(latency);
}

void Budget::EndWindowIfDue(Instant now) {
  if (window_begin_.us == INT64_MIN) window_begin_ = now;
  if (now < window_begin_ + kWindow) return;
  if (clients_.samples() > 0 && !clients_.enough() && now < window_begin_ + kWindowMax) return;
  EndWindow(now);
}

void Budget::EndWindow(Instant now) {
  const std::uint64_t least = config_.background_bytes_per_second_min;
  const auto elapsed_ms = static_cast<std::uint64_t>((now.us - window_begin_.us) / 1'000);
  // What a rate would have allowed.
  const auto allowed = [&](std::uint64_t rate) {
    return rate * std::min<std::uint64_t>(elapsed_ms, 10'000) / 1'000;
  };
  const bool quiet = window_spent_ <= allowed(least) / 8;
  const bool alone = !clients_.enough();
  const bool clients_wait = clients_.EndWindow(quiet);
  const bool peers_wait = deliveries_.EndWindow(/*quiet=*/rate_ <= least);
  if (quiet) {
    rate_ = least;
  } else if (clients_wait || peers_wait) {
    rate_ = std::max(least, rate_ / 2);
  } else if (window_spent_ >= allowed(rate_) / 2) {
    const std::uint64_t step = alone ? rate_ / 4 : least / 8;
    rate_ = std::min(config_.background_bytes_per_second_max, rate_ + step + 1);
  }
  window_begin_ = now;
  window_spent_ = 0;
}

}  // namespace gyre
