#include "core/purge/copy_renewal.h"

#include <utility>

namespace gyre {

void CopyRenewal::Start(Env& env) {
  ++shard().counters.copies_renewed;
  const SectionId section = view().ring.SectionOf(own_.token);
  if (promised_ > shard().ledger.ballots().Durable(section).promised) {
    // A ballot that this node has not promised yet: now it never will.
    return shard().replica.Raise(section, {promised_, 0}, Ticket::Local(id()), env);
  }
  shard().replica.Get(own_, Ticket::Local(id()), env);
}

// Where anything fails nothing is sent: the put's own timers see to that.
void CopyRenewal::OnLocal(LocalOutcome& outcome, Env& env) {
  if (const auto* raised = std::get_if<LocalDurable>(&outcome.what)) {
    if (!raised->status) return Finish();
    return shard().replica.Get(own_, Ticket::Local(id()), env);
  }
  auto* read = std::get_if<LocalGetDone>(&outcome.what);
  if (read == nullptr) return;
  const Result<Record> own =
      read->record ? Record::Decode(*read->record) : Fail(read->record.error());
  if (own && own->clock.Covers(written_)) {
    env.out.emplace_back(SendEffect{to_, std::nullopt,
                                    ReplicaPut{put_, view().EpochOf(own_.token), where_,
                                               std::move(*read->record), false, read->stamp}});
  }
  Finish();
}

}  // namespace gyre
