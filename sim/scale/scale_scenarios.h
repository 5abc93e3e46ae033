// What the membership promises, measured at scale: one function for each promise. docs/scale.md has
// the results.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "sim/scale/scale_world.h"

namespace gyre::sim {

struct ScenarioOptions {
  std::size_t nodes = 100;
  int times = 0;         // changes, deaths; 0: the scenario's own number
  int seconds = 60;      // what is measured over time
  std::size_t slow = 0;  // nodes that stand still again and again
  int slow_ms = 4'000;   // so long each time
  ScaleOptions world;
};

// Times in milliseconds, least first.
struct Times {
  std::vector<double> ms;

  void Add(Duration duration) { ms.push_back(static_cast<double>(duration.us) / 1000); }
  // REQUIRES: sorted. 0 if there are none.
  double Percentile(double percent) const;
};

// A member joins, or describes itself anew: until all know.
struct ChangeResult {
  Times known;     // of each change, at the last node
  Times complete;  // of each joiner, until it knows all
  int never = 0;   // not within a minute
};
ChangeResult RunChange(const ScenarioOptions& options);

// A node dies: until each of the others holds it for down.
struct DeathResult {
  Times suspected;  // of each death, until the first suspicion
  Times known;      // of each death at each node
  std::uint64_t never = 0;
};
DeathResult RunDeath(const ScenarioOptions& options);

// Nobody dies. False is a death if one that runs, and is not slow, is held for down by some node;
// each node that does so counts.
struct FalseDeathsResult {
  std::uint64_t false_deaths = 0;
  std::uint64_t victims = 0;         // times that the first node held one for down
  std::uint64_t deaths_of_slow = 0;  // of nodes that stand still
  std::uint64_t suspicions = 0;      // begun by a failed probe
  std::uint64_t contradictions = 0;  // of the accused
  double bytes_per_node_second = 0;
  double messages_per_node_second = 0;
  double health = 0;  // local health score at the end, mean
};
FalseDeathsResult RunFalseDeaths(const ScenarioOptions& options);

// Two halves that never met; one node of the first has one of the second as a seed. Until all know
// all. `split`: they knew each other, were cut apart for a minute and held each other for down.
struct HalvesResult {
  bool met = false;
  double ms = 0;
};
HalvesResult RunHalves(const ScenarioOptions& options, bool split);

// A member's disk is copied, and both run for a while, `seconds`; then the copy is stopped.
struct CloneResult {
  Times alarmed;                     // each of the two, until its first alarm
  std::uint64_t alarms = 0;          // of all nodes
  double bytes_per_node_second = 0;  // meanwhile
  double bytes_before = 0;
  bool settled = false;  // all know the first one again, within a minute
};
CloneResult RunClone(const ScenarioOptions& options);

// One scenario by its name: a line of JSON, and one for people. nullopt: no such scenario.
struct ScenarioReport {
  std::string json;
  std::string text;
};
std::vector<std::string_view> ScenarioNames();
ScenarioReport RunScenario(std::string_view name, const ScenarioOptions& options);

}  // namespace gyre::sim
