#include "server/metrics.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/membership/member_record.h"

namespace gyre {
namespace {

// Bounds of the exported histograms: powers of two from 64 us to 16.8 s. At these the finer
// histogram inside can be cut exactly.
constexpr int kFirstBoundBits = 6;
constexpr int kLastBoundBits = 24;

class Page {
 public:
  void Family(std::string_view name, std::string_view type, std::string_view help) {
    fmt::format_to(Out(), "# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
  }
  template <typename Value>
  void Sample(std::string_view name, std::string_view labels, Value value) {
    if (labels.empty()) {
      fmt::format_to(Out(), "{} {}\n", name, value);
    } else {
      fmt::format_to(Out(), "{}{{{}}} {}\n", name, labels, value);
    }
  }
  template <typename Value>
  void Counter(std::string_view name, std::string_view help, Value value) {
    Family(name, "counter", help);
    Sample(name, "", value);
  }
  template <typename Value>
  void Gauge(std::string_view name, std::string_view help, Value value) {
    Family(name, "gauge", help);
    Sample(name, "", value);
  }
  std::string Take() { return std::move(text_); }

 private:
  std::back_insert_iterator<std::string> Out() { return std::back_inserter(text_); }
  std::string text_;
};

// A label's value: backslash, quote and line feed are escaped.
std::string Label(std::string_view name, std::string_view value) {
  std::string text(name);
  text += "=\"";
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? std::string("\\n") : std::string(1, c);
  }
  return text + "\"";
}

double Seconds(std::uint64_t us) { return static_cast<double>(us) / 1e6; }

void AddLatency(Page& page, const NodeStats& stats) {
  constexpr std::string_view kName = "gyre_operation_duration_seconds";
  page.Family(kName, "histogram",
              "Time from a client's request to its answer, on the node that was asked.");
  for (std::size_t i = 0; i < kOperationCount; ++i) {
    const LatencyHistogram& histogram = stats.latency[i];
    const std::string operation = Label("operation", OperationName(static_cast<Operation>(i)));
    std::uint64_t below = 0;
    std::size_t bucket = 0;
    for (int bits = kFirstBoundBits; bits <= kLastBoundBits; ++bits) {
      const std::uint64_t bound_us = std::uint64_t{1} << bits;
      while (bucket < LatencyHistogram::kBuckets &&
             LatencyHistogram::UpperBound(bucket) < bound_us) {
        below += histogram.bucket_count(bucket++);
      }
      page.Sample(fmt::format("{}_bucket", kName),
                  operation + "," + Label("le", fmt::format("{}", Seconds(bound_us))), below);
    }
    page.Sample(fmt::format("{}_bucket", kName), operation + "," + Label("le", "+Inf"),
                histogram.count());
    page.Sample(fmt::format("{}_sum", kName), operation, Seconds(histogram.sum_us()));
    page.Sample(fmt::format("{}_count", kName), operation, histogram.count());
  }
}

void AddCore(Page& page, const ShardCounters& core) {
  page.Family("gyre_requests_total", "counter", "Client requests taken by this node.");
  page.Sample("gyre_requests_total", Label("operation", "get"), core.gets);
  page.Sample("gyre_requests_total", Label("operation", "put"), core.puts);
  page.Sample("gyre_requests_total", Label("operation", "scan"), core.scans);
  page.Counter("gyre_requests_forwarded_total",
               "Client requests handed to an owner, as this node is none.", core.forwards);
  page.Family("gyre_request_failures_total", "counter",
              "Client requests that failed; unavailable and overloaded were surely not applied.");
  page.Sample("gyre_request_failures_total", Label("reason", "unavailable"), core.unavailable);
  page.Sample("gyre_request_failures_total", Label("reason", "outcome_unknown"),
              core.outcome_unknown);
  page.Sample("gyre_request_failures_total", Label("reason", "overloaded"), core.overloaded);
  page.Family("gyre_replica_requests_total", "counter", "Requests from other nodes.");
  page.Sample("gyre_replica_requests_total", Label("operation", "get"), core.replica_gets);
  page.Sample("gyre_replica_requests_total", Label("operation", "put"), core.replica_puts);
  page.Sample("gyre_replica_requests_total", Label("operation", "scan"), core.replica_scans);
  page.Counter("gyre_read_repairs_total", "Records sent to owners that were stale.",
               core.read_repairs);
  page.Counter("gyre_reads_blocked_on_repair_total", "Gets that waited for a write-back.",
               core.reads_blocked_on_repair);
  page.Family("gyre_digest_reads_total", "counter",
              "Digests of large records that gets were given; equal ones spared the record.");
  page.Sample("gyre_digest_reads_total", Label("result", "equal"), core.digests_equal);
  page.Sample("gyre_digest_reads_total", Label("result", "unequal"), core.digests_unequal);
  page.Counter("gyre_siblings_created_total", "Puts that left more than one live sibling.",
               core.siblings_created);
  page.Counter("gyre_clock_entries_truncated_total", "Version vector entries dropped by age.",
               core.clock_entries_truncated);
  page.Counter("gyre_corrupt_rows_total", "Stored rows that failed their checksum.",
               core.corrupt_rows);
  page.Counter("gyre_corrupt_messages_total", "Peer messages that failed their checks.",
               core.corrupt_messages);
  page.Counter("gyre_wrong_epoch_total", "Peer messages planned with another ring.",
               core.wrong_epoch);
  page.Counter("gyre_storage_errors_total", "Reads and writes that the engine refused.",
               core.storage_errors);
  page.Counter("gyre_actors_retired_total", "Actors given up because a counter might repeat.",
               core.actors_retired);
}

void AddHintCounters(Page& page, const ShardCounters& core) {
  page.Counter("gyre_hints_sent_total", "Copies given to other nodes to keep for silent owners.",
               core.hints_sent);
  page.Counter("gyre_hints_stored_total", "Copies taken in here to keep for silent owners.",
               core.hints_stored);
  page.Counter("gyre_hints_refused_total", "Copies not taken in, past a limit.",
               core.hints_refused);
  page.Counter("gyre_hints_replayed_total", "Copies handed over to their owners.",
               core.hints_replayed);
  page.Counter("gyre_copies_left_to_exchange_total",
               "Copies neither acknowledged nor kept as a hint in time.",
               core.copies_left_to_exchange);
  page.Counter("gyre_exchanges_total", "Comparisons of a partition with another owner.",
               core.exchanges);
  page.Counter("gyre_leaves_exchanged_total", "Leaves of trees that differed.",
               core.leaves_exchanged);
  page.Counter("gyre_exchange_records_sent_total", "Records given to owners that lacked them.",
               core.exchange_records_sent);
  page.Counter("gyre_exchange_records_received_total", "Records got from other owners.",
               core.exchange_records_received);
  page.Counter("gyre_rows_scrubbed_total", "Rows that the scrubber has read.", core.rows_scrubbed);
  page.Counter("gyre_damaged_pages_total", "Reads of the scrubber that failed on a damaged row.",
               core.damaged_pages);
  page.Counter("gyre_leaves_corrected_total", "Leaves whose sum was not that of their rows.",
               core.leaves_corrected);
  page.Counter("gyre_ballots_total", "Ballots begun on deleted rows, to purge them.", core.ballots);
  page.Counter("gyre_ballots_failed_total", "Of them, those that some node did not take part in.",
               core.ballots_failed);
  page.Counter("gyre_rows_purged_total", "Rows of deleted and expired keys that are gone here.",
               core.rows_dropped);
  page.Counter("gyre_partitions_set_aside_total",
               "Partitions emptied because the disk had gone back to before a purge.",
               core.partitions_set_aside);
  page.Counter("gyre_copies_renewed_total", "Copies refused because of a purge, and sent again.",
               core.copies_renewed);
  page.Counter("gyre_near_reads_total", "Gets that asked the owners of one region only, at first.",
               core.near_reads);
  page.Counter("gyre_near_reads_widened_total",
               "Gets for which the owners of one region did not suffice.", core.near_reads_widened);
  page.Counter("gyre_reads_unfilled_total",
               "Reads that were refused, as this disk was empty and has yet to fill up.",
               core.reads_unfilled);
  page.Counter("gyre_steady_reads_total",
               "Gets that asked those who own a moving partition before and after, at first.",
               core.steady_reads);
  page.Counter("gyre_steady_reads_widened_total", "Gets for which these did not suffice.",
               core.steady_reads_widened);
  page.Counter("gyre_reads_begun_anew_total", "Reads whose copies were from before a purge.",
               core.reads_begun_anew);
  page.Counter("gyre_standin_puts_total", "Puts coordinated for owners that could not be reached.",
               core.standin_puts);
}

// A target stays on the page with 0 when its debt is paid, as long as it is a peer: a series that
// vanishes cannot be told from a node that does.
void AddDebts(Page& page, const NodeStats& stats) {
  std::vector<HintDebt> debts = stats.owed;
  for (const PeerStats& peer : stats.peers) {
    if (std::none_of(debts.begin(), debts.end(),
                     [&](const HintDebt& debt) { return debt.target == peer.id; })) {
      debts.push_back({peer.id, peer.name});
    }
  }
  if (debts.empty()) return;
  const auto family = [&](std::string_view name, std::string_view help, auto value) {
    page.Family(name, "gauge", help);
    for (const HintDebt& debt : debts) page.Sample(name, Label("target", debt.name), value(debt));
  };
  family("gyre_hints", "Copies kept here for a node that could not be reached.",
         [](const HintDebt& d) { return d.hints; });
  family("gyre_hint_bytes", "Bytes of the copies kept here for the node.",
         [](const HintDebt& d) { return d.bytes; });
  family("gyre_hint_age_seconds", "Age of the oldest copy kept here for the node, 0 if none is.",
         [](const HintDebt& d) {
           return Seconds(static_cast<std::uint64_t>(std::max<std::int64_t>(d.oldest_age.us, 0)));
         });
}

void AddBackground(Page& page, const NodeStats& stats) {
  page.Gauge("gyre_background_budget_bytes_per_second",
             "What background work may read, send and write now.",
             stats.background.bytes_per_second);
  page.Counter("gyre_background_bytes_total", "What background work has read, sent and written.",
               stats.background.bytes_spent);
  page.Gauge("gyre_purge_waiting", "Deleted and expired rows that this node is to have purged.",
             stats.purge_waiting);
  page.Gauge("gyre_leaf_bytes", "Memory of the sums that rows are compared by.", stats.leaf_bytes);
}

void AddTransfers(Page& page, const NodeStats& stats) {
  const ShardCounters& core = stats.core;
  page.Counter("gyre_transfers_total", "Streams begun of partitions that come here as a whole.",
               core.streams);
  page.Counter("gyre_transfers_resumed_total",
               "Of them, those that found a part of the partition here.", core.streams_resumed);
  page.Counter("gyre_transfers_done_total", "Of them, those that came to their end.",
               core.streams_done);
  page.Counter("gyre_transfer_rows_received_total", "Rows that came so.",
               core.stream_rows_received);
  page.Counter("gyre_transfer_bytes_received_total", "Their bytes.", core.stream_bytes_received);
  page.Counter("gyre_transfer_rows_sent_total", "Rows given to other nodes so.",
               core.stream_rows_sent);
  page.Counter("gyre_transfer_bytes_sent_total", "Their bytes.", core.stream_bytes_sent);
  page.Gauge("gyre_transfers_waiting", "Partitions that are to come here, and do not yet.",
             stats.transfers_waiting);
  if (stats.transfers.empty()) return;
  const auto family = [&](std::string_view name, std::string_view help, auto value) {
    page.Family(name, "gauge", help);
    for (const TransferStats& each : stats.transfers) {
      page.Sample(name, Label("partition", std::to_string(each.partition.value)), value(each));
    }
  };
  family("gyre_transfer_done_ratio", "Part of the partition's stream that is here, 0 to 1.",
         [](const TransferStats& t) { return t.done_ratio; });
  family("gyre_transfer_bytes_per_second", "Rate of the partition's stream since it began.",
         [](const TransferStats& t) { return t.bytes_per_second(); });
  family("gyre_transfer_seconds_left", "Time left of the partition's stream; -1: not known yet.",
         [](const TransferStats& t) { return t.seconds_left().value_or(-1); });
}

void AddEngine(Page& page, const EngineStats& engine) {
  page.Gauge("gyre_storage_rows", "Rows at rest, approximately.", engine.rows);
  page.Gauge("gyre_storage_bytes", "Bytes of rows at rest, approximately.", engine.bytes);
  page.Gauge("gyre_storage_writable", "1 if the engine takes writes, else 0.",
             engine.writable ? 1 : 0);
  page.Counter("gyre_cache_hits_total", "Reads answered by the cache of hot rows.",
               engine.cache_hits);
  page.Counter("gyre_cache_misses_total", "Reads that went past the cache of hot rows.",
               engine.cache_misses);
  page.Counter("gyre_expected_misses_total",
               "Of these: reads for arriving rows, answered by one look for a batch of them.",
               engine.expected_misses);
  page.Gauge("gyre_cache_bytes", "Bytes held by the cache of hot rows.", engine.cache_bytes);
  page.Counter("gyre_commits_total", "Group commits.", engine.commits);
  page.Counter("gyre_commit_rows_total", "Writes in group commits.", engine.commit_rows);
  page.Counter("gyre_commit_duration_seconds_total", "Time in write and sync.",
               Seconds(engine.commit_us_total));
  page.Counter("gyre_storage_read_errors_total", "Reads that failed.", engine.read_errors);
  page.Counter("gyre_storage_write_errors_total", "Writes that failed.", engine.write_errors);
  page.Counter("gyre_storage_corruptions_total", "Damage found by the engine.", engine.corruptions);
  page.Counter("gyre_storage_run_files_total",
               "Table files that runs of rows were written straight into.", engine.run_files);
  page.Counter("gyre_storage_run_rows_total",
               "Rows committed in such files, past log and memtable.", engine.run_rows);
  page.Gauge("gyre_storage_tables", "Table files of rows.", engine.tables);
  page.Counter("gyre_storage_tables_merged_total",
               "Small table files that were merged into few large ones.", engine.tables_merged);
  page.Counter("gyre_storage_tables_salvaged_total",
               "Damaged table files that were made whole in place.", engine.tables_salvaged);
  page.Counter("gyre_storage_blocks_lost_total",
               "Blocks of table files whose rows were lost, and come from the other owners.",
               engine.blocks_lost);
}

void AddPeers(Page& page, const std::vector<PeerStats>& peers) {
  if (peers.empty()) return;
  const auto family = [&](std::string_view name, std::string_view type, std::string_view help,
                          auto value) {
    page.Family(name, type, help);
    for (const PeerStats& peer : peers) page.Sample(name, Label("peer", peer.name), value(peer));
  };
  family("gyre_peer_up", "gauge", "1 if all links to the peer are up, else 0.",
         [](const PeerStats& p) { return p.up ? 1 : 0; });
  family("gyre_peer_links", "gauge", "Connections to the peer that are up.",
         [](const PeerStats& p) { return p.links; });
  family("gyre_peer_links_encrypted", "gauge", "Of them, those that are encrypted.",
         [](const PeerStats& p) { return p.links_encrypted; });
  family("gyre_peer_links_compressed", "gauge", "Of them, those on which this node compresses.",
         [](const PeerStats& p) { return p.links_compressed; });
  family("gyre_peer_before_compression_bytes_total", "counter",
         "Bytes sent to the peer on such links, as they were before.",
         [](const PeerStats& p) { return p.bytes_before_compression; });
  family("gyre_peer_after_compression_bytes_total", "counter", "The same, compressed.",
         [](const PeerStats& p) { return p.bytes_after_compression; });
  family("gyre_peer_queue_bytes", "gauge", "Bytes waiting for the peer.",
         [](const PeerStats& p) { return p.queued_bytes; });
  family("gyre_peer_reconnects_total", "counter", "Times a link to the peer was made again.",
         [](const PeerStats& p) { return p.reconnects; });
  family("gyre_peer_frames_sent_total", "counter", "Messages sent to the peer.",
         [](const PeerStats& p) { return p.frames_sent; });
  family("gyre_peer_frames_received_total", "counter", "Messages received from the peer.",
         [](const PeerStats& p) { return p.frames_received; });
  family("gyre_peer_frames_dropped_total", "counter",
         "Messages not sent, as the link was down or full.",
         [](const PeerStats& p) { return p.frames_dropped; });
}

void AddMembers(Page& page, const NodeStats& stats) {
  page.Family("gyre_members", "gauge", "Members of the cluster, by how they fare as gossip tells.");
  for (std::size_t life = 0; life < stats.members.size(); ++life) {
    page.Sample("gyre_members", Label("life", LifeName(static_cast<Life>(life))),
                stats.members[life]);
  }
}

void AddNotices(Page& page, const NodeStats& stats) {
  page.Gauge("gyre_nodes_dead", "Other nodes that are away for so long that people were told.",
             std::count_if(stats.peers.begin(), stats.peers.end(),
                           [](const PeerStats& peer) { return peer.dead; }));
  page.Counter("gyre_dead_notices_total", "Times that people were told of a dead node.",
               stats.dead_notices);
  const auto raised = [&](AlarmKind kind) { return stats.alarms[static_cast<std::size_t>(kind)]; };
  page.Gauge("gyre_other_lineages",
             "Clusters of the same id, founded apart from this one, whose nodes were met lately.",
             raised(AlarmKind::kOtherLineage));
  page.Gauge("gyre_double_identities", "Names under which two nodes were met lately.",
             raised(AlarmKind::kDoubleIdentity));
  page.Gauge("gyre_other_layouts", "Layouts beside this node's that have stayed for too long.",
             raised(AlarmKind::kOtherLayout));
  page.Counter("gyre_alarm_notices_total", "Times that people were told of one of these.",
               stats.alarm_notices);
  constexpr std::string_view kPosts = "gyre_webhook_posts_total";
  page.Family(kPosts, "counter",
              "Posts of notices: taken, failed (and tried again), and given up for good.");
  page.Sample(kPosts, Label("result", "ok"), stats.webhook.ok);
  page.Sample(kPosts, Label("result", "failed"), stats.webhook.failed);
  page.Sample(kPosts, Label("result", "dropped"), stats.webhook.dropped);
}

}  // namespace

std::string MetricsText(const NodeStats& stats, std::string_view node_name) {
  Page page;
  page.Family("gyre_node_info", "gauge", "Always 1; the node's name is the label.");
  page.Sample("gyre_node_info", Label("node", node_name), 1);
  page.Gauge("gyre_uptime_seconds", "Time since the node started.",
             Seconds(static_cast<std::uint64_t>(stats.uptime.us < 0 ? 0 : stats.uptime.us)));
  page.Gauge("gyre_shards", "Shards, each a thread.", stats.shard_count);
  AddLatency(page, stats);
  page.Gauge("gyre_requests_in_flight", "Client requests not yet answered.",
             stats.requests_in_flight);
  AddCore(page, stats.core);
  AddHintCounters(page, stats.core);
  AddDebts(page, stats);
  AddBackground(page, stats);
  AddTransfers(page, stats);
  page.Family("gyre_connections", "gauge", "Clients connected now.");
  page.Sample("gyre_connections", Label("protocol", "resp"), stats.resp_connections);
  page.Sample("gyre_connections", Label("protocol", "http"), stats.http_connections);
  page.Counter("gyre_connections_accepted_total", "Clients that connected.",
               stats.connections_total);
  page.Counter("gyre_connections_refused_total", "Clients turned away by a limit.",
               stats.connections_refused);
  page.Counter("gyre_protocol_errors_total", "Commands that were no RESP.", stats.protocol_errors);
  page.Counter("gyre_commands_total", "RESP commands taken.", stats.commands_total);
  page.Counter("gyre_commands_refused_unread_total",
               "RESP commands refused because they had lain unread for too long: overload.",
               stats.refused_unread);
  AddEngine(page, stats.engine);
  AddPeers(page, stats.peers);
  AddMembers(page, stats);
  page.Counter("gyre_tls_handshakes_failed_total",
               "Links to other nodes that TLS was not agreed on for; the log says why.",
               stats.tls_handshakes_failed);
  AddNotices(page, stats);
  return page.Take();
}

}  // namespace gyre
