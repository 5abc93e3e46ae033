// What people are to be told of the cluster because nothing mends it by itself: somebody has to
// decide. Nothing else hangs on it.
//
//   seen -for as long as its kind may last by itself-> raised (told once) -not seen for its kind's
//     calm-> over (told once)
//
// Pure: told of each sight, and now and then of the time. At most kSubjectsMax at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/time.h"

namespace gyre {

enum class AlarmKind : std::uint8_t {
  kOtherLineage,    // a cluster of the same id that was founded apart
  kDoubleIdentity,  // two nodes under one name
  kOtherLayout,     // a node that stays with another layout
};
inline constexpr std::size_t kAlarmKinds = 3;

class ClusterAlarms {
 public:
  static constexpr std::size_t kSubjectsMax = 64;

  struct Notice {
    AlarmKind kind = AlarmKind::kOtherLineage;
    bool over = false;
    std::string subject;  // what it is about: sights of one subject are one alarm
    std::string node;     // the node concerned, or one of them
    std::string detail;   // a sentence, without a full stop
  };

  // How long a thing of this kind may be seen before it is an alarm, and how long it must not be
  // seen before that is over: longer than it takes nodes to meet again.
  static Duration PatienceOf(AlarmKind kind);
  static Duration CalmOf(AlarmKind kind);

  // `notice.over` does not matter.
  void See(Notice notice, Instant now);
  // What is to be told now.
  std::vector<Notice> Look(Instant now);
  // Alarms that were raised and are not over.
  std::size_t raised(AlarmKind kind) const;

 private:
  struct Sight {
    Notice notice;
    Instant first, last;
    bool raised = false;
  };
  std::map<std::pair<AlarmKind, std::string>, Sight> sights_;
};

}  // namespace gyre
