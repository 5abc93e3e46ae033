#include "core/coordinator/sole_owner.h"

#include <utility>

#include "core/coordinator/admission.h"

namespace gyre {
namespace {

// The keyspace, if one copy of the key is all there is, here, and the request asks for no other
// quorum than the keyspace's (which a cluster of one always fulfils).
const KeyspaceConfig* SoleOwnerOf(const ShardState& shard, const RowKey& key,
                                  const RequestOptions& options) {
  if (options.read_quorum || options.write_quorum) return nullptr;
  const Ring& ring = shard.view->ring;
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(key.keyspace);
  if (keyspace == nullptr || !CheckKey(key)) return nullptr;
  const Ring::Owners owners = ring.OwnersOf(ring.PartitionOf(key.token), keyspace->replicas);
  return owners.count == 1 && owners.data[0] == shard.self ? keyspace : nullptr;
}

ReplyEffect& Begin(ClientId client, Effects& out) {
  auto& reply = std::get<ReplyEffect>(out.emplace_back(std::in_place_type<ReplyEffect>));
  reply.client = client;
  return reply;
}

}  // namespace

bool AnswerAsSoleOwner(ShardState& shard, ClientId client, const GetRequest& request, Now /*now*/,
                       Effects& out) {
  if (SoleOwnerOf(shard, request.key, request.options) == nullptr) return false;
  ReplyEffect& reply = Begin(client, out);
  if (shard.replica.GetNow(request.key, reply.result->emplace<GetOutcome>().record)) return true;
  out.pop_back();
  return false;
}

bool AnswerAsSoleOwner(ShardState& shard, ClientId client, PutRequest& request, Now now,
                       Effects& out) {
  const KeyspaceConfig* keyspace = SoleOwnerOf(shard, request.key, request.options);
  if (keyspace == nullptr) return false;
  if (!CheckMutation(request.mutation, *keyspace, shard.config, now)) return false;
  // With one copy, reading first is what a mutation does anyway.
  LocalApplied applied;
  auto done =
      shard.replica.MutateNow(request.key, request.mutation, request.read_first, now, applied);
  if (!done) return false;
  ReplyEffect& reply = Begin(client, out);
  if (*done) {
    auto& outcome = reply.result->emplace<PutOutcome>();
    outcome.context = std::move(applied.context);
    outcome.changed = applied.changed;
    outcome.before = std::move(applied.before);
  } else {
    CountError(done->error().code, shard.counters);
    reply.result = Fail(std::move(done->error()));
  }
  return true;
}

}  // namespace gyre
