#include "sim/scale/scale_main.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sim/scale/scale_scenarios.h"

namespace gyre::sim {
namespace {

constexpr std::string_view kUsage =
    "usage: gyre-sim scale --scenario NAME [--nodes N] [--seed S] [--loss P] [--plain] ...\n"
    "  --scenario   change, clone, death, false-deaths, halves, split, traffic\n"
    "  --nodes N    2 to 10000 (100)\n"
    "  --loss P     share of messages lost, such as 0.3 (0)\n"
    "  --plain      SWIM without refinements\n"
    "  --without R  without one: health, nacks, dynamic, buddy, resend, volunteers\n"
    "  --suspicion-ms T  the least time of a suspect, for each factor of 10 of nodes (500)\n"
    "  --seconds T  that clone, false-deaths and traffic run (60)\n"
    "  --times K    changes (10) or deaths (20)\n"
    "  --slow K     false-deaths: so many nodes stop again and again, --slow-ms T each time "
    "(4000)\n"
    "  --encoded    messages go through their codec\n";

[[noreturn]] void Usage(const std::string& problem) {
  std::fprintf(stderr, "%s\n%s", problem.c_str(), std::string(kUsage).c_str());
  std::exit(2);
}

template <typename T>
T Number(std::string_view name, std::string_view text, T low, T high) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < low || value > high) {
    Usage(std::string(name) + ": not a number in its range: " + std::string(text));
  }
  return value;
}

void SwitchOff(std::string_view what, MembershipConfig& config) {
  if (what == "health") {
    config.local_health = false;
  } else if (what == "nacks") {
    config.nacks = false;
  } else if (what == "dynamic") {
    config.dynamic_suspicion = false;
  } else if (what == "buddy") {
    config.buddy = false;
  } else if (what == "resend") {
    config.resend = false;
  } else if (what == "volunteers") {
    config.volunteers = 0;
  } else {
    Usage("no such refinement: " + std::string(what));
  }
}

}  // namespace

int ScaleMain(int argc, char** argv) {
  ScenarioOptions options;
  std::string scenario;
  for (int i = 0; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&]() -> std::string_view {
      if (i + 1 >= argc) Usage(std::string(name) + " wants a value");
      return argv[++i];
    };
    if (name == "--scenario") {
      scenario = value();
    } else if (name == "--nodes") {
      options.nodes = Number<std::size_t>(name, value(), 2, 10'000);
    } else if (name == "--seed") {
      options.world.seed = Number<std::uint64_t>(name, value(), 0, UINT64_MAX);
    } else if (name == "--loss") {
      options.world.loss_per_million =
          static_cast<std::uint64_t>(Number<double>(name, value(), 0, 1) * 1e6 + 0.5);
    } else if (name == "--suspicion-ms") {
      options.world.config.suspicion_min = Duration::Millis(Number<int>(name, value(), 1, 100'000));
    } else if (name == "--seconds") {
      options.seconds = Number<int>(name, value(), 1, 1'000'000);
    } else if (name == "--times") {
      options.times = Number<int>(name, value(), 1, 10'000);
    } else if (name == "--slow") {
      options.slow = Number<std::size_t>(name, value(), 0, 10'000);
    } else if (name == "--slow-ms") {
      options.slow_ms = Number<int>(name, value(), 1, 1'000'000);
    } else if (name == "--plain") {
      options.world.config = MembershipConfig::PlainSwim();
    } else if (name == "--without") {
      SwitchOff(value(), options.world.config);
    } else if (name == "--encoded") {
      options.world.encoded = true;
    } else {
      Usage("unknown argument " + std::string(name));
    }
  }
  const auto names = ScenarioNames();
  if (std::find(names.begin(), names.end(), scenario) == names.end()) Usage("which scenario?");
  if (options.slow > options.nodes) Usage("more slow nodes than nodes");
  const ScenarioReport report = RunScenario(scenario, options);
  std::printf("%s\n%s\n", report.json.c_str(), report.text.c_str());
  return 0;
}

}  // namespace gyre::sim
