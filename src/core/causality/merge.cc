#include "core/causality/merge.h"

#include <tuple>
#include <utility>

namespace gyre {
namespace {

// One dot names one write, so both copies are the same. Should a fault ever break that, every
// replica still settles on the same copy, whichever way round it joins.
const Sibling& SameEverywhere(const Sibling& a, const Sibling& b) {
  const auto rank = [](const Sibling& s) {
    return std::tuple(s.time, s.expiry, s.type, s.checksum, s.value.size());
  };
  return rank(a) < rank(b) ? b : a;
}

// True if every sibling of `a` that `b` lacks is new to `b`: what `b` knows overwrites none of
// them.
bool KeepsSiblings(const Record& a, const Record& b) {
  auto theirs = b.siblings.begin();
  for (const Sibling& mine : a.siblings) {
    while (theirs != b.siblings.end() && theirs->dot < mine.dot) ++theirs;
    const bool both = theirs != b.siblings.end() && theirs->dot == mine.dot;
    if (!both && b.clock.Covers(mine.dot)) return false;
  }
  return true;
}

// Would Join(a, b) have the dots and siblings of `a`? What b holds and a lacks, a has overwritten,
// since a's clock covers b's, and b's clock covers b's siblings.
bool Includes(const Record& a, const Record& b) {
  return a.clock.Dominates(b.clock) && KeepsSiblings(a, b);
}

}  // namespace

Record Join(const Record& a, const Record& b) {
  Record joined;
  joined.clock = a.clock;
  joined.clock.Merge(b.clock);
  auto left = a.siblings.begin();
  auto right = b.siblings.begin();
  const auto keep_unless_seen = [&joined](const Sibling& sibling, const Record& other) {
    if (!other.clock.Covers(sibling.dot)) joined.siblings.push_back(sibling);
  };
  while (left != a.siblings.end() && right != b.siblings.end()) {
    if (left->dot < right->dot) {
      keep_unless_seen(*left++, b);
    } else if (right->dot < left->dot) {
      keep_unless_seen(*right++, a);
    } else {
      joined.siblings.push_back(SameEverywhere(*left++, *right++));
    }
  }
  while (left != a.siblings.end()) keep_unless_seen(*left++, b);
  while (right != b.siblings.end()) keep_unless_seen(*right++, a);
  return joined;
}

Causal Compare(const Record& a, const Record& b) {
  const bool a_includes_b = Includes(a, b);
  const bool b_includes_a = Includes(b, a);
  if (a_includes_b && b_includes_a) return Causal::kEqual;
  if (a_includes_b) return Causal::kNewer;
  return b_includes_a ? Causal::kOlder : Causal::kConcurrent;
}

}  // namespace gyre
