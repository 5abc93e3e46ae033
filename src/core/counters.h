// What one shard counts. Plain integers, read on the shard's own thread; the server publishes them.
#pragma once

#include <cstdint>

namespace gyre {

struct ShardCounters {
  std::uint64_t gets = 0, puts = 0, scans = 0, forwards = 0;            // client requests
  std::uint64_t replica_gets = 0, replica_puts = 0, replica_scans = 0;  // from peers
  std::uint64_t read_repairs = 0;                        // records sent to stale owners
  std::uint64_t reads_blocked_on_repair = 0;             // gets that waited for a write-back
  std::uint64_t digests_equal = 0, digests_unequal = 0;  // of large records, in gets
  std::uint64_t unavailable = 0, outcome_unknown = 0, overloaded = 0;
  std::uint64_t siblings_created = 0;  // puts that left more than one live sibling
  std::uint64_t clock_entries_truncated = 0;
  std::uint64_t corrupt_rows = 0, corrupt_messages = 0, wrong_epoch = 0, storage_errors = 0;
  std::uint64_t actors_retired = 0;
  std::uint64_t hints_sent = 0;               // copies given to fallbacks
  std::uint64_t hints_stored = 0;             // taken from coordinators, or made as one
  std::uint64_t hints_refused = 0;            // past a limit
  std::uint64_t hints_replayed = 0;           // taken by their targets, and gone here
  std::uint64_t copies_left_to_exchange = 0;  // neither acknowledged nor hinted in time
  std::uint64_t standin_puts = 0;             // coordinated for owners that could not be reached
  std::uint64_t exchanges = 0;                // of one partition with one other owner
  std::uint64_t leaves_exchanged = 0;         // of them: leaves that differed
  std::uint64_t exchange_records_sent = 0, exchange_records_received = 0;
  // Of partitions that come as whole ranges. Resumed: a part of the partition was here already.
  std::uint64_t streams = 0, streams_resumed = 0, streams_done = 0, streams_cut = 0;
  std::uint64_t stream_rows_received = 0, stream_bytes_received = 0;
  std::uint64_t stream_rows_sent = 0, stream_bytes_sent = 0;
  std::uint64_t rows_scrubbed = 0;
  std::uint64_t leaves_corrected = 0;      // whose sum was not that of their rows
  std::uint64_t damaged_pages = 0;         // found by the scrubber: some row could not be read
  std::uint64_t copies_renewed = 0;        // refused because of a purge, and sent once more
  std::uint64_t near_reads = 0;            // gets that asked one region only, at first
  std::uint64_t near_reads_widened = 0;    // of them: it did not suffice
  std::uint64_t steady_reads = 0;          // that asked the owners of before and of now, at first
  std::uint64_t reads_unfilled = 0;        // refused, as this disk is new and has yet to fill up
  std::uint64_t steady_reads_widened = 0;  // of them: these did not suffice
  std::uint64_t reads_begun_anew = 0;      // their copies were read before a purge
  std::uint64_t partitions_set_aside = 0;  // the disk had gone back to before a purge
  std::uint64_t surplus_dropped = 0;       // partitions that only others own, and have
  std::uint64_t ballots = 0, ballots_failed = 0;  // begun here
  std::uint64_t rows_dropped = 0;                 // purged, or set aside

  ShardCounters& operator+=(const ShardCounters& o) {
    gets += o.gets;
    puts += o.puts;
    scans += o.scans;
    forwards += o.forwards;
    replica_gets += o.replica_gets;
    replica_puts += o.replica_puts;
    replica_scans += o.replica_scans;
    read_repairs += o.read_repairs;
    reads_blocked_on_repair += o.reads_blocked_on_repair;
    digests_equal += o.digests_equal;
    digests_unequal += o.digests_unequal;
    unavailable += o.unavailable;
    outcome_unknown += o.outcome_unknown;
    overloaded += o.overloaded;
    siblings_created += o.siblings_created;
    clock_entries_truncated += o.clock_entries_truncated;
    corrupt_rows += o.corrupt_rows;
    corrupt_messages += o.corrupt_messages;
    wrong_epoch += o.wrong_epoch;
    storage_errors += o.storage_errors;
    actors_retired += o.actors_retired;
    hints_sent += o.hints_sent;
    hints_stored += o.hints_stored;
    hints_refused += o.hints_refused;
    hints_replayed += o.hints_replayed;
    copies_left_to_exchange += o.copies_left_to_exchange;
    standin_puts += o.standin_puts;
    exchanges += o.exchanges;
    leaves_exchanged += o.leaves_exchanged;
    exchange_records_sent += o.exchange_records_sent;
    exchange_records_received += o.exchange_records_received;
    streams += o.streams;
    streams_resumed += o.streams_resumed;
    streams_done += o.streams_done;
    streams_cut += o.streams_cut;
    stream_rows_received += o.stream_rows_received;
    stream_bytes_received += o.stream_bytes_received;
    stream_rows_sent += o.stream_rows_sent;
    stream_bytes_sent += o.stream_bytes_sent;
    rows_scrubbed += o.rows_scrubbed;
    leaves_corrected += o.leaves_corrected;
    damaged_pages += o.damaged_pages;
    copies_renewed += o.copies_renewed;
    near_reads += o.near_reads;
    near_reads_widened += o.near_reads_widened;
    steady_reads += o.steady_reads;
    reads_unfilled += o.reads_unfilled;
    steady_reads_widened += o.steady_reads_widened;
    reads_begun_anew += o.reads_begun_anew;
    partitions_set_aside += o.partitions_set_aside;
    surplus_dropped += o.surplus_dropped;
    ballots += o.ballots;
    ballots_failed += o.ballots_failed;
    rows_dropped += o.rows_dropped;
    return *this;
  }
};

}  // namespace gyre
