#include "core/purge/purger.h"

#include <algorithm>
#include <utility>

#include "core/purge/purge_ballot.h"

namespace gyre {

void Purger::Wake(Env& env) {
  for (RowKey& key : shard().ledger.TakeDead()) {
    if (candidate_count_ >= shard().config.purge_candidates_max) continue;
    const PartitionId partition = view().ring.PartitionOf(key.token);
    if (!shard().IsFirstOwner(key.keyspace, partition)) continue;
    candidate_count_ +=
        places_[view().ring.SectionOf(key.token)].candidates.insert(std::move(key)).second;
  }
  if (candidate_count_ > 0 && next_look_ == Instant::Max() && !in_ballot_) {
    LookAt(env.now.instant + shard().config.purge_after);
  }
}

void Purger::LookAt(Instant at) {
  next_look_ = at;
  SetTimer(at);
}

void Purger::OnTimer(Env& env) {
  if (env.now.instant < next_look_) return;
  next_look_ = Instant::Max();
  Look(env);
}

bool Purger::MayBegin(SectionId section) const {
  return shard().up.size() + 1 == view().member_count() && owners_.Agree(section) &&
         !view().AnyMoves(section) && !shard().ledger.MayHoldHints(section);
}

// Begins with the next section in turn that is due.
void Purger::Look(Env& env) {
  if (in_ballot_ || places_.empty()) return;
  auto it = places_.upper_bound(last_);
  Instant earliest = Instant::Max();
  for (std::size_t i = 0; i < places_.size(); ++i) {
    if (it == places_.end()) it = places_.begin();
    auto& [section, place] = *it++;
    if (env.now.instant < place.not_before) {
      earliest = std::min(earliest, place.not_before);
      continue;
    }
    place.not_before = env.now.instant + shard().config.purge_pause;
    earliest = std::min(earliest, place.not_before);
    if (!MayBegin(section)) continue;
    last_ = section;
    in_ballot_ = true;
    shard().spawned.push_back(
        std::make_unique<PurgeBallot>(shard(), *this, section, NextRows(place)));
    return;
  }
  LookAt(earliest);
}

std::vector<RowKey> Purger::NextRows(Place& place) const {
  std::vector<RowKey> rows;
  const std::size_t count =
      std::min({place.candidates.size(), shard().config.purge_rows_max, place.rows_max});
  auto it = place.candidates.upper_bound(place.last);
  while (rows.size() < count) {
    if (it == place.candidates.end()) it = place.candidates.begin();
    rows.push_back(*it++);
  }
  place.last = rows.back();
  std::sort(rows.begin(), rows.end());
  return rows;
}

void Purger::OnBallotEnd(SectionId section, const std::vector<RowKey>& settled, bool failed,
                         std::uint64_t bytes, Env& env) {
  constexpr int kDoublingsMax = 6;
  in_ballot_ = false;
  const auto it = places_.find(section);
  Place& place = it->second;
  for (const RowKey& key : settled) candidate_count_ -= place.candidates.erase(key);
  const std::size_t limit = shard().config.purge_rows_max;
  place.rows_max = std::min(place.rows_max, limit);
  place.rows_max = failed ? std::max<std::size_t>(place.rows_max / 2, 1) : place.rows_max * 2;
  place.failures = failed ? std::min(place.failures + 1, kDoublingsMax) : 0;
  place.not_before = env.now.instant + Duration{shard().config.purge_pause.us << place.failures};
  if (place.candidates.empty()) places_.erase(it);
  if (!places_.empty()) LookAt(shard().budget.Spend(bytes, env.now.instant));
}

}  // namespace gyre
