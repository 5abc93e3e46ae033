// The part of PeerLinks that lets peers come and go while the node runs.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "net/peer_link.h"
#include "net/peer_links.h"

namespace gyre {

std::vector<std::unique_ptr<Peer>>::iterator PeerLinks::PlaceOf(NodeId id) {
  return std::lower_bound(
      peers_.begin(), peers_.end(), id,
      [](const std::unique_ptr<Peer>& peer, NodeId wanted) { return peer->config.id < wanted; });
}

Peer* PeerLinks::Find(NodeId id) {
  const auto place = PlaceOf(id);
  return place != peers_.end() && (*place)->config.id == id ? place->get() : nullptr;
}

Peer& PeerLinks::Insert(PeerAddress config) {
  GYRE_CHECK(config.id != options_.self && Find(config.id) == nullptr);
  const auto place = PlaceOf(config.id);
  auto peer = std::make_unique<Peer>();
  peer->we_dial = options_.self < config.id;
  peer->config = std::move(config);
  return **peers_.insert(place, std::move(peer));
}

void PeerLinks::AddPeer(PeerAddress config) {
  Peer& peer = Insert(std::move(config));
  if (started_ && peer.we_dial) DialMissing(peer);
  DismissGuest(peer.config.id);
}

void PeerLinks::RemovePeer(NodeId id) {
  const auto place = PlaceOf(id);
  if (place == peers_.end() || (*place)->config.id != id) return;
  const std::unique_ptr<Peer> peer = std::move(*place);
  peers_.erase(place);
  constexpr std::string_view kReason = "removed from this node's list of members";
  CutLinks(*peer, kReason);
  if (peer->told_up) owner_.OnPeerDown(id, kReason);
  UpdateGuest(id, kReason);
}

void PeerLinks::SetAddress(NodeId id, std::string address) {
  Peer* const peer = Find(id);
  if (peer == nullptr || peer->config.address == address) return;
  peer->config.address = std::move(address);
  if (!peer->we_dial) return;
  peer->down_reason = "moved to " + peer->config.address;
  CutLinks(*peer, peer->down_reason);
  if (started_) DialMissing(*peer);
  UpdatePeer(*peer);
  UpdateGuest(id, "its peer's link is dialed anew");
}

void PeerLinks::RequireVersion(std::uint16_t version) {
  if (version <= version_min_) return;
  version_min_ = version;
  for (std::size_t i = 0; i < peers_.size();) {
    Peer& peer = *peers_[i];
    const NodeId id = peer.config.id;
    if (peer.told_up && peer.version_max < version) {
      peer.down_reason = "does not speak protocol version " + std::to_string(version);
      CutLinks(peer, peer.down_reason);
      if (started_ && peer.we_dial) DialMissing(peer);
      UpdatePeer(peer);  // the owner, told of it, may remove the peer
    }
    if (i < peers_.size() && peers_[i]->config.id == id) ++i;
  }
}

// Also those on their way, and whatever waits to be dialed.
void PeerLinks::CutLinks(Peer& peer, std::string_view reason) {
  for (LinkSlot& slot : peer.slots) {
    reactor_.CancelTimer(std::exchange(slot.redial_timer, 0));
    slot.link = nullptr;
    slot.lookup = 0;
    slot.backoff.Reset();
  }
  for (PeerLink* link : links_) {
    if (link->peer != &peer) continue;
    link->peer = nullptr;
    link->state = PeerLink::State::kLeaving;
    reactor_.Abort(link->connection, reason);
  }
}

}  // namespace gyre
