// Is the cluster whole, as this node sees it? One sentence for people, in /v1/status and
// `gyre status`: who cannot be reached, what is owed to whom, how old it is, when it will be done.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "server/node_stats.h"

namespace gyre {

// All that the answer depends on.
struct ClusterSight {
  struct Node {
    std::string name;
    bool up = false;
    Duration away;  // zero if up, or not known
  };
  std::vector<Node> peers;  // the other nodes
  // By name; of who is no peer too (it was one once).
  std::vector<HintDebt> owed;
  double hints_replayed_per_second = 0;
  RepairStats repair;
  bool writable = true;         // does this node's storage take writes?
  std::string storage_problem;  // one sentence, if it does not and the reason is known
};
ClusterSight SightOf(const NodeStats& stats);

struct Wholeness {
  bool whole = true;    // everybody is reachable, nothing is owed or differs, storage takes writes
  std::string summary;  // one sentence or a few
};
Wholeness JudgeWholeness(const ClusterSight& sight);

// Numbers as people read them: "1,204", "1.2 MB", "3 min".
std::string GroupedText(std::uint64_t number);
std::string BytesText(std::uint64_t bytes);
std::string AgeText(Duration age);

}  // namespace gyre
