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

// One end of a link, and what it knows of the owners.
struct LinkEnd {
  const ClusterView& view;
  NodeId self;
  NodeId peer;
};

class PlantedBug {
 public:
  virtual ~PlantedBug() = default;

  // The core's config; the judge keeps the true one.
  virtual void OnConfig(CoreConfig& /*config*/) {}
  // A shard is about to start. `replaced`: on another disk than before, or on an older one.
  virtual void OnStart(ShardOptions& /*options*/, bool /*replaced*/) {}
  // A client's request, where it enters; `read_needed` is its R.
  virtual void OnRequest(ClientRequest& /*request*/, int /*read_needed*/) {}
  // What storage answers.
  virtual void OnRead(Result<std::optional<Row>>& /*row*/) {}
  // A row on its way to storage; `before` is there now, or null.
  virtual void OnWrite(const RowKey& /*key*/, const Row* /*before*/, Row& /*row*/) {}
  // A row that is about to go.
  virtual void OnDrop(const RowKey& /*key*/, const Row& /*row*/) {}
  // What the sender hears at once, in the receiver's stead; then the message is not sent.
  virtual std::optional<Message> OnAsk(const Message& /*message*/, const LinkEnd& /*sender*/) {
    return std::nullopt;
  }
  // A message on its way; true: it is dropped.
  virtual bool OnMessage(int /*from*/, int /*to*/, Message& /*message*/) { return false; }
  // A message that has come to a node.
  virtual void OnDelivered(Message& /*message*/, const LinkEnd& /*receiver*/) {}
  virtual void OnAnswer(ClientResult& /*result*/) {}
  virtual bool acknowledges_before_sync() const { return false; }
  // A write on its way to the disk; true: it is acknowledged, and not done.
  virtual bool OnStore(WriteEffect& /*write*/) { return false; }
  // Before a start: is what the node has noted of ballots gone?
  virtual bool loses_notes() const { return false; }
  // What shards are told of a link that has come up.
  virtual void OnLink(LinkTerms& /*terms*/) {}
  // Is no shard told that a peer is down?
  virtual bool hides_downs() const { return false; }
  // How long after it was written a row that is dead goes, whoever else holds what; 0: it stays.
  virtual std::int64_t purges_after_us() const { return 0; }
  virtual bool never_ticks() const { return false; }
  // Are partitions settled whether they have arrived or not?
  virtual bool settles_early() const { return false; }
  // Does a crash undo all layouts that a node has taken?
  virtual bool forgets_layouts() const { return false; }
  // Is a row passed over by the scans of a node with this view?
  virtual bool hides_row(const RowKey& /*key*/, const ClusterView& /*view*/) const { return false; }
  // Chance that depends on more than the seed.
  virtual std::uint64_t Disturbance() { return 0; }
};

struct PlantInfo {
  std::string_view name;
  std::string_view what;
  // Every one of them must report it, over the seeds of one trial.
  std::vector<Checker> caught_by;
  std::unique_ptr<PlantedBug> (*make)();
  bool changes = false;          // it needs worlds whose members change
  std::uint64_t seed_first = 1;  // of a trial: of one that needs rare luck, not far before that
};

// Seeds of a trial, if not told otherwise.
inline constexpr int kPlantSeeds = 150;
const std::vector<PlantInfo>& PlantedBugs();
// Null if there is none of that name.
const PlantInfo* FindPlant(std::string_view name);

}  // namespace gyre::sim
