#include "core/membership/rumours.h"

#include <algorithm>

#include "core/membership/log2.h"

namespace gyre {

std::size_t RumourQueue::ToldMax(std::size_t members) const {
  const std::int64_t milli = config_.rumour_lambda * Log2Milli(members + 1);
  return static_cast<std::size_t>(std::max<std::int64_t>(1, (milli + 999) / 1000));
}

bool RumourQueue::IsNewest(const Rumour& rumour) const {
  const auto it = newest_.find(rumour.name);
  return it != newest_.end() && it->second == rumour.sequence;
}

void RumourQueue::Add(RumourName name, bool in_full) {
  if (levels_.empty()) levels_.resize(1);
  const std::uint64_t sequence = next_sequence_++;
  newest_[name] = sequence;
  levels_[0].push_back({name, in_full, sequence});
  ++stored_;
  if (newest_.size() > config_.rumours_max) DropMostTold();
  constexpr std::size_t kSlack = 64;
  if (stored_ > 2 * newest_.size() + kSlack) Compact();
}

void RumourQueue::DropMostTold() {
  for (std::size_t level = levels_.size(); level-- > 0;) {
    const auto& rumours = levels_[level];
    const auto it = std::find_if(rumours.begin(), rumours.end(),
                                 [this](const Rumour& each) { return IsNewest(each); });
    if (it == rumours.end()) continue;
    newest_.erase(it->name);
    ++dropped_;
    return;
  }
}

void RumourQueue::Compact() {
  stored_ = 0;
  for (std::vector<Rumour>& rumours : levels_) {
    std::erase_if(rumours, [this](const Rumour& each) { return !IsNewest(each); });
    stored_ += rumours.size();
  }
}

}  // namespace gyre
