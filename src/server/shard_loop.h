// One shard's thread: its event loop, its core, its storage session, its links and its clients. It
// carries out the core's effects and hands it events; it is the Backend of its own front ends.
// Nothing here is shared: shards talk to each other by posting to each other's loops, as nodes do
// by messages.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <variant>
#include <vector>

#include "base/log.h"
#include "core/node.h"
#include "core/shard.h"
#include "net/peer_links.h"
#include "net/reactor.h"
#include "server/backend.h"
#include "server/client_table.h"
#include "server/config.h"
#include "server/node_agent.h"
#include "server/rate_window.h"
#include "server/stats_board.h"
#include "storage/engine.h"

namespace gyre {

class ShardLoop : public Backend, private PeerLinksOwner, private RowsAtHand {
 public:
  struct Options {
    const ServerConfig* config = nullptr;
    ClusterViewPtr view;
    ShardOptions shard;
    Engine* engine = nullptr;
    StatsBoard* board = nullptr;
    Log* log = nullptr;
    Duration cluster_command_max = kClusterCommandMax;
  };

  // Errors: kIoError (no event loop).
  static Result<std::unique_ptr<ShardLoop>> Create(Options options, PeerLinksOptions links);
  ~ShardLoop() override;

  // All shards of the node, in order, this one included; before Run. They outlive each other's
  // threads.
  void SetSiblings(std::vector<ShardLoop*> siblings) { siblings_ = std::move(siblings); }
  Reactor& reactor() { return *reactor_; }
  PeerLinks& links() { return links_; }
  const Shard& shard() const { return shard_; }
  // Of the first shard, before Run; null: nobody.
  void SetAgent(NodeAgent* agent) { agent_ = agent; }
  // Who owns what is another from here on: on this thread.
  void SetView(ClusterViewPtr view);
  // False: there is no link, or too much is queued on it. On this thread.
  bool SendToNode(NodeId to, NodeMessage message);
  bool SendToGuest(NodeId to, NodeMessage message);
  // Called on this thread before the numbers are published, to add those of the front ends.
  void SetStatsHook(std::function<void(NodeStats&)> hook) { stats_hook_ = std::move(hook); }

  // Blocks until Stop(); then hands storage what it was asked for.
  void Run();
  // The start of the shard: what Run does first.
  void Begin();
  // From any thread.
  void Stop() { reactor_->Stop(); }

  // Backend, for this shard's front ends.
  const ClusterViewPtr& view() const override { return view_; }
  const ServerConfig& config() const override { return *options_.config; }
  Now now() const override { return reactor_->now(); }
  void Submit(ClientRequest&& request, ResultSink* sink, std::uint64_t tag) override;
  std::size_t Room() const override;
  std::size_t ValueRoom() const override;
  void Settle() override;
  void HurryRepair() override;
  std::optional<Drain> drain() const override { return drain_; }
  // Begins or ends it, on this loop's thread.
  void SetDrain(const std::optional<Drain>& drain) { drain_ = drain; }
  void ClusterCommand(std::string verb, std::string body,
                      std::function<void(Result<std::string>)> done) override;
  NodeStats Stats() const override { return options_.board->Total(); }
  void RecordLatency(Operation operation, Duration elapsed) override {
    stats_.latency[static_cast<std::size_t>(operation)].Record(elapsed);
  }

 private:
  ShardLoop(Options options, PeerLinksOptions links, std::unique_ptr<Reactor> reactor);

  // PeerLinksOwner
  void OnFrame(NodeId from, Envelope&& envelope) override;
  void OnPeerUp(NodeId peer, const LinkTerms& terms) override;
  void OnPeerDown(NodeId peer, std::string_view reason) override;
  void HandOver(ReleasedSocket socket, Handshake handshake, ShardId to) override;
  void OnGuestUp(NodeId guest, std::string_view name) override;
  void OnGuestDown(NodeId guest, std::string_view reason) override;
  void OnGuestFrame(NodeId from, Envelope&& envelope) override;
  void OnGuestUnreachable(std::string_view address, std::string_view problem) override;
  void OnFoundedApart(const Handshake& theirs) override;

