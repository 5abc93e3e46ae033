#include "server/cluster_keeper.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "core/ring/claim.h"

namespace gyre {
namespace {

using Json = nlohmann::json;

constexpr Duration kTick = Duration::Millis(200);
constexpr std::size_t kWaitingMax = 1'024;
constexpr std::uint64_t kDrainSecondsMax = 3'600;

// Partitions that come to this node as a whole.
Json TransfersArray(const std::vector<TransferStats>& transfers) {
  Json json = Json::array();
  for (const TransferStats& each : transfers) {
    const auto left = each.bytes_left();
    const auto seconds_left = each.seconds_left();
    json.push_back({{"partition", each.partition.value},
                    {"from", each.from},
                    {"done_ratio", each.done_ratio},
                    {"rows", each.rows},
                    {"bytes", each.bytes},
                    {"bytes_left", left ? Json(*left) : Json()},
                    {"bytes_per_second", static_cast<std::uint64_t>(each.bytes_per_second())},
                    {"seconds_left", seconds_left ? Json(*seconds_left) : Json()}});
  }
  return json;
}

NodeMessage LayoutMessage(std::string_view body) {
  return {RequestId{}, NodeMessage::Topic::kLayout, Bytes(body)};
}

StewardConfig ConfigOf(const ServerConfig& config) {
  StewardConfig steward;
  steward.version_max = config.protocol_max;
  return steward;
}

// What a stop would still cut off, as published last; null if no drain is on.
Json DrainJson(const ShardLoop& first, std::size_t shards) {
  if (!first.drain()) return nullptr;
  const NodeStats stats = first.Stats();
  std::uint64_t hints = 0;
  for (const HintDebt& debt : stats.owed) hints += debt.hints;
  const bool all = stats.shards_draining == shards;
  return {{"clients", stats.clients_to_go},
          {"requests", stats.requests_in_flight},
          {"hints", hints},
          {"done", all && stats.clients_to_go == 0 && stats.requests_in_flight == 0}};
}

// As it says itself; null if nothing was heard of it.
Json ProtocolOf(const MemberTable::Entry* heard) {
  if (heard == nullptr) return nullptr;
  const MemberDescription& fields = heard->description->fields();
  return {{"min", fields.protocol_min}, {"max", fields.protocol_max}};
}

Json ViolationsOf(const Ring& ring, int replicas) {
  const RingQuality quality = Assess(ring, replicas);
  return {{"nodes", quality.nodes.found},
          {"zones", quality.zones.found},
          {"regions", quality.regions.found}};
}

}  // namespace

ClusterKeeper::ClusterKeeper(Options options)
    : options_(std::move(options)),
      prng_(options_.seed),
      steward_(ConfigOf(*options_.config), NodeIdOf(options_.config->node_name), options_.layout,
               options_.vote),
      writer_(options_.folder, first().reactor()),
      gossip_(GossipOptions()) {}

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
      const bool nothing = shard.surplus_partitions() == 0 && shard.ledger().hints().empty() &&
                           shard.requests_in_flight() == 0;
      first().reactor().Post([this, arrivals = std::move(arrivals), nothing] {
        Own& own = *collecting_;
        own.arrivals.insert(own.arrivals.end(), arrivals.begin(), arrivals.end());
        own.holds_nothing = own.holds_nothing && nothing;
        if (++own.replies < options_.loops.size()) return;
        steward_.SetOwn(std::move(own.arrivals), own.holds_nothing);
        collecting_.reset();
      });
    });
  }
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
      done(Json({{"number", steward_.layout().number().value}}).dump());
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

void ClusterKeeper::OnCommand(std::string verb, std::string body, Done done) {
  if (verb == "status") return done(StatusJson());
  if (verb == "plan") return done(PlanJson());
  if (verb == "stage") {
    const Status staged = Stage(body);
    return done(staged ? PlanJson() : Result<std::string>(Fail(staged.error())));
  }
  if (verb == "drain") {
    const Status begun = BeginDrain(body);
    return done(begun ? StatusJson() : Result<std::string>(Fail(begun.error())));
  }
  if (verb == "undrain") {
    SetDrain(std::nullopt);
    return done(StatusJson());
  }
  if (verb == "abort") {
    staged_ = {};
    staged_texts_.clear();
    return done(std::string("{}"));
  }
  if (verb != "commit") return done(Fail(ErrorCode::kUnsupported, "no such command: " + verb));
  if (staged_texts_.empty()) {
    return done(Fail(ErrorCode::kInvalidArgument,
                     "nothing is staged on this node; see `gyre cluster leave`, `join`, `replace`, "
                     "`remove`, `weight` and `split`"));
  }
  settled_ = 0;
  TellVersions();
  Order(std::exchange(staged_, {}), std::move(done));
  staged_texts_.clear();
}

