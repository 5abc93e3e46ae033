// Runs seeds: one world each, on one thread. A seed's run is a pure function of seed, options and
// build.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "sim/episodes.h"
#include "sim/faults.h"
#include "sim/judge.h"
#include "sim/operator.h"
#include "sim/planted_bugs.h"
#include "sim/world.h"
#include "sim/world_spec.h"

namespace gyre::sim {

struct RunOptions {
  SpecOptions spec;
  const PlantInfo* plant = nullptr;
  bool print = false;
};

struct SeedResult {
  std::uint64_t seed = 0;
  std::uint64_t trace_hash = 0;
  std::vector<Violation> violations;
  std::array<std::uint64_t, kCheckerCount> violation_counts{};
  std::array<std::uint64_t, kFaultKinds> faults{};
  std::uint64_t fault_count = 0;
  World::Totals totals;
  Episodes::Counters episodes;
  Operator::Counters changes;
  Judge::Counters judged;
  NetworkCounters network;
  StorageCounters storage;
  ShardCounters shards;
  std::uint64_t events = 0;
  std::int64_t virtual_us = 0;
  std::int64_t healed_us = 0;
  std::string description;

  bool ok() const { return violations.empty(); }
  // A page for people.
  std::string Report() const;
};

// A code path that chance alone seldom reaches, and how often a seed did.
struct RarePath {
  std::string_view name;
  std::uint64_t (*count)(const SeedResult& result);
};
inline constexpr std::size_t kRarePathsMax = 48;
const std::vector<RarePath>& RarePaths();

SeedResult RunSeed(std::uint64_t seed, const RunOptions& options);
// Runs it twice; a difference is a violation of G9 in the result.
SeedResult RunSeedTwice(std::uint64_t seed, const RunOptions& options);

// What a planted bug was caught by, over at most `seeds_max` seeds from `first_seed`.
struct PlantTrial {
  // Seeds run until each checker first spoke; 0: never.
  std::array<int, kCheckerCount> caught_after{};
  int seeds_run = 0;
  std::string first;    // what the first of those that must had to say
  bool caught = false;  // by every checker that must
};
PlantTrial TryPlant(const PlantInfo& plant, std::uint64_t first_seed, int seeds_max,
                    RunOptions options);

// Compiler and flags that decide what a seed does.
std::string BuildInfo();

}  // namespace gyre::sim
