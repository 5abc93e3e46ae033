#include "core/membership/gossip.h"

#include <algorithm>
#include <utility>

#include "core/membership/membership_codec.h"

namespace gyre {
namespace {

const MemberNews* FindIn(const std::vector<const MemberNews*>& by_id, NodeId id) {
  const auto it = std::lower_bound(by_id.begin(), by_id.end(), id,
                                   [](const MemberNews* a, NodeId b) { return a->id < b; });
  return it != by_id.end() && (*it)->id == id ? *it : nullptr;
}

}  // namespace

void Gossip::Start(MembershipTurn& turn) {
  next_sync_ = turn.now + Duration::Micros(turn.prng.Between(0, config_.sync_period.us));
  // A node that starts knows its seeds, and nobody knows it.
  Reunite(turn);
}

void Gossip::OnTick(MembershipTurn& turn) {
  if (turn.now >= next_reunion_) Reunite(turn);
  if (turn.now < next_sync_) return;
  next_sync_ = turn.now + config_.sync_period;
  const auto with = table_.Draw(turn.prng, [this](NodeId id, const MemberTable::Entry& entry) {
    return IsLive(entry.life) && id != self_;
  });
  if (!with.has_value()) return;
  ++syncs_;
  turn.out.Send(*with, Begin());
}

// Seeds and past members take turns. A seed that is a live member's address brings nothing new.
void Gossip::Reunite(MembershipTurn& turn) {
  // Who knows nobody asks until someone answers. And not all at once: a restart of many would come
  // back each time.
  const bool alone = table_.live() <= 1;
  const std::int64_t period = (alone ? config_.sync_period : config_.reunion_period).us;
  next_reunion_ = turn.now + Duration::Micros(turn.prng.Between(period * 3 / 4, period * 5 / 4));
  const auto is_live = [this](const std::string& address) {
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const MemberTable::Entry& entry = table_.at(i);
      if (IsLive(entry.life) && entry.description->fields().peer_address == address) return true;
    }
    return false;
  };
  const auto try_seed = [&] {
    for (std::size_t i = 0; i < seeds_.size(); ++i) {
      const std::string& seed = seeds_[next_seed_++ % seeds_.size()];
      if (is_live(seed)) continue;
      turn.out.sends.push_back({NodeId(), seed, Begin()});
      return true;
    }
    return false;
  };
  const auto try_past = [&] {
    const auto past = table_.Draw(turn.prng, [this](NodeId id, const MemberTable::Entry& entry) {
      return !IsLive(entry.life) && id != self_;
    });
    if (past.has_value()) turn.out.Send(*past, Begin());
    return past.has_value();
  };
  seeds_turn_ = !seeds_turn_;
  const bool asked = seeds_turn_ ? try_past() || try_seed() : try_seed() || try_past();
  syncs_ += asked;
}

void Gossip::OnSyncBegin(NodeId from, const SyncBegin& begin, MembershipTurn& turn) {
  CompareLayout(from, begin.layout, turn);
  SyncSums answer{layout_, table_.sum(), begin.sum != table_.sum(), {}};
  if (answer.differs) answer.sums = table_.sums();
  turn.out.Send(from, std::move(answer));
}

void Gossip::OnSyncSums(NodeId from, const SyncSums& sums, MembershipTurn& turn) {
  CompareLayout(from, sums.layout, turn);
  if (!sums.differs) return;
  SyncEntries entries;
  std::size_t bytes = 0;
  // From any bucket on, so that none is always the one that does not fit.
  const std::size_t first = turn.prng.Below(kTableBuckets);
  for (std::size_t i = 0; i < kTableBuckets; ++i) {
    const std::size_t bucket = (first + i) % kTableBuckets;
    if (sums.sums[bucket] == table_.sums()[bucket]) continue;
    if (bytes >= config_.sync_bytes_max) {
      entries.more = true;
      break;
    }
    entries.buckets.push_back(static_cast<std::uint8_t>(bucket));
    const std::size_t end = table_.BeginOf(bucket + 1);
    for (std::size_t at = table_.BeginOf(bucket); at < end; ++at) {
      if (table_.at(at).quiet) continue;
      entries.entries.push_back(table_.NewsOf(table_.id_at(at), /*with_description=*/false));
      bytes += NewsBytes(entries.entries.back());
    }
  }
  if (entries.buckets.empty()) return;
  std::sort(entries.buckets.begin(), entries.buckets.end());
  turn.out.Send(from, std::move(entries));
}