Status ClusterKeeper::BeginDrain(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto seconds = json.is_object() ? json.find("seconds") : json.end();
  if (!json.is_object() || seconds == json.end() || !seconds->is_number_unsigned() ||
      seconds->get<std::uint64_t>() > kDrainSecondsMax) {
    return Fail(ErrorCode::kInvalidArgument, "seconds: a whole number from 0 to 3600");
  }
  SetDrain(Drain{now(), now() + Duration::Seconds(seconds->get<std::int64_t>())});
  return {};
}

// Each shard has a clock of its own, read once a turn: who is connected is asked by the same one.
void ClusterKeeper::SetDrain(const std::optional<Drain>& drain) {
  options_.log->Write(LogLevel::kInfo, drain ? "draining" : "not_draining",
                      drain ? "clients are to go elsewhere" : "clients are served again", {});
  for (ShardLoop* loop : options_.loops) {
    const auto change = [loop, drain] { loop->SetDrain(drain); };
    loop == &first() ? change() : loop->reactor().Post(change);
  }
}

Result<NodeId> ClusterKeeper::FindByName(const std::string& name) const {
  const Member* member = steward_.layout().FindMember(NodeIdOf(name));
  if (member != nullptr && member->name == name) return member->id;
  return Fail(ErrorCode::kInvalidArgument, "no member is named '" + name + "'");
}

Status ClusterKeeper::Stage(const std::string& body) {
  const Json json = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  const auto text = [&](const char* field) {
    const auto it = json.is_object() ? json.find(field) : json.end();
    return it != json.end() && it->is_string() ? it->get<std::string>() : std::string();
  };
  const std::string change = text("change");
  const std::string node = text("node");
  ClusterChange staged = staged_;
  std::string what = change + " " + node;
  if (change == "join" || change == "replace") {
    const std::string name = change == "join" ? node : text("by");
    const auto waiting = waiting_.find(NodeIdOf(name));
    if (waiting == waiting_.end()) {
      return Fail(ErrorCode::kInvalidArgument,
                  "no node named '" + name + "' has asked to join; start it with --join");
    }
    if (change == "join") {
      staged.members.joins.push_back(waiting->second.member);
    } else {
      const Result<NodeId> old = FindByName(node);
      if (!old) return Fail(old.error());
      staged.members.replacements.push_back({*old, waiting->second.member});
      const auto dead = json.find("dead");
      if (dead != json.end() && !dead->is_boolean()) {
        return Fail(ErrorCode::kInvalidArgument, "dead: true or false");
      }
      if (dead != json.end() && dead->get<bool>()) staged.removed.push_back(*old);
      what += " by " + name;
    }
  } else if (change == "leave" || change == "remove") {
    const Result<NodeId> id = FindByName(node);
    if (!id) return Fail(id.error());
    staged.members.leaves.push_back(*id);
    if (change == "remove") staged.removed.push_back(*id);
  } else if (change == "weight") {
    const Result<NodeId> id = FindByName(node);
    if (!id) return Fail(id.error());
    const auto weight = json.find("weight");
    if (weight == json.end() || !weight->is_number_unsigned() ||
        weight->get<std::uint64_t>() > kWeightMax) {
      return Fail(ErrorCode::kInvalidArgument, "weight: a whole number from 1 to 10000");
    }
    staged.members.weights.push_back({*id, weight->get<std::uint32_t>()});
  } else if (change == "split") {
    staged.partition_bits = steward_.layout().ring().partition_bits() + 1;
    what = change;
  } else {
    return Fail(ErrorCode::kInvalidArgument,
                "change: one of join, leave, replace, remove, weight, split");
  }
  TellVersions();
  const Result<std::optional<Layout>> after = steward_.After(steward_.layout(), staged);
  if (!after) return Fail(after.error());
  if (!*after) return Fail(ErrorCode::kInvalidArgument, "that is as it is already");
  staged_ = std::move(staged);
  staged_texts_.push_back(std::move(what));
  return {};
}

