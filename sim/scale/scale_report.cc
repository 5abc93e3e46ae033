#include <cstdarg>
#include <cstdio>

#include "sim/scale/scale_scenarios.h"

// Results as lines.

namespace gyre::sim {
namespace {

[[gnu::format(printf, 1, 2)]] std::string Text(const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

unsigned long long Count(std::uint64_t count) { return count; }

std::string TimesJson(const char* name, const Times& times) {
  return Text("\"%s_ms\":{\"count\":%zu,\"p50\":%.0f,\"p99\":%.0f,\"max\":%.0f}", name,
              times.ms.size(), times.Percentile(50), times.Percentile(99), times.Percentile(100));
}
std::string TimesText(const Times& times) {
  return Text("p50 %.2f s, p99 %.2f s, last %.2f s", times.Percentile(50) / 1000,
              times.Percentile(99) / 1000, times.Percentile(100) / 1000);
}

ScenarioReport Change(const ScenarioOptions& options) {
  const ChangeResult result = RunChange(options);
  return {TimesJson("known", result.known) + "," + TimesJson("joiner_complete", result.complete) +
              Text(",\"never\":%d", result.never),
          Text("%zu changes known everywhere: ", result.known.ms.size()) + TimesText(result.known) +
              "; joiners knew all: " + TimesText(result.complete) +
              Text("; never: %d", result.never)};
}

ScenarioReport Death(const ScenarioOptions& options) {
  const DeathResult result = RunDeath(options);
  return {TimesJson("known", result.known) + "," + TimesJson("first_suspicion", result.suspected) +
              Text(",\"never\":%llu", Count(result.never)),
          Text("%zu deaths known, over all nodes: ", result.suspected.ms.size()) +
              TimesText(result.known) + "; first suspicion: " + TimesText(result.suspected) +
              Text("; never: %llu", Count(result.never))};
}

ScenarioReport FalseDeaths(const ScenarioOptions& options) {
  const FalseDeathsResult r = RunFalseDeaths(options);
  return {
      Text("\"seconds\":%d,\"slow\":%zu,\"false_deaths\":%llu,\"victims\":%llu,"
           "\"deaths_of_slow\":%llu,\"suspicions\":%llu,\"contradictions\":%llu,"
           "\"bytes_per_node_second\":%.0f,\"health\":%.2f",
           options.seconds, options.slow, Count(r.false_deaths), Count(r.victims),
           Count(r.deaths_of_slow), Count(r.suspicions), Count(r.contradictions),
           r.bytes_per_node_second, r.health),
      Text("%d s: %llu false deaths (%llu victims), %llu suspicions, %llu contradictions; %.0f "
           "B/s a node; health score %.2f; deaths of slow nodes: %llu",
           options.seconds, Count(r.false_deaths), Count(r.victims), Count(r.suspicions),
           Count(r.contradictions), r.bytes_per_node_second, r.health, Count(r.deaths_of_slow))};
}

ScenarioReport Traffic(const ScenarioOptions& options) {
  ScenarioOptions small = options;
  small.nodes = 100;
  const FalseDeathsResult few = RunFalseDeaths(small);
  const FalseDeathsResult many = RunFalseDeaths(options);
  const double ratio = many.bytes_per_node_second / few.bytes_per_node_second;
  return {Text("\"bytes_per_node_second\":%.1f,\"messages_per_node_second\":%.2f,\"of_100\":%.1f,"
               "\"ratio\":%.3f",
               many.bytes_per_node_second, many.messages_per_node_second, few.bytes_per_node_second,
               ratio),
          Text("%.1f B/s and %.2f messages/s a node; of 100 nodes %.1f B/s; ratio %.3f",
               many.bytes_per_node_second, many.messages_per_node_second, few.bytes_per_node_second,
               ratio)};
}

ScenarioReport Clone(const ScenarioOptions& options) {
  const CloneResult r = RunClone(options);
  return {TimesJson("alarmed", r.alarmed) +
              Text(",\"alarms\":%llu,\"bytes_per_node_second\":%.1f,\"before\":%.1f,"
                   "\"settled\":%s",
                   Count(r.alarms), r.bytes_per_node_second, r.bytes_before,
                   r.settled ? "true" : "false"),
          Text("%zu of the two alarmed: ", r.alarmed.ms.size()) + TimesText(r.alarmed) +
              Text("; %llu alarms; %.1f B/s a node, %.1f before; %s", Count(r.alarms),
                   r.bytes_per_node_second, r.bytes_before, r.settled ? "settled" : "not settled")};
}

ScenarioReport Halves(const ScenarioOptions& options, bool split) {
  const HalvesResult result = RunHalves(options, split);
  return {Text("\"met\":%s,\"ms\":%.0f", result.met ? "true" : "false", result.ms),
          Text(result.met ? "all know all after %.2f s" : "not together after %.2f s",
               result.ms / 1000)};
}

}  // namespace

std::vector<std::string_view> ScenarioNames() {
  return {"change", "clone", "death", "false-deaths", "halves", "split", "traffic"};
}

ScenarioReport RunScenario(std::string_view name, const ScenarioOptions& options) {
  ScenarioReport report;
  if (name == "change") report = Change(options);
  if (name == "clone") report = Clone(options);
  if (name == "death") report = Death(options);
  if (name == "false-deaths") report = FalseDeaths(options);
  if (name == "halves") report = Halves(options, /*split=*/false);
  if (name == "split") report = Halves(options, /*split=*/true);
  if (name == "traffic") report = Traffic(options);
  const std::string shown(name);
  report.json =
      Text("{\"scenario\":\"%s\",\"nodes\":%zu,\"loss\":%.4f,\"seed\":%llu,", shown.c_str(),
           options.nodes, static_cast<double>(options.world.loss_per_million) / 1e6,
           Count(options.world.seed)) +
      report.json + "}";
  report.text = Text("%s, %zu nodes: ", shown.c_str(), options.nodes) + report.text;
  return report;
}

}  // namespace gyre::sim
