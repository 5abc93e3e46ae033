#include "core/membership/steward.h"

#include <algorithm>

#include "base/codec.h"

namespace gyre {
namespace {

// First bytes of bodies; those of ballots are below (ballot_codec.h).
constexpr std::uint8_t kWant = 32;  // tell me your layout
constexpr std::uint8_t kNews = 33;  // flags, number, then partition and epoch of each arrival

// How many members, the first by id of those that can be reached, see to it that moves end.
constexpr std::size_t kSettlersMax = 2;
constexpr std::size_t kNewsBytesMin = 2;

bool Has(const std::vector<NodeId>& nodes, NodeId id) {
  return std::find(nodes.begin(), nodes.end(), id) != nodes.end();
}

}  // namespace

Result<std::optional<Layout>> LayoutAfter(const Layout& newest, const ClusterChange& change) {
  const Ring& ring = newest.ring();
  MemberChanges todo;
  for (const Member& member : change.members.joins) {
    if (ring.FindMember(member.id) == nullptr) todo.joins.push_back(member);
  }
  for (const NodeId id : change.members.leaves) {
    if (ring.FindMember(id) != nullptr) todo.leaves.push_back(id);
  }
  for (const Replacement& each : change.members.replacements) {
    if (ring.FindMember(each.old) != nullptr) todo.replacements.push_back(each);
  }
  for (const NewWeight& each : change.members.weights) {
    const Member* member = ring.FindMember(each.node);
    if (member != nullptr && member->weight != each.weight) todo.weights.push_back(each);
  }
  const bool removes = std::any_of(change.removed.begin(), change.removed.end(),
                                   [&](NodeId id) { return newest.FindMember(id) != nullptr; });
  const bool moves = !todo.joins.empty() || !todo.leaves.empty() || !todo.replacements.empty() ||
                     !todo.weights.empty();
  if (change.partition_bits > ring.partition_bits()) {
    if (moves || removes) {
      return Fail(ErrorCode::kInvalidArgument,
                  "a split goes alone: commit it, or the other changes, first");
    }
    Result<Layout> split = newest.Split();
    if (!split) return Fail(split.error());
    return std::optional<Layout>(*std::move(split));
  }
  if (!moves && !removes) return std::optional<Layout>();
  Result<Ring> target = moves ? ChangeRing(ring, todo, newest.replicas()) : Result<Ring>(ring);
  if (!target) return Fail(target.error());
  Result<Layout> after = newest.ChangeTo(*target, change.removed);
  if (!after) return Fail(after.error());
  return std::optional<Layout>(*std::move(after));
}

std::uint16_t VersionNeededBy(const Layout& layout) {
  const bool split = layout.ring().section_bits() != layout.ring().partition_bits();
  return split ? FirstVersionOf(Feature::kSplit) : kProtocolVersionMin;
}

Steward::Steward(const StewardConfig& config, NodeId self, Layout layout,
                 std::optional<AcceptorState> vote)
    : config_(config),
      self_(self),
      acceptor_(layout, std::move(vote)),
      proposer_(self, std::move(layout), config.proposer) {}

Instant Steward::NextWake() const { return std::min(next_look_, proposer_.next_wake()); }

// ---- messages ----------------------------------------------------------------------------------

void Steward::OnMessage(NodeId from, std::string_view body, Instant now, Prng& prng, Output& out) {
  if (body.empty()) return;
  const auto type = static_cast<std::uint8_t>(body.front());
  if (type == kWant) return TellLayout(from, out);
  if (type == kNews) return Hear(from, body.substr(1));
  Result<BallotMessage> message = DecodeBallot(body);
  if (!message) return;
  if (const auto* prepare = std::get_if<BallotPrepare>(&*message)) {
    LayoutAcceptor::Output votes;
    acceptor_.OnPrepare(from, *prepare, votes);
    FromAcceptor(votes, out);
  } else if (const auto* accept = std::get_if<BallotAccept>(&*message)) {
    LayoutAcceptor::Output votes;
    acceptor_.OnAccept(from, *accept, votes);
    FromAcceptor(votes, out);
  } else if (const auto* decided = std::get_if<BallotDecided>(&*message)) {
    if (Result<Layout> layout = Layout::Decode(decided->bytes)) Take(*std::move(layout), out);
  } else {
    LayoutProposer::Output proposal;
    proposer_.OnReply(from, *message, now, prng, proposal);
    FromProposer(proposal, now, prng, out);
  }
}

void Steward::OnGuestMessage(NodeId from, std::string_view body, Output& out) {
  if (body.size() == 1 && static_cast<std::uint8_t>(body.front()) == kWant) {
    return TellLayout(from, out);
  }
  Result<BallotMessage> message = DecodeBallot(body);
  const auto* decided = message ? std::get_if<BallotDecided>(&*message) : nullptr;
  if (decided == nullptr) return;
  if (Result<Layout> layout = Layout::Decode(decided->bytes)) Take(*std::move(layout), out);
}

// What the acceptor says to this node's own proposer, and the other way round, needs no link.
void Steward::SendAway(NodeId to, std::string body, Instant now, Prng& prng, Output& out) {
  if (to != self_) {
    out.sends.push_back({to, std::move(body)});
    return;
  }
  OnMessage(self_, body, now, prng, out);
}

void Steward::FromAcceptor(LayoutAcceptor::Output& votes, Output& out) {
  for (BallotSend& send : votes.sends) out.sends.push_back({send.to, EncodeBallot(send.message)});
  if (votes.store.empty()) return;
  out.stores.push_back({Output::Store::What::kVote, std::move(votes.store)});
  wanted_.push_back({Output::Store::What::kVote, votes.ticket, std::nullopt});
}

void Steward::FromProposer(LayoutProposer::Output& proposal, Instant now, Prng& prng, Output& out) {
  for (BallotSend& send : proposal.sends) {
    SendAway(send.to, EncodeBallot(send.message), now, prng, out);
  }
  if (proposal.decided) Take(*std::move(proposal.decided), out);
  if (!proposal.ended) return;
  if (in_order_) {
    out.answers.push_back({orders_.front().order, *proposal.ended});
    orders_.pop_front();
  }
  in_order_ = false;
}

// To be made durable, then gone by. Not that of a cluster founded apart: which of two goes on,
// people decide.
void Steward::Take(Layout layout, Output& out) {
  const Layout& newest = taken_ ? *taken_ : acceptor_.decided();
  if (layout.lineage().founding != newest.lineage().founding) return;
  if (!layout.IsNewerThan(newest)) return;
  if (VersionNeededBy(layout) > config_.version_max) return;
  out.stores.push_back({Output::Store::What::kLayout, layout.Encode()});
  wanted_.push_back({Output::Store::What::kLayout, 0, layout});
  taken_ = std::move(layout);
}

void Steward::OnStored(Instant now, Prng& prng, Output& out) {
  Wanted stored = std::move(wanted_.front());
  wanted_.pop_front();
  if (stored.what == Output::Store::What::kVote) {
    LayoutAcceptor::Output votes;
    acceptor_.OnStored(stored.ticket, votes);
    for (BallotSend& send : votes.sends) {
      SendAway(send.to, EncodeBallot(send.message), now, prng, out);
    }
    votes.sends.clear();
    return FromAcceptor(votes, out);
  }
  if (!stored.layout->IsNewerThan(acceptor_.decided())) return;
  std::vector<NodeId> concerned = acceptor_.decided().MemberIds();  // who is none any more, too
  acceptor_.OnDecided(*stored.layout);
  if (taken_ && !taken_->IsNewerThan(acceptor_.decided())) taken_.reset();
  out.adopted = std::make_shared<const Layout>(acceptor_.decided());
  const Moves& moves = acceptor_.decided().moves();
  std::erase_if(arrived_,
                [&](const auto& each) { return moves.FromOwners(std::get<0>(each)) == nullptr; });
  LayoutProposer::Output proposal;
  proposer_.OnDecided(acceptor_.decided(), now, prng, proposal);
  FromProposer(proposal, now, prng, out);
  for (const NodeId member : acceptor_.decided().MemberIds()) {
    if (!Has(concerned, member)) concerned.push_back(member);
  }
  for (const NodeId node : concerned) {
    if (up_.contains(node)) TellLayout(node, out);
  }
  next_look_ = now;
}

void Steward::TellLayout(NodeId to, Output& out) {
  out.sends.push_back({to, EncodeBallot(BallotDecided{layout().Encode()})});
}

void Steward::AskForLayout(NodeId from, Output& out) {
  out.sends.push_back({from, std::string(1, static_cast<char>(kWant))});
}

void Steward::OnPeerUp(NodeId peer, Output& out) {
  up_.insert(peer);
  TellLayout(peer, out);
}

// ---- moves that end ----------------------------------------------------------------------------

std::vector<NodeId> Steward::Settlers() const {
  std::vector<NodeId> settlers;
  for (const NodeId member : layout().MemberIds()) {
    if (settlers.size() == kSettlersMax) break;
    if (member == self_ || up_.contains(member)) settlers.push_back(member);
  }
  return settlers;
}

std::string Steward::OwnNews() const {
  const std::size_t entry = 4 + kVarintBytesMax;
  std::string bytes(2 + kVarintBytesMax + own_arrivals_.size() * entry, '\0');
  Writer out(bytes.data());
  out.U8(kNews);
  out.U8(holds_nothing_ ? 1 : 0);
  out.Varint(layout().number().value);
  for (const auto& [partition, epoch] : own_arrivals_) {
    out.U32(partition.value);
    out.Varint(epoch.value);
  }
  bytes.resize(static_cast<std::size_t>(out.position() - bytes.data()));
  return bytes;
}

void Steward::Hear(NodeId from, std::string_view body) {
  Reader in(body);
  const bool empty = in.U8() == 1;
  const RingEpoch number(in.Varint());
  if (!in.ok() || layout().FindMember(from) == nullptr) return;
  if (empty) {
    empty_since_[from] = number;
  } else {
    empty_since_.erase(from);
  }
  while (in.remaining() >= kNewsBytesMin) {
    const PartitionId partition(in.U32());
    const RingEpoch epoch(in.Varint());
    if (!in.ok() || partition.value >= layout().ring().partition_count()) return;
    if (layout().moves().FromOwners(partition) == nullptr) continue;
    if (layout().moves().EpochOf(partition) == epoch) arrived_.insert({partition, epoch, from});
  }
}

void Steward::Tell(Output& out) {
  const bool leaves = layout().ring().FindMember(self_) == nullptr;
  if (own_arrivals_.empty() && !leaves) return;
  const std::string news = OwnNews();
  for (const NodeId settler : Settlers()) {
    if (settler == self_) {
      Hear(self_, std::string_view(news).substr(1));
    } else {
      out.sends.push_back({settler, news});
    }
  }
}

Result<std::optional<Layout>> Steward::Settled(const Layout& newest) const {
  std::vector<PartitionId> settled;
  for (std::uint32_t p = 0; newest.moves().any() && p < newest.ring().partition_count(); ++p) {
    const PartitionId partition(p);
    if (newest.moves().FromOwners(partition) == nullptr) continue;
    const RingEpoch epoch = newest.moves().EpochOf(partition);
    const NodeList awaited = newest.Awaited(partition);
    if (std::all_of(awaited.begin(), awaited.end(), [&](NodeId node) {
          return arrived_.contains({partition, epoch, node});
        })) {
      settled.push_back(partition);
    }
  }
  if (!settled.empty()) return std::optional<Layout>(newest.Settle(settled));
  std::vector<NodeId> free;
  for (const Member& member : newest.leaving()) {
    // Said since it knows that it owns nothing any more.
    const auto empty = empty_since_.find(member.id);
    if (newest.Releasable(member.id) && empty != empty_since_.end() &&
        empty->second == newest.number()) {
      free.push_back(member.id);
    }
  }
  if (free.empty()) return std::optional<Layout>();
  return std::optional<Layout>(newest.Release(free));
}

// ---- versions ----------------------------------------------------------------------------------

std::uint16_t Steward::VersionOf(NodeId node) const {
  if (node == self_) return config_.version_max;
  const auto known = versions_.find(node);
  return known == versions_.end() ? kProtocolVersionMin : known->second;
}

std::uint16_t Steward::ClusterVersion() const {
  std::uint16_t lowest = config_.version_max;
  for (const NodeId member : layout().MemberIds()) lowest = std::min(lowest, VersionOf(member));
  return lowest;
}

// Who comes in while such a layout holds is asked for its version by the handshake.
Result<std::optional<Layout>> Steward::After(const Layout& newest,
                                             const ClusterChange& change) const {
  Result<std::optional<Layout>> after = LayoutAfter(newest, change);
  if (!after || !*after) return after;
  const std::uint16_t needed = VersionNeededBy(**after);
  if (needed <= VersionNeededBy(newest)) return after;
  std::string lacking;
  for (const NodeId member : newest.MemberIds()) {
    if (VersionOf(member) >= needed) continue;
    lacking += (lacking.empty() ? "" : ", ") + newest.FindMember(member)->name + " (" +
               std::to_string(VersionOf(member)) + ")";
  }
  if (lacking.empty()) return after;
  return Fail(ErrorCode::kUnsupported, "this needs protocol version " + std::to_string(needed) +
                                           " on every member; not yet, as far as is known: " +
                                           lacking + ". Upgrade and start these first");
}

// ---- orders ------------------------------------------------------------------------------------

bool Steward::Order(std::uint64_t order, ClusterChange change, Instant now, Prng& prng,
                    Output& out) {
  if (orders_.size() >= config_.orders_max) return false;
  orders_.push_back({order, std::move(change)});
  BeginNext(now, prng, out);
  return true;
}

// One proposal at a time: an operator's before what settles by itself.
void Steward::BeginNext(Instant now, Prng& prng, Output& out) {
  if (proposer_.busy() || layout().FindMember(self_) == nullptr) return;
  LayoutProposer::Output proposal;
  if (!orders_.empty()) {
    in_order_ = true;
    proposer_.Start([this, change = orders_.front().change](
                        const Layout& newest) { return After(newest, change); },
                    now, prng, proposal);
  } else {
    const std::vector<NodeId> settlers = Settlers();
    if (!Has(settlers, self_)) return;
    const Result<std::optional<Layout>> next = Settled(layout());
    if (!next || !*next) return;
    proposer_.Start([this](const Layout& newest) { return Settled(newest); }, now, prng, proposal);
  }
  FromProposer(proposal, now, prng, out);
}

void Steward::OnTick(Instant now, Prng& prng, Output& out) {
  LayoutProposer::Output proposal;
  if (proposer_.busy() && now >= proposer_.next_wake()) {
    proposer_.OnTick(now, prng, proposal);
    FromProposer(proposal, now, prng, out);
  }
  if (now >= next_look_) {
    Tell(out);
    next_look_ = now + config_.period;
  }
  BeginNext(now, prng, out);
}

}  // namespace gyre
