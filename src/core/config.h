// Every limit and tunable of the core, with its unit. Beside each stands the range that the
// simulator draws from (sim). Limits that are part of a format are constants; the rest is data.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/time.h"

namespace gyre {

// Formats: changing one changes docs/wire-format.md and docs/disk-format.md.
inline constexpr std::size_t kKeyBytesMax = 64 * 1024;
inline constexpr std::size_t kValueBytesHardMax = 64 * 1024 * 1024;
inline constexpr std::size_t kSiblingsHardMax = 100'000;      // per record, when decoding
inline constexpr std::size_t kClockEntriesHardMax = 100'000;  // per record, when decoding
inline constexpr std::size_t kRecordBytesMax = 256 * 1024 * 1024;
inline constexpr std::size_t kContextBytesMax = 64 * 1024;
inline constexpr int kPartitionBitsMax = 16;
inline constexpr int kPartitionBitsDefault = 8;
inline constexpr std::size_t kReplicasMax = 12;  // N
inline constexpr std::size_t kNodesMax = 16'384;
inline constexpr std::size_t kTreeNodesMax = 4'096;  // in one message of the tree exchange
inline constexpr std::size_t kLeafRowsMax = 4'096;   // in one message of the tree exchange
inline constexpr std::size_t kPurgeRowsMax = 1'024;  // in one ballot
inline constexpr std::size_t kNodeMessageBytesMax = 16 * 1024 * 1024;

struct CoreConfig {
  // A value larger than this is refused where it enters.
  std::size_t value_bytes_max = 8 * 1024 * 1024;
  // Siblings of one record past which a put that would add one more is refused (kOverloaded): the
  // policy for hot keys with blind writers. Never drops a sibling, so a join of the owners' copies
  // may hold more: up to N times as many.
  std::size_t siblings_max = 1'000;  // sim: 20..1000
  // Paper 4.4: past this many clock entries the oldest go, if older than clock_entry_age_safe.
  std::size_t clock_entries_max = 10;                            // sim: 4..16
  Duration clock_entry_age_safe = Duration::Seconds(24 * 3600);  // sim: 1 s..24 h
  // From a client's request to its answer, at the latest.
  Duration request_timeout = Duration::Millis(2'000);  // sim: 50 ms..2 s
  // How long a get that has answered waits for stragglers before it repairs what it knows.
  Duration straggler_timeout = Duration::Millis(500);  // sim: 10..500 ms
  // A get that has a copy of its own asks the other owners for digests of records larger than this,
  // and for the record only of those that differ. 0: for the records.
  std::uint64_t digest_over = 512;  // sim: 0..300
  // For so long after a start, or after the first peer came back to a node that was without any, a
  // peer that has not been met yet is not taken to be down: nobody stands in for it, as it may hold
  // what this node has missed. Shorter than request_timeout: requests wait for its end.
  Duration start_grace = Duration::Millis(1'500);  // sim: 50 ms..2 s
  // How long after a greeting that was not answered a peer is greeted again.
  Duration greeting_retry = Duration::Millis(100);  // sim: 10..100 ms
  // How long after a peer refused a message, because its view of the partition's owners is another,
  // it is asked again.
  Duration view_retry = Duration::Millis(20);  // sim: 1..50 ms
  // Paper 4.6. How long an owner that takes part in a put may be silent before a fallback is given
  // its copy too, as a hint.
  Duration hint_after = Duration::Millis(500);  // sim: 10..500 ms
  // What a shard keeps as hints, for one target and in all. Past it no more are taken: the copy is
  // left to the tree exchange, which needs no hints.
  std::uint64_t hint_bytes_per_target_max = 1 << 30;      // sim: 2 KiB..1 GiB
  std::uint64_t hint_bytes_max = std::uint64_t{2} << 30;  // sim: 4 KiB..2 GiB
  // How long after it was acknowledged a write may still be lost with the power: zero if an fsync
  // stands before the acknowledgement. A hint stays so much longer.
  Duration sync_lag;  // set by the driver from its durability
  // Hints of one target under way at once, and how long after a failed one it is tried again.
  std::size_t hint_replay_window = 64;                 // sim: 1..64
  Duration hint_replay_retry = Duration::Millis(500);  // sim: 20..500 ms
  // Paper 6.5. What background work of a shard (hints, exchange, scrub) may read, send and write.
  std::uint64_t background_bytes_per_second_max = 64 << 20;  // sim: 64 KiB..64 MiB
  std::uint64_t background_bytes_per_second_min = 1 << 20;   // sim: 16 KiB..1 MiB
  // Paper 4.7. In how long each partition is compared once with each other owner; those that are
  // known to differ come first.
  Duration repair_cycle = Duration::Seconds(60);  // sim: 200 ms..5 s
  std::size_t exchange_sessions_max = 4;          // at once; sim: 1..4
  // How long leaves that differ are left alone, so that writes under way arrive, before they are
  // compared again.
  Duration exchange_settle = Duration::Millis(500);  // sim: 10..500 ms
  // How long after a comparison that failed the same two are compared again.
  Duration exchange_retry = Duration::Seconds(5);  // sim: 50..500 ms
  // Rows that one step of an exchange reads, and bytes of records it sends.
  std::size_t exchange_rows_max = 256;           // sim: 2..256; at most kLeafRowsMax
  std::size_t exchange_bytes_max = 1024 * 1024;  // sim: 1 KiB..1 MiB
  // docs/adr/0010-range-streams.md. What one batch of a stream brings at the most; how many
  // batches' rows may wait for the disk before another is asked for; and from how many leaves on
  // that differ they are streamed.
  std::size_t stream_rows_max = 512;          // sim: 1..64; at most kLeafRowsMax
  std::size_t stream_bytes_max = 256 * 1024;  // sim: 1 KiB..256 KiB
  std::size_t stream_batches_max = 16;        // sim: 1..4
  std::size_t stream_leaves_min = 16;         // sim: 1..16
  bool transfer_unthrottled = false;          // no budget for them; sim: both
  // In how long every row is read once, its checksums checked and the tree's leaves counted again.
  Duration scrub_cycle = Duration::Seconds(24 * 3600);  // sim: 1..10 s
  // docs/adr/0006-safe-deletes.md. How old a tombstone, or a value that has expired, must be before
  // it is purged; how long after a ballot the next may be begun in the same partition; and how many
  // rows one takes.
  Duration purge_after = Duration::Seconds(60);  // sim: 0..1 s
  Duration purge_pause = Duration::Seconds(5);   // sim: 20..500 ms
  // In steps of so long rows that have expired are looked for, so that they are purged too.
  Duration expiry_step = Duration::Seconds(60);  // sim: 10 ms..1 s
  std::size_t purge_rows_max = 1'024;            // sim: 1..64; at most kPurgeRowsMax
  std::size_t purge_candidates_max = 100'000;    // those beyond are found by a scrub
  // After a failed storage write this shard neither coordinates puts nor takes replicas for so
  // long, then tries again.
  Duration storage_retry_after = Duration::Millis(1'000);  // sim: 10 ms..1 s
  // Requests in flight per shard, past which new ones are refused (kOverloaded).
  std::size_t requests_in_flight_max = 20'000;  // sim: 100..20000
  // Requests waiting for one key's row, past which new ones are refused.
  std::size_t waiters_per_key_max = 10'000;  // sim: 50..10000
  // How far ahead of its own clock a node lets peers push its hybrid clock.
  Duration hybrid_clock_lead_max = Duration::Seconds(60);  // sim: 100 ms..60 s
  // Rows that one page of a scan returns at the most, and their bytes.
  std::size_t scan_rows_max = 1'000;
  std::size_t scan_bytes_max = 4 * 1024 * 1024;
};

}  // namespace gyre
