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
  const KeyspaceConfig* keyspace = shard.view->FindKeyspace(key.keyspace);
  if (keyspace == nullptr || !CheckKey(key)) return nullptr;
  if (shard.view->moves.any() || !keyspace->regions.empty()) return nullptr;
  const Ring& ring = shard.view->ring;
  const Ring::Owners owners = ring.OwnersOf(ring.PartitionOf(key.token), keyspace->replicas);
  return owners.count == 1 && owners.data[0] == shard.self ? keyspace : nullptr;
}

}  // namespace

bool AnswerAsSoleOwner(ShardState& shard, const GetRequest& request, ClientResult& result) {
  return SoleOwnerOf(shard, request.key, request.options) != nullptr &&
         shard.replica.GetNow(request.key, result->emplace<GetOutcome>().record);
}

bool AnswerAsSoleOwner(ShardState& shard, PutRequest& request, Now now, ClientResult& result) {
  const KeyspaceConfig* keyspace = SoleOwnerOf(shard, request.key, request.options);
  if (keyspace == nullptr) return false;
  if (!CheckMutation(request.mutation, *keyspace, shard.config, now)) return false;
  // With one copy, reading first is what a mutation does anyway.
  auto done = shard.replica.MutateNow(request.key, request.mutation, request.read_first, now,
                                      result->emplace<PutOutcome>());
  if (!done) return false;
  if (*done) {
    auto& outcome = std::get<PutOutcome>(*result);
    outcome.copies = outcome.zones = outcome.changed ? 1 : 0;
    outcome.strict = outcome.changed;
  } else {
    CountError(done->error().code, shard.counters);
    result = Fail(std::move(done->error()));
  }
  return true;
}

}  // namespace gyre
