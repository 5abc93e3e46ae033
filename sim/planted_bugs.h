// Bugs made on purpose, to see that the checkers would find them. They sit between the core and its
// world and tamper with events and effects; the core has no hook for them.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/effects.h"
#include "core/shard.h"
#include "sim/judge.h"

namespace gyre::sim {

class PlantedBug {
 public:
  virtual ~PlantedBug() = default;

  // The core's config; the judge keeps the true one.
  virtual void OnConfig(CoreConfig& /*config*/) {}
  // A shard is about to start.
  virtual void OnStart(ShardOptions& /*options*/) {}
  // A client's request, where it enters; `read_needed` is its R.
  virtual void OnRequest(ClientRequest& /*request*/, int /*read_needed*/) {}
  // What storage answers.
  virtual void OnRead(Result<std::optional<Row>>& /*row*/) {}
  // A row on its way to storage; `before` is there now, or null.
  virtual void OnWrite(const Row* /*before*/, Row& /*row*/) {}
  // A message on its way; true: it is dropped.
  virtual bool OnMessage(Message& /*message*/) { return false; }
  virtual void OnAnswer(ClientResult& /*result*/) {}
  virtual bool acknowledges_before_sync() const { return false; }
  // A write on its way to the disk; true: it is acknowledged, and not done.
  virtual bool OnStore(WriteEffect& /*write*/) { return false; }
  virtual bool never_ticks() const { return false; }
  // Chance that depends on more than the seed.
  virtual std::uint64_t Disturbance() { return 0; }
};

struct PlantInfo {
  std::string_view name;
  std::string_view what;
  // Every one of them must report it, over the seeds of one trial.
  std::vector<Checker> caught_by;
  std::unique_ptr<PlantedBug> (*make)();
};

const std::vector<PlantInfo>& PlantedBugs();
// Null if there is none of that name.
const PlantInfo* FindPlant(std::string_view name);

}  // namespace gyre::sim