  // RowsAtHand
  std::optional<Result<std::optional<Row>>> ReadAtHand(const RowKey& key) override {
    return session_->ReadAtHand(key);
  }
  std::optional<Result<std::optional<Row>>> PeekAtHand(const RowKey& key) override {
    return session_->PeekAtHand(key);
  }
  bool WritesAtHand() override { return session_->WritesAtHand(); }
  Bytes EncodeAtHand(const RowKey& key, const OwnWrites& own, const Record& record) override {
    return session_->EncodeAtHand(key, own, record);
  }
  void WriteAtHand(const RowKey& key, const std::optional<Row>& row,
                   std::uint64_t /*leaf_delta*/) override {
    // Only an engine that keeps nothing over a restart writes at hand: nor does it keep sums.
    row ? session_->WriteAtHand(key, *row) : session_->RemoveAtHand(key);
  }
  void WriteAtHand(const RowKey& key, const OwnWrites& own, const Record& record) override {
    session_->WriteAtHand(key, own, record);
  }

  // What will look up a row, and waits for company.
  struct GatheredRequest {
    PendingClient client;
    ClientRequest request;
  };
  struct GatheredMessage {
    NodeId from;
    ShardId from_shard;
    Message message;
  };
  using Gathered = std::variant<GatheredRequest, GatheredMessage>;
  // A command to the cluster that has no answer yet.
  struct ClusterCommandPending {
    std::function<void(Result<std::string>)> done;
    TimerId timer;
  };

  // Carries out effects until there are none; events that follow are handed in at once.
  void Carry();
  void CarryOut(Effect& effect);
  void PollStorage();
  void OnCompletion(Completion& completion);
  void Send(SendEffect& send);
  void SendForSibling(NodeId to, Envelope&& envelope, std::size_t tries_left);

  void SettleIfMany();
  void LocateKeys();
  void LookUpRows();
  void ExpectRows(const RangeGetReply& batch);
  void RunGathered(GatheredRequest& gathered);
  void TakeMessage(NodeId from, Envelope&& envelope);
  void TakeRequest(ClientRequest request, ShardId from_shard, ClientId from_client);
  void Gather(PendingClient client, ClientRequest&& request);
  void Answer(const PendingClient& client, ClientResult&& result);
  void AnswerCommand(std::uint64_t id, Result<std::string> answer);
  void OnTurnEnd();
  void PublishStats();
  void AddDebts(NodeStats& stats);

  const Options options_;
  ClusterViewPtr view_;
  const std::uint16_t shard_count_;
  const ShardId index_;
  std::unique_ptr<Reactor> reactor_;
  std::unique_ptr<EngineSession> session_;
  Shard shard_;
  PeerLinks links_;
  std::vector<ShardLoop*> siblings_;
  ClientTable clients_;
  std::size_t value_bytes_ = 0;  // of large values, in all requests that are not answered
  std::map<std::uint64_t, ClusterCommandPending> commands_;
  std::uint64_t next_command_ = 0;
  std::vector<Gathered> gathered_;  // not yet given to the shard
  std::vector<Gathered> settling_;
  // Of those settling; members for their memory.
  std::vector<RowKey*> unlocated_;
  std::vector<std::string_view> key_bytes_;
  std::vector<Token> tokens_;
  std::vector<const RowKey*> keys_;
  Effects effects_;
  Effects carrying_;
  std::vector<Completion> completions_;
  bool busy_ = false;  // Carry is running, further up the stack
  NodeStats stats_;    // what is counted here; the rest is added when published
  RateWindow hints_replayed_;
  RateWindow exchanges_;
  std::function<void(NodeStats&)> stats_hook_;
  NodeAgent* agent_ = nullptr;
  std::optional<Drain> drain_;
};

}  // namespace gyre
