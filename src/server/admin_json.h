// What a node says about itself and its cluster, as JSON: one source for HTTP (/v1/status, ...),
// RESP (KV.STATUS, ...) and `gyre`. Fields are only ever added.
#pragma once

#include <string>
#include <string_view>

#include "core/cluster_view.h"
#include "core/request.h"
#include "server/backend.h"

namespace gyre {

// A member's name; node-%06x for who is none.
std::string NodeNameOf(const ClusterView& view, NodeId id);

// What R, W and N promise together, in the operator's words: "read your writes while no owner is
// down", "read your writes, or an error" (not sloppy) or "may read stale".
std::string QuorumPromise(const KeyspaceConfig& keyspace, int copies);

// This node: identity, whether the cluster is whole and what is owed to whom, readiness, peers up
// and down, engine, keyspaces' promises, counters, latency.
std::string StatusJson(const Backend& backend);
// The ring, and where it is to be while partitions move: members with weight, share, partitions and
// the addresses that they tell (empty: none), its epoch, which is the layout's number, how many
// partitions move, and who leaves and is no part of it any more.
std::string RingJson(const ClusterView& view);
std::string KeyspacesJson(const ClusterView& view);
// One key: token, partition, preference list, and what each owner holds: clock as [name,n] entries
// and values (base64).
std::string ExplainJson(const ClusterView& view, std::string_view keyspace, const RowKey& key,
                        const ExplainOutcome& outcome, WallTime now);

// Is this node of use to clients now? Empty if so, else the reason in one sentence.
std::string NotReadyReason(const Backend& backend);

}  // namespace gyre
