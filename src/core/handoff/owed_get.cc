#include "core/handoff/owed_get.h"

#include <utility>
#include <vector>

#include "core/causality/merge.h"

namespace gyre {
namespace {

// Reads several hints of one key, one after the other: there is rarely more than one.
class OwedGet : public Machine {
 public:
  OwedGet(ShardState& shard, const RowKey& key, std::vector<NodeId> targets, const Ticket& ticket)
      : Machine(shard), key_(key), targets_(std::move(targets)), ticket_(ticket) {}

  void Start(Env& env) override { ReadNext(env); }
  void OnLocal(LocalOutcome& outcome, Env& env) override {
    auto* get = std::get_if<LocalGetDone>(&outcome.what);
    if (get == nullptr) return;
    if (!get->record) return End(Fail(std::move(get->record.error())), env);
    if (!get->record->empty()) {
      Result<Record> record = Record::Decode(*get->record);
      if (!record) return End(Fail(std::move(record.error())), env);
      joined_ = Join(joined_, *record);
      if (Status fits = joined_.CheckLimits(); !fits) return End(Fail(fits.error()), env);
    }
    ReadNext(env);
  }

 private:
  void ReadNext(Env& env) {
    if (targets_.empty()) return End(joined_.empty() ? Bytes() : joined_.Encode(), env);
    const RowKey hint = key_.OwedTo(targets_.back());
    targets_.pop_back();
    shard().replica.Get(hint, Ticket::Local(id()), env);
  }
  void End(Result<Bytes> record, Env& env) {
    shard().replica.AnswerGet(ticket_, std::move(record), env);
    Finish();
  }

  RowKey key_;
  std::vector<NodeId> targets_;
  Ticket ticket_;
  Record joined_;
};

}  // namespace

void GetOwed(const RowKey& key, const Ticket& asker, ShardState& shard, Env& env) {
  Ticket ticket = asker;
  ticket.stamp = shard.ledger.ballots().Stamp(key);
  const HintLedger& hints = shard.ledger.hints();
  std::vector<NodeId> targets;
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(key.keyspace);
  if (!hints.empty() && keyspace != nullptr) {
    const PartitionId partition = shard.view->ring.PartitionOf(key.token);
    for (const NodeId owner : shard.view->SetsOf(partition, *keyspace).All()) {
      if (hints.Has({owner, key.keyspace, shard.view->ring.SectionOf(partition)}))
        targets.push_back(owner);
    }
  }
  if (targets.empty()) return shard.replica.AnswerGet(ticket, Bytes(), env);
  shard.spawned.push_back(std::make_unique<OwedGet>(shard, key, std::move(targets), ticket));
}

}  // namespace gyre