void Gossip::OnSyncEntries(NodeId from, const SyncEntries& theirs, MembershipTurn& turn) {
  std::vector<const MemberNews*> by_id;
  by_id.reserve(theirs.entries.size());
  for (const MemberNews& news : theirs.entries) by_id.push_back(&news);
  std::sort(by_id.begin(), by_id.end(),
            [](const MemberNews* a, const MemberNews* b) { return a->id < b->id; });
  SyncRecords answer;
  answer.more = theirs.more;
  std::size_t bytes = 0;
  for (const std::uint8_t bucket : theirs.buckets) {
    const std::size_t end = table_.BeginOf(bucket + std::size_t{1});
    for (std::size_t at = table_.BeginOf(bucket); at < end; ++at) {
      const MemberTable::Entry& mine = table_.at(at);
      const MemberNews* const other = FindIn(by_id, table_.id_at(at));
      if (other == nullptr && mine.quiet) continue;
      const bool newer = other == nullptr || other->incarnation < mine.incarnation ||
                         (other->incarnation == mine.incarnation &&
                          (other->life < mine.life || other->digest != mine.description->digest()));
      if (!newer) continue;
      const bool in_full = other == nullptr || other->digest != mine.description->digest();
      MemberNews news = table_.NewsOf(table_.id_at(at), in_full);
      const std::size_t more = NewsBytes(news);
      if (bytes + more > config_.sync_bytes_max) {
        answer.more = true;
        continue;
      }
      bytes += more;
      answer.records.push_back(std::move(news));
    }
  }
  for (const MemberNews* const news : by_id) {
    const MemberTable::Entry* const mine = table_.Find(news->id);
    const bool lacking =
        mine == nullptr || mine->incarnation < news->incarnation ||
        (mine->incarnation == news->incarnation && mine->description->digest() < news->digest);
    if (lacking) answer.wanted.push_back(news->id);
  }
  answer.wanted.erase(std::unique(answer.wanted.begin(), answer.wanted.end()), answer.wanted.end());
  if (answer.records.empty() && answer.wanted.empty()) return;
  turn.out.Send(from, std::move(answer));
}

void Gossip::OnSyncRecords(NodeId from, const SyncRecords& theirs, bool progress,
                           MembershipTurn& turn) {
  SyncRecords answer;
  std::size_t bytes = 0;
  for (const NodeId id : theirs.wanted) {
    if (table_.Find(id) == nullptr) continue;
    MemberNews news = table_.NewsOf(id, /*with_description=*/true);
    bytes += NewsBytes(news);
    answer.more = bytes > config_.sync_bytes_max;
    if (answer.more) break;
    answer.records.push_back(std::move(news));
  }
  if (!answer.records.empty()) turn.out.Send(from, std::move(answer));
  // The rest, at once; only as long as it brings something, so that it ends.
  if (theirs.more && progress) turn.out.Send(from, Begin());
}

void Gossip::CompareLayout(NodeId from, LayoutVersion theirs, MembershipTurn& turn) {
  using Kind = MembershipEvent::Kind;
  const auto report = [&](Kind kind) {
    turn.out.events.push_back({.kind = kind, .node = from, .layout = theirs});
  };
  if (theirs.number != layout_.number) {
    report(theirs.number > layout_.number ? Kind::kLayoutBehind : Kind::kLayoutAhead);
    return;
  }
  if (theirs.digest == layout_.digest) return;
  if (split_.first.has_value() && turn.now - split_.last > config_.layout_split_after) split_ = {};
  if (!split_.first.has_value()) split_.first = turn.now;
  split_.last = turn.now;
  if (turn.now - *split_.first < config_.layout_split_after) return;
  report(Kind::kLayoutSplit);
  split_ = {};
}

}  // namespace gyre
