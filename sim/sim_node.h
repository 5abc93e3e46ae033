// One simulated node: its shards (the production core), its disk and its clocks. Carries out the
// shards' effects and turns what comes back into events; everything that happens is shown to the
// judge. A crash drops the shards between two events; whatever was under way never comes back.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/causality/actor.h"
#include "core/shard.h"
#include "core/wire/message_codec.h"
#include "sim/event_queue.h"
#include "sim/judge.h"
#include "sim/network.h"
#include "sim/planted_bugs.h"
#include "sim/sim_clock.h"
#include "sim/sim_storage.h"
#include "sim/trace.h"

namespace gyre::sim {

// What all nodes of a world share.
struct Surroundings {
  EventQueue* events = nullptr;
  Trace* trace = nullptr;
  Judge* judge = nullptr;
  Network* network = nullptr;
  PlantedBug* plant = nullptr;  // never null: an honest world has one that does nothing
  ClusterViewPtr view;          // as decided last
  CoreConfig config;
  std::vector<NodeId> ids;  // by node
  std::map<NodeId, int> node_of;
  std::function<void(const Witness&, ClientId, ClientResult)> answer;
  std::function<bool(int from, const Greeting& greeting)> greets;
  std::function<std::uint64_t(NodeId node)> joined;  // SimNode::joined
  bool print = false;
};

class SimNode {
 public:
  SimNode(Surroundings& world, int index, NodeId id, std::uint16_t shard_count, std::uint64_t seed,
          const StorageProfile& storage, const SimClock& clock);

  void Start();
  // Back to what is on the disk; gives the acknowledged rows that are not. REQUIRES: up().
  SimStorage::RowList Crash(CrashKind kind);
  // REQUIRES: up(), not paused().
  void StopCleanly();
  // For the next start.
  void SetShardCount(std::uint16_t shard_count) { shard_count_ = shard_count; }
  // The peer protocol that its binary speaks. (The rest of it is today's.)
  void SetVersion(std::uint16_t version) { version_ = version; }
  // An empty disk with the old name; gives what was on it. REQUIRES: !up().
  SimStorage::RowList WipeDisk();
  // The disk as it was at some time; gives what that has undone. REQUIRES: !up().
  SimStorage::RowList RestoreDisk(const DiskImage& image);
  // The disk has been replaced, and has not met another member yet, or not got what others hold.
  bool replaced() const { return replaced_ || fills_; }

  // What it knows of the owners, durably.
  const ClusterViewPtr& view() const { return view_; }
  void SetView(ClusterViewPtr view);
  bool IsMember() const { return view_->FindMember(id_) != nullptr; }
  // By the layout of this number. It has taken no part in what the members have purged so far.
  void NoteJoin(std::uint64_t layout) {
    went_back_ = newcomer_ = true;
    joined_ = layout;
  }
  // The number of that layout; 0: it was there from the beginning.
  std::uint64_t joined() const { return joined_; }

  void OnRequest(ClientId client, ClientRequest request, int read_needed);
  void OnFrame(int from, const Bytes& frame, Fate fate);
  void OnPeerUp(NodeId peer, const LinkTerms& terms);
  void OnPeerDown(NodeId peer);
  // Sent by a shard that is still alive?
  bool IsOfThisLife(const Greeting& greeting) const;
  // As SIGSTOP: nothing happens here before this time of the world; then all of it.
  void PauseUntil(std::int64_t time);

  bool up() const { return !shards_.empty(); }
  NodeId id() const { return id_; }
  int index() const { return index_; }
  std::uint16_t shard_count() const { return shard_count_; }
  std::uint16_t version() const { return version_; }
  std::uint64_t life() const { return life_; }
  std::uint64_t pauses() const { return pauses_; }
  bool paused() const { return world_.events->now() < paused_until_; }
  SimStorage& storage() { return storage_; }
  const SimStorage& storage() const { return storage_; }
  SimClock& clock() { return clock_; }
  Now LocalNow() const { return clock_.At(world_.events->now()); }
  std::size_t requests_in_flight() const;
  std::size_t tasks_in_flight() const;
  // Is each leaf's sum, in memory and on the disk, that of the rows it holds? Of a node that is up.
  bool TreesAreRight() const;
  const std::vector<std::unique_ptr<Shard>>& shards() const { return shards_; }
  // Of the lives that have ended.
  const ShardCounters& former_counters() const { return former_; }

 private:
  using Handler = std::function<void(Shard&, Now, Effects&)>;
  // What one shard gets from the disk within its own call.
  class AtHand : public RowsAtHand {
   public:
    AtHand(SimNode& node, std::size_t shard) : node_(node), shard_(shard) {}
    std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) override;
    bool WritesAtHand() override { return node_.storage_.DrawWriteAtHand(); }
    void WriteAtHand(const RowKey& key, const std::optional<Row>& row,
                     std::uint64_t leaf_delta) override;

   private:
    SimNode& node_;
    std::size_t shard_;
  };
  // Runs `handler` on a shard of this life, later if the node is paused.
  void Dispatch(std::size_t shard, Handler handler);
  void Later(std::uint64_t life, std::size_t shard, Handler handler);
  void Run(std::size_t shard, const Handler& handler);
  void Perform(std::size_t shard, Effects& effects, const Witness& witness);
  // What the planted bug makes of a write.
  void Tamper(const RowKey& key, std::optional<Row>& row);
  void Send(std::size_t shard, NodeId to, SendEffect effect, const Witness& witness);
  void Scan(std::size_t shard, const ScanEffect& effect);
  void ScheduleTick(std::size_t shard);
  Witness WitnessOf(std::size_t shard) const;
  void NoteSetAside(std::size_t shard);
  void NoteFilled();
  void NoteTaken(std::size_t shard, NodeId peer, const std::optional<ShardId>& peer_shard);
  void DropShards();
  std::vector<LeafSum> LeavesOf(std::uint16_t shard) const;

  Surroundings& world_;
  ClusterViewPtr view_;
  int index_;
  NodeId id_;
  std::uint16_t shard_count_;
  std::uint16_t version_ = kProtocolVersion;
  WallTime wall_max_;  // that the clock has shown
  Prng prng_;
  SimStorage storage_;
  SimClock clock_;
  std::vector<std::unique_ptr<AtHand>> at_hand_;  // of each shard
  std::vector<std::unique_ptr<Shard>> shards_;    // empty: down
  std::vector<std::int64_t> next_tick_;
  // What the judge has to know of purges, of each shard.
  struct Return {
    bool may_serve = false;                     // has met a member, or need not
    bool went_back = false;                     // its disk has, and it has not met any member yet
    std::uint64_t set_aside = 0;                // partitions, in this life
    std::map<NodeId, std::set<ShardId>> taken;  // whose numbers it has taken over
  };
  std::vector<Return> returns_;
  Instant serves_from_;                // even if it has met nobody
  std::map<NodeId, LinkTerms> links_;  // with those that are linked
  bool replaced_ = false;
  bool fills_ = true;        // ShardOptions::fills
  std::size_t started_ = 0;  // shards, in this life
  bool went_back_ = false;   // or has lost with its power what it had told others
  bool newcomer_ = false;    // has met nobody who was there before it
  std::uint64_t joined_ = 0;
  std::optional<std::string> clean_stop_;  // on the disk
  std::uint64_t life_ = 0;
  std::uint64_t disk_ = 0;  // changes when wiped
  std::uint64_t write_errors_at_start_ = 0;
  std::uint64_t pauses_ = 0;
  std::int64_t paused_until_ = 0;
  ShardCounters former_;
};

}  // namespace gyre::sim
