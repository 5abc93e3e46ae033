// gyre-sim: runs the simulator. docs/simulator.md says what it proves.
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "sim/runner.h"
#include "sim/scale/scale_main.h"

namespace gyre::sim {
namespace {

constexpr std::string_view kUsage =
    "usage: gyre-sim scale ...  (thousands of nodes' membership; without arguments: its usage)\n"
    "       gyre-sim --seed S [--nodes N] [--ops K] [--changes|--plans] [--print] [--twice]\n"
    "       gyre-sim --seeds A..B [--nodes N] [--ops K] [--changes|--plans] [--jobs J] [--twice]\n"
    "       gyre-sim --plant NAME|all [--seeds A..B] [--nodes N] [--ops K]\n"
    "  --seed S     one world; prints what it did\n"
    "  --seeds A..B many worlds; prints a summary\n"
    "  --nodes N    1 to 7 (drawn by the seed)\n"
    "  --ops K      operations of the clients (drawn by the seed)\n"
    "  --changes    members join and leave in every world, not only where the seed draws it\n"
    "  --plans      the same, by plans of several changes, replacements and other weights too\n"
    "  --print      every event that a person may want to see\n"
    "  --twice      runs each seed twice and compares the traces\n"
    "  --jobs J     processes (default 2)\n"
    "  --plant P    plants a bug and waits for the checkers to find it\n";

struct Arguments {
  bool seeds_given = false;
  std::uint64_t seed_first = 1;
  std::uint64_t seed_last = 1;
  bool many = false;
  bool twice = false;
  int jobs = 2;
  std::string plant;
  RunOptions run;
};

[[noreturn]] void Usage(const std::string& problem) {
  std::fprintf(stderr, "%s\n%s", problem.c_str(), std::string(kUsage).c_str());
  std::exit(2);
}

std::uint64_t ParseNumber(std::string_view name, std::string_view text, std::uint64_t low,
                          std::uint64_t high) {
  std::uint64_t value = 0;
  bool good = !text.empty() && text.size() < 20;
  for (const char c : text) {
    good = good && c >= '0' && c <= '9';
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (!good || value < low || value > high) {
    Usage(std::string(name) + " wants a number from " + std::to_string(low) + " to " +
          std::to_string(high));
  }
  return value;
}

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    const auto value = [&]() -> std::string_view {
      if (i + 1 >= argc) Usage(std::string(name) + " wants a value");
      return argv[++i];
    };
    constexpr std::uint64_t kSeedMax = std::uint64_t{1} << 60;
    if (name == "--seed") {
      arguments.seed_first = arguments.seed_last = ParseNumber(name, value(), 0, kSeedMax);
      arguments.seeds_given = true;
    } else if (name == "--seeds") {
      const std::string_view range = value();
      const std::size_t dots = range.find("..");
      if (dots == std::string_view::npos) Usage("--seeds wants A..B");
      arguments.seed_first = ParseNumber(name, range.substr(0, dots), 0, kSeedMax);
      arguments.seed_last =
          ParseNumber(name, range.substr(dots + 2), arguments.seed_first, kSeedMax);
      arguments.many = true;
      arguments.seeds_given = true;
    } else if (name == "--nodes") {
      arguments.run.spec.nodes = static_cast<int>(ParseNumber(name, value(), 1, 7));
    } else if (name == "--ops") {
      arguments.run.spec.ops = static_cast<int>(ParseNumber(name, value(), 1, 1'000'000));
    } else if (name == "--jobs") {
      arguments.jobs = static_cast<int>(ParseNumber(name, value(), 1, 64));
    } else if (name == "--plant") {
      arguments.plant = value();
    } else if (name == "--changes") {
      arguments.run.spec.changes = true;
    } else if (name == "--plans") {
      arguments.run.spec.plans = true;
    } else if (name == "--print") {
      arguments.run.print = true;
    } else if (name == "--twice") {
      arguments.twice = true;
    } else {
      Usage("unknown argument " + std::string(name));
    }
  }
  return arguments;
}

std::string RepeatCommand(std::uint64_t seed, const Arguments& arguments) {
  std::string command = "gyre-sim --seed " + std::to_string(seed);
  if (arguments.run.spec.nodes > 0) {
    command += " --nodes " + std::to_string(arguments.run.spec.nodes);
  }
  if (arguments.run.spec.ops > 0) command += " --ops " + std::to_string(arguments.run.spec.ops);
  if (arguments.run.spec.changes) command += " --changes";
  if (arguments.run.spec.plans) command += " --plans";
  if (arguments.twice) command += " --twice";
  return command;
}

std::string DescribeViolations(const SeedResult& result, const Arguments& arguments) {
  constexpr std::size_t kShown = 8;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, result.violations.size()); ++i) {
    const Violation& violation = result.violations[i];
    char time[32];
    std::snprintf(time, sizeof time, "%.6f", static_cast<double>(violation.time) / 1e6);
    text += "  VIOLATION " + std::string(CheckerName(violation.checker)) + " at " + time + ": " +
            violation.text + "\n";
  }
  if (result.violations.size() > kShown) {
    text += "  ... and " + std::to_string(result.violations.size() - kShown) + " more\n";
  }
  return text + "  repeat: " + RepeatCommand(result.seed, arguments) + "\n  build: " + BuildInfo() +
         "\n";
}

