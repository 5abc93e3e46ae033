#include "core/purge/copy_get.h"

#include <utility>

#include "core/handoff/owed_get.h"

namespace gyre {
namespace {

class RaiseAndGet : public Machine {
 public:
  RaiseAndGet(ShardState& shard, const RowKey& key, bool owed, std::uint64_t floor,
              const Ticket& ticket)
      : Machine(shard), key_(key), owed_(owed), floor_(floor), ticket_(ticket) {}

  void Start(Env& env) override {
    const SectionId section = view().ring.SectionOf(key_.token);
    shard().replica.Raise(section, {floor_, 0}, Ticket::Local(id()), env);
  }
  void OnLocal(LocalOutcome& outcome, Env& env) override {
    auto* raised = std::get_if<LocalDurable>(&outcome.what);
    if (raised == nullptr) return;
    if (raised->status) {
      GetCopy(key_, owed_, /*floor=*/0, ticket_, shard(), env);
    } else {
      shard().replica.AnswerGet(ticket_, Fail(std::move(raised->status.error())), env);
    }
    Finish();
  }

 private:
  const RowKey key_;
  const bool owed_;
  const std::uint64_t floor_;
  const Ticket ticket_;
};

}  // namespace

void GetCopy(const RowKey& key, bool owed, std::uint64_t floor, const Ticket& ticket,
             ShardState& shard, Env& env) {
  if (!owed && shard.unfilled.contains(shard.view->ring.PartitionOf(key.token))) {
    ++shard.counters.reads_unfilled;
    return shard.replica.AnswerGet(
        ticket, Fail(ErrorCode::kUnavailable, "this disk is new, and has yet to fill up"), env);
  }
  if (floor > shard.ledger.ballots().Stamp(key)) {
    shard.spawned.push_back(std::make_unique<RaiseAndGet>(shard, key, owed, floor, ticket));
  } else if (owed) {
    GetOwed(key, ticket, shard, env);
  } else {
    shard.replica.Get(key, ticket, env);
  }
}

}  // namespace gyre
