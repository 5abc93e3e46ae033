#include "server/cluster_keeper.h"

#include <algorithm>
#include <string>
#include <utility>

#include "server/filling.h"

namespace gyre {
namespace {

constexpr Duration kTick = Duration::Millis(200);
constexpr std::size_t kWaitingMax = 1'024;

NodeMessage LayoutMessage(std::string_view body) {
  return {RequestId{}, NodeMessage::Topic::kLayout, Bytes(body)};
}

StewardConfig ConfigOf(const ServerConfig& config) {
  StewardConfig steward;
  steward.version_max = config.protocol_max;
  return steward;
}

}  // namespace

ClusterKeeper::ClusterKeeper(Options options)
    : options_(std::move(options)),
      prng_(options_.seed),
      steward_(ConfigOf(*options_.config), NodeIdOf(options_.config->node_name), options_.layout,
               options_.vote),
      writer_(options_.folder, first().reactor()),
      gossip_(GossipOptions()),
      fills_(options_.fills) {}

MemberGossip::Options ClusterKeeper::GossipOptions() {
  return {.config = options_.config,
          .log = options_.log,
          .loops = options_.loops,
          .writer = &writer_,
          .notices = options_.notices,
          .self = options_.self,
          .book = options_.book,
          .seed = prng_.Next(),
          .on_layout_behind = [this](NodeId node) {
            Steward::Output out;
            steward_.AskForLayout(node, out);
            Run(std::move(out));
          }};
}

void ClusterKeeper::Start() {
  if (fills_) {
    options_.log->Write(LogLevel::kInfo, "disk_empty",
                        "This disk holds nothing: what it owns comes from the other owners before "
                        "reads of it are answered here",
                        {});
  }
  first().SetAgent(this);
  first().reactor().AddTimer(now() + kTick, [this] { Tick(); });
  gossip_.Start(steward_.layout());
}

void ClusterKeeper::Tick() {
  first().reactor().AddTimer(now() + kTick, [this] { Tick(); });
  CollectOwn();
  TellVersions();
  Steward::Output out;
  if (now() >= steward_.NextWake()) steward_.OnTick(now(), prng_, out);
  Run(std::move(out));
}

// By its link, which is of the process that runs there now; else as it said itself when it was last
// heard of, which this node keeps on its disk.
void ClusterKeeper::TellVersions() {
  std::map<NodeId, std::uint16_t> versions = linked_;
  for (const NodeId member : steward_.layout().MemberIds()) {
    const MemberTable::Entry* const heard = gossip_.Find(member);
    if (heard == nullptr) continue;
    versions.try_emplace(member, heard->description->fields().protocol_max);
  }
  steward_.SetVersions(std::move(versions));
}

// Each shard on its own thread, one round at a time.
void ClusterKeeper::CollectOwn() {
  if (collecting_ != nullptr) return;
  collecting_ = std::make_shared<Own>();
  for (ShardLoop* loop : options_.loops) {
    loop->reactor().Post([this, loop] {
      const Shard& shard = loop->shard();
      std::vector<std::pair<PartitionId, RingEpoch>> arrivals;
      for (const Shard::Arrival& each : shard.arrivals()) {
        arrivals.emplace_back(each.partition, each.epoch);
      }
      const std::size_t unfilled = shard.repair_state().unfilled;
      const bool nothing = shard.surplus_partitions() == 0 && shard.ledger().hints().empty() &&
                           shard.requests_in_flight() == 0;
      first().reactor().Post([this, arrivals = std::move(arrivals), nothing, unfilled] {
        Own& own = *collecting_;
        own.arrivals.insert(own.arrivals.end(), arrivals.begin(), arrivals.end());
        own.holds_nothing = own.holds_nothing && nothing;
        own.unfilled += unfilled;
        if (++own.replies < options_.loops.size()) return;
        steward_.SetOwn(std::move(own.arrivals), own.holds_nothing);
        NoteUnfilled(own.unfilled);
        collecting_.reset();
      });
    });
  }
}

void ClusterKeeper::NoteUnfilled(std::size_t partitions) {
  if (!fills_) return;
  if (partitions > 0) {
    filled_at_ = Instant::Max();
    return;
  }
  filled_at_ = std::min(filled_at_, now());
  // What came last must be durable, with `durability = interval` as well.
  if (now() < filled_at_ + Duration{2 * options_.config->sync_interval.us}) return;
  fills_ = false;
  options_.log->Write(LogLevel::kInfo, "disk_filled",
                      "This disk has got what the other owners hold", {});
  // If that fails it fills up once more at the next start.
  writer_.Store(kFillingFile, kFilled, [](const Status& /*stored*/) {});
}

// ---- what the steward wants --------------------------------------------------------------------

void ClusterKeeper::Run(Steward::Output&& out) {
  for (const Steward::Send& send : out.sends) {
    if (!first().SendToNode(send.to, LayoutMessage(send.body))) {
      first().SendToGuest(send.to, LayoutMessage(send.body));
    }
  }
  for (const Steward::Answer& answer : out.answers) {
    const auto order = orders_.find(answer.order);
    if (order == orders_.end()) continue;
    const Done done = std::move(order->second);
    orders_.erase(order);
    if (answer.status) {
      done("{\"number\":" + std::to_string(steward_.layout().number().value) + "}");
    } else {
      done(Fail(answer.status.error()));
    }
  }
  if (out.adopted != nullptr) Adopt(out.adopted);
  for (Steward::Output::Store& store : out.stores) Store(std::move(store));
}

void ClusterKeeper::Store(Steward::Output::Store&& store) {
  const bool is_layout = store.what == Steward::Output::Store::What::kLayout;
  writer_.Store(is_layout ? "layout" : "votes", std::move(store.bytes),
                [this, is_layout](const Status& stored) {
                  if (!stored) {
                    // Nothing that rests on it is said or done, nor on what comes after it: as if
                    // this member were away.
                    store_failed_ = true;
                    options_.log->Write(LogLevel::kError, "layout_not_stored",
                                        stored.error().message,
                                        {{"what", is_layout ? "layout" : "vote"}});
                  }
                  if (store_failed_) return;
                  Steward::Output out;
                  steward_.OnStored(now(), prng_, out);
                  Run(std::move(out));
                });
}

void ClusterKeeper::Adopt(const std::shared_ptr<const Layout>& layout) {
  const ClusterViewPtr before = first().view();
  const ClusterViewPtr view = MakeClusterView(*options_.config, *layout);
  const NodeId self = NodeIdOf(options_.config->node_name);
  options_.log->Write(LogLevel::kInfo, "layout", "who owns what has changed",
                      {{"number", layout->number().value},
                       {"members", layout->MemberIds().size()},
                       {"moving", layout->moves().count()}});
  std::vector<PeerAddress> come;
  std::vector<NodeId> gone;
  view->ForEachMember([&](const Member& member) {
    if (member.id == self || before->FindMember(member.id) != nullptr) return;
    come.push_back({member.id, member.name, gossip_.AddressOf(member), member.region});
  });
  before->ForEachMember([&](const Member& member) {
    if (view->FindMember(member.id) == nullptr) gone.push_back(member.id);
  });
  if (before->moves.count() > view->moves.count()) {
    settled_ += before->moves.count() - view->moves.count();
  }
  for (ShardLoop* loop : options_.loops) {
    const auto change = [loop, view, come, gone, version = VersionNeededBy(*layout)] {
      loop->SetView(view);
      loop->links().RequireVersion(version);
      for (const NodeId id : gone) loop->links().RemovePeer(id);
      for (const PeerAddress& peer : come) loop->links().AddPeer(peer);
    };
    loop == &first() ? change() : loop->reactor().Post(change);
  }
  if (view->FindMember(self) == nullptr) {
    options_.log->Write(LogLevel::kWarning, "no_member",
                        "this node is no member of the cluster any more; stop it", {});
  }
  options_.notices->SetMembers(*view);
  gossip_.SetLayout(*layout, gone);
  TellWaiting();
}

// ---- who comes in ------------------------------------------------------------------------------

void ClusterKeeper::OnNodeMessage(NodeId from, NodeMessage&& message) {
  if (message.topic == NodeMessage::Topic::kMembers) {
    return gossip_.OnMessage(from, message.body.view());
  }
  if (message.topic != NodeMessage::Topic::kLayout) return;
  Steward::Output out;
  steward_.OnMessage(from, message.body.view(), now(), prng_, out);
  Run(std::move(out));
}

void ClusterKeeper::OnPeerUp(NodeId peer, const LinkTerms& terms) {
  linked_[peer] = terms.peer_version_max;
  waiting_.erase(peer);  // it is in
  Steward::Output out;
  steward_.OnPeerUp(peer, out);
  Run(std::move(out));
  gossip_.OnPeerUp(peer);
}

void ClusterKeeper::OnPeerDown(NodeId peer) {
  linked_.erase(peer);
  steward_.OnPeerDown(peer);
  gossip_.OnPeerDown(peer);
}

void ClusterKeeper::OnGuestUp(NodeId guest, std::string_view /*name*/) { gossip_.OnGuestUp(guest); }
void ClusterKeeper::OnGuestDown(NodeId guest) { gossip_.OnGuestDown(guest); }

void ClusterKeeper::OnGuestMessage(NodeId from, NodeMessage&& message) {
  if (message.topic == NodeMessage::Topic::kMembers) {
    return gossip_.OnGuestMessage(from, message.body.view());
  }
  if (message.topic != NodeMessage::Topic::kLayout) return;
  if (const auto member = DecodeKnock(message.body.view())) return OnKnock(from, *member);
  Steward::Output out;
  steward_.OnGuestMessage(from, message.body.view(), out);
  Run(std::move(out));
}

void ClusterKeeper::OnGuestUnreachable(std::string_view address, std::string_view problem) {
  gossip_.OnGuestUnreachable(address, problem);
}

// The greater lineage is the one that the others should go over to, if nothing else decides it.
void ClusterKeeper::OnFoundedApart(const Handshake& theirs) {
  const std::uint64_t own = steward_.layout().lineage().founding;
  options_.notices->See(
      {.kind = AlarmKind::kOtherLineage,
       .subject = std::to_string(theirs.ring_digest),
       .node = theirs.node,
       .detail = "node " + theirs.node + " belongs to a cluster that is called '" + theirs.cluster +
                 "' too, but was founded apart from this one (founding " +
                 std::to_string(theirs.ring_digest) + ", here " + std::to_string(own) +
                 "); by their order " + (theirs.ring_digest > own ? "that" : "this") +
                 " one would go on"});
}

void ClusterKeeper::OnKnock(NodeId from, const Member& member) {
  const auto refuse = [&](const std::string& reason) {
    first().SendToGuest(from, LayoutMessage(EncodeKnockRefusal(reason)));
  };
  if (member.id != from) return refuse("the node's name is not that of its handshake");
  if (options_.config->members.size() == 1 && !options_.config->founds &&
      options_.config->join.empty() && steward_.layout().MemberIds().size() == 1) {
    return refuse("this node was started alone; start it with --found, so that others may join");
  }
  const Member* known = steward_.layout().FindMember(member.id);
  if (known != nullptr && waiting_.find(member.id) == waiting_.end()) {
    return refuse("there is a member named " + member.name +
                  "; a node that has lost its data is replaced, or removed first");
  }
  if (waiting_.size() >= kWaitingMax) return refuse("too many nodes wait to be let in");
  Waiting& waiting = waiting_.try_emplace(member.id, Waiting{member, now(), false}).first->second;
  if (known == nullptr && options_.config->open && !waiting.ordered) {
    waiting.ordered = true;
    ClusterChange change;
    change.members.joins = {member};
    Order(std::move(change), [this, id = member.id](const Result<std::string>& done) {
      if (done) return;
      options_.log->Write(LogLevel::kWarning, "join_failed", done.error().message, {});
      const auto place = waiting_.find(id);
      if (place != waiting_.end()) place->second.ordered = false;
    });
  }
  TellWaiting();
}

// Those that have become members, as far as they are still there.
void ClusterKeeper::TellWaiting() {
  for (const auto& [id, waiting] : waiting_) {
    if (steward_.layout().FindMember(id) == nullptr) continue;
    const BallotDecided decided{steward_.layout().Encode()};
    first().SendToGuest(id, LayoutMessage(EncodeBallot(decided)));
  }
}

// ---- operators ---------------------------------------------------------------------------------

void ClusterKeeper::Order(ClusterChange change, Done done) {
  const std::uint64_t order = next_order_++;
  Steward::Output out;
  if (!steward_.Order(order, std::move(change), now(), prng_, out)) {
    return done(Fail(ErrorCode::kOverloaded, "too many changes wait to be decided"));
  }
  orders_.emplace(order, std::move(done));
  Run(std::move(out));
}

}  // namespace gyre
