#include "server/admin_json_wholeness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

namespace gyre {
namespace {

constexpr std::size_t kNamesMax = 5;

// "b", "b and c", "b, c and d"; of many "b, c, d, e, f and 12 more".
std::string Listed(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(names.size(), kNamesMax);
  std::string text = names.front();
  for (std::size_t i = 1; i < shown; ++i) {
    text += (i + 1 == names.size() ? " and " : ", ") + names[i];
  }
  if (names.size() > shown) text += fmt::format(" and {} more", names.size() - shown);
  return text;
}

// What is owed to some nodes, taken together.
struct Sum {
  std::vector<std::string> targets;
  std::uint64_t hints = 0;
  std::uint64_t bytes = 0;
  Duration oldest_age;

  bool one() const { return hints == 1; }
  void Add(const HintDebt& debt) {
    targets.push_back(debt.name);
    hints += debt.hints;
    bytes += debt.bytes;
    oldest_age = std::max(oldest_age, debt.oldest_age);
  }
  // "1,204 hints (1.2 MB)".
  std::string Amount() const {
    return fmt::format("{} {} ({})", GroupedText(hints), one() ? "hint" : "hints",
                       BytesText(bytes));
  }
  // "the oldest 3 min old".
  std::string Age() const { return (one() ? "" : "the oldest ") + AgeText(oldest_age) + " old"; }
};

// "draining at 5,100 a second, done in about 1 s".
std::string Drain(std::uint64_t hints, double per_second) {
  // So slow that "done in" would be made up.
  if (per_second < 0.05) return "none was handed over of late";
  const double seconds = std::ceil(static_cast<double>(hints) / per_second);
  const std::string rate = per_second < 10 ? fmt::format("{:.1f}", per_second)
                                           : GroupedText(static_cast<std::uint64_t>(per_second));
  return fmt::format("draining at {} a second, done in about {}", rate,
                     AgeText(Duration::Seconds(static_cast<std::int64_t>(seconds))));
}

std::string UnreachableText(const std::vector<std::string>& names, Duration away_longest,
                            const Sum& kept) {
  const bool one = names.size() == 1;
  std::string text = fmt::format("{} {} {} not reachable", one ? "Node" : "Nodes", Listed(names),
                                 one ? "is" : "are");
  if (away_longest >= Duration::Seconds(1)) {
    text += fmt::format(", {}for {} now", one ? "" : "the longest ", AgeText(away_longest));
  }
  text += ". ";
  if (kept.hints == 0) {
    return text + fmt::format("Nothing is kept here for {}.", one ? "it" : "them");
  }
  return text + fmt::format("{} {} kept here for {}, {}; {} handed over when {} back.",
                            kept.Amount(), kept.one() ? "is" : "are", one ? "it" : "them",
                            kept.Age(), kept.one() ? "it is" : "they are",
                            one ? "it is" : "they are");
}

}  // namespace

ClusterSight SightOf(const NodeStats& stats) {
  ClusterSight sight;
  for (const PeerStats& peer : stats.peers) {
    sight.peers.push_back({peer.name, peer.up, peer.away});
  }
  sight.owed = stats.owed;
  sight.hints_replayed_per_second = stats.hints_replayed_per_second;
  sight.repair = stats.repair;
  sight.writable = stats.engine.writable;
  sight.storage_problem = stats.engine.problem;
  return sight;
}

Wholeness JudgeWholeness(const ClusterSight& sight) {
  std::vector<std::string> down;
  Duration away_longest;
  for (const ClusterSight::Node& peer : sight.peers) {
    if (peer.up) continue;
    down.push_back(peer.name);
    away_longest = std::max(away_longest, peer.away);
  }
  Sum waiting, draining, stranded;
  for (const HintDebt& debt : sight.owed) {
    if (debt.hints == 0) continue;
    const auto peer = std::find_if(sight.peers.begin(), sight.peers.end(),
                                   [&](const auto& p) { return p.name == debt.name; });
    (peer == sight.peers.end() ? stranded : peer->up ? draining : waiting).Add(debt);
  }

  std::vector<std::string> sentences;
  if (!sight.writable) {
    sentences.push_back("The storage of this node takes no writes: " +
                        (sight.storage_problem.empty() ? std::string("no reason is known")
                                                       : sight.storage_problem) +
                        ".");
  }
  if (!down.empty()) sentences.push_back(UnreachableText(down, away_longest, waiting));
  if (draining.hints > 0) {
    sentences.push_back(fmt::format("{} {} owed to {}, {}; {}.", draining.Amount(),
                                    draining.one() ? "is" : "are", Listed(draining.targets),
                                    draining.Age(),
                                    Drain(draining.hints, sight.hints_replayed_per_second)));
  }
  if (stranded.hints > 0) {
    sentences.push_back(fmt::format("{} {} kept here for {}, {}, not among the nodes any more.",
                                    stranded.Amount(), stranded.one() ? "is" : "are",
                                    Listed(stranded.targets), stranded.Age()));
  }
  if (sight.repair.unfilled > 0) {
    sentences.push_back(fmt::format(
        "The disk of this node was empty: {} of its partitions have yet to come from their other "
        "owners, and until then it answers no reads of them.",
        GroupedText(sight.repair.unfilled)));
  }
  // What differs because somebody is away is said by his being away.
  if (sight.repair.unequal > 0 && down.empty()) {
    sentences.push_back(fmt::format(
        "{} of {} copies of partitions differed from this node's when they were last compared; "
        "that is being repaired.",
        GroupedText(sight.repair.unequal), GroupedText(sight.repair.pairs)));
  }
  if (sentences.empty()) {
    return {true,
            sight.peers.empty()
                ? "The cluster is whole: this is its only node."
                : fmt::format("The cluster is whole: all {} nodes reachable, nothing is owed.",
                              sight.peers.size() + 1)};
  }
  Wholeness result{false, ""};
  for (const std::string& sentence : sentences) {
    result.summary += (result.summary.empty() ? "" : " ") + sentence;
  }
  return result;
}

std::string GroupedText(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string BytesText(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB"};
  if (bytes < 1000) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // What would be written as 1000.0 is 1.0 of the next.
  while (value >= 999.95 && unit + 1 < std::size(kUnits)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, kUnits[unit]);
}

std::string AgeText(Duration age) {
  const std::int64_t seconds = age.us / 1'000'000;
  if (seconds < 1) return "less than 1 s";
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7'200) return fmt::format("{} min", seconds / 60);
  if (seconds < 2 * 86'400) return fmt::format("{} h", seconds / 3'600);
  return fmt::format("{} d", seconds / 86'400);
}

}  // namespace gyre