// ---- many seeds --------------------------------------------------------------------------------

// What a worker tells about one seed; `begun` first, so that a crash can be pinned to its seed.
struct Line {
  std::uint64_t seed = 0;
  std::uint64_t begun = 0;
  std::uint64_t faults = 0;
  std::uint64_t hash = 0;
  std::uint64_t violations = 0;
  std::uint64_t events = 0;
  std::uint64_t ops = 0;
  std::uint64_t text_bytes = 0;  // of the text that follows
  std::array<std::uint64_t, kRarePathsMax> rare{};
  std::array<std::uint64_t, kFaultKinds> kinds{};
};

bool WriteAll(int fd, const void* data, std::size_t size) {
  const char* at = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = write(fd, at, size);
    if (written <= 0) return false;
    at += written;
    size -= static_cast<std::size_t>(written);
  }
  return true;
}

bool ReadAll(int fd, void* data, std::size_t size) {
  char* at = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = read(fd, at, size);
    if (got <= 0) return false;
    at += got;
    size -= static_cast<std::size_t>(got);
  }
  return true;
}

[[noreturn]] void Work(int fd, std::uint64_t first, std::uint64_t step,
                       const Arguments& arguments) {
  for (std::uint64_t seed = first; seed <= arguments.seed_last; seed += step) {
    Line line;
    line.seed = seed;
    line.begun = 1;
    WriteAll(fd, &line, sizeof line);
    const SeedResult result =
        arguments.twice ? RunSeedTwice(seed, arguments.run) : RunSeed(seed, arguments.run);
    line.begun = 0;
    line.faults = result.fault_count;
    line.hash = result.trace_hash;
    line.violations = result.violations.size();
    line.events = result.events;
    for (const auto& [what, count] : result.totals.ops) line.ops += count;
    const std::vector<RarePath>& paths = RarePaths();
    for (std::size_t i = 0; i < paths.size(); ++i) line.rare[i] = paths[i].count(result);
    line.kinds = result.faults;
    const std::string text = result.ok() ? "" : DescribeViolations(result, arguments);
    line.text_bytes = text.size();
    WriteAll(fd, &line, sizeof line);
    WriteAll(fd, text.data(), text.size());
  }
  std::exit(0);
}

struct Worker {
  pid_t pid = 0;
  int fd = -1;
  std::uint64_t seed = 0;  // begun and not ended
  bool busy = false;
};

Worker StartWorker(std::uint64_t first, std::uint64_t step, const Arguments& arguments) {
  int ends[2];
  if (pipe(ends) != 0) Usage("no pipe to be had");
  std::fflush(nullptr);
  const pid_t pid = fork();
  if (pid < 0) Usage("no process to be had");
  if (pid == 0) {
    close(ends[0]);
    Work(ends[1], first, step, arguments);
  }
  close(ends[1]);
  return {pid, ends[0], 0, false};
}

// How many seeds reached what, and how often.
void PrintReached(const std::vector<Line>& done) {
  const auto print = [&](std::string_view name, auto&& count_of) {
    std::uint64_t seeds = 0;
    std::uint64_t times = 0;
    for (const Line& line : done) {
      seeds += count_of(line) > 0;
      times += count_of(line);
    }
    std::printf("  %-36s %6llu seeds %10llu times\n", std::string(name).c_str(),
                static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(times));
  };
  std::printf("reached\n");
  const std::vector<RarePath>& paths = RarePaths();
  for (std::size_t i = 0; i < paths.size(); ++i) {
    print(paths[i].name, [&](const Line& line) { return line.rare[i]; });
  }
  std::printf("faults\n");
  for (std::size_t i = 0; i < kFaultKinds; ++i) {
    print(FaultName(static_cast<FaultKind>(i)), [&](const Line& line) { return line.kinds[i]; });
  }
}

