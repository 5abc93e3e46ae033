#include "sim/runner.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/check.h"
#include "sim/episodes.h"
#include "sim/operator.h"
#include "sim/workload.h"

namespace gyre::sim {
namespace {

constexpr std::int64_t kLoadUsMax = 600'000'000;  // ten minutes, virtual

void AddCounters(StorageCounters& sum, const StorageCounters& c) {
  sum.reads += c.reads;
  sum.writes += c.writes;
  sum.scans += c.scans;
  sum.read_errors += c.read_errors;
  sum.corrupt_reads += c.corrupt_reads;
  sum.write_errors += c.write_errors;
  sum.at_hand += c.at_hand;
  sum.lost_writes += c.lost_writes;
  sum.lost_acknowledged += c.lost_acknowledged;
  sum.reappeared_writes += c.reappeared_writes;
}

// Load and faults, until every session has done its part.
void DriveLoad(World& world, Faults& faults, Workload& load, Episodes& episodes, Operator& people) {
  world.StartAll();
  if (world.spec().changes > 0) people.Start();
  world.RunFor(50'000);
  load.Start();
  // Spread over the load: the i-th comes when i parts of the operations have been issued.
  const auto due = [&](int begun, int planned) {
    return begun<planned&& static_cast<std::int64_t>(load.issued()) *
                 (planned + 1)> static_cast<std::int64_t>(begun + 1) *
           world.spec().ops;
  };
  int injected = 0;
  int begun = 0;
  int changed = 0;
  while ((!load.done() || !episodes.idle()) && world.events().now() < kLoadUsMax &&
         world.events().RunNext()) {
    if (episodes.idle() && due(begun, world.spec().episodes)) {
      ++begun;
      episodes.Begin();
    }
    while (due(changed, world.spec().changes)) {
      ++changed;
      people.Act();
    }
    while (due(injected, world.spec().faults)) {
      ++injected;  // those of a calm time are left out
      if (!episodes.calm()) faults.InjectAny();
    }
  }
  if (!load.done()) world.judge().Report(Checker::kBounds, "the load did not end");
}

}  // namespace

SeedResult RunSeed(std::uint64_t seed, const RunOptions& options) {
  const WorldSpec spec = DrawSpec(seed, options.spec);
  World world(spec, options.plant, options.print);
  Faults faults(world, seed * 3 + 1);
  Workload load(world, seed * 5 + 2);
  Episodes episodes(world, faults, load, seed * 7 + 3);
  Operator people(world, seed * 11 + 4);
  SeedResult result;
  result.seed = seed;
  result.description = spec.Describe();
  DriveLoad(world, faults, load, episodes, people);
  result.virtual_us = world.events().now();
  result.healed_us = world.HealAndCheck();
  for (std::size_t i = 0; i < world.node_count(); ++i) {
    SimNode& node = world.node(static_cast<int>(i));
    AddCounters(result.storage, node.storage().counters());
    result.shards += node.former_counters();
    for (const auto& shard : node.shards()) result.shards += shard->counters();
  }
  result.trace_hash = world.trace().hash();
  result.violations = world.judge().violations();
  for (int i = 0; i < kCheckerCount; ++i) {
    result.violation_counts[static_cast<std::size_t>(i)] =
        world.judge().count(static_cast<Checker>(i));
  }
  result.faults = faults.injected();
  result.fault_count = faults.total();
  result.totals = world.totals();
  result.episodes = episodes.counters();
  result.changes = people.counters();
  result.judged = world.judge().counters();
  result.network = world.network().counters();
  result.events = world.events().events_run();
  return result;
}

SeedResult RunSeedTwice(std::uint64_t seed, const RunOptions& options) {
  SeedResult first = RunSeed(seed, options);
  RunOptions silent = options;
  silent.print = false;
  const SeedResult second = RunSeed(seed, silent);
  if (first.trace_hash != second.trace_hash) {
    first.violations.push_back({Checker::kDeterminism, 0, "two runs of one seed differ"});
    ++first.violation_counts[static_cast<std::size_t>(Checker::kDeterminism)];
  }
  return first;
}

PlantTrial TryPlant(const PlantInfo& plant, std::uint64_t first_seed, int seeds_max,
                    RunOptions options) {
  options.plant = &plant;
  options.spec.changes = options.spec.changes || plant.changes;
  PlantTrial trial;
  bool needs_twice = false;
  for (const Checker checker : plant.caught_by) {
    needs_twice = needs_twice || checker == Checker::kDeterminism;
  }
  for (int i = 0; i < seeds_max && !trial.caught; ++i) {
    const std::uint64_t seed = first_seed + static_cast<std::uint64_t>(i);
    const SeedResult result = needs_twice ? RunSeedTwice(seed, options) : RunSeed(seed, options);
    ++trial.seeds_run;
    for (const Violation& violation : result.violations) {
      const auto& must = plant.caught_by;
      if (!trial.first.empty()) break;
      if (std::find(must.begin(), must.end(), violation.checker) != must.end()) {
        trial.first = violation.text;
      }
    }
    for (std::size_t c = 0; c < result.violation_counts.size(); ++c) {
      if (result.violation_counts[c] > 0 && trial.caught_after[c] == 0) {
        trial.caught_after[c] = trial.seeds_run;
      }
    }
    trial.caught = true;
    for (const Checker checker : plant.caught_by) {
      trial.caught = trial.caught && trial.caught_after[static_cast<std::size_t>(checker)] > 0;
    }
  }
  return trial;
}

namespace {

std::uint64_t PurgedAfter(const SeedResult& result, Episodes::Away away) {
  return result.episodes.purged[static_cast<std::size_t>(away)];
}

}  // namespace

const std::vector<RarePath>& RarePaths() {
  using R = SeedResult;
  using Away = Episodes::Away;
  static const std::vector<RarePath> kPaths = {
      {"rows purged", [](const R& r) { return r.judged.purges; }},
      {"deleted with an owner away", [](const R& r) { return r.episodes.deleted; }},
      {"back and purged: killed", [](const R& r) { return PurgedAfter(r, Away::kKilled); }},
      {"back and purged: without power",
       [](const R& r) { return PurgedAfter(r, Away::kPowerLoss); }},
      {"back and purged: stopped", [](const R& r) { return PurgedAfter(r, Away::kStopped); }},
      {"back and purged: cut off", [](const R& r) { return PurgedAfter(r, Away::kCutOff); }},
      {"back and purged: cut off unnoticed",
       [](const R& r) { return PurgedAfter(r, Away::kCutOffUnnoticed); }},
      {"back and purged: frozen", [](const R& r) { return PurgedAfter(r, Away::kFrozen); }},
      {"back and purged: restored", [](const R& r) { return PurgedAfter(r, Away::kRestored); }},
      {"purged, hints had been kept", [](const R& r) { return r.episodes.purged_with_hint; }},
      {"purged and written anew", [](const R& r) { return r.episodes.written_anew; }},
      {"stale copies refused", [](const R& r) { return r.judged.stale_copies; }},
      {"stale repairs refused", [](const R& r) { return r.judged.stale_repairs; }},
      {"copies renewed", [](const R& r) { return r.shards.copies_renewed; }},
      {"near reads", [](const R& r) { return r.shards.near_reads; }},
      {"near reads widened", [](const R& r) { return r.shards.near_reads_widened; }},
      {"steady reads", [](const R& r) { return r.shards.steady_reads; }},
      {"steady reads widened", [](const R& r) { return r.shards.steady_reads_widened; }},
      {"reads begun anew", [](const R& r) { return r.shards.reads_begun_anew; }},
      {"ballots that failed", [](const R& r) { return r.shards.ballots_failed; }},
      {"partitions set aside", [](const R& r) { return r.shards.partitions_set_aside; }},
      {"clock entries truncated", [](const R& r) { return r.shards.clock_entries_truncated; }},
      {"actors retired", [](const R& r) { return r.shards.actors_retired; }},
      {"reads blocked on repair", [](const R& r) { return r.shards.reads_blocked_on_repair; }},
      {"puts by stand-ins", [](const R& r) { return r.shards.standin_puts; }},
      {"hints refused", [](const R& r) { return r.shards.hints_refused; }},
      {"hints replayed", [](const R& r) { return r.shards.hints_replayed; }},
      {"copies left to the exchange", [](const R& r) { return r.shards.copies_left_to_exchange; }},
      {"leaves exchanged", [](const R& r) { return r.shards.leaves_exchanged; }},
      {"streams begun", [](const R& r) { return r.shards.streams; }},
      {"streams resumed", [](const R& r) { return r.shards.streams_resumed; }},
      {"streams that came to their end", [](const R& r) { return r.shards.streams_done; }},
      {"streams cut short", [](const R& r) { return r.shards.streams_cut; }},
      {"damaged pages", [](const R& r) { return r.shards.damaged_pages; }},
      {"leaves corrected", [](const R& r) { return r.shards.leaves_corrected; }},
      {"partitions settled", [](const R& r) { return r.changes.settled; }},
      {"splits of all partitions",
       [](const R& r) {
         return r.changes.decided[static_cast<std::size_t>(Operator::Change::kSplit)];
       }},
      {"changed while partitions moved", [](const R& r) { return r.changes.while_moving; }},
      {"surplus dropped", [](const R& r) { return r.shards.surplus_dropped; }},
      {"requests refused: overloaded", [](const R& r) { return r.shards.overloaded; }},
      {"failed writes that reappeared", [](const R& r) { return r.storage.reappeared_writes; }},
  };
  GYRE_CHECK(kPaths.size() <= kRarePathsMax);
  return kPaths;
}

std::string BuildInfo() {
  std::string info = "compiler " __VERSION__;
#ifdef NDEBUG
  info += ", NDEBUG";
#endif
#ifdef GYRE_DCHECKS
  info += ", GYRE_DCHECKS";
#endif
#ifdef __OPTIMIZE__
  info += ", optimized";
#endif
  return info;
}

std::string SeedResult::Report() const {
  std::string text = description + "\n";
  const auto line = [&](const std::string& name, std::uint64_t value) {
    if (value > 0)
      text += "  " + name + std::string(name.size() < 40 ? 40 - name.size() : 1, ' ') +
              std::to_string(value) + "\n";
  };
  text += "operations\n";
  constexpr std::string_view kOutcomes[] = {"pending", "ok", "refused", "unknown"};
  for (const auto& [what, count] : totals.ops) {
    line(std::string(OpKindName(what.first)) + " " +
             std::string(kOutcomes[static_cast<int>(what.second)]),
         count);
  }
  for (const auto& [code, count] : totals.errors) {
    line("answered " + std::string(ErrorCodeName(code)), count);
  }
  line("connections refused", totals.refused_connections);
  text += "faults\n";
  for (int i = 0; i < kFaultKinds; ++i) {
    line(std::string(FaultName(static_cast<FaultKind>(i))), faults[static_cast<std::size_t>(i)]);
  }
  text += "messages\n";
  line("sent", network.sent);
  line("lost", network.lost);
  line("doubled", network.doubled);
  line("replayed", network.replayed);
  line("flipped", network.flipped);
  line("overtaken", network.overtaken);
  line("cut off", network.cut_off);
  text += "storage\n";
  line("reads", storage.reads);
  line("writes", storage.writes);
  line("read errors", storage.read_errors);
  line("corrupt reads", storage.corrupt_reads);
  line("write errors", storage.write_errors);
  line("done at hand", storage.at_hand);
  line("writes lost in crashes", storage.lost_writes);
  line("of them acknowledged", storage.lost_acknowledged);
  line("failed writes that reappeared", storage.reappeared_writes);
  text += "core\n";
  line("forwards", shards.forwards);
  line("read repairs", shards.read_repairs);
  line("reads blocked on repair", shards.reads_blocked_on_repair);
  line("puts that left siblings", shards.siblings_created);
  line("clock entries truncated", shards.clock_entries_truncated);
  line("corrupt rows", shards.corrupt_rows);
  line("actors retired", shards.actors_retired);
  line("puts coordinated by stand-ins", shards.standin_puts);
  line("hints sent", shards.hints_sent);
  line("hints stored", shards.hints_stored);
  line("hints refused", shards.hints_refused);
  line("hints replayed", shards.hints_replayed);
  line("copies left to the exchange", shards.copies_left_to_exchange);
  line("exchanges", shards.exchanges);
  line("leaves exchanged", shards.leaves_exchanged);
  line("records sent in exchanges", shards.exchange_records_sent);
  line("records received in exchanges", shards.exchange_records_received);
  line("streams", shards.streams);
  line("streams that came to their end", shards.streams_done);
  line("rows received in streams", shards.stream_rows_received);
  line("rows scrubbed", shards.rows_scrubbed);
  line("damaged pages", shards.damaged_pages);
  line("leaves corrected", shards.leaves_corrected);
  line("ballots", shards.ballots);
  line("ballots that failed", shards.ballots_failed);
  line("rows purged or set aside", shards.rows_dropped);
  line("copies renewed", shards.copies_renewed);
  line("near reads", shards.near_reads);
  line("near reads widened", shards.near_reads_widened);
  line("steady reads", shards.steady_reads);
  line("steady reads widened", shards.steady_reads_widened);
  line("reads begun anew", shards.reads_begun_anew);
  line("partitions set aside", shards.partitions_set_aside);
  text += "deletes with an owner away\n";
  line("episodes", episodes.begun);
  line("deleted meanwhile", episodes.deleted);
  for (int i = 0; i < Episodes::kWays; ++i) {
    const auto way = static_cast<std::size_t>(i);
    const std::string name(WayName(static_cast<Episodes::Away>(i)));
    line("back: " + name, episodes.back[way]);
    line("purged after: " + name, episodes.purged[way]);
  }
  line("purged, hints had been kept", episodes.purged_with_hint);
  line("written anew", episodes.written_anew);
  text += "changes of the members\n";
  for (int i = 0; i < Operator::kChanges; ++i) {
    line(std::string(ChangeName(static_cast<Operator::Change>(i))),
         changes.decided[static_cast<std::size_t>(i)]);
  }
  line("plans of several", changes.together);
  line("while partitions moved", changes.while_moving);
  line("partitions settled", changes.settled);
  line("members released", changes.released);
  line("surplus partitions dropped", shards.surplus_dropped);
  line("messages of another view", shards.wrong_epoch);
  text += "checked\n";
  line("records", judged.records_checked);
  line("records with siblings", judged.sibling_records);
  line("most siblings", judged.siblings_max);
  line("most clock entries", judged.clock_entries_max);
  line("epochs truncated", judged.truncations);
  line("writes", judged.dots);
  line("writes applied more than once", judged.extra_dots);
  line("acknowledged", judged.acknowledged);
  line("acknowledged, then destroyed by faults", judged.forgiven);
  line("rows purged", judged.purges);
  line("stale copies", judged.stale_copies);
  line("stale repairs", judged.stale_repairs);
  line("reads", judged.reads_checked);
  line("ms until purged", static_cast<std::uint64_t>(totals.purge_us_max / 1'000));
  line("ms until whole", static_cast<std::uint64_t>(healed_us / 1'000));
  char tail[160];
  std::snprintf(tail, sizeof tail,
                "seed %llu: %llu faults, %llu events in %.1f virtual seconds, trace hash %016llx\n",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(fault_count),
                static_cast<unsigned long long>(events), static_cast<double>(virtual_us) / 1e6,
                static_cast<unsigned long long>(trace_hash));
  return text + tail;
}

}  // namespace gyre::sim
