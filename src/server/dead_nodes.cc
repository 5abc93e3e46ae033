#include "server/dead_nodes.h"

#include <algorithm>

namespace gyre {
namespace {

// So much of the time between two looks counts. If this process itself was stopped for minutes, the
// others may have been up all the while, and their links need a moment to come up again.
constexpr Duration kBetweenLooksMax = Duration::Seconds(1);

}  // namespace

std::vector<DeadNodes::Notice> DeadNodes::Look(Instant now, const std::vector<Sight>& sights) {
  const Duration watched = std::min(now - last_look_, kBetweenLooksMax);
  last_look_ = now;
  std::vector<Notice> notices;
  std::map<NodeId, Absence> still;
  for (const Sight& sight : sights) {
    const auto known = absent_.find(sight.node);
    if (sight.up) {
      if (known == absent_.end() || !known->second.told) continue;
      notices.push_back({sight.node, /*dead=*/false, now - known->second.since});
      continue;
    }
    Absence absence{now, {}};
    if (known != absent_.end()) {
      absence = known->second;
      absence.watched = absence.watched + watched;
    }
    const bool long_away = notice_after_ > Duration{} && absence.watched >= notice_after_;
    if (long_away && !absence.told) {
      absence.told = true;
      notices.push_back({sight.node, /*dead=*/true, now - absence.since});
    }
    still.emplace(sight.node, absence);
  }
  absent_ = std::move(still);
  return notices;
}

DeadNodes::State DeadNodes::Of(NodeId node) const {
  const auto found = absent_.find(node);
  if (found == absent_.end()) return {};
  return {last_look_ - found->second.since, found->second.told};
}

}  // namespace gyre
