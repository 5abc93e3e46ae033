#include "cli/move_progress.h"

#include <fmt/format.h>

#include <cmath>

#include "cli/cli_support.h"

namespace gyre {

void MoveProgress::Note(const MovesLeft& left, Instant now) {
  now_ = now;
  if (!any_ || left != left_) changed_ = now;
  // More may begin to move meanwhile: another change.
  if (any_ && left.partitions < left_.partitions) settled_ += left_.partitions - left.partitions;
  any_ = true;
  left_ = left;
  rate_.Note(settled_, now);
}

std::string MoveProgress::Line() const {
  if (!begun()) return "the node has not taken over the new layout yet";
  if (left_.partitions > 0) {
    const double rate = rate_.PerSecond();
    std::string line = fmt::format("{} partitions still move", left_.partitions);
    if (rate <= 0) return line;
    const double seconds = std::ceil(static_cast<double>(left_.partitions) / rate);
    return line + fmt::format(", {:.1f} a second, about {} left", rate,
                              SecondsText(static_cast<std::uint64_t>(seconds * 1000)));
  }
  if (left_.leaving.empty()) return "nothing moves any more";
  return fmt::format("all partitions have moved; {} still hands over what it holds",
                     fmt::join(left_.leaving, ", "));
}

}  // namespace gyre
