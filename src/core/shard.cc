#include "core/shard.h"

#include <utility>

#include "core/coordinator/sole_owner.h"
#include "core/handoff/hint_census.h"
#include "core/shard_impl.h"

namespace gyre {
namespace {

void CountRequest(const ClientRequest& request, ShardCounters& counters) {
  if (std::holds_alternative<GetRequest>(request)) ++counters.gets;
  if (std::holds_alternative<PutRequest>(request)) ++counters.puts;
  if (std::holds_alternative<ScanRequest>(request)) ++counters.scans;
}

}  // namespace

Shard::Shard(const ShardOptions& options, ClusterViewPtr view, RowsAtHand* at_hand)
    : impl_(std::make_unique<Impl>(options, std::move(view), at_hand)) {}
Shard::~Shard() = default;

void Shard::OnStart(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->state.Gather(now.instant);
  impl_->Start(std::make_unique<HintCensus>(impl_->state), env);
  impl_->state.run = impl_->prng.Next() | 1;
  impl_->state.founding_grace = impl_->options.founding_grace;
  impl_->greeter->Begin(impl_->options.resumes, env);
  impl_->handoff->Start(env);
  impl_->repair->Start(env);
  if (impl_->options.fills && impl_->ledger.keeps_tree()) impl_->repair->BeginFilling();
  impl_->scrubber->Start(env);
  impl_->surplus->Start(env);
  impl_->Settle(env);
}

// ---- requests ----------------------------------------------------------------------------------

bool Shard::AnswerAtOnce(ClientRequest& request, Now now, ClientResult& result) {
  if (!impl_->state.serving) return false;
  if (auto* get = std::get_if<GetRequest>(&request)) {
    if (!AnswerAsSoleOwner(impl_->state, *get, result)) return false;
    ++impl_->counters.gets;
    return true;
  }
  auto* put = std::get_if<PutRequest>(&request);
  if (put == nullptr || !AnswerAsSoleOwner(impl_->state, *put, now, result)) return false;
  ++impl_->counters.puts;
  return true;
}

void Shard::OnClientRequest(ClientId client, ClientRequest&& request, Now now, Effects& out) {
  CountRequest(request, impl_->counters);
  Env env{now, out, impl_->local};
  const Origin origin{client, std::nullopt, {}, {}};
  std::visit([&](auto& typed) { impl_->Begin(origin, std::move(typed), env); }, request);
  impl_->Settle(env);
}

// ---- everything else ---------------------------------------------------------------------------

void Shard::OnReadDone(RequestId id, Result<std::optional<Row>> row, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->replica.OnReadDone(id, std::move(row), env);
  impl_->Settle(env);
}

void Shard::OnWriteDone(RequestId id, Status status, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->replica.OnWriteDone(id, status, env);
  impl_->Settle(env);
}

void Shard::OnScanDone(RequestId id, Result<ScanPage> page, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->With(id, env, [&](Machine& m) { m.OnScanDone(std::move(page), env); });
  impl_->Settle(env);
}

// The tree follows, so that it differs from the other owners': the exchange finds the rows that are
// missing. Notes have no other owner, but what they say is in memory: they are read, and written
// where they are not there.
void Shard::OnRowsLost(const std::vector<LeafSum>& leaves, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  std::vector<std::pair<SectionId, BallotNumbers>> notes;
  impl_->ledger.ballots().ForEachDurable([&](SectionId section, const BallotNumbers& numbers) {
    notes.emplace_back(section, numbers);
  });
  for (const auto& [section, numbers] : notes) {
    impl_->replica.Raise(section, numbers, Ticket::Nobody(), env);
  }
  for (const LeafSum& leaf : leaves) {
    const PartitionId partition = impl_->state.PartitionOfLeaf(leaf.leaf);
    if (!impl_->ledger.keeps_tree() || !impl_->state.Serves(partition)) continue;
    impl_->ledger.LoadLeaf(leaf.keyspace, leaf.leaf, leaf.sum);
    impl_->repair->MarkDirty(partition, env);
  }
  impl_->Settle(env);
}

void Shard::OnPeerUp(NodeId peer, const LinkTerms& terms, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->greeter->OnLinkUp(peer, terms, env);
  impl_->Settle(env);
}

void Shard::OnPeerDown(NodeId peer, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->greeter->OnLinkDown(peer, env);
  impl_->Settle(env);
}

void Shard::OnTick(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  if (now.instant >= impl_->state.gathered_by) impl_->state.gathering = false;
  for (const RequestId id : impl_->state.timers.TakeDue(now.instant)) {
    impl_->With(id, env, [&](Machine& m) { m.OnTimer(env); });
  }
  impl_->Settle(env);
}

void Shard::OnView(ClusterViewPtr view, Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->state.view = std::move(view);
  impl_->replica.SetView(impl_->state.view.get());
  for (const RequestId id : impl_->state.machines.Ids()) {
    impl_->With(id, env, [&](Machine& m) { m.OnView(env); });
  }
  impl_->Settle(env);
}

std::vector<Shard::Arrival> Shard::arrivals() const {
  const ClusterView& view = *impl_->state.view;
  std::vector<Arrival> arrivals;
  for (std::uint32_t p = 0; view.moves.any() && p < view.ring.partition_count(); ++p) {
    const PartitionId partition(p);
    if (view.moves.FromOwners(partition) == nullptr || !impl_->state.Serves(partition)) continue;
    if (impl_->repair->HasArrived(partition)) {
      arrivals.push_back({partition, view.EpochOf(partition)});
    }
  }
  return arrivals;
}

Shard::Transfers Shard::transfers() const {
  const ClusterView& view = *impl_->state.view;
  Transfers transfers{impl_->repair->streams(), 0};
  for (std::uint32_t p = 0; view.moves.any() && p < view.ring.partition_count(); ++p) {
    const PartitionId partition(p);
    const bool waits = impl_->state.Serves(partition) && impl_->repair->Fetches(partition);
    transfers.waiting += waits && !transfers.streams.contains(partition);
  }
  return transfers;
}

std::size_t Shard::surplus_partitions() const { return impl_->surplus->partitions(); }

void Shard::HurryRepair(Now now, Effects& out) {
  Env env{now, out, impl_->local};
  impl_->repair->MarkAllDirty(env);
  impl_->Settle(env);
}

Shard::RepairState Shard::repair_state() const {
  const RepairScheduler& repair = *impl_->repair;
  return {repair.pairs(), repair.pairs_unequal(), repair.pairs_dirty(),
          impl_->state.unfilled.size()};
}

Shard::ScrubState Shard::scrub_state() const {
  return {impl_->scrubber->turns(), impl_->scrubber->turns_begun()};
}

bool Shard::serving() const { return impl_->state.serving; }
std::size_t Shard::purge_candidates() const { return impl_->purger->candidates(); }
Instant Shard::NextWake() const { return impl_->state.timers.NextWake(); }
const ShardCounters& Shard::counters() const { return impl_->counters; }
const DotSource& Shard::dots() const { return impl_->replica.dots(); }
std::uint64_t Shard::run() const { return impl_->state.run; }
const RowLedger& Shard::ledger() const { return impl_->ledger; }
const Budget& Shard::budget() const { return impl_->budget; }
std::size_t Shard::requests_in_flight() const { return impl_->requests; }
std::size_t Shard::tasks_in_flight() const {
  return impl_->state.machines.size() - impl_->requests - impl_->kept_count;
}

}  // namespace gyre
