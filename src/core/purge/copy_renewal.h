// A copy of a put was refused, as it was read before a ballot that its receiver knows of: reads the
// coordinator's own row once more, and sends that, which bears a stamp of today. So a put never
// waits for a ballot. A row without the put's write, which has failed here, is no copy of it.
#pragma once

#include "core/machine.h"

namespace gyre {

class CopyRenewal : public Machine {
 public:
  // `put`: the coordinator, which gets the answer; `written`: the name of its write. `own`: its
  // row; `where`: the receiver's. `promised`: by the receiver of a hint, who has to be followed
  // first; else 0.
  CopyRenewal(ShardState& shard, RequestId put, const Dot& written, NodeId to, RowKey own,
              RowKey where, std::uint64_t promised)
      : Machine(shard),
        put_(put),
        written_(written),
        to_(to),
        own_(std::move(own)),
        where_(std::move(where)),
        promised_(promised) {}

  void Start(Env& env) override;
  void OnLocal(LocalOutcome& outcome, Env& env) override;

 private:
  const RequestId put_;
  const Dot written_;
  const NodeId to_;
  const RowKey own_;
  const RowKey where_;
  const std::uint64_t promised_;
};

}  // namespace gyre
