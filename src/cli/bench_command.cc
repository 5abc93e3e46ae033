#include "cli/bench_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/bench_runner.h"

namespace gyre {
namespace {

nlohmann::ordered_json LatencyJson(const BenchHistogram& latency) {
  return {{"count", latency.count()},
          {"mean_us", latency.mean_us()},
          {"p50_us", latency.QuantileUs(0.5)},
          {"p99_us", latency.QuantileUs(0.99)},
          {"p999_us", latency.QuantileUs(0.999)},
          {"max_us", latency.max_us()}};
}

BenchHistogram BothLatencies(const BenchReport& report) {
  BenchHistogram both = report.get_latency;
  both.Merge(report.set_latency);
  return both;
}

void PrintJson(const BenchReport& report) {
  nlohmann::ordered_json json;
  json["ops_per_second"] = static_cast<double>(report.operations()) / report.seconds;
  json["operations"] = report.operations();
  json["gets"] = report.gets;
  json["sets"] = report.sets;
  json["misses"] = report.misses;
  json["seconds"] = report.seconds;
  json["generator_cpu_share"] = report.cpu_share;
  json["errors"] = report.errors;
  json["latency"] = LatencyJson(BothLatencies(report));
  json["get_latency"] = LatencyJson(report.get_latency);
  json["set_latency"] = LatencyJson(report.set_latency);
  fmt::print("{}\n", json.dump());
}

void PrintLatencyLine(const char* name, const BenchHistogram& latency) {
  if (latency.count() == 0) return;
  fmt::print("{:<8}{:>12}{:>11.0f}{:>11.0f}{:>11.0f}{:>11.0f}\n", name, latency.count(),
             latency.QuantileUs(0.5), latency.QuantileUs(0.99), latency.QuantileUs(0.999),
             latency.max_us());
}
void PrintText(const BenchReport& report) {
  fmt::print("{:.0f} requests/s ({} in {:.1f} s), {} of {} gets found nothing\n\n",
             static_cast<double>(report.operations()) / report.seconds, report.operations(),
             report.seconds, report.misses, report.gets);
  fmt::print("{:<8}{:>12}{:>11}{:>11}{:>11}{:>11}\n", "", "requests", "p50 us", "p99 us",
             "p99.9 us", "max us");
  PrintLatencyLine("get", report.get_latency);
  PrintLatencyLine("set", report.set_latency);
  PrintLatencyLine("all", BothLatencies(report));
  for (const auto& [kind, count] : report.errors) fmt::print("error {}: {}\n", kind, count);
  fmt::print("\nThis generator used {:.2f} of a core", report.cpu_share);
  fmt::print("{}\n",
             report.cpu_share > 0.9 ? ": the figures may be its limit, not the servers'." : ".");
}

int Run(const BenchOptions& options, bool as_json) {
  const Result<BenchReport> report = RunBench(options);
  if (!report) {
    fmt::print(stderr, "gyre bench: {}\n", report.error().message);
    return report.error().code == ErrorCode::kInvalidArgument ? 2 : 1;
  }
  as_json ? PrintJson(*report) : PrintText(*report);
  std::fflush(stdout);
  return report->errors.empty() && report->operations() > 0 ? 0 : 1;
}

}  // namespace

void AddBenchCommand(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<BenchOptions>();
  auto no_load = std::make_shared<bool>(false);
  auto as_json = std::make_shared<bool>(false);
  CLI::App* bench = app.add_subcommand("bench", "Put load on servers and measure them");
  bench->add_option("--server", options->servers, "host:port; more than one are used in turn")
      ->delimiter(',')
      ->capture_default_str();
  bench->add_option("--protocol", options->protocol, "resp, memcached or etcd (gRPC)")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, BenchProtocol>{{"resp", BenchProtocol::kResp},
                                               {"memcached", BenchProtocol::kMemcached},
                                               {"etcd", BenchProtocol::kEtcd}}));
  bench->add_option("--connections", options->connections, "Connections in all")
      ->capture_default_str();
  bench->add_option("--pipeline", options->pipeline, "Requests in flight on one connection")
      ->capture_default_str();
  bench->add_option("--value-bytes", options->value_bytes, "Size of a value")
      ->capture_default_str();
  bench->add_option("--keys", options->keys, "Different keys")->capture_default_str();
  bench->add_option("--gets", options->get_ratio, "Share of GET, 0 to 1; the rest are SET")
      ->capture_default_str();
  bench->add_flag("--no-load", *no_load, "Do not write every key once before");
  bench->add_option("--warmup", options->warmup_seconds, "Seconds of load before measuring")
      ->capture_default_str();
  bench->add_option("--duration", options->duration_seconds, "Seconds to measure")
      ->capture_default_str();
  bench
      ->add_option("--rate", options->rate,
                   "Requests per second whatever the servers do (open loop; latency counts from "
                   "when a request was due); 0: as fast as answers come")
      ->capture_default_str();
  bench->add_option("--wait", options->wait_replicas,
                    "Send `WAIT n` after each SET, which counts only if n replicas have it");
  bench->add_flag("--wait-per-batch", options->wait_per_batch,
                  "One WAIT after a pipelined batch instead");
  bench
      ->add_option(
          "--timeout", options->timeout_seconds,
          "Seconds to wait for an answer; with --rate one that comes later counts as an error")
      ->capture_default_str();
  bench->add_option("--seed", options->seed, "Of keys and their order")->capture_default_str();
  bench->add_flag("!--no-check", options->check_values,
                  "Take any value for right (a server that keeps nothing)");
  bench->add_flag("--json", *as_json, "Print the report as JSON");
  bench->callback([options, no_load, as_json, &exit_code] {
    options->load = !*no_load;
    exit_code = Run(*options, *as_json);
  });
}

}  // namespace gyre
