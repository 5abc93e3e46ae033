// Where names and times of writes come from: DotSource and HybridClock of merge.h.
#include <algorithm>

#include "base/check.h"
#include "base/prng.h"
#include "core/causality/merge.h"

namespace gyre {

Dot DotSource::Next(const std::optional<OwnWrites>& own, const VersionVector& seen) {
  if (own.has_value() && own->actor == actor_) {
    const Dot next{actor_, own->epoch, own->n + 1};
    if (!seen.Covers(next)) return next;
  }
  // Ends: a clock is finite, and each turn takes another epoch.
  while (seen.Find(actor_, next_epoch_) != nullptr) ++next_epoch_;
  return {actor_, next_epoch_++, 1};
}

void DotSource::Retire(ActorId fresh) {
  GYRE_CHECK(fresh != actor_);
  actor_ = fresh;
  next_epoch_ = 1;
}

ActorId DrawActor(NodeId node, Prng& prng) {
  GYRE_CHECK(node.value <= kNodeIdMax);
  return ActorId(std::uint64_t{node.value} << 40 | prng.Next() >> 24);
}

HybridTime HybridClock::Tick(WallTime now) {
  // Of equal wall times the counter below rises; past its end it runs into the next millisecond.
  last_ = std::max(HybridTime::Of(now), HybridTime{last_.value + (last_.value < UINT64_MAX)});
  return last_;
}

void HybridClock::Observe(HybridTime peer, WallTime now) {
  if (peer.wall() <= WallTime{now.ms + lead_max_.ms()}) last_ = std::max(last_, peer);
}

}  // namespace gyre
