// The load: sessions that each do one thing after the other, at any node, and now and then a burst
// of blind writes to one key. Values name their session and number.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/prng.h"
#include "sim/world.h"

namespace gyre::sim {

class Workload {
 public:
  Workload(World& world, std::uint64_t seed);

  void Start();
  // Sessions only read this key, until it is left alone no more. One at a time.
  void LeaveAlone(std::optional<std::size_t> key) { left_alone_ = key; }
  // Sessions think for longer.
  void Rest(bool rests) { rests_ = rests; }
  // For a write of nobody's session.
  std::string NewValue() { return NewValue(*own_); }
  WallTime NewExpiry() { return NewExpiry(*own_); }
  // One attempt by a client of its own, at this node; `done` hears whether it was acknowledged.
  void WriteAt(int node, Write& write, std::function<void(bool)> done);
  bool done() const { return done_sessions_ == sessions_.size(); }
  int issued() const { return issued_; }

 private:
  struct Session {
    int id = 0;
    Prng prng{0};
    int next_value = 1;
    std::map<std::size_t, VersionVector> contexts;  // by key: of its last read
  };

  std::string NewValue(Session& session);
  WallTime NewExpiry(Session& session);
  void Step(Session& session);
  void NextAfterThinking(Session& session);
  std::size_t DrawKey(Prng& prng);
  int DrawNode(Prng& prng);
  // Fills in whose quorums these options ask of op.node.
  void NoteRegions(const RequestOptions& options, Op& op) const;
  RequestOptions DrawOptions(Session& session, std::size_t key, Op& op);

  void Get(Session& session, std::size_t key, bool then_write);
  void DoWrite(Session& session, Write& write);
  // One attempt; more of them if it does not end well.
  void Attempt(Session& session, std::size_t write, int attempts_left);
  void Scan(Session& session);
  void Explain(Session& session, std::size_t key);
  void Burst(Session& session);
  World& world_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::unique_ptr<Session> own_;  // for WriteAt
  std::optional<std::size_t> left_alone_;
  bool rests_ = false;
  std::size_t done_sessions_ = 0;
  int issued_ = 0;
  std::int64_t last_expiry_ms_ = 0;
};

}  // namespace gyre::sim