Result<std::string> ClusterKeeper::PlanJson() const {
  const Layout& layout = steward_.layout();
  const Result<std::optional<Layout>> after = steward_.After(layout, staged_);
  if (!after) return Fail(after.error());
  const Ring& ring = *after ? (*after)->ring() : layout.ring();
  const bool split = ring.partition_count() != layout.ring().partition_count();
  // A split moves nothing, and is shown as what it makes.
  const Movement movement = MovementOf(split ? ring : layout.ring(), ring, layout.replicas());
  Json nodes = Json::array();
  for (const NodeMovement& each : movement.nodes) {
    const Member* member = ring.FindMember(each.node);
    if (member == nullptr) member = layout.ring().FindMember(each.node);
    nodes.push_back({{"name", member->name},
                     {"partitions_before", each.partitions_before},
                     {"partitions_after", each.partitions_after},
                     {"copies_before", each.copies_before},
                     {"copies_after", each.copies_after},
                     {"transfers", each.transfers}});
  }
  return Json({{"number", layout.number().value},
               {"staged", staged_texts_},
               {"members_before", layout.ring().members().size()},
               {"members_after", ring.members().size()},
               {"partition_count_before", layout.ring().partition_count()},
               {"partition_count_after", ring.partition_count()},
               {"transfers", movement.transfers},
               {"transfers_least", movement.transfers_least},
               {"partitions_moved", movement.partitions},
               {"nodes", nodes},
               {"violations_before", ViolationsOf(layout.ring(), layout.replicas())},
               {"violations_after", ViolationsOf(ring, layout.replicas())}})
      .dump();
}

Result<std::string> ClusterKeeper::StatusJson() const {
  const Layout& layout = steward_.layout();
  const NodeId self = NodeIdOf(options_.config->node_name);
  std::map<NodeId, std::size_t> partitions, copies;
  for (std::uint32_t p = 0; p < layout.ring().partition_count(); ++p) {
    ++partitions[layout.ring().OwnerOf(PartitionId(p))];
    for (const NodeId owner : layout.ring().OwnersOf(PartitionId(p), layout.replicas())) {
      ++copies[owner];
    }
  }
  Json members = Json::array();
  const auto add = [&](const Member& member, const char* state) {
    const MemberTable::Entry* const heard = gossip_.Find(member.id);
    // As it says itself, or else as it was let in.
    const auto now_at = [&](std::string MemberDescription::*field, const std::string& before) {
      const bool told = heard != nullptr && !(heard->description->fields().*field).empty();
      return told ? heard->description->fields().*field : before;
    };
    const auto count = [&](const std::map<NodeId, std::size_t>& of) {
      const auto it = of.find(member.id);
      return it == of.end() ? std::size_t{0} : it->second;
    };
    members.push_back({{"name", member.name},
                       {"id", member.id.value},
                       {"state", state},
                       {"life", heard != nullptr ? std::string(LifeName(heard->life)) : "unknown"},
                       {"linked", member.id == self || linked_.contains(member.id)},
                       {"incarnation", heard != nullptr ? heard->incarnation : 0},
                       {"address", now_at(&MemberDescription::peer_address, member.address)},
                       {"resp", now_at(&MemberDescription::resp_address, member.resp)},
                       {"http", now_at(&MemberDescription::http_address, member.http)},
                       {"protocol", ProtocolOf(heard)},
                       {"zone", member.zone},
                       {"region", member.region},
                       {"weight", member.weight},
                       {"partitions", count(partitions)},
                       {"copies", count(copies)},
                       {"self", member.id == self}});
  };
  for (const Member& member : layout.ring().members()) add(member, "member");
  for (const Member& member : layout.leaving()) add(member, "leaving");
  Json waiting = Json::array();
  for (const auto& [id, each] : waiting_) {
    if (layout.FindMember(id) != nullptr) continue;
    waiting.push_back({{"name", each.member.name},
                       {"address", each.member.address},
                       {"since_s", (now() - each.since).us / 1'000'000}});
  }
  const NodeStats stats = first().Stats();
  return Json({{"cluster", options_.config->cluster_id},
               {"lineage", std::to_string(layout.lineage().generation) + "." +
                               std::to_string(layout.lineage().founding)},
               {"number", layout.number().value},
               {"protocol",
                {{"version", steward_.ClusterVersion()}, {"needed", VersionNeededBy(layout)}}},
               {"digest", layout.Digest()},
               {"members", members},
               {"moving",
                {{"partitions", layout.moves().count()},
                 {"settled_since_commit", settled_},
                 {"arrived", steward_.arrivals_known()}}},
               {"transfers", TransfersArray(stats.transfers)},
               {"transfers_waiting", stats.transfers_waiting},
               {"staged", staged_texts_},
               {"drain", DrainJson(first(), options_.loops.size())},
               {"waiting", waiting}})
      .dump();
}

}  // namespace gyre
