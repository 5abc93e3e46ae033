// For tests of the client: nodes that tell who they are and a ring, and answer what the test says.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "client/scripted_node.h"
#include "core/ring/ring.h"
#include "gyre/client.h"

namespace gyre {

class ScriptedCluster {
 public:
  using Command = ScriptedNode::Command;
  // What node `i` answers to a command that is not about itself; empty: it hangs up.
  using Script = std::function<std::string(std::size_t i, const Command&)>;

  static constexpr char kFoundNothing[] = "%2\r\n$7\r\ncontext\r\n$0\r\n\r\n$6\r\nvalues\r\n*0\r\n";
  static constexpr char kPartOfAnAnswer[] = "$100\r\nab";  // and never the rest

  ScriptedCluster(std::size_t nodes, int replicas, Script script)
      : replicas_(replicas), script_(std::move(script)), told_(nodes), seen_(nodes) {
    std::vector<std::size_t> members;
    for (std::size_t i = 0; i < nodes; ++i) {
      told_[i] = {"n" + std::to_string(i), "shop", ""};
      members.push_back(i);
    }
    ring_ = std::make_unique<Ring>(RingOf(members));
    for (std::size_t i = 0; i < nodes; ++i) {
      nodes_.push_back(std::make_unique<ScriptedNode>(
          [this, i](const Command& command) { return Answer(i, command); }));
    }
  }

  ClientOptions Options() const {
    ClientOptions options;
    for (std::size_t i = 0; i < nodes_.size(); ++i) options.addresses.push_back(AddressOf(i));
    return options;
  }
  std::string AddressOf(std::size_t i) const {
    return "127.0.0.1:" + std::to_string(nodes_[i]->port());
  }
  // From now on members tell where they answer.
  void TellAddresses() {
    const std::lock_guard lock(mutex_);
    tells_addresses_ = true;
  }
  // A ring of these alone, with the next epoch.
  void SetMembers(const std::vector<std::size_t>& members) {
    const std::lock_guard lock(mutex_);
    ++epoch_;
    ring_ = std::make_unique<Ring>(RingOf(members));
  }
  // The positions of the key's owners, best first.
  std::vector<std::size_t> OwnersOf(std::string_view key) const {
    const std::lock_guard lock(mutex_);
    std::vector<std::size_t> found;
    for (const NodeId node :
         ring_->PreferenceListOf(ring_->PartitionOf(ring_->TokenOf(key)), replicas_, 0).owners) {
      found.push_back(node.value - 1);
    }
    return found;
  }
  // What a node got that was not about itself.
  std::vector<Command> Seen(std::size_t i) const {
    const std::lock_guard lock(mutex_);
    return seen_[i];
  }
  int RingsAsked() const {
    const std::lock_guard lock(mutex_);
    return rings_asked_;
  }
  void Kill(std::size_t i) { nodes_[i].reset(); }

  // What a node says of itself from now on.
  void Rename(std::size_t i, std::string name) {
    const std::lock_guard lock(mutex_);
    told_[i].name = std::move(name);
  }
  void MoveToCluster(std::size_t i, std::string cluster) {
    const std::lock_guard lock(mutex_);
    told_[i].cluster = std::move(cluster);
  }
  // Every answer about itself is this instead.
  void TellGarbage(std::size_t i, std::string garbage) {
    const std::lock_guard lock(mutex_);
    told_[i].garbage = std::move(garbage);
  }
  void RaiseEpoch() {
    const std::lock_guard lock(mutex_);
    ++epoch_;
  }

 private:
  struct Told {
    std::string name;
    std::string cluster;
    std::string garbage;
  };

  std::string Answer(std::size_t i, const Command& command) {
    {
      const std::lock_guard lock(mutex_);
      if (!told_[i].garbage.empty()) return told_[i].garbage;
      if (command[0] == "HELLO" || command[0] == "KV.USE") return "+OK\r\n";
      if (command[0] == "KV.STATUS") return ScriptedNode::Bulk(StatusOf(i));
      if (command[0] == "KV.RING") {
        // No thread can wait here.
        const bool waits = command.size() == 4 && std::stoull(command[2]) >= epoch_;
        return waits ? "-BUSY nobody may wait\r\n" : ScriptedNode::Bulk(RingJson());
      }
      seen_[i].push_back(command);
    }
    return script_(i, command);
  }
  static Ring RingOf(const std::vector<std::size_t>& nodes) {
    std::vector<Member> members;
    std::vector<NodeId> owners;
    for (const std::size_t i : nodes) {
      members.push_back(
          {NodeId(static_cast<std::uint32_t>(i + 1)), "n" + std::to_string(i), 1, "", ""});
    }
    for (std::size_t p = 0; p < 8; ++p) owners.push_back(members[p % members.size()].id);
    return Ring::Create(RingEpoch{1}, PartitionerKind::kMd5, members, owners).value();
  }
  std::string StatusOf(std::size_t i) const {
    const nlohmann::json json = {{"node", told_[i].name},
                                 {"cluster", told_[i].cluster},
                                 {"ring_epoch", epoch_},
                                 {"nodes", ring_->members().size()},
                                 {"keyspaces", {{{"name", "default"}, {"n", replicas_}}}}};
    return json.dump();
  }
  std::string RingJson() {
    ++rings_asked_;
    nlohmann::json members = nlohmann::json::array();
    for (const Member& member : ring_->members()) {
      const std::string resp = tells_addresses_ ? AddressOf(member.id.value - 1) : "";
      members.push_back({{"name", member.name},
                         {"resp", resp},
                         {"id", "00000" + std::to_string(member.id.value)},
                         {"zone", ""},
                         {"region", ""}});
    }
    nlohmann::json owners = nlohmann::json::array();
    for (const NodeId owner : ring_->owners()) owners.push_back(ring_->FindMember(owner)->name);
    const nlohmann::json json = {
        {"epoch", epoch_}, {"partitioner", "md5"}, {"members", members}, {"owners", owners}};
    return json.dump();
  }

  const int replicas_;
  const Script script_;
  mutable std::mutex mutex_;
  std::vector<Told> told_;
  std::vector<std::vector<Command>> seen_;
  std::uint64_t epoch_ = 1;
  bool tells_addresses_ = false;
  int rings_asked_ = 0;
  std::unique_ptr<Ring> ring_;
  std::vector<std::unique_ptr<ScriptedNode>> nodes_;
};

}  // namespace gyre
