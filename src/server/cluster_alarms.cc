#include "server/cluster_alarms.h"

#include <algorithm>

namespace gyre {

Duration ClusterAlarms::PatienceOf(AlarmKind kind) {
  return kind == AlarmKind::kOtherLayout ? Duration::Seconds(60) : Duration{};
}

Duration ClusterAlarms::CalmOf(AlarmKind kind) {
  return kind == AlarmKind::kOtherLayout ? Duration::Seconds(120) : Duration::Seconds(300);
}

void ClusterAlarms::See(Notice notice, Instant now) {
  auto key = std::pair(notice.kind, notice.subject);
  if (const auto known = sights_.find(key); known != sights_.end()) {
    known->second.last = now;
    // Another node may be what is left of it: the first was about to take the newer layout.
    if (!known->second.raised) known->second.notice = std::move(notice);
    return;
  }
  if (sights_.size() >= kSubjectsMax) return;
  sights_.emplace(std::move(key), Sight{std::move(notice), now, now});
}

std::vector<ClusterAlarms::Notice> ClusterAlarms::Look(Instant now) {
  std::vector<Notice> told;
  for (auto it = sights_.begin(); it != sights_.end();) {
    Sight& sight = it->second;
    if (!sight.raised && sight.last - sight.first >= PatienceOf(sight.notice.kind)) {
      sight.raised = true;
      told.push_back(sight.notice);
    }
    if (now - sight.last < CalmOf(sight.notice.kind)) {
      ++it;
      continue;
    }
    if (sight.raised) {
      told.push_back(sight.notice);
      told.back().over = true;
    }
    it = sights_.erase(it);
  }
  return told;
}

std::size_t ClusterAlarms::raised(AlarmKind kind) const {
  return static_cast<std::size_t>(std::count_if(sights_.begin(), sights_.end(), [&](const auto& s) {
    return s.first.first == kind && s.second.raised;
  }));
}

}  // namespace gyre
