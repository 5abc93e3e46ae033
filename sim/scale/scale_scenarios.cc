#include "sim/scale/scale_scenarios.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>
#include <utility>

namespace gyre::sim {
namespace {

constexpr Duration kWarmUp = Duration::Seconds(5);
constexpr Duration kPatience = Duration::Seconds(60);
constexpr Duration kLook = Duration::Millis(20);

// A cluster whose members know each other, some seconds after its start.
ScaleWorld MakeCluster(const ScenarioOptions& options) {
  ScaleWorld world(options.world);
  for (std::size_t i = 0; i < options.nodes; ++i) world.Add();
  world.Acquaint(0, world.size());
  world.StartAll();
  world.RunFor(kWarmUp);
  return world;
}

// Runs until `done` or kPatience is over. Returns whether it was done.
bool RunUntilDone(ScaleWorld& world, const std::function<bool()>& done) {
  const Instant end = world.now() + kPatience;
  while (!done()) {
    if (world.now() >= end) return false;
    world.RunFor(kLook);
  }
  return true;
}

bool AllRunning(const ScaleWorld& world, const std::function<bool(const Membership&)>& good) {
  for (std::size_t i = 0; i < world.size(); ++i) {
    if (world.running(i) && !good(world.at(i))) return false;
  }
  return true;
}

std::size_t AnyRunning(ScaleWorld& world) {
  for (;;) {
    const std::size_t node = world.prng().Below(world.size());
    if (world.running(node)) return node;
  }
}

}  // namespace

double Times::Percentile(double percent) const {
  if (ms.empty()) return 0;
  const auto rank =
      static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(ms.size())));
  return ms[std::clamp<std::size_t>(rank, 1, ms.size()) - 1];
}

ChangeResult RunChange(const ScenarioOptions& options) {
  ScaleWorld world = MakeCluster(options);
  ChangeResult result;
  const int times = options.times > 0 ? options.times : 10;
  for (int i = 0; i < times; ++i) {
    const Instant begun = world.now();
    std::size_t changed = 0;
    const bool join = i % 2 == 0;
    if (join) {
      changed = world.Add({world.AddressOf(AnyRunning(world))});
      world.Start(changed);
    } else {
      changed = AnyRunning(world);
      MemberDescription fields =
          world.at(changed).table().Find(world.id(changed))->description->fields();
      fields.weight += 1;
      world.Do(changed, [&fields](Membership& membership, MembershipTurn& turn) {
        membership.UpdateSelf(SharedDescription::Make(fields).value(), turn);
      });
    }
    const NodeId id = world.id(changed);
    const std::uint64_t digest = world.at(changed).table().Find(id)->description->digest();
    const bool known = RunUntilDone(world, [&] {
      return AllRunning(world, [&](const Membership& membership) {
        const MemberTable::Entry* const entry = membership.table().Find(id);
        return entry != nullptr && entry->description->digest() == digest;
      });
    });
    result.never += !known;
    if (known) result.known.Add(world.now() - begun);
    if (join) {
      const bool complete =
          RunUntilDone(world, [&] { return world.at(changed).table().size() == world.size(); });
      result.never += !complete;
      if (complete) result.complete.Add(world.now() - begun);
    }
    world.RunFor(Duration::Millis(world.prng().Between(1'000, 3'000)));
  }
  std::sort(result.known.ms.begin(), result.known.ms.end());
  std::sort(result.complete.ms.begin(), result.complete.ms.end());
  return result;
}

DeathResult RunDeath(const ScenarioOptions& options) {
  ScaleWorld world = MakeCluster(options);
  DeathResult result;
  const int deaths = options.times > 0 ? options.times : 20;
  for (int i = 0; i < deaths; ++i) {
    const std::size_t victim = AnyRunning(world);
    const NodeId id = world.id(victim);
    const Instant begun = world.now();
    bool suspected = false;
    std::vector<bool> knows(world.size());
    std::size_t left = 0;
    for (std::size_t node = 0; node < world.size(); ++node) left += world.running(node);
    --left;
    world.on_event = [&](std::size_t node, const MembershipEvent& event) {
      if (event.kind != MembershipEvent::Kind::kMember || event.node != id) return;
      if (event.after == Life::kSuspect && !suspected) {
        suspected = true;
        result.suspected.Add(world.now() - begun);
      }
      if (event.after != Life::kDown || knows[node]) return;
      knows[node] = true;
      --left;
      result.known.Add(world.now() - begun);
    };
    world.Kill(victim);
    if (!RunUntilDone(world, [&] { return left == 0; })) result.never += left;
    world.on_event = nullptr;
    world.RunFor(Duration::Millis(world.prng().Between(1'000, 3'000)));
  }
  std::sort(result.suspected.ms.begin(), result.suspected.ms.end());
  std::sort(result.known.ms.begin(), result.known.ms.end());
  return result;
}

