// Thousands of nodes' membership in one process: the production code of src/core/membership in
// virtual time, over a network that delays, loses and cuts. Nothing else of a node is here.
// One seed gives one run.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/prng.h"
#include "base/time.h"
#include "core/membership/membership.h"

namespace gyre::sim {

struct ScaleOptions {
  std::uint64_t seed = 1;
  std::uint64_t loss_per_million = 0;  // of all messages
  MembershipConfig config;
  bool encoded = false;  // each message goes through its codec: slower
};

class ScaleWorld {
 public:
  explicit ScaleWorld(const ScaleOptions& options);

  // A new node, not started; nodes are numbered from 0 on.
  std::size_t Add(std::vector<std::string> seeds = {});
  // One that runs from a copy of this node's disk, at another address; not started. Who sends to
  // their name reaches the one or the other, as the links of both are that name's.
  std::size_t AddClone(std::size_t of);
  std::string AddressOf(std::size_t node) const;
  // Those of [first, last) know each other from before.
  void Acquaint(std::size_t first, std::size_t last);
  void Start(std::size_t node);
  void StartAll() {
    for (std::size_t i = 0; i < size(); ++i) Start(i);
  }
  // Never heard of again.
  void Kill(std::size_t node) { nodes_[node].running = false; }
  // Until then it does nothing; what comes to it waits, and is read after its timers have run.
  void Freeze(std::size_t node, Instant until);
  bool IsFrozen(std::size_t node) const { return nodes_[node].frozen; }
  void SetLoss(std::uint64_t per_million) { loss_per_million_ = per_million; }
  // Does what `from` sends reach `to`? Empty: always.
  void SetReach(std::function<bool(std::size_t from, std::size_t to)> reach) {
    reach_ = std::move(reach);
  }
  // What a node does of itself: fn(membership, turn).
  template <typename Fn>
  void Do(std::size_t node, Fn fn) {
    MembershipTurn turn = TurnOf(node);
    fn(*nodes_[node].membership, turn);
    CarryOut(node);
  }

  void RunUntil(Instant time);
  void RunFor(Duration duration) { RunUntil(now_ + duration); }

  // Called for each event of each running node.
  std::function<void(std::size_t node, const MembershipEvent& event)> on_event;

  Instant now() const { return now_; }
  Prng& prng() { return prng_; }
  std::size_t size() const { return nodes_.size(); }
  bool running(std::size_t node) const { return nodes_[node].running; }
  std::size_t IndexOf(NodeId id) const { return index_.at(id.value); }
  const Membership& at(std::size_t node) const { return *nodes_[node].membership; }
  NodeId id(std::size_t node) const { return nodes_[node].membership->self(); }

  // What all nodes sent, with what a frame adds to each (12 bytes).
  std::uint64_t messages_sent() const { return messages_sent_; }
  std::uint64_t bytes_sent() const { return bytes_sent_; }
  std::uint64_t events_run() const { return events_run_; }
  // Of everything delivered, in order.
  std::uint64_t trace_hash() const { return trace_hash_; }

 private:
  struct Node {
    std::unique_ptr<Membership> membership;
    Prng prng{0};
    bool running = false;
    bool frozen = false;
    Instant wake = Instant::Max();     // asked for last
    std::vector<std::uint32_t> inbox;  // slots, while frozen
  };
  struct Slot {
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    MembershipMessage message;
  };
  enum class What : std::uint8_t { kDeliver, kWake, kThaw };
  struct Event {
    std::int64_t time;
    std::uint64_t order;
    What what;
    std::uint32_t which;  // slot or node
  };
  static bool Later(const Event& a, const Event& b) {
    return a.time != b.time ? a.time > b.time : a.order > b.order;
  }

  MembershipTurn TurnOf(std::size_t node) { return {now_, nodes_[node].prng, out_}; }
  std::size_t AddNode(Membership::Identity identity, std::vector<std::string> seeds);
  // Where it goes; size() if nowhere.
  std::size_t ReceiverOf(const MembershipSend& send);
  void Push(Instant time, What what, std::uint32_t which);
  void Run(const Event& event);
  void Deliver(std::uint32_t slot);
  void Wake(std::size_t node);
  void CarryOut(std::size_t node);
  void Send(std::size_t from, MembershipSend& send);
  std::int64_t DrawDelayUs();

  const MembershipConfig config_;
  const bool encoded_;
  std::uint64_t loss_per_million_;
  Prng prng_;
  std::function<bool(std::size_t, std::size_t)> reach_;
  Instant now_;
  std::vector<Node> nodes_;
  std::unordered_map<std::uint32_t, std::size_t> index_;  // by id; clones are not in it
  std::unordered_map<std::uint32_t, std::size_t> clones_;
  std::unordered_map<std::string, std::size_t> by_address_;
  std::vector<Event> heap_;
  std::uint64_t next_order_ = 0;
  std::vector<Slot> slots_;
  std::vector<std::uint32_t> free_slots_;
  MembershipOutput out_;
  std::uint64_t messages_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint64_t events_run_ = 0;
  std::uint64_t trace_hash_ = 0;
};

}  // namespace gyre::sim
