// The simulated world: nodes, links, disks, clocks, faults, clients and the judge, all driven by
// one queue of events and one seed. Tests script it; the runner lets Workload and Faults drive it.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "sim/event_queue.h"
#include "sim/faults.h"
#include "sim/judge.h"
#include "sim/network.h"
#include "sim/planted_bugs.h"
#include "sim/sim_node.h"
#include "sim/trace.h"
#include "sim/world_spec.h"

namespace gyre::sim {

class World {
 public:
  // Null: no answer came (the node died, or the client gave up).
  using AnswerCallback = std::function<void(const Op&, const ClientResult*)>;

  // `plant`: null for an honest world.
  World(const WorldSpec& spec, const PlantInfo* plant, bool print);

  // ---- who owns what ----
  // What was decided last.
  const Layout& layout() const { return decided_.back()->layout; }
  // Does this node know it?
  bool KnowsNewest(int node) const {
    return known_[static_cast<std::size_t>(node)] == decided_.size() - 1;
  }
  // The layout that follows, if more than half of the members can be reached from this one, which
  // knows the present one. (How they agree is not simulated here: core/membership.)
  bool Decide(int proposer, Layout next);
  // Whoever asks more than half of the members that it knows finds what these have decided.
  void CatchUp(int node);
  // Up, and the two hear each other.
  bool CanTalk(int a, int b);
  // Gives this node what is known at another. A node that is no member stops.
  void Tell(int from, int to);
  // What comes to its disk from now on is lost when it hears of it.
  void NoteRemoved(int node) { removed_.insert(node); }
  // Rumours go on until this is called.
  void EndRumours() { rumours_end_ = true; }
  bool rumours_ended() const { return rumours_end_; }
  bool settles_early() const { return plant_->settles_early(); }

  // ---- nodes and links ----
  void StartAll();
  void StartNode(int node);  // if it is a member, as far as it knows
  void StopNode(int node);
  void CrashNode(int node, CrashKind kind);
  // REQUIRES: down.
  void WipeNode(int node);
  // Keeps what its disk holds now.
  void BackUpNode(int node);
  bool HasBackup(int node) const { return backups_[static_cast<std::size_t>(node)].has_value(); }
  // Its disk is again as it was when it was backed up. REQUIRES: down, has a backup.
  void RestoreNode(int node);
  // One disk at a time may be replaced, and not a second one before the first has met a member.
  bool MayReplaceDisk(int node) const;
  // Damages a row of which another owner has a good copy; false if there is none.
  bool RotRow(int node, const RowKey& key);
  // Takes a row away that another owner has a good copy of, as if it had never been; false if there
  // is none, or it is being written.
  bool LoseRow(int node, const RowKey& key);
  // `noticed`: both ends learn of it after a while. Cuts add up.
  void CutLink(int from, int to, bool noticed);
  void UncutLink(int from, int to);
  void FlapLink(int a, int b);
  // No more faults from here on: calm links and disks, every node restarted, all links up.
  void EndFaults();

  // ---- clients ----
  // Sends a request to op.node; the answer comes later, through `done`. False if nobody listens
  // there. REQUIRES: kind, key, write, reads, node of `op` are set.
  bool Submit(Op op, ClientRequest request, AnswerCallback done);
  std::size_t pending() const { return pending_.size(); }

  // ---- running ----
  void RunUntil(std::int64_t time) { events_.RunUntil(time); }
  void RunFor(std::int64_t us) { events_.RunUntil(events_.now() + us); }
  // Until no client waits for an answer.
  void RunUntilAnswered();

  // Lets the cluster become whole by itself, then reads every key through every node and asks the
  // judge for the last word. Returns how long it took, in microseconds.
  std::int64_t HealAndCheck();

  const WorldSpec& spec() const { return spec_; }
  EventQueue& events() { return events_; }
  Network& network() { return *network_; }
  Judge& judge() { return *judge_; }
  Trace& trace() { return trace_; }
  SimNode& node(int index) { return *nodes_[static_cast<std::size_t>(index)]; }
  std::size_t node_count() const { return nodes_.size(); }
  const ClusterView& view() const { return *world_.view; }
  // As a time service does, to some milliseconds.
  void SetClockRight(int node);
  bool Owns(int node, const RowKey& key) const;
  const std::string& RegionOf(int node) const {
    return spec_.members[static_cast<std::size_t>(node)].region;
  }
  // The node of this name, for scripts.
  int FindNode(std::string_view name) const;
  std::vector<const SimStorage*> storages() const;
  // Into the trace, and printed if asked for.
  void Note(const std::string& what);

  struct Totals {
    std::map<std::pair<OpKind, OpOutcome>, std::uint64_t> ops;
    std::map<ErrorCode, std::uint64_t> errors;
    std::uint64_t refused_connections = 0;
    std::int64_t purge_us_max = 0;  // how long the last rows that were dead took to go
  };
  const Totals& totals() const { return totals_; }

 private:
  struct PendingOp {
    Op op;
    AnswerCallback done;
  };
  struct LinkState {
    bool told_up = false;
    std::uint64_t generation = 0;  // rises when it comes up: what was to be told before is stale
  };

  struct Decided {
    Layout layout;
    ClusterViewPtr view;
  };
  bool ReachesMajority(int node, const Layout& layout);
  void Adopt(int node, std::size_t number);
  bool MayForgetLayout(int node) const;
  void ForgetLayout(int node);
  void SpreadRumours();
  bool KnowEachOther(int a, int b);

  void OnAnswer(const Witness& witness, ClientId client, ClientResult result);
  void GiveUpLater(std::uint64_t id, std::int64_t delay);
  void EndOp(std::map<std::uint64_t, PendingOp>::iterator place, const ClientResult* result);
  void TellDown(int node, int peer, std::int64_t delay);
  void TellUp(int a, int b, std::int64_t delay);
  LinkState& link(int node, int peer) {
    return links_[static_cast<std::size_t>(node) * nodes_.size() + static_cast<std::size_t>(peer)];
  }
  void BreakRequests(int node);
  bool Whole() const;
  // Another owner than `node` has it, on a disk that is not known to be behind: what lies on a
  // restored one may be set aside. Those that it moves from may drop it any time. Of a keyspace
  // with a single copy nobody does: where a change is taken back, that copy moves to where it was,
  // whose tree says that it is there, damaged or not.
  bool OwnerHolds(int node, const RowKey& key) const;
  void ReadEveryKey(QuorumSpec read, int start);
  bool AllEqual() const;
  void CheckPurged();
  void CheckQuiet();
  void Print(const std::string& what) const;
  void CheckScan(const Op& op, const ScanRequest& request, const ScanOutcome& outcome);

  WorldSpec spec_;
  std::unique_ptr<PlantedBug> plant_;
  Prng prng_;
  EventQueue events_;
  Trace trace_;
  Surroundings world_;
  std::unique_ptr<Judge> judge_;
  std::unique_ptr<Network> network_;
  std::vector<std::unique_ptr<SimNode>> nodes_;
  std::vector<LinkState> links_;
  std::vector<std::shared_ptr<const Decided>> decided_;  // all, in order
  std::vector<std::size_t> known_;                       // by node: the last of them that it knows
  std::set<int> removed_;
  bool rumours_end_ = false;
  std::vector<std::optional<DiskImage>> backups_;  // by node
  std::map<std::uint64_t, PendingOp> pending_;
  std::map<std::uint64_t, ScanRequest> scans_;
  std::uint64_t next_op_ = 1;
  Totals totals_;
};

}  // namespace gyre::sim