int RunMany(const Arguments& arguments) {
  const auto started = std::chrono::steady_clock::now();
  const auto step = static_cast<std::uint64_t>(arguments.jobs);
  std::vector<Worker> workers;
  for (std::uint64_t i = 0; i < step; ++i) {
    workers.push_back(StartWorker(arguments.seed_first + i, step, arguments));
  }
  std::vector<Line> done;
  std::uint64_t bad = 0;
  std::size_t open = workers.size();
  while (open > 0) {
    std::vector<pollfd> polls;
    for (const Worker& worker : workers) polls.push_back({worker.fd, POLLIN, 0});
    if (poll(polls.data(), polls.size(), -1) < 0) continue;
    for (std::size_t i = 0; i < workers.size(); ++i) {
      Worker& worker = workers[i];
      if (worker.fd < 0 || polls[i].revents == 0) continue;
      Line line;
      if (ReadAll(worker.fd, &line, sizeof line)) {
        worker.busy = line.begun != 0;
        worker.seed = line.seed;
        if (worker.busy) continue;
        std::string text(line.text_bytes, '\0');
        ReadAll(worker.fd, text.data(), text.size());
        done.push_back(line);
        if (line.violations > 0) {
          ++bad;
          std::printf("seed %llu: %llu violations\n%s", static_cast<unsigned long long>(line.seed),
                      static_cast<unsigned long long>(line.violations), text.c_str());
        }
        if (done.size() % 50 == 0) {
          std::printf("%zu seeds done, %llu with violations\n", done.size(),
                      static_cast<unsigned long long>(bad));
        }
        std::fflush(stdout);
        continue;
      }
      close(worker.fd);
      int status = 0;
      waitpid(worker.pid, &status, 0);
      worker.fd = -1;
      --open;
      if (!worker.busy) continue;
      ++bad;
      std::printf("seed %llu: the process died (%s %d)\n  repeat: %s\n  build: %s\n",
                  static_cast<unsigned long long>(worker.seed),
                  WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status),
                  RepeatCommand(worker.seed, arguments).c_str(), BuildInfo().c_str());
      if (worker.seed + step <= arguments.seed_last) {
        workers[i] = StartWorker(worker.seed + step, step, arguments);
        ++open;
      }
    }
  }
  std::sort(done.begin(), done.end(), [](const Line& a, const Line& b) { return a.seed < b.seed; });
  std::vector<std::uint64_t> faults;
  std::uint64_t events = 0;
  std::uint64_t ops = 0;
  Trace all;
  for (const Line& line : done) {
    faults.push_back(line.faults);
    events += line.events;
    ops += line.ops;
    all.Mix(line.hash);
  }
  std::sort(faults.begin(), faults.end());
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  std::printf(
      "%zu seeds, %llu with violations; faults per seed: median %llu, least %llu, most %llu; "
      "%llu operations, %llu events; all hashes %016llx; %.1f s with %d jobs\n",
      done.size(), static_cast<unsigned long long>(bad),
      static_cast<unsigned long long>(faults.empty() ? 0 : faults[faults.size() / 2]),
      static_cast<unsigned long long>(faults.empty() ? 0 : faults.front()),
      static_cast<unsigned long long>(faults.empty() ? 0 : faults.back()),
      static_cast<unsigned long long>(ops), static_cast<unsigned long long>(events),
      static_cast<unsigned long long>(all.hash()), seconds, arguments.jobs);
  PrintReached(done);
  return bad == 0 ? 0 : 1;
}

// ---- planted bugs ------------------------------------------------------------------------------

int RunPlants(const Arguments& arguments) {
  const int seeds_max = arguments.seeds_given
                            ? static_cast<int>(arguments.seed_last - arguments.seed_first + 1)
                            : kPlantSeeds;
  int missed = 0;
  for (const PlantInfo& plant : PlantedBugs()) {
    if (arguments.plant != "all" && arguments.plant != plant.name) continue;
    const std::uint64_t first = arguments.seeds_given ? arguments.seed_first : plant.seed_first;
    const PlantTrial trial = TryPlant(plant, first, seeds_max, arguments.run);
    std::string caught_by;
    for (int i = 0; i < kCheckerCount; ++i) {
      const int after = trial.caught_after[static_cast<std::size_t>(i)];
      if (after == 0) continue;
      caught_by += (caught_by.empty() ? "" : ", ") +
                   std::string(CheckerName(static_cast<Checker>(i))) + " (seed " +
                   std::to_string(first + static_cast<std::uint64_t>(after) - 1) + ")";
    }
    missed += !trial.caught;
    std::printf("%-24s %s after %d seeds: %s\n    %s\n", std::string(plant.name).c_str(),
                trial.caught ? "caught" : "MISSED", trial.seeds_run, caught_by.c_str(),
                trial.first.c_str());
    std::fflush(stdout);
  }
  return missed == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  if (argc > 1 && std::string_view(argv[1]) == "scale") return ScaleMain(argc - 2, argv + 2);
  const Arguments arguments = Parse(argc, argv);
  if (!arguments.plant.empty()) {
    if (arguments.plant != "all" && FindPlant(arguments.plant) == nullptr) {
      std::string names = "no such planted bug; there are: all";
      for (const PlantInfo& plant : PlantedBugs()) names += " " + std::string(plant.name);
      Usage(names);
    }
    return RunPlants(arguments);
  }
  if (arguments.many) return RunMany(arguments);
  const SeedResult result = arguments.twice ? RunSeedTwice(arguments.seed_first, arguments.run)
                                            : RunSeed(arguments.seed_first, arguments.run);
  std::printf("%s", result.Report().c_str());
  if (result.ok()) return 0;
  std::printf("%s", DescribeViolations(result, arguments).c_str());
  return 1;
}

}  // namespace
}  // namespace gyre::sim

int main(int argc, char** argv) { return gyre::sim::Main(argc, argv); }
