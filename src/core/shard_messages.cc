// What peers say to this shard.
#include <utility>

#include "core/antientropy/exchange_answers.h"
#include "core/antientropy/range_stream.h"
#include "core/peer_checks.h"
#include "core/purge/ballot_vote.h"
#include "core/purge/copy_get.h"
#include "core/shard_impl.h"

namespace gyre {

void Shard::OnMessage(NodeId from, ShardId from_shard, Message&& message, Now now, Effects& out) {
  Impl& impl = *impl_;
  Env env{now, out, impl.local};
  const auto reply = [&](Message answer) {
    out.emplace_back(SendEffect{from, from_shard, std::move(answer)});
  };
  const auto origin = [&](RequestId id) { return Origin{{}, from, from_shard, id}; };
  const auto answered = [&](RequestId id) {
    impl.With(id, env, [&](Machine& m) { m.OnReply(from, message, env); });
  };

  // Until this node serves it gives and takes no copies, and coordinates for nobody.
  if (!impl.state.serving && !NamesItsShard(message)) return;
  switch (TypeOf(message)) {
    case MessageType::kReplicaGet: {
      auto& get = std::get<ReplicaGet>(message);
      ++impl.counters.replica_gets;
      if (const auto error = Refused(get, impl.state)) {
        reply(ReplicaGetReply{get.id, *error, {}});
      } else {
        Ticket ticket = Ticket::Peer(from, from_shard, get.id);
        ticket.digest_over = get.digest_over;
        ticket.partition = impl.state.view->ring.PartitionOf(get.key.token);
        ticket.epoch = get.epoch;
        GetCopy(get.key, get.owed, get.floor, ticket, impl.state, env);
      }
      break;
    }
    case MessageType::kReplicaPut: {
      auto& put = std::get<ReplicaPut>(message);
      ++impl.counters.replica_puts;
      if (const auto error = Refused(put, impl.state)) {
        if (put.id.value != 0) reply(ReplicaPutReply{put.id, *error});
      } else {
        // A repair that nobody waits for has no id.
        Ticket ticket =
            put.id.value == 0 ? Ticket::Nobody() : Ticket::Peer(from, from_shard, put.id);
        ticket.partition = impl.state.view->ring.PartitionOf(put.key.token);
        ticket.epoch = put.epoch;
        impl.replica.Merge(put.key, std::move(put.record), put.stamp, put.repair, ticket, env);
      }
      break;
    }
    case MessageType::kForwardGet: {
      auto& forward = std::get<ForwardGet>(message);
      impl.Begin(origin(forward.id), std::move(forward.request), env);
      break;
    }
    case MessageType::kForwardPut: {
      auto& forward = std::get<ForwardPut>(message);
      impl.Begin(origin(forward.id), std::move(forward.request), env);
      break;
    }
    case MessageType::kReplicaScan: {
      auto& scan = std::get<ReplicaScan>(message);
      ++impl.counters.replica_scans;
      const Ring& ring = impl.state.view->ring;
      if (scan.request.partition.value >= ring.partition_count() ||
          scan.epoch != impl.state.view->EpochOf(scan.request.partition)) {
        ++impl.counters.wrong_epoch;
        reply(ReplicaScanReply{
            scan.id, Error{ErrorCode::kWrongEpoch, "other owners are known here"}, {}});
        break;
      }
      scan.request.partition_bits = ring.partition_bits();
      impl.Begin(origin(scan.id), std::move(scan.request), env);
      break;
    }
    case MessageType::kTreeCompare: {
      auto& compare = std::get<TreeCompare>(message);
      reply(AnswerTreeCompare(compare, from, impl.state, *impl.repair));
      break;
    }
    case MessageType::kRangeGet: {
      auto& get = std::get<RangeGet>(message);
      if (const auto error = Refused(get, impl.state)) {
        reply(RangeGetReply{get.id, *error, {}});
      } else {
        AnswerRangeGet(std::move(get), from, from_shard, impl.state);
      }
      break;
    }
    case MessageType::kLeafKeys: {
      auto& keys = std::get<LeafKeys>(message);
      if (const auto error = Refused(keys, impl.state)) {
        reply(LeafKeysReply{keys.id, *error, {}, {}, false});
      } else {
        AnswerLeafKeys(std::move(keys), from, from_shard, impl.state);
      }
      break;
    }
    case MessageType::kBallot: {
      auto& ballot = std::get<Ballot>(message);
      if (ballot.step == Ballot::Step::kDrop) {
        DropPurged(ballot, impl.state, env);
      } else {
        const Ticket ticket = Ticket::Peer(from, from_shard, ballot.id);
        impl.Start(std::make_unique<BallotVote>(impl.state, std::move(ballot), ticket), env);
      }
      break;
    }
    case MessageType::kGreeting:
      impl.greeter->OnGreeting(from, from_shard, std::get<Greeting>(message), env);
      break;
    case MessageType::kNodeMessage:
      break;  // for the node: no shard has a part in it
    case MessageType::kBallotReply:
      answered(std::get<BallotReply>(message).id);
      break;
    case MessageType::kTreeCompareReply:
      answered(std::get<TreeCompareReply>(message).id);
      break;
    case MessageType::kLeafKeysReply:
      answered(std::get<LeafKeysReply>(message).id);
      break;
    case MessageType::kRangeGetReply:
      answered(std::get<RangeGetReply>(message).id);
      break;
    case MessageType::kReplicaGetReply:
      answered(std::get<ReplicaGetReply>(message).id);
      break;
    case MessageType::kReplicaPutReply:
      answered(std::get<ReplicaPutReply>(message).id);
      break;
    case MessageType::kForwardGetReply:
      answered(std::get<ForwardGetReply>(message).id);
      break;
    case MessageType::kForwardPutReply:
      answered(std::get<ForwardPutReply>(message).id);
      break;
    case MessageType::kReplicaScanReply:
      answered(std::get<ReplicaScanReply>(message).id);
      break;
  }
  impl.Settle(env);
}

}  // namespace gyre
