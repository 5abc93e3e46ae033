// The load generator's engine: one thread, one epoll loop, many connections.
//
// Closed loop (rate 0): a connection sends `pipeline` requests at once and the next ones when all
// are answered; latency counts from the send. Open loop: request i is due at start + i / rate
// whatever the servers do; it goes out on a connection with room, and its latency counts from when
// it was due, so that a stall is paid for by every request that it holds up (no coordinated
// omission). Answered later than the timeout it is no success: whoever asked has gone.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "cli/bench_histogram.h"
#include "cli/bench_workload.h"

namespace gyre {

struct BenchReport {
  std::uint64_t gets = 0, sets = 0;  // answered without error within the measured time
  std::uint64_t misses = 0;          // of the gets: no such key
  double seconds = 0;
  double cpu_share = 0;  // of one core, spent by this generator while measuring
  BenchHistogram get_latency, set_latency;
  std::map<std::string, std::uint64_t> errors;  // by kind: a server's error word, or our own name

  std::uint64_t operations() const { return gets + sets; }
};

// Connects, loads, warms up, measures. Blocks for all of it.
// Errors: kInvalidArgument (options that contradict each other, an address that is none);
// kUnavailable (no server could be reached).
Result<BenchReport> RunBench(const BenchOptions& options);

}  // namespace gyre