FalseDeathsResult RunFalseDeaths(const ScenarioOptions& options) {
  ScaleWorld world = MakeCluster(options);
  FalseDeathsResult result;
  std::set<std::pair<NodeId, std::uint64_t>> victims;  // and the life of theirs
  world.on_event = [&](std::size_t node, const MembershipEvent& event) {
    if (event.kind != MembershipEvent::Kind::kMember || event.after != Life::kDown) return;
    if (world.IndexOf(event.node) < options.slow) {
      ++result.deaths_of_slow;
      return;
    }
    ++result.false_deaths;
    victims.emplace(event.node, world.at(node).table().Find(event.node)->incarnation);
  };
  const auto sum = [&world](auto of) {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < world.size(); ++i) total += of(world.at(i));
    return total;
  };
  const auto suspicions = [&] {
    return sum([](const Membership& m) { return m.detector().counters().verdicts_suspect; });
  };
  const auto contradictions = [&] {
    return sum([](const Membership& m) { return m.counters().contradictions; });
  };
  const std::uint64_t suspicions_before = suspicions();
  const std::uint64_t contradictions_before = contradictions();
  const std::uint64_t bytes_before = world.bytes_sent();
  const std::uint64_t messages_before = world.messages_sent();
  const Instant end = world.now() + Duration::Seconds(options.seconds);
  // The slow ones, as in Lifeguard's experiment: stopped, awake for a moment, stopped again.
  std::vector<Instant> next_stop(options.slow, world.now());
  while (world.now() < end) {
    for (std::size_t i = 0; i < options.slow; ++i) {
      if (world.now() < next_stop[i] || world.IsFrozen(i)) continue;
      const Instant thaw = world.now() + Duration::Millis(options.slow_ms);
      world.Freeze(i, thaw);
      next_stop[i] = thaw + Duration::Millis(world.prng().Between(50, 500));
    }
    world.RunFor(options.slow > 0 ? kLook : Duration::Seconds(1));
  }
  result.victims = victims.size();
  result.suspicions = suspicions() - suspicions_before;
  result.contradictions = contradictions() - contradictions_before;
  const double node_seconds = static_cast<double>(options.nodes) * options.seconds;
  result.bytes_per_node_second =
      static_cast<double>(world.bytes_sent() - bytes_before) / node_seconds;
  result.messages_per_node_second =
      static_cast<double>(world.messages_sent() - messages_before) / node_seconds;
  result.health = static_cast<double>(sum([](const Membership& m) {
                    return static_cast<std::uint64_t>(m.detector().local_health());
                  })) /
                  static_cast<double>(options.nodes);
  return result;
}

HalvesResult RunHalves(const ScenarioOptions& options, bool split) {
  ScaleWorld world(options.world);
  const std::size_t half = options.nodes / 2;
  for (std::size_t i = 0; i < options.nodes; ++i) world.Add();
  if (split) {
    world.Acquaint(0, world.size());
  } else {
    world.Acquaint(0, half);
    world.Acquaint(half, world.size());
  }
  world.StartAll();
  world.RunFor(kWarmUp);
  if (split) {
    world.SetReach(
        [half](std::size_t from, std::size_t to) { return (from < half) == (to < half); });
    world.RunFor(Duration::Seconds(60));
    world.SetReach(nullptr);
  } else {
    world.Do(0, [&](Membership& membership, MembershipTurn&) {
      membership.SetSeeds({world.AddressOf(half)});
    });
  }
  const Instant begun = world.now();
  HalvesResult result;
  result.met = RunUntilDone(world, [&] {
    return AllRunning(world, [&](const Membership& membership) {
      return membership.table().live() == world.size();
    });
  });
  result.ms = static_cast<double>((world.now() - begun).us) / 1000;
  return result;
}

CloneResult RunClone(const ScenarioOptions& options) {
  ScaleWorld world = MakeCluster(options);
  CloneResult result;
  const auto bytes_over = [&](Duration duration) {
    const std::uint64_t before = world.bytes_sent();
    world.RunFor(duration);
    return static_cast<double>(world.bytes_sent() - before) * 1e6 /
           (static_cast<double>(options.nodes) * static_cast<double>(duration.us));
  };
  result.bytes_before = bytes_over(Duration::Seconds(30));
  const std::size_t first = AnyRunning(world);
  const std::size_t clone = world.AddClone(first);
  std::vector<bool> alarmed(world.size());
  const Instant begun = world.now();
  world.on_event = [&](std::size_t node, const MembershipEvent& event) {
    if (event.kind != MembershipEvent::Kind::kDoubleIdentity) return;
    ++result.alarms;
    const bool of_the_two = node == first || node == clone;
    if (of_the_two && !alarmed[node]) result.alarmed.Add(world.now() - begun);
    alarmed[node] = true;
  };
  world.Start(clone);
  result.bytes_per_node_second = bytes_over(Duration::Seconds(options.seconds));
  world.Kill(clone);
  const std::string address = world.AddressOf(first);
  result.settled = RunUntilDone(world, [&] {
    return AllRunning(world, [&](const Membership& membership) {
      const MemberTable::Entry* const entry = membership.table().Find(world.id(first));
      return entry->description->fields().peer_address == address && IsLive(entry->life);
    });
  });
  std::sort(result.alarmed.ms.begin(), result.alarmed.ms.end());
  return result;
}

}  // namespace gyre::sim
