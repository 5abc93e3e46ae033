// The part of PeerLinks that decides who may talk, and which shard a link belongs to.
#include <algorithm>
#include <utility>

#include "net/handshake_check.h"
#include "net/peer_link.h"
#include "net/peer_links.h"

namespace gyre {

void PeerLinks::OnHandshake(PeerLink& link, const Handshake& handshake) {
  const Handshake ours = OwnHandshake(link.index);
  std::optional<std::string> objection = ObjectionTo(handshake, ours);
  if (!objection) objection = SecurityObjection(link, handshake);
  if (!objection && ComesAsGuest(link, handshake)) {
    if (options_.shard != kGuestShard) return HandOver(link, handshake, kGuestShard);
    if (const std::optional<std::string> problem = GuestObjection(link, handshake)) {
      return Refuse(link, link.peer, *problem);
    }
    return EstablishGuest(link, handshake);
  }
  if (!objection) objection = PeerObjectionTo(handshake, ours);
  if (!objection) objection = MembershipObjection(link, handshake);
  Peer* const peer = link.dialed ? link.peer : Find(handshake.node_id);
  if (objection) {
    Refuse(link, peer, *objection);
    if (FoundedApart(handshake, ours)) owner_.OnFoundedApart(handshake);
    return;
  }
  if (link.dialed) return Establish(link, *peer, handshake);

  const ShardId target(static_cast<std::uint16_t>(handshake.link_index % options_.shard_count));
  if (target == options_.shard) return Establish(link, *peer, handshake);
  HandOver(link, handshake, target);
}

void PeerLinks::HandOver(PeerLink& link, const Handshake& handshake, ShardId to) {
  link.state = PeerLink::State::kLeaving;
  Forget(link);
  link.Orphan();
  reactor_.Release(link.connection, [this, handshake, to,
                                     alive = std::weak_ptr<bool>(alive_)](ReleasedSocket socket) {
    if (!alive.expired()) owner_.HandOver(std::move(socket), handshake, to);
  });
}

void PeerLinks::Attach(ReleasedSocket socket, const Handshake& handshake) {
  PeerLink* attached = nullptr;
  const ConnectionFactory factory = AcceptFactory();
  reactor_.Adopt(std::move(socket), LimitsOfLinks(), [&](Connection& connection) {
    std::unique_ptr<ConnectionHandler> link = factory(connection);
    attached = static_cast<PeerLink*>(link.get());
    return link;
  });
  OnHandshake(*attached, handshake);
}

std::optional<std::string> PeerLinks::MembershipObjection(const PeerLink& link,
                                                          const Handshake& handshake) {
  const Peer* const named = Find(handshake.node_id);
  if (named == nullptr) {
    return "'" + handshake.node + "' is not in this node's list of members";
  }
  if (named->config.name != handshake.node) {
    return "it calls itself '" + handshake.node + "' with the id of '" + named->config.name + "'";
  }
  if (link.dialed) {
    if (named != link.peer) {
      return "at " + link.peer->config.address + " answers '" + handshake.node + "', not '" +
             link.peer->config.name + "'";
    }
    if (handshake.link_index == kRefusedLink) return "it refuses this node; its log says why";
    if (handshake.link_index == kGuestLink) return kTakenForAGuest;
    if (handshake.link_index != link.index) return "it answers for another link";
    return std::nullopt;
  }
  if (handshake.link_index == kGuestLink) return "it asks to be a guest, and none are let in";
  if (named->we_dial) return "it dials, where this node has to (the smaller id dials)";
  if (handshake.link_index >= std::max(handshake.shard_count, options_.shard_count)) {
    return "it dials link " + std::to_string(handshake.link_index) + ", more than there are";
  }
  return std::nullopt;
}

void PeerLinks::OnBadHandshake(PeerLink& link, const std::string& problem) {
  if (link.dialed) {
    Refuse(link, link.peer, "it does not speak this protocol: " + problem);
    return;
  }
  // No answer: whoever this is, it is no node of ours.
  link.state = PeerLink::State::kLeaving;
  NoteStranger(link, problem);
  reactor_.Abort(link.connection, problem);
}

void PeerLinks::Refuse(PeerLink& link, Peer* peer, const std::string& problem) {
  // The other side finds the same difference in our handshake, and can name it in its own log.
  if (!link.dialed) link.Send(EncodeHandshake(OwnHandshake(kRefusedLink)), now());
  link.state = PeerLink::State::kLeaving;
  link.problem = problem;
  if (peer != nullptr) {
    ++peer->stats.refused;
    NoteProblem(*peer, "peer_refused", problem);
  } else if (!link.dialed) {  // else the owner hears of it
    NoteStranger(link, problem);
  }
  link.connection.CloseAfterFlush();
}

// The newer handshake wins: a peer that dials a link which we think it has is one that restarted,
// or has noticed before us that the old one is dead.
void PeerLinks::Establish(PeerLink& link, Peer& peer, const Handshake& handshake) {
  link.peer = &peer;
  link.index = handshake.link_index;
  LinkSlot* const former = FindSlot(peer, link.index);
  if (former != nullptr && former->link != nullptr && former->link != &link) {
    Replace(peer, *former);
    if (link.peer == nullptr) return;  // the owner, told of it, has removed the peer
  }
  LinkSlot& slot = SlotOf(peer, link.index);
  slot.link = &link;
  if (!link.dialed) link.Send(EncodeHandshake(OwnHandshake(link.index)), now());
  const std::uint16_t version = std::min(handshake.version_max, options_.versions.max);
  if (version >= FirstVersionOf(Feature::kCompression) &&
      Covers(options_.compress, options_.self_region, peer.config.region)) {
    link.Compress();
  }
  link.state = PeerLink::State::kUp;
  link.started = link.last_heard = now();
  peer.shard_count = handshake.shard_count;
  peer.version_max = handshake.version_max;
  peer.stats.last_problem.clear();
  ++peer.stats.connects;
  if (std::exchange(slot.was_up, true)) ++peer.stats.reconnects;
  log_.Write(LogLevel::kInfo, "peer_link_up", "a link to a peer is up",
             {{"peer", peer.config.name},
              {"address", link.connection.peer_address()},
              {"link", link.index},
              {"version", version},
              {"compressed", link.compresses()}});
  if (peer.we_dial) DialMissing(peer);
  UpdatePeer(peer);
}

void PeerLinks::Replace(Peer& peer, LinkSlot& slot) {
  PeerLink& older = *std::exchange(slot.link, nullptr);
  older.state = PeerLink::State::kLeaving;
  peer.down_reason = "replaced by a newer link";
  log_.Write(LogLevel::kInfo, "peer_link_replaced", "a peer dialed a link that it had already",
             {{"peer", peer.config.name}, {"link", older.index}});
  reactor_.Abort(older.connection, peer.down_reason);
  UpdatePeer(peer);  // what was on its way there is lost: the owner hears of it
}

}  // namespace gyre
