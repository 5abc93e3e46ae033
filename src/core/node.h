// Which of a node's shards an event is for. Pure: the driver owns the shards, on one thread (the
// simulator) or one each (the server).
#pragma once

#include <cstdint>

#include "core/cluster_view.h"
#include "core/ids.h"
#include "core/request.h"
#include "core/wire/message_codec.h"

namespace gyre {

constexpr ShardId ShardOfSection(SectionId section, std::uint16_t shard_count) {
  return ShardId(static_cast<std::uint16_t>(section.value % shard_count));
}
ShardId ShardOfRequest(const ClientRequest& request, const Ring& ring, std::uint16_t shard_count);
// A reply goes to the shard it names (mod shard_count, as it comes from outside), a request to the
// shard of its section.
ShardId ShardOfMessage(const Envelope& envelope, const Ring& ring, std::uint16_t shard_count);

}  // namespace gyre
