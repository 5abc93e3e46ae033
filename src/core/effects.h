// What the core wants done. A handler appends to Effects and never waits: the driver (server or
// simulator) carries them out in order after the handler returns, and answers with events.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "core/ids.h"
#include "core/key.h"
#include "core/node_list.h"
#include "core/request.h"
#include "core/scan_range.h"
#include "core/wire/messages.h"

namespace gyre {

// Send to other nodes; a link may be down or full, then it is as if lost.
struct SendEffect {
  NodeList to;
  std::optional<ShardId> to_shard;  // set on replies
  Message message;
};
// Answered by Shard::OnReadDone(id). A read sees every write the shard asked for before it, durable
// or not; one asked for after it only once that is durable (a client must not see what may vanish).
struct ReadEffect {
  RequestId id;
  RowKey key;
};
// Answered by Shard::OnWriteDone(id) once as durable as configured. Writes of one key are carried
// out in the order asked.
struct WriteEffect {
  RequestId id;
  RowKey key;
  std::optional<Row> row;        // nullopt: the row goes
  std::uint64_t leaf_delta = 0;  // to be added to the key's leaf (ledger/merkle_tree.h), with it
  // Not 0: one of many that come in the order of their keys, nearly all that lie there, and have
  // the same number. A hint for storage.
  RequestId run{};
};
// A page of rows in order, answered by Shard::OnScanDone(id). It sees every write that the shard
// asked for before it.
struct ScanEffect {
  RequestId id;
  ScanRange range;
};
// The client's answer.
struct ReplyEffect {
  ClientId client;
  ClientResult result;
};

using Effect = std::variant<SendEffect, ReadEffect, WriteEffect, ScanEffect, ReplyEffect>;
using Effects = std::vector<Effect>;

}  // namespace gyre
