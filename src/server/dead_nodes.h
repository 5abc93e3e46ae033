// Which other nodes have been away for so long that people are to be told. Nothing else hangs on
// it: requests are routed by the links alone, at once (paper 4.8.3), and only people take a node
// out of the cluster (paper 4.8.1).
//
//   up -not up for notice_after without a break-> dead (told once) -up-> back (told once)
//
// Pure: told now and then who is up, with the time.
#pragma once

#include <map>
#include <vector>

#include "base/time.h"
#include "core/ids.h"

namespace gyre {

class DeadNodes {
 public:
  struct Sight {
    NodeId node;
    bool up = false;
  };
  // What is to be told of a node: it is dead, or back.
  struct Notice {
    NodeId node;
    bool dead = false;
    Duration away;  // since it was last seen up; since the start, if it never was
  };
  // What holds of a node as of the last look.
  struct State {
    Duration away;  // zero if up
    bool dead = false;
  };

  // `notice_after` zero: nothing is ever told.
  explicit DeadNodes(Duration notice_after) : notice_after_(notice_after) {}

  // `sights` are all other nodes; of who is in it no more nothing is told. A node that has not been
  // seen before counts as away from this look on, if it is.
  std::vector<Notice> Look(Instant now, const std::vector<Sight>& sights);
  // Of a node that no look was told of: up.
  State Of(NodeId node) const;

 private:
  struct Absence {
    Instant since;
    // Of it, what counts towards notice_after: not the time in which nobody looked.
    Duration watched;
    bool told = false;
  };

  const Duration notice_after_;
  Instant last_look_;
  std::map<NodeId, Absence> absent_;
};

}  // namespace gyre
