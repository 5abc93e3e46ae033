// What a node does about its cluster, on its first shard's loop: drives the Steward (what is
// decided of who owns what), stores what it wants stored, gives all shards the new view and the new
// peers, lets in who asks to join, and carries out what operators say. Where the members are and
// how they fare is MemberGossip's. docs/adr/0008-moving-partitions.md.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/prng.h"
#include "core/membership/steward.h"
#include "server/config.h"
#include "server/folder_writer.h"
#include "server/knock.h"
#include "server/member_gossip.h"
#include "server/node_agent.h"
#include "server/notices.h"
#include "server/shard_loop.h"

namespace gyre {

class ClusterKeeper final : public NodeAgent {
 public:
  struct Options {
    const ServerConfig* config = nullptr;
    Log* log = nullptr;
    std::vector<ShardLoop*> loops;  // all, in order; they outlive this
    Layout layout;                  // as stored
    std::optional<AcceptorState> vote;
    Notices* notices = nullptr;  // outlives this
    std::string folder;          // empty: nothing outlives the process (memory engine)
    DescriptionPtr self;         // where this node listens
    std::vector<MemberNews> book;
    std::uint64_t seed = 0;
    bool fills = false;  // ShardOptions::fills, and what the folder says of it
  };
  explicit ClusterKeeper(Options options);

  // Before the loops run.
  void Start();
  // May the node with this handshake be a guest? Any may knock.
  static bool AcceptStranger(const Handshake& handshake) { return !handshake.node.empty(); }
  static bool GuestMaySay(const Message& message) {
    return std::holds_alternative<NodeMessage>(message);
  }

  void OnNodeMessage(NodeId from, NodeMessage&& message) override;
  void OnPeerUp(NodeId peer, const LinkTerms& terms) override;
  void OnPeerDown(NodeId peer) override;
  void OnGuestUp(NodeId guest, std::string_view name) override;
  void OnGuestDown(NodeId guest) override;
  void OnGuestMessage(NodeId from, NodeMessage&& message) override;
  void OnGuestUnreachable(std::string_view address, std::string_view problem) override;
  void OnFoundedApart(const Handshake& theirs) override;
  void OnCommand(std::string verb, std::string body,
                 std::function<void(Result<std::string>)> done) override;

  // How the members fare.
  void AddTo(NodeStats& stats) const { gossip_.AddTo(stats); }

 private:
  using Done = std::function<void(Result<std::string>)>;
  // Somebody at the door, or on its way in.
  struct Waiting {
    Member member;
    Instant since;
    bool ordered = false;
  };

  ShardLoop& first() const { return *options_.loops.front(); }
  Instant now() const { return first().now().instant; }
  MemberGossip::Options GossipOptions();
  void Tick();
  void CollectOwn();
  void NoteUnfilled(std::size_t partitions);
  void Run(Steward::Output&& out);
  void Store(Steward::Output::Store&& store);
  void Adopt(const std::shared_ptr<const Layout>& layout);
  void TellVersions();
  void OnKnock(NodeId from, const Member& member);
  void TellWaiting();
  void Order(ClusterChange change, Done done);

  // Commands. Errors: kInvalidArgument with what to do.
  Result<std::string> StatusJson() const;
  Status Stage(const std::string& body);
  Status BeginDrain(const std::string& body);
  void SetDrain(const std::optional<Drain>& drain);
  Result<std::string> PlanJson() const;
  Result<NodeId> FindByName(const std::string& name) const;

  const Options options_;
  Prng prng_;
  Steward steward_;
  FolderWriter writer_;
  MemberGossip gossip_;
  bool fills_;  // as far as the folder says
  Instant filled_at_ = Instant::Max();
  std::map<NodeId, Waiting> waiting_;
  std::map<std::uint64_t, Done> orders_;
  std::uint64_t next_order_ = 1;
  ClusterChange staged_;
  std::vector<std::string> staged_texts_;
  std::map<NodeId, std::uint16_t> linked_;  // those with a link, and the highest version they speak
  // Of all shards, as collected last.
  struct Own {
    std::size_t replies = 0;
    std::vector<std::pair<PartitionId, RingEpoch>> arrivals;
    bool holds_nothing = true;
    std::size_t unfilled = 0;
  };
  std::shared_ptr<Own> collecting_;
  std::size_t settled_ = 0;  // partitions, since something was ordered
  bool store_failed_ = false;
};

}  // namespace gyre
